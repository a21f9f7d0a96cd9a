"""The loop, with the LoRA plugin on a tiny base: exact resume above all."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import UNet2DConditionModel

from studio.adapters.adapter import Adapter
from studio.bases.base_model import BaseModel
from studio.curation.settings import DatasetSettings
from studio.errors import Interrupted, RunError, StudioError
from studio.examples.encoding import encode_examples
from studio.examples.example import Example
from studio.examples.loader import ExampleLoader
from studio.examples.tensor_store import content_digest
from studio.registry import plugin
from studio.training.diffusion import denoising_loss
from studio.training.fit import FitResult, FitSettings, fit
from studio.training.listeners import FitListener, StartReport, StepReport, ValidationReport
from studio.training.objective import Objective
from studio.training.randomness import RandomStreams
from studio.training.settings import (
    BudgetSettings,
    CheckpointSettings,
    OptimizerSettings,
    PrecisionSettings,
    ValidationSettings,
)
from studio.training.trainer import TrainingContext
from studio.training.validation import Validation, held_out_settings

SEED = 11
DATASET = DatasetSettings(source="pictures", flip_probability=0.5, caption_dropout=0.3)
OPTIMIZER = OptimizerSettings(
    learning_rate=1e-2, train_batch_size=2, gradient_accumulation_steps=2, ema_decay=0.9
)


class Recorder(FitListener):
    """Remembers what it hears; may do something at a step."""

    def __init__(self, at_step: int = 0, action: Callable[[], None] | None = None) -> None:
        self.starts: list[StartReport] = []
        self.steps: list[StepReport] = []
        self.validations: list[ValidationReport] = []
        self.checkpoints: list[int] = []
        self.warnings: list[str] = []
        self.ends: list[int] = []
        self._at_step = at_step
        self._action = action

    def on_start(self, report: StartReport) -> None:
        self.starts.append(report)

    def on_step(self, report: StepReport) -> None:
        self.steps.append(report)
        if self._action and report.step == self._at_step:
            self._action()

    def on_validation(self, report: ValidationReport) -> None:
        self.validations.append(report)

    def on_checkpoint(self, step: int, folder: Path) -> None:
        assert folder.is_dir()
        self.checkpoints.append(step)

    def on_warning(self, message: str) -> None:
        self.warnings.append(message)

    def on_end(self, step: int) -> None:
        self.ends.append(step)


class Killed(Exception):
    """What a listener raises in the place of SIGKILL: the loop stops where it stands."""


def kill() -> None:
    raise Killed


class Lab:
    """Runs `fit` again and again on fresh copies of everything but the disk."""

    def __init__(self, base: BaseModel, examples: list[Example], folder: Path) -> None:
        self.base = base
        self.folder = folder
        self._pristine = [
            {k: v.clone() for k, v in m.state_dict().items()}
            for m in (base.unet, base.text_encoder)
        ]
        self._examples = examples

    def fit(self, run: str, listener: FitListener | None = None, **changes: Any) -> FitResult:
        lora = plugin("lora")
        trainer_settings = {"rank": 2, "dropout": 0.2} | changes.pop("trainer", {})
        context = TrainingContext(resolution_px=64, seed=SEED)
        trainer = lora.load()(lora.settings(**trainer_settings), self.base, context)
        streams = RandomStreams(SEED)
        encoded = encode_examples(
            changes.pop("examples", self._examples),
            self.base,
            DATASET,
            self.folder / "cache",
            encode_text=not trainer.trains_text_encoder,
        )
        loader = ExampleLoader(encoded, OPTIMIZER.train_batch_size, streams, torch.device("cpu"))
        sample, validate = changes.pop("sample", None), changes.pop("validate", None)
        settings = FitSettings(
            **{
                "run_name": run,
                "recipe_digest": "recipe",
                "seed": SEED,
                "budget": BudgetSettings(steps=12),
                "optimizer": OPTIMIZER,
                "precision": PrecisionSettings(num_threads=1),
                "checkpoints": CheckpointSettings(every_steps=4),
                "sample_every_steps": 3,
            }
            | changes
        )
        listeners = [listener] if listener else []
        groups = trainer.attach()
        try:
            return fit(
                trainer,
                groups,
                loader,
                settings,
                self.folder / run,
                listeners=listeners,
                sample=sample,
                validate=validate,
            )
        finally:
            for name, module in list(self.base.unet.named_modules()) + list(
                self.base.text_encoder.named_modules()
            ):
                assert not module.training, f"{name} was left in train mode"
            self._strip()

    def validation(self) -> Validation:
        """The loss on one of the pictures; which of them are held out is not the loop's matter."""
        encoded = encode_examples(
            self._examples[:1],
            self.base,
            held_out_settings(DATASET),
            self.folder / "cache",
            encode_text=True,
        )
        settings = ValidationSettings(timesteps=(200, 800))
        return Validation(self.base, encoded, settings, Objective(), RandomStreams(SEED))

    def _strip(self) -> None:
        """A fresh process has a fresh base: take peft's layers out again."""
        for module, pristine in zip(
            (self.base.unet, self.base.text_encoder), self._pristine, strict=True
        ):
            for name, layer in list(module.named_modules()):
                if hasattr(layer, "get_base_layer"):
                    module.set_submodule(name, layer.get_base_layer())
            assert content_digest(module.state_dict()) == content_digest(pristine)


