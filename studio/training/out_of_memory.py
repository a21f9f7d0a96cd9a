"""Running out of memory: knowing it when it happens, and what may help."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from studio.errors import UserError
from studio.training.settings import PrecisionSettings

_MESSAGES = (
    "out of memory",  # CUDA and MPS, where they raise no torch.OutOfMemoryError
    "CPUAllocator: can't allocate memory",
    "CPUAllocator: not enough memory",  # the same on Windows
    "std::bad_alloc",
    "ALLOC_FAILED",  # cuBLAS's and cuDNN's status
)
"""Parts of what torch says in a plain RuntimeError; for the CPU it has no class of its own."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory was too small, on whatever device."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(part in str(error) for part in _MESSAGES)


def free_cached_memory(device: torch.device) -> None:
    """Give back what only reference cycles and torch's cache of blocks still hold."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif device.type == "mps":
        torch.mps.empty_cache()


@contextmanager
def dispensable(what: str, tell: Callable[[str], None]) -> Iterator[None]:
    """Work that training can do without: where memory is too small for it, tell so and go on."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        tell(f"out of memory: left out {what}; training goes on")


class MemoryShortage:
    """What is said when memory is too small to go on at all.

    Args:
        newest_checkpoint: the folder to resume from; None where there is none yet.
    """

    def __init__(
        self,
        run_name: str,
        precision: PrecisionSettings,
        newest_checkpoint: Callable[[], Path | None],
    ) -> None:
        self._run_name = run_name
        self._precision = precision
        self._newest_checkpoint = newest_checkpoint

    def error(self, when: str) -> UserError:
        """The error to raise, in one line.

        Args:
            when: behind "out of memory ", e.g. ``at step 3``.
        """
        newest = self._newest_checkpoint()
        resume = (
            f"close other programs and go on from {newest} with: studio resume {self._run_name}"
        )
        kept = resume if newest else "there is no checkpoint yet; close other programs"
        return UserError(f"out of memory {when}; {kept}; or train anew with {self._less()}")

    @contextmanager
    def told(self) -> Iterator[None]:
        """Let an out-of-memory error leave the block as one line that says what to do."""
        try:
            yield
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            raise self.error("while training") from None

    def _less(self) -> str:
        ways = ["a lower dataset.resolution", "a lower trainer.rank", "optimizer.name: adamw_8bit"]
        if self._precision.base_dtype != "nf4":
            ways.insert(0, "precision.base_dtype: nf4")
        if not self._precision.gradient_checkpointing:
            ways.insert(0, "precision.gradient_checkpointing: true")
        return f"{', '.join(ways[:-1])} or {ways[-1]}"
