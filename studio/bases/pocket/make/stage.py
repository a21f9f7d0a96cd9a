"""One resumable training stage: weights, optimizer and step, written whole or not at all."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import nn

from studio.bases.pocket.make.muon import Muon

SAVE_EVERY_SECONDS = 60


def rng_for(seed: int, step: int) -> np.random.Generator:
    """The draws of one step depend on nothing but the seed and the step, so a resume repeats them."""
    return np.random.default_rng((seed, step))


def cosine_with_warmup(step: int, steps: int, warmup_steps: int) -> float:
    """Factor on the learning rate: linear up to 1, then half a cosine down to 0.02."""
    if step < warmup_steps:
        return (step + 1) / warmup_steps
    done = min(1.0, (step - warmup_steps) / max(1, steps - warmup_steps))
    return 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * done))


class Stage:
    """Runs ``step_loss`` for a number of steps and keeps its state in one file.

    ``ema_decay`` > 0 keeps an exponential moving average of ``module`` (bias-corrected by a
    warm-up of the decay); it is what later stages read.
    """

    def __init__(
        self,
        name: str,
        folder: Path,
        module: nn.Module,
        learning_rate: float,
        steps: int,
        *,
        ema_decay: float = 0.0,
        warmup_steps: int = 100,
        weight_decay: float = 0.0,
        muon: bool = False,
    ) -> None:
        self.name, self.module, self.steps = name, module, steps
        self.learning_rate, self.warmup_steps = learning_rate, warmup_steps
        self.path = folder / f"{name}.pt"
        self.step = 0
        self.trained = [p for p in module.parameters() if p.requires_grad]
        self.optimizers = _optimizers(module, learning_rate, muon, weight_decay)
        self.ema_decay = ema_decay
        self.ema = {k: v.detach().clone() for k, v in module.state_dict().items()}
        if self.path.exists():
            self._load()

    def run(self, step_loss: Callable[[int], torch.Tensor]) -> None:
        """Train up to ``steps``; safe to kill at any moment and to call again."""
        started, saved, first = time.monotonic(), time.monotonic(), self.step
        running = 0.0
        while self.step < self.steps:
            factor = cosine_with_warmup(self.step, self.steps, self.warmup_steps)
            for group in (g for o in self.optimizers for g in o.param_groups):
                group["lr"] = self.learning_rate * factor
            loss = step_loss(self.step)
            loss.backward()
            nn.utils.clip_grad_norm_(self.trained, 1.0)
            for optimizer in self.optimizers:
                optimizer.step()
                optimizer.zero_grad(set_to_none=True)
            self.step += 1
            self._update_ema()
            running = 0.98 * running + 0.02 * loss.item() if running else loss.item()
            if self.step % 50 == 0:
                pace = (self.step - first) / (time.monotonic() - started)
                left = (self.steps - self.step) / pace / 60
                print(
                    f"{self.name} {self.step}/{self.steps} loss {running:.4f} "
                    f"{pace:.2f} steps/s, {left:.0f} min left",
                    flush=True,
                )
            if time.monotonic() - saved > SAVE_EVERY_SECONDS:
                self.save()
                saved = time.monotonic()
        self.save()

    def save(self) -> None:
        state = {
            "step": self.step,
            "module": self.module.state_dict(),
            "ema": self.ema,
            "optimizers": [o.state_dict() for o in self.optimizers],
        }
        self.path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self.path.with_suffix(".tmp")
        torch.save(state, temporary)
        temporary.replace(self.path)

    def _load(self) -> None:
        state = torch.load(self.path, weights_only=True)
        self.step = state["step"]
        self.module.load_state_dict(state["module"])
        self.ema = state["ema"]
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)

    @torch.no_grad()
    def _update_ema(self) -> None:
        decay = min(self.ema_decay, (1 + self.step) / (10 + self.step)) if self.ema_decay else 0.0
        for key, value in self.module.state_dict().items():
            self.ema[key].lerp_(value, 1 - decay) if value.is_floating_point() else None


def _optimizers(
    module: nn.Module, learning_rate: float, muon: bool, weight_decay: float
) -> list[torch.optim.Optimizer]:
    """AdamW; or Muon for matrices and kernels and AdamW for the rest, tables of embeddings included,
    whose rows are seen too seldom to be orthogonalised together.
    """
    tables = {id(m.weight) for m in module.modules() if isinstance(m, nn.Embedding)}
    trained = [p for p in module.parameters() if p.requires_grad]
    matrices = [p for p in trained if muon and p.ndim >= 2 and id(p) not in tables]
    chosen = {id(p) for p in matrices}
    rest = [p for p in trained if id(p) not in chosen]
    adamw = torch.optim.AdamW(rest, learning_rate, betas=(0.9, 0.99), weight_decay=weight_decay)
    return [adamw, Muon(matrices, learning_rate)] if matrices else [adamw]
