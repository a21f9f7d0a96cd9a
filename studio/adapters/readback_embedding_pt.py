"""How A1111 finds a word in its own ``.pt`` files: by torch's reader of pickles, not by the studio's."""

from __future__ import annotations

import pickle
from pathlib import Path

import torch

from studio.adapters.adapter import Adapter
from studio.adapters.measurement import Measurement
from studio.adapters.readback import FileContent
from studio.adapters.readback_embedding import look_up
from studio.bases.base_model import BaseModel
from studio.errors import VerificationError


def measure(path: Path, adapter: Adapter, base: BaseModel) -> Measurement:
    """Compare a file's vectors with the adapter's, encoder by encoder.

    Raises:
        VerificationError: torch cannot read it.
    """
    try:
        table = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, pickle.UnpicklingError) as error:
        raise VerificationError(f"{path.name} cannot be read back: {error}") from error
    tensors = {key: value for key, value in table.items() if isinstance(value, torch.Tensor)}
    tensors |= table.get("string_to_param", {})
    return look_up(FileContent(tensors, {}), "*", adapter, base)
