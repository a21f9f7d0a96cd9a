"""The process-wide switches of torch, set for a block and put back after it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from accelerate.accelerator import Accelerator
from accelerate.state import AcceleratorState
from torch import nn

from studio.errors import UserError
from studio.training.settings import PrecisionSettings


@contextmanager
def torch_environment(precision: PrecisionSettings) -> Iterator[None]:
    """Threads and deterministic kernels as the recipe asks."""
    threads = torch.get_num_threads()
    deterministic = torch.are_deterministic_algorithms_enabled()
    benchmark = torch.backends.cudnn.benchmark
    torch.set_num_threads(precision.num_threads or threads)
    if precision.deterministic:
        # cuBLAS reads this when it starts; without it torch refuses deterministic matrix products.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True)
        torch.backends.cudnn.benchmark = False
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(deterministic)
        torch.backends.cudnn.benchmark = benchmark


def make_accelerator(precision: PrecisionSettings, device: torch.device) -> Accelerator:
    """The handle of accelerate on precision and loss scaling, for modules already on their device.

    Raises:
        UserError: the device does not do the recipe's mixed precision; or started as one of several
            processes, which would all train the same run.
    """
    # accelerate keeps its choices for the whole process; a second run here may want others.
    AcceleratorState._reset_state(reset_partial_state=True)
    try:
        accelerator = Accelerator(
            mixed_precision=precision.mixed_precision,
            cpu=device.type == "cpu",
            device_placement=False,
        )
    except ValueError as error:
        raise UserError(
            f"precision.mixed_precision: {precision.mixed_precision} does not work on {device.type} "
            f"({error}); use no"
        ) from error
    if accelerator.num_processes > 1:
        raise UserError(
            f"started as {accelerator.num_processes} processes, but a run trains in one; "
            "start studio without a launcher"
        )
    if precision.mixed_precision == "fp16" and device.type == "cpu":
        _enable_fp16_on_the_cpu(accelerator)
    return accelerator


def _enable_fp16_on_the_cpu(accelerator: Accelerator) -> None:
    """Accelerate 1.15 trains in fp32 there, without a word; torch has what fp16 takes."""
    accelerator.native_amp = True
    accelerator.scaler = torch.amp.GradScaler("cpu")


@contextmanager
def module_mode(*modules: nn.Module, training: bool) -> Iterator[None]:
    """Modules in train or eval mode for a block; then each submodule is as it was."""
    before = [(part, part.training) for module in modules for part in module.modules()]
    for module in modules:
        module.train(training)
    try:
        yield
    finally:
        for part, was_training in before:
            part.training = was_training


@contextmanager
def gradient_checkpointing(module: Any) -> Iterator[None]:
    """Activations of a diffusers or transformers model computed twice rather than kept, for a block."""
    # The two libraries agree on the flag and on switching off, but not on how switching on is called.
    enable = getattr(module, "enable_gradient_checkpointing", None)
    (enable or module.activation_checkpointing_enable)()
    try:
        yield
    finally:
        disable = getattr(module, "disable_gradient_checkpointing", None)
        (disable or module.activation_checkpointing_disable)()