@pytest.fixture
def lab(tiny_base: BaseModel, tiny_examples: list[Example], tmp_path: Path) -> Lab:
    """With a U-Net of two levels, for the loop cares for no module tree and takes a quarter of the time."""
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
    small = replace(tiny_base, unet=unet.requires_grad_(False).eval())
    return Lab(small, tiny_examples, tmp_path)


def digest(result: FitResult) -> str:
    return content_digest(result.adapter.tensors)


def disturb(adapter: Adapter, step: int) -> None:
    """A sample hook that behaves as badly as it may."""
    assert adapter.header.steps == step
    torch.manual_seed(99)
    torch.rand(5)


def test_a_killed_run_resumes_to_the_same_bytes(lab: Lab) -> None:
    straight = lab.fit("straight", sample=disturb)
    assert straight.steps == 12

    with pytest.raises(Killed):
        lab.fit(
            "killed",
            Recorder(5, kill),
            sample=disturb,
            validate=lab.validation(),
            validate_every_steps=2,
        )
    with pytest.raises(Killed):
        lab.fit("killed", second := Recorder(9, kill), sample=disturb)
    third = Recorder()
    resumed = lab.fit("killed", third)

    assert second.starts[0].first_step == 4
    assert third.starts[0].first_step == 8
    assert digest(resumed) == digest(straight)


def test_text_encoder_and_dora_resume_to_the_same_bytes(lab: Lab) -> None:
    trainer = {"train_text_encoder": True, "use_dora": True, "text_encoder_learning_rate": 1e-3}
    budget = BudgetSettings(steps=4)
    every = CheckpointSettings(every_steps=1)
    straight = lab.fit("straight", trainer=trainer, budget=budget, checkpoints=every)
    with pytest.raises(Killed):
        lab.fit("killed", Recorder(3, kill), trainer=trainer, budget=budget, checkpoints=every)
    resumed = lab.fit("killed", trainer=trainer, budget=budget, checkpoints=every)
    assert digest(resumed) == digest(straight)
    assert {name.partition(".")[0] for name in straight.adapter.tensors} == {"unet", "text_encoder"}


def test_ctrl_c_finishes_the_step_and_keeps_it(lab: Lab) -> None:
    straight = lab.fit("straight")
    recorder = Recorder(2, lambda: signal.raise_signal(signal.SIGINT))
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(
        Interrupted, match="stopped at step 2 of 12; go on with: studio resume mine"
    ):
        lab.fit("mine", recorder)
    assert signal.getsignal(signal.SIGINT) is before
    assert recorder.checkpoints == [2]
    assert digest(lab.fit("mine")) == digest(straight)


def test_a_second_ctrl_c_aborts_at_once(lab: Lab) -> None:
    def twice() -> None:
        signal.raise_signal(signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)

    recorder = Recorder(2, twice)
    with pytest.raises(KeyboardInterrupt):
        lab.fit("mine", recorder)
    assert recorder.checkpoints == []


def test_a_run_in_another_thread_leaves_signals_alone(lab: Lab) -> None:
    results: list[FitResult] = []
    budget = BudgetSettings(steps=1)
    thread = threading.Thread(target=lambda: results.append(lab.fit("run", budget=budget)))
    thread.start()
    thread.join()
    assert results[0].steps == 1


