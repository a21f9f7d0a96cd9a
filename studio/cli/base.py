"""The base model for commands that draw or measure outside a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from studio.errors import UserError

if TYPE_CHECKING:
    from studio.bases.base_model import BaseModel

DtypeName = Literal["fp32", "fp16", "bf16"]
OffloadWord = Literal["auto", "none", "model"]


def load_base(name: str, dtype: DtypeName = "fp32", offload: OffloadWord = "auto") -> BaseModel:
    """The base model on the CPU or the GPU, with as many threads as there are idle cores.

    Args:
        dtype: what it computes in.
        offload: whether its parts wait in main memory; see `studio.bases.placement.place`.

    Raises:
        UserError: fp16 without a GPU.
        BaseModelError: it is not here, not whole or not supported.
    """
    import torch

    from studio.adapters.tensor_bytes import TORCH_DTYPES
    from studio.bases.loading import load_base as load
    from studio.bases.placement import is_gpu, working_device
    from studio.machine import idle_cores

    torch.set_num_threads(idle_cores())
    device = working_device()
    if dtype == "fp16" and not is_gpu(device):
        raise UserError(
            "fp16 needs a GPU, for on a CPU its convolutions are a hundred times slower than fp32's; "
            "use bf16 or fp32"
        )
    return load(name, device=device, dtype=TORCH_DTYPES[dtype], offload=offload)
