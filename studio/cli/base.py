"""The base model for commands that draw or measure outside a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from studio.bases.base_model import BaseModel

DtypeName = Literal["fp32", "fp16", "bf16"]


def load_base(name: str, dtype: DtypeName = "fp32") -> BaseModel:
    """The base model on the CPU or the GPU, with as many threads as there are idle cores.

    Args:
        dtype: what it computes in.

    Raises:
        BaseModelError: it is not here, not whole or not supported.
    """
    import torch

    from studio.adapters.tensor_bytes import TORCH_DTYPES
    from studio.bases.loading import load_base as load
    from studio.machine import idle_cores

    torch.set_num_threads(idle_cores())
    device = "cuda" if torch.cuda.is_available() else "cpu"
    return load(name, device=device, dtype=TORCH_DTYPES[dtype])