def test_a_torn_checkpoint_is_passed_over(lab: Lab) -> None:
    straight = lab.fit("straight")
    with pytest.raises(Killed):
        lab.fit("torn", Recorder(9, kill))
    newest = lab.folder / "torn" / "step-000008" / "optimizer.pt"
    newest.write_bytes(newest.read_bytes()[:-10])
    recorder = Recorder()
    resumed = lab.fit("torn", recorder)
    assert recorder.starts[0].first_step == 4
    assert recorder.warnings == [
        "checkpoint step-000008 is damaged; going on from the one before it"
    ]
    assert digest(resumed) == digest(straight)


def test_a_checkpoint_of_something_else_is_refused(lab: Lab, tiny_examples: list[Example]) -> None:
    lab.fit("run", budget=BudgetSettings(steps=1))
    with pytest.raises(RunError, match="another recipe"):
        lab.fit("run", recipe_digest="other")
    with pytest.raises(RunError, match="another set of pictures"):
        lab.fit("run", examples=tiny_examples[:4])


def test_only_the_newest_checkpoints_are_kept(lab: Lab) -> None:
    leftover = lab.folder / "run" / ".step-000002.abc.tmp"
    leftover.mkdir(parents=True)
    every = CheckpointSettings(every_steps=1, keep=2)
    recorder = Recorder()
    lab.fit("run", recorder, budget=BudgetSettings(steps=4), checkpoints=every)
    assert recorder.checkpoints == [1, 2, 3, 4]
    assert sorted(p.name for p in (lab.folder / "run").iterdir()) == ["step-000003", "step-000004"]


def test_a_finished_run_hands_over_its_adapter_again(lab: Lab) -> None:
    once = lab.fit("run", budget=BudgetSettings(steps=2))
    recorder = Recorder()
    again = lab.fit("run", recorder, budget=BudgetSettings(steps=2))
    assert digest(again) == digest(once)
    assert recorder.steps == []
    assert recorder.ends == [2]


def test_batch_and_accumulation_are_two_ways_to_the_same_gradient(lab: Lab) -> None:
    """Four pictures in one batch or in two: one bucket only, so that the pictures are the same."""
    square = lab._examples[:2]
    adapters = []
    for batch_size, accumulation in ((4, 1), (2, 2)):
        optimizer = OptimizerSettings(
            train_batch_size=batch_size, gradient_accumulation_steps=accumulation
        )
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(f"{__name__}.OPTIMIZER", optimizer)
            result = lab.fit(
                f"run{batch_size}",
                examples=square,
                optimizer=optimizer,
                budget=BudgetSettings(steps=2),
                trainer={"dropout": 0.0},
            )
        adapters.append(result.adapter.tensors)
    for name, tensor in adapters[0].items():
        torch.testing.assert_close(tensor, adapters[1][name], atol=2e-5, rtol=1e-3)


def test_the_average_is_exported_and_differs_from_the_last_weights(lab: Lab) -> None:
    budget = BudgetSettings(steps=3)
    averaged = lab.fit("averaged", budget=budget)
    optimizer = OPTIMIZER.model_copy(update={"ema_decay": 0.0})
    last = lab.fit("last", budget=budget, optimizer=optimizer)
    assert digest(averaged) != digest(last)


