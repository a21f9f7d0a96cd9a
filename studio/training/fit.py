"""The training loop: one for every method."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from studio.adapters.adapter import Adapter
from studio.errors import Interrupted
from studio.examples.loader import ExampleLoader
from studio.training.budget import measure_steps, total_steps
from studio.training.checkpoints import CheckpointFolder, Fingerprint
from studio.training.divergence import diverged
from studio.training.environment import (
    gradient_checkpointing,
    make_accelerator,
    module_mode,
    torch_environment,
)
from studio.training.gradients import GradientPass
from studio.training.interruption import interruption
from studio.training.listeners import FitListener, Listeners, StartReport
from studio.training.memory_use import peak_memory_bytes, start_measuring
from studio.training.out_of_memory import MemoryShortage, dispensable
from studio.training.pauses import Sample, draw, exported, measure
from studio.training.randomness import RandomStreams
from studio.training.settings import (
    BudgetSettings,
    CheckpointSettings,
    OptimizerSettings,
    PrecisionSettings,
)
from studio.training.slowdown import SlowdownWatch, slowdown_warning
from studio.training.state import TrainingState, named_parameters
from studio.training.step_timer import StepTimer
from studio.training.trainer import ParamGroup, Trainer
from studio.training.validation import Validate

TOLERATED_SKIPS = 0.1
"""Share of a run's steps that fp16 may leave out without a word."""


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
        UserError: memory is too small even for one picture at once.
        StudioError: the loss, the gradient or the weights are not finite any more.
    """
    heard = Listeners(*listeners)
    device = trainer.base.device
    fingerprint = Fingerprint(settings.recipe_digest, loader.digest)
    checkpoints = CheckpointFolder(checkpoint_folder, settings.checkpoints.keep, fingerprint)
    precision, newest = settings.precision, checkpoints.newest_path
    shortage = MemoryShortage(settings.run_name, precision, newest)
    fail = partial(diverged, newest_checkpoint=newest, precision=precision, device=device)
    start_measuring(device)
    with _prepared(trainer, precision), interruption() as interrupt, shortage.told():
        state, gradients = _start(
            trainer,
            groups,
            loader,
            settings,
            checkpoints=checkpoints,
            heard=heard,
            shortage=shortage,
        )
        if validate and state.step == 0:
            _validate(validate, trainer, state, heard)
        timer, watch = StepTimer(settings.optimizer, state.total_steps), SlowdownWatch()
        while state.step < state.total_steps:
            pictures_at_once = gradients.micro_batch_size
            with timer:
                learning_rate = state.learning_rate
                loss = gradients.run(state.step)
                if not math.isfinite(loss) or not state.advance():
                    raise fail(state.step + 1, loss)
                trainer.after_step()
                state.update_average()
            heard.on_step(
                timer.report(
                    state.step,
                    loss,
                    learning_rate,
                    gradient_norm=state.gradient_norm,
                    peak_memory_bytes=peak_memory_bytes(device),
                )
            )
            halved = gradients.micro_batch_size != pictures_at_once
            _watch_pace(timer, watch, state.step, heard, device=device, anew=halved)

            finished = state.step == state.total_steps
            if validate and (finished or _due(state, settings.validate_every_steps)):
                _validate(validate, trainer, state, heard)
            # A size that was found is found once: whoever resumes must go on with it.
            worth_keeping = finished or interrupt.requested or halved
            is_due = worth_keeping or _due(state, settings.checkpoints.every_steps)
            if is_due and not _saved(state, gradients, checkpoints, heard):
                raise fail(state.step, loss)
            if interrupt.requested and not finished:
                raise Interrupted(
                    f"stopped at step {state.step} of {state.total_steps}; "
                    f"go on with: studio resume {settings.run_name}"
                )
            if sample and _due(state, settings.sample_every_steps):
                with dispensable(f"the samples of step {state.step}", heard.on_warning):
                    draw(sample, trainer, state)
        _tell_of_skipped_steps(state, heard)
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
    shortage: MemoryShortage,
) -> tuple[TrainingState, GradientPass]:
    """The state to go on from: the newest checkpoint's, or that of a new run of a length now fixed."""
    optimizer = settings.optimizer
    accelerator = make_accelerator(settings.precision, trainer.base.device)
    saved = checkpoints.newest(heard.on_warning)
    gradients = GradientPass(
        trainer,
        loader,
        accelerator,
        RandomStreams(settings.seed),
        parameters=named_parameters(groups).values(),
        batch_size=optimizer.train_batch_size,
        accumulation_steps=optimizer.gradient_accumulation_steps,
        shortage=shortage,
        tell=heard.on_warning,
        micro_batch_size=saved.micro_batch_size if saved else None,
    )
    length = saved.total_steps if saved else _length(settings, loader.num_examples, gradients)
    state = TrainingState(groups, optimizer, length, accelerator)
    if saved:
        state.restore(saved)
    elif settings.budget.minutes:
        # A length that was measured is measured once: whoever resumes must find it.
        _saved(state, gradients, checkpoints, heard)
    pictures = optimizer.train_batch_size * optimizer.gradient_accumulation_steps
    heard.on_start(StartReport(state.step, length, loader.num_examples, pictures))
    return state, gradients


def _length(settings: FitSettings, num_images: int, gradients: GradientPass) -> int:
    def rehearse(step: int) -> None:
        gradients.run(step)
        gradients.forget()

    optimizer = settings.optimizer
    planned = total_steps(
        settings.budget,
        num_images,
        optimizer.train_batch_size,
        optimizer.gradient_accumulation_steps,
    )
    return planned or measure_steps(settings.budget.minutes or 0, rehearse)


def _saved(
    state: TrainingState,
    gradients: GradientPass,
    checkpoints: CheckpointFolder,
    heard: FitListener,
) -> bool:
    """Write a checkpoint, of which nothing is left in memory; False, and none, where weights are lost."""
    checkpoint = replace(state.checkpoint(), micro_batch_size=gradients.micro_batch_size)
    if not checkpoint.is_finite:
        return False
    heard.on_checkpoint(state.step, checkpoints.save(checkpoint))
    return True


def _validate(
    validate: Validate, trainer: Trainer[Any], state: TrainingState, heard: FitListener
) -> None:
    with dispensable(f"the validation of step {state.step}", heard.on_warning):
        heard.on_validation(measure(validate, trainer, state))


def _watch_pace(
    timer: StepTimer,
    watch: SlowdownWatch,
    step: int,
    heard: FitListener,
    *,
    device: torch.device,
    anew: bool,
) -> None:
    if anew:
        timer.restart()
        watch.restart()
    elif not timer.after_pause and (phase := watch.add(step, timer.seconds)):
        heard.on_warning(slowdown_warning(phase, device))


def _tell_of_skipped_steps(state: TrainingState, heard: FitListener) -> None:
    if state.skipped_steps > TOLERATED_SKIPS * state.total_steps:
        heard.on_warning(
            f"fp16 left out {state.skipped_steps} of {state.total_steps} steps, whose gradients "
            "overflowed; precision.mixed_precision: bf16 or no leaves out none"
        )


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
