"""A base's weights with adapters in them: what each is, and whether that is what a new model holds.

The check starts from the other end than the writing: from a weight's name in the live model it works out
the tensor that a reader would look up, in the base and in the new model.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO, NamedTuple

import torch
from torch import Tensor

from studio.adapters.layer_change import Parts, changed_weight
from studio.adapters.parameter_names import key_in_original, keys_in_folder
from studio.adapters.rework.rewriting import read_tensor
from studio.adapters.rework.weight_files import WeightFiles
from studio.bases.families import Family
from studio.bases.tensor_file import TensorFileError, TensorFileLayout, read_layout
from studio.errors import AdapterError, VerificationError


class Member(NamedTuple):
    """What one adapter adds to one layer: its name in messages, its weight, its tensors of the layer."""

    name: str
    weight: float
    parts: Parts


_Opened = tuple[BinaryIO, TensorFileLayout]
# Of the largest value: as much may differ by the order in which numbers were added up.
_ADDING_UP = 1e-6


def merged_weight(weight: Tensor, members: Sequence[Member]) -> Tensor:
    """A layer's weight with all adapters in it, fp32.

    Raises:
        AdapterError: an adapter's tensors do not fit the weight.
    """
    merged = weight.float()
    for name, strength, parts in members:
        try:
            merged = merged + strength * (changed_weight(merged, parts) - merged)
        except AdapterError as error:
            raise AdapterError(f"{name}: {error}") from error
    return merged


def require_merged(
    files: WeightFiles,
    path: Path,
    layers: Mapping[str, Sequence[Member]],
    tick: Callable[[], None] = lambda: None,
) -> None:
    """Read a new model back: the same tensors as the base's, and every merged weight as meant.

    Args:
        files: the base.
        path: the new file or folder.
        layers: what was merged, by the weights' neutral names.
        tick: called after each of them.

    Raises:
        VerificationError: a tensor is absent, of another shape or number format, or holds something
            else.
    """
    pairs = [(file, _moved(file, files, path)) for file in files.layouts]
    for old, new in pairs:
        _require_same_entries(files.layouts[old], new)
    with ExitStack() as stack:
        before = {old: (stack.enter_context(old.open("rb")), read_layout(old)) for old, _ in pairs}
        after = {old: (stack.enter_context(new.open("rb")), read_layout(new)) for old, new in pairs}
        for name, members in layers.items():
            wanted = merged_weight(_looked_up(name, files, before), members)
            got = _looked_up(name, files, after)
            if got.shape != wanted.shape or not _is_rounded(got, wanted):
                raise VerificationError(
                    f"{name} does not read back as it was merged, so nothing was kept; "
                    "this is a fault of ours"
                )
            tick()


def _moved(file: Path, files: WeightFiles, path: Path) -> Path:
    return path / file.relative_to(files.path) if files.is_folder else path


def _require_same_entries(wanted: TensorFileLayout, path: Path) -> None:
    try:
        found = read_layout(path)
    except TensorFileError as error:
        raise VerificationError(f"{path.name} cannot be read back: {error}") from error
    entries = [
        {name: (place.dtype, place.shape) for name, place in layout.tensors.items()}
        for layout in (wanted, found)
    ]
    if entries[0] != entries[1]:
        raise VerificationError(f"{path.name} does not have the base model's tensors")


def _looked_up(name: str, files: WeightFiles, opened: Mapping[Path, _Opened]) -> Tensor:
    """A weight under the name that readers know it by."""
    if files.is_folder:
        return _in_folder(name, opened)
    return _in_file(name, files.family, opened[files.path])


def _in_folder(name: str, opened: Mapping[Path, _Opened]) -> Tensor:
    part = name.partition(".")[0]
    for file, (content, layout) in opened.items():
        for key in keys_in_folder(name):
            if file.parent.name == part and key in layout.tensors:
                return read_tensor(content, layout.tensors[key])
    raise VerificationError(f"{name} is absent from the new model, so nothing was kept")


def _in_file(name: str, family: Family, opened: _Opened) -> Tensor:
    key, third = key_in_original(name, family)
    content, layout = opened
    if key not in layout.tensors:
        raise VerificationError(f"{key} is absent from the new model, so nothing was kept")
    tensor = read_tensor(content, layout.tensors[key])
    return tensor if third is None else tensor.chunk(3)[third]


def _is_rounded(got: Tensor, wanted: Tensor) -> bool:
    """Whether they differ by no more than the number format does."""
    limits = torch.finfo(got.dtype)
    least = limits.smallest_normal * limits.eps  # between the smallest numbers of all
    return torch.allclose(
        got.float(),
        wanted,
        rtol=limits.eps,
        atol=least + _ADDING_UP * wanted.abs().max().item(),
    )