def test_a_loss_that_is_no_number_stops_the_run(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = 0

    def spoiled(*arguments: Any) -> torch.Tensor:
        nonlocal calls
        calls += 1
        loss = denoising_loss(*arguments)
        return loss * float("nan") if calls > 2 * 5 else loss

    monkeypatch.setattr("studio.training.trainer.denoising_loss", spoiled)
    with pytest.raises(StudioError, match=r"diverged at step 6.*the last checkpoint is .*000004"):
        lab.fit("run")


def test_minutes_become_steps_that_a_resume_repeats(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    def six_steps(_minutes: float, rehearse: Callable[[int], object]) -> int:
        rehearse(0)
        rehearse(1)
        return 6

    def never(*_: object) -> int:
        raise AssertionError("measured again")

    straight = lab.fit("straight", budget=BudgetSettings(steps=6))
    monkeypatch.setattr("studio.training.fit.measure_steps", six_steps)
    minutes = BudgetSettings(minutes=1)
    recorder = Recorder(2, kill)
    with pytest.raises(Killed):
        lab.fit("timed", recorder, budget=minutes)
    assert recorder.starts[0].total_steps == 6
    monkeypatch.setattr("studio.training.fit.measure_steps", never)
    assert digest(lab.fit("timed", budget=minutes)) == digest(straight)


@pytest.mark.parametrize(
    "precision",
    [
        PrecisionSettings(num_threads=1, mixed_precision="bf16"),
        PrecisionSettings(num_threads=1, gradient_checkpointing=True),
    ],
)
def test_precision_and_checkpointing_train_too(lab: Lab, precision: PrecisionSettings) -> None:
    trainer = {"train_text_encoder": True}
    result = lab.fit("run", precision=precision, trainer=trainer, budget=BudgetSettings(steps=2))
    assert all(tensor.isfinite().all() for tensor in result.adapter.tensors.values())
    assert all(tensor.dtype == torch.float32 for tensor in result.adapter.tensors.values())
    assert not lab.base.unet.is_gradient_checkpointing


def test_gradient_checkpointing_changes_no_number(lab: Lab) -> None:
    budget = BudgetSettings(steps=2)
    plain = lab.fit("plain", budget=budget)
    less_memory = PrecisionSettings(num_threads=1, gradient_checkpointing=True)
    checkpointed = lab.fit("checkpointed", budget=budget, precision=less_memory)
    for name, tensor in plain.adapter.tensors.items():
        torch.testing.assert_close(tensor, checkpointed.adapter.tensors[name])


def test_reports_add_up(lab: Lab) -> None:
    recorder = Recorder()
    lab.fit("run", recorder, budget=BudgetSettings(steps_per_image=2))
    assert recorder.starts == [StartReport(0, 3, num_images=5, images_per_step=4)]
    assert [report.step for report in recorder.steps] == [1, 2, 3]
    assert all(report.total_steps == 3 and report.loss > 0 for report in recorder.steps)
    assert recorder.steps[-1].eta_seconds == 0
    assert recorder.steps[0].eta_seconds > 0
    assert recorder.ends == [3]


def test_the_sampler_sees_a_clean_base(lab: Lab) -> None:
    pristine = content_digest(lab.base.unet.state_dict())
    seen: list[int] = []

    def sample(adapter: Adapter, step: int) -> None:
        assert content_digest(lab.base.unet.state_dict()) == pristine
        assert not lab.base.unet.training
        assert not torch.is_grad_enabled()
        with plugin("lora").load().apply(adapter, lab.base):
            assert content_digest(lab.base.unet.state_dict()) != pristine
        seen.append(step)

    lab.fit("run", sample=sample, budget=BudgetSettings(steps=6))
    assert seen == [3, 6]


def test_validation_comes_before_during_and_after_and_changes_no_byte(lab: Lab) -> None:
    budget = BudgetSettings(steps=5)
    unwatched = lab.fit("unwatched", budget=budget)
    recorder, validate = Recorder(), lab.validation()

    def misbehaving(step: int) -> ValidationReport:
        assert not any(module.training for module in lab.base.unet.modules())
        assert not torch.is_grad_enabled()
        torch.manual_seed(99)
        return validate(step)

    watched = lab.fit(
        "watched", recorder, budget=budget, validate=misbehaving, validate_every_steps=2
    )
    assert [report.step for report in recorder.validations] == [0, 2, 4, 5]
    assert digest(watched) == digest(unwatched)


def test_validation_measures_what_is_exported(lab: Lab) -> None:
    """The moving average, as the exported adapter does it on a clean base; before training, the base."""
    recorder, validate = Recorder(), lab.validation()
    clean = validate(0)
    result = lab.fit("run", recorder, budget=BudgetSettings(steps=4), validate=validate)
    with plugin("lora").load().apply(result.adapter, lab.base):
        exported = validate(4)
    before, after = recorder.validations
    assert before == clean
    assert after.loss == pytest.approx(exported.loss, rel=1e-4)
    assert after.loss != pytest.approx(clean.loss, rel=1e-3)


def test_a_resumed_run_is_not_measured_from_the_start_again(lab: Lab) -> None:
    with pytest.raises(Killed):
        lab.fit("run", Recorder(5, kill), budget=BudgetSettings(steps=6))
    recorder = Recorder()
    lab.fit("run", recorder, budget=BudgetSettings(steps=6), validate=lab.validation())
    assert [report.step for report in recorder.validations] == [6]
