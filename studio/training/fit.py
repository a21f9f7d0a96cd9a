"""The training loop: one for every method."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from studio.adapters.adapter import Adapter
from studio.errors import Interrupted, StudioError
from studio.examples.loader import ExampleLoader
from studio.training.budget import measure_steps, total_steps
from studio.training.checkpoints import CheckpointFolder, Fingerprint
from studio.training.environment import (
    gradient_checkpointing,
    make_accelerator,
    module_mode,
    torch_environment,
)
from studio.training.gradients import GradientPass
from studio.training.interruption import interruption
from studio.training.listeners import FitListener, Listeners, StartReport
from studio.training.pauses import Sample, draw, exported, measure
from studio.training.randomness import RandomStreams
from studio.training.settings import (
    BudgetSettings,
    CheckpointSettings,
    OptimizerSettings,
    PrecisionSettings,
)
from studio.training.state import TrainingState, named_parameters
from studio.training.step_timer import StepTimer
from studio.training.trainer import ParamGroup, Trainer
from studio.training.validation import Validate


@dataclass(frozen=True)
class FitSettings:
    """What of a recipe concerns the loop.

    Attributes:
        run_name: for the message that says how to go on after Ctrl-C.
        recipe_digest: SHA-256 of the locked recipe; checkpoints of another one are refused.
        sample_every_steps: optimizer steps between samples; 0 draws none.
        validate_every_steps: optimizer steps between validations; 0: only before and after.
    """

    run_name: str
    recipe_digest: str
    seed: int
    budget: BudgetSettings
    optimizer: OptimizerSettings
    precision: PrecisionSettings
    checkpoints: CheckpointSettings
    sample_every_steps: int = 0
    validate_every_steps: int = 0


@dataclass(frozen=True)
class FitResult:
    """What training ends in.

    Attributes:
        adapter: the trained adapter: the average where the recipe asks for one.
        steps: optimizer steps behind it, also those before a resume.
    """

    adapter: Adapter
    steps: int


def fit(
    trainer: Trainer[Any],
    groups: Sequence[ParamGroup],
    loader: ExampleLoader,
    settings: FitSettings,
    checkpoint_folder: Path,
    *,
    listeners: Sequence[FitListener] = (),
    sample: Sample | None = None,
    validate: Validate | None = None,
) -> FitResult:
    """Train until the budget is used up, from the newest checkpoint where there is one.

    Step k is a pure function of the weights before it and of (seed, k). So a run that was stopped, in
    whatever way, and started again ends in the same bytes, on the CPU and with deterministic kernels.

    Each step in this order: gradient, its shortening, optimizer, lr_scheduler, ``trainer.after_step``,
    moving average, ``on_step``. So `after_step` sees, and may change, the weights at which the next
    gradient is taken, and the average is of what it leaves. Then what is due of validation, checkpoint
    and sample.

    Args:
        groups: what ``trainer.attach()`` returned.
        loader: made with ``optimizer.train_batch_size`` and the run's random streams.
        checkpoint_folder: e.g. ``runs/demo/checkpoints``; a new run's is empty or not there yet.
        listeners: told of every step; see `FitListener`.
        sample: called every ``sample_every_steps``.
        validate: called every ``validate_every_steps``, and before the first step and after the last.

    Raises:
        Interrupted: Ctrl-C; a checkpoint of the last whole step is written.
        RunError: the checkpoints there belong to another recipe or to other pictures.
        StudioError: the loss is not a number any more.
    """
    heard = Listeners(*listeners)
    fingerprint = Fingerprint(settings.recipe_digest, loader.digest)
    checkpoints = CheckpointFolder(checkpoint_folder, settings.checkpoints.keep, fingerprint)
    with _prepared(trainer, settings.precision), interruption() as interrupt:
        state, gradients = _start(
            trainer, groups, loader, settings, checkpoints=checkpoints, heard=heard
        )
        if validate and state.step == 0:
            heard.on_validation(measure(validate, trainer, state))
        timer = StepTimer(settings.optimizer, state.total_steps)
        while state.step < state.total_steps:
            with timer:
                learning_rate = state.learning_rate
                loss = gradients.run(state.step)
                if not math.isfinite(loss) or not state.advance():
                    raise StudioError(_diverged(state.step + 1, loss, checkpoints))
                trainer.after_step()
                state.update_average()
            heard.on_step(timer.report(state.step, loss, learning_rate, state.gradient_norm))

            finished = state.step == state.total_steps
            if validate and (finished or _due(state, settings.validate_every_steps)):
                heard.on_validation(measure(validate, trainer, state))
            if finished or interrupt.requested or _due(state, settings.checkpoints.every_steps):
                heard.on_checkpoint(state.step, checkpoints.save(state.checkpoint()))
            if interrupt.requested and not finished:
                raise Interrupted(
                    f"stopped at step {state.step} of {state.total_steps}; "
                    f"go on with: studio resume {settings.run_name}"
                )
            if sample and _due(state, settings.sample_every_steps):
                draw(sample, trainer, state)
        heard.on_end(state.step)
        return FitResult(exported(trainer, state), state.step)


def _start(
    trainer: Trainer[Any],
    groups: Sequence[ParamGroup],
    loader: ExampleLoader,
    settings: FitSettings,
    *,
    checkpoints: CheckpointFolder,
    heard: FitListener,
) -> tuple[TrainingState, GradientPass]:
    """The state to go on from: the newest checkpoint's, or that of a new run of a length now fixed."""
    optimizer = settings.optimizer
    accelerator = make_accelerator(settings.precision, trainer.base.device)
    streams = RandomStreams(settings.seed)
    accumulation_steps = optimizer.gradient_accumulation_steps
    gradients = GradientPass(trainer, loader, accelerator, streams, accumulation_steps)
    saved = checkpoints.newest(heard.on_warning)
    length = (
        saved.total_steps if saved else _length(settings, loader.num_examples, groups, gradients)
    )
    state = TrainingState(groups, optimizer, length, accelerator)
    if saved:
        state.restore(saved)
    elif settings.budget.minutes:
        # A length that was measured is measured once: whoever resumes must find it.
        heard.on_checkpoint(0, checkpoints.save(state.checkpoint()))
    pictures = optimizer.train_batch_size * accumulation_steps
    heard.on_start(StartReport(state.step, length, loader.num_examples, pictures))
    return state, gradients


