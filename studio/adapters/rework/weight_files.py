"""A model on disk as its weights by neutral name, each read when it is asked for.

A single file in the original naming and a diffusers folder look alike from here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import BinaryIO

from torch import Tensor

from studio.adapters.parameter_names import name_in_folder, names_in_original
from studio.adapters.rework.rewriting import read_tensor
from studio.bases.checkpoint_header import is_pickled
from studio.bases.diffusers_folder import read_diffusers_folder
from studio.bases.digests import file_digest, weights_digest
from studio.bases.families import Family
from studio.bases.single_file import checkpoint_family
from studio.bases.source import locate
from studio.bases.tensor_file import TensorFileError, TensorFileLayout, read_layout
from studio.errors import AdapterError, BaseModelError

NUMBERS = ("F64", "F32", "F16", "BF16")
"""Number formats that weights can be worked with in."""


@dataclass(frozen=True)
class WeightPlace:
    """Where one weight lies.

    Attributes:
        third: which third of the tensor's rows it is, where queries, keys and values are joined.
        is_transposed: whether the tensor has rows for the weight's columns.
    """

    file: Path
    key: str
    third: int | None = None
    is_transposed: bool = False


@dataclass(frozen=True)
class WeightFiles:
    """A checked model on disk.

    Attributes:
        name: as it was given.
        path: the file or folder.
        layouts: of every weight file, the VAE's included.
        places: of the U-Net's and the text encoders' weights, by neutral name.
    """

    name: str
    path: Path
    family: Family
    layouts: dict[Path, TensorFileLayout]
    places: dict[str, WeightPlace]

    @property
    def is_folder(self) -> bool:
        return self.path.is_dir()

    @cached_property
    def digest(self) -> str:
        """As `studio.bases.identity.BaseIdentity` has it."""
        return weights_digest(self.path, self.layouts) if self.is_folder else file_digest(self.path)

    def require_layers(self, adapter: str, paths: Iterable[str]) -> None:
        """Refuse an adapter that changes what is not here.

        Args:
            adapter: what to call it.
            paths: of its layers.

        Raises:
            AdapterError: a layer is absent.
        """
        absent = [path for path in paths if f"{path}.weight" not in self.places]
        if absent:
            raise AdapterError(
                f"{adapter} changes {len(absent)} layers that {self.name} does not have, the first "
                f"is {absent[0]}; it was made for another base model"
            )


def find_weights(name: str) -> WeightFiles:
    """Look at a model's headers; a single file needs no configuration beside it.

    Args:
        name: ``pocket``, a hub id, a diffusers folder or a ``.safetensors`` file.

    Raises:
        BaseModelError: it is not here, broken, or no Stable Diffusion 1.x, 2.x or XL.
    """
    source = locate(name)
    if source.path.is_dir():
        return _of_folder(source.path, name)
    return _of_file(source.path, name)


class WeightReader:
    """Reads weights one at a time; `opened` makes one."""

    def __init__(self, files: WeightFiles, opened: Mapping[Path, BinaryIO]) -> None:
        self._files, self._opened = files, opened

    def read(self, name: str) -> Tensor:
        """A weight by its neutral name, in the file's number format."""
        place = self._files.places[name]
        entry = self._files.layouts[place.file].tensors[place.key]
        tensor = read_tensor(self._opened[place.file], entry)
        if place.third is not None:
            return tensor.chunk(3)[place.third]
        return tensor.T if place.is_transposed else tensor


@contextmanager
def opened(files: WeightFiles) -> Iterator[WeightReader]:
    """The model's files open for reading, for the length of a ``with`` block.

    Raises:
        BaseModelError: a file cannot be opened.
    """
    with ExitStack() as stack:
        try:
            handles = {file: stack.enter_context(file.open("rb")) for file in files.layouts}
        except OSError as error:
            raise BaseModelError(f"base model {files.name!r} cannot be read: {error}") from error
        yield WeightReader(files, handles)


def _of_folder(path: Path, name: str) -> WeightFiles:
    folder = read_diffusers_folder(path, name)
    layouts = {file: read_layout(file) for file in folder.weight_files}
    for layout in layouts.values():
        _require_wide_numbers(layout, name)
    places = {
        name_in_folder(file.parent.name, key): WeightPlace(file, key)
        for file, layout in layouts.items()
        if file.parent.name != "vae"
        for key, entry in layout.tensors.items()
        if entry.dtype in NUMBERS
    }
    return WeightFiles(name, path, folder.configuration.family, layouts, places)


def _of_file(path: Path, name: str) -> WeightFiles:
    if is_pickled(path):
        raise BaseModelError(
            f"base model {name!r} is pickled, but weights are compared and merged as .safetensors alone; "
            "convert it first"
        )
    try:
        layout = read_layout(path)
    except (TensorFileError, OSError) as error:
        raise BaseModelError(
            f"base model {name!r} cannot be read: {error}; fetch it anew"
        ) from error
    family = checkpoint_family(layout.tensors, name)
    _require_wide_numbers(layout, name)
    places: dict[str, WeightPlace] = {}
    for key, entry in layout.tensors.items():
        if entry.dtype not in NUMBERS:
            continue
        names = names_in_original(key, family)
        for third, neutral in enumerate(names):
            is_transposed = key.endswith(".text_projection")
            places[neutral] = WeightPlace(path, key, third if names[1:] else None, is_transposed)
    return WeightFiles(name, path, family, {path: layout}, places)


def _require_wide_numbers(layout: TensorFileLayout, name: str) -> None:
    """Refuse eight bits a number: what an adapter changes is mostly less than their steps."""
    narrow = next((k for k, entry in layout.tensors.items() if entry.dtype.startswith("F8")), None)
    if narrow:
        raise BaseModelError(
            f"base model {name!r} holds {narrow} as {layout.tensors[narrow].dtype}; give the model "
            "in fp16, bf16 or fp32"
        )
