"""The loop with the LoRA plugin on a U-Net of two levels, fed with the same few latents again and again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import UNet2DConditionModel

from studio.bases.base_model import BaseModel
from studio.errors import StudioError
from studio.examples.batch import Batch
from studio.examples.tensor_store import content_digest
from studio.registry import plugin
from studio.training.fit import FitResult, FitSettings, fit
from studio.training.listeners import FitListener, StepReport
from studio.training.settings import (
    BudgetSettings,
    CheckpointSettings,
    OptimizerSettings,
    PrecisionSettings,
)
from studio.training.trainer import Trainer, TrainingContext

SEED = 5


class Killed(Exception):
    """What the recorder raises in the place of SIGKILL."""


class Recorder(FitListener):
    """Remembers what it hears; kills the run right after a step."""

    def __init__(self, kill_at_step: int = 0) -> None:
        self.steps: list[StepReport] = []
        self.checkpoints: list[int] = []
        self.warnings: list[str] = []
        self._kill_at_step = kill_at_step

    def on_step(self, report: StepReport) -> None:
        self.steps.append(report)
        if report.step == self._kill_at_step:
            raise Killed

    def on_checkpoint(self, step: int, folder: Path) -> None:
        self.checkpoints.append(step)

    def on_warning(self, message: str) -> None:
        self.warnings.append(message)


class FixedLoader:
    """Batches of the first latents, at other timesteps each time; stands for an ExampleLoader."""

    digest = "pictures"
    num_examples = 4

    def __init__(self, make_batch: Callable[..., Batch], batch_size: int) -> None:
        self._batch_size = batch_size
        self._make_batch = make_batch

    def batch(self, batch_number: int) -> Batch:
        views = [batch_number] * self._batch_size
        return self._make_batch(range(self._batch_size), views=views)


class Engine:
    """Runs `fit` on a fresh adapter each time; ``trainer`` is the one of the run in progress."""

    Recorder = Recorder
    Killed = Killed

    def __init__(self, base: BaseModel, make_batch: Callable[..., Batch], folder: Path) -> None:
        self.base = base
        self.folder = folder
        self.trainer: Trainer[Any]
        self._make_batch = make_batch

    def fit(
        self,
        run: str,
        listener: FitListener | None = None,
        *,
        steps: int = 4,
        dropout: float = 0.0,
        prepare: Callable[[Trainer[Any]], None] = lambda _: None,
        batch_size: int = 4,
        accumulation: int = 1,
        checkpoint_every: int = 100,
        sample_every: int = 0,
        **changes: Any,
    ) -> FitResult:
        """``prepare`` sees the trainer once its adapter is attached."""
        optimizer = OptimizerSettings(
            learning_rate=1e-2,
            train_batch_size=batch_size,
            gradient_accumulation_steps=accumulation,
        )
        settings = FitSettings(
            run_name=run,
            recipe_digest="recipe",
            seed=SEED,
            budget=BudgetSettings(steps=steps),
            optimizer=optimizer,
            precision=PrecisionSettings(**{"num_threads": 1} | changes.pop("precision", {})),
            checkpoints=CheckpointSettings(every_steps=checkpoint_every),
            sample_every_steps=sample_every,
        )
        loader: Any = FixedLoader(self._make_batch, batch_size)
        with self._attached(dropout) as groups:
            prepare(self.trainer)
            return fit(
                self.trainer,
                groups,
                loader,
                settings,
                self.folder / run,
                listeners=[listener] if listener else [],
                **changes,
            )

    def checkpoint_names(self, run: str) -> list[str]:
        return sorted(path.name for path in (self.folder / run).glob("step-*"))

    @staticmethod
    def digest(result: FitResult) -> str:
        return content_digest(result.adapter.tensors)

    @contextmanager
    def _attached(self, dropout: float) -> Iterator[Any]:
        lora = plugin("lora")
        context = TrainingContext(resolution_px=64, seed=SEED)
        self.trainer = lora.load()(lora.settings(rank=2, dropout=dropout), self.base, context)
        groups = self.trainer.attach()
        try:
            yield groups
        finally:
            for name, layer in list(self.base.unet.named_modules()):
                if hasattr(layer, "get_base_layer"):
                    self.base.unet.set_submodule(name, layer.get_base_layer())


@pytest.fixture
def engine(tiny_base: BaseModel, make_batch: Callable[..., Batch], tmp_path: Path) -> Engine:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        unet = UNet2DConditionModel(
            block_out_channels=(8, 16),
            down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
            up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
            layers_per_block=1,
            cross_attention_dim=tiny_base.unet.config.cross_attention_dim,
            attention_head_dim=2,
            norm_num_groups=4,
        )
    return Engine(replace(tiny_base, unet=unet.requires_grad_(False).eval()), make_batch, tmp_path)


@pytest.fixture
def one_line() -> Callable[[pytest.ExceptionInfo[StudioError]], str]:
    """An error's message, which must be one line."""

    def message(raised: pytest.ExceptionInfo[StudioError]) -> str:
        text = str(raised.value)
        assert "\n" not in text
        return text

    return message
