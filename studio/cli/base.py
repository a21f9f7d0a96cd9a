"""The base model for commands that draw or measure outside a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from studio.bases.base_model import BaseModel


def load_base(name: str) -> BaseModel:
    """The base model on the CPU or the GPU, with as many threads as there are idle cores.

    Raises:
        BaseModelError: it is not here, not whole or not supported.
    """
    import torch

    from studio.bases.loading import load_base as load
    from studio.machine import idle_cores

    torch.set_num_threads(idle_cores())
    return load(name, device="cuda" if torch.cuda.is_available() else "cpu")