def _length(
    settings: FitSettings, num_images: int, groups: Sequence[ParamGroup], gradients: GradientPass
) -> int:
    def rehearse(step: int) -> None:
        gradients.run(step)
        for parameter in named_parameters(groups).values():
            parameter.grad = None

    optimizer = settings.optimizer
    planned = total_steps(
        settings.budget,
        num_images,
        optimizer.train_batch_size,
        optimizer.gradient_accumulation_steps,
    )
    return planned or measure_steps(settings.budget.minutes or 0, rehearse)


def _due(state: TrainingState, every_steps: int) -> bool:
    return every_steps > 0 and state.step % every_steps == 0


@contextmanager
def _prepared(trainer: Trainer[Any], precision: PrecisionSettings) -> Iterator[None]:
    """Process and modules as training wants them, for the length of the run."""
    base = trainer.base
    trained = [base.unet, *(base.text_encoders if trainer.trains_text_encoder else ())]
    with torch_environment(precision), module_mode(*trained, training=True), ExitStack() as stack:
        if precision.gradient_checkpointing:
            for module in trained:
                stack.enter_context(gradient_checkpointing(module))
        yield


def _diverged(step: int, loss: float, checkpoints: CheckpointFolder) -> str:
    newest = checkpoints.newest_path()
    kept = f"the last checkpoint is {newest}" if newest else "there is no checkpoint yet"
    return (
        f"training diverged at step {step}: the loss is {loss:.4g} and it or its gradient is not "
        f"finite; {kept}; lower optimizer.learning_rate and train anew"
    )
