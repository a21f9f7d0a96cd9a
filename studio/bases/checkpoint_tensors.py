"""The tensors of a single file, mapped: a part's numbers are read when it is made."""

from __future__ import annotations

import re
from pathlib import Path

from safetensors.torch import load_file
from torch import Tensor

from studio.bases.checkpoint_header import is_pickled, pickled_tensors, read_pickled_checkpoint
from studio.pickled.tensors import TensorReader

# How SD 1.x's text encoder was called before transformers 4.25 nested it, in files of 2022 and since.
_FLAT_TEXT_ENCODER = re.compile(r"^(cond_stage_model\.transformer\.)(?!text_model\.)")
# Averages of the U-Net's weights, in the files that training can go on from.
_EMA = "model_ema."


def load_checkpoint(path: Path) -> dict[str, Tensor]:
    """A single file's tensors by their original names, but for averages that nothing here reads.

    Raises:
        BaseModelError: a pickled file is broken or wants to run something.
        OSError, ValueError: a safetensors file is broken.
    """
    if is_pickled(path):
        file = read_pickled_checkpoint(path, str(path))
        reader = TensorReader(file, mapped=True)
        tensors = {name: reader.tensor(place) for name, place in pickled_tensors(file).items()}
    else:
        tensors = load_file(path)
    return {
        _FLAT_TEXT_ENCODER.sub(r"\1text_model.", name): tensor
        for name, tensor in tensors.items()
        if not name.startswith(_EMA)
    }
