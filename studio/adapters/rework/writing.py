"""Adapters into files where no base model is at hand: read back, and compared by what they do.

`studio.adapters.export` is for what was trained: it tries a file on its base, by a second reader. Here
the file is read as `studio.adapters.files` reads any, which needs no gigabytes of weights.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn, cast

from studio.adapters.adapter import Adapter
from studio.adapters.files import read_adapter
from studio.adapters.formats import Format
from studio.adapters.rework.effects import largest_difference
from studio.adapters.tensor_bytes import TORCH_DTYPES, Dtype
from studio.adapters.verify import TOLERANCES
from studio.bases.base_model import BaseModel
from studio.errors import AdapterError, VerificationError


@dataclass(frozen=True)
class WrittenFile:
    """An adapter's file or folder that holds what it should.

    Attributes:
        max_relative_difference: of any part's effect from what was to be written, as a share of it.
    """

    path: Path
    format: str
    dtype: Dtype
    max_relative_difference: float


def write_adapter(adapter: Adapter, path: Path, target: Format, dtype: Dtype) -> WrittenFile:
    """Write one file or folder; it appears only if it does what ``adapter`` does.

    Raises:
        AdapterError: ``path`` is there already or ends otherwise than the format's files, the format
            cannot hold the adapter or needs its base, or a value does not fit ``dtype``.
        VerificationError: it does not read back as the adapter.
    """
    require_free(path)
    if path.suffix != target.extension:
        ending = f"ends with {target.extension}" if target.extension else "has no ending"
        raise AdapterError(
            f"{path} is no name for the format {target.name}; give one that {ending}"
        )
    base = cast("BaseModel", _NoBase(target))
    with _staged(path) as temporary:
        if not target.extension:
            temporary.mkdir()
        target.load().write(adapter, temporary, dtype, base)
        difference = _difference(temporary, path, adapter, dtype)
    return WrittenFile(path, target.name, dtype, difference)


def require_free(path: Path) -> None:
    """Refuse to write over what is there.

    Raises:
        AdapterError: something is.
    """
    if path.exists():
        raise AdapterError(f"{path} is there already; give another name with --out")


class _NoBase:
    """Stands for the base model in formats that do without its weights; the others ask for them."""

    def __init__(self, target: Format) -> None:
        self._target = target

    def __getattr__(self, name: str) -> NoReturn:
        raise AdapterError(
            f"the format {self._target.name} needs the base model's weights; use studio export"
        )


@contextmanager
def _staged(path: Path) -> Iterator[Path]:
    """A place of the same name in a folder of its own beside ``path``, for readers go by names."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as folder:
        temporary = Path(folder) / path.name
        yield temporary
        temporary.rename(path)


def _difference(file: Path, path: Path, adapter: Adapter, dtype: Dtype) -> float:
    try:
        found = read_adapter(file)
    except AdapterError as error:
        raise VerificationError(f"{path.name} cannot be read back: {error}") from error
    difference, worst = largest_difference(found, adapter)
    if found.header.family != adapter.header.family:
        raise VerificationError(
            f"{path.name} reads back as of family {found.header.family!r}, not "
            f"{adapter.header.family!r}, and was not kept"
        )
    if difference > TOLERANCES[TORCH_DTYPES[dtype]]:
        raise VerificationError(
            f"{path.name} does not do what it should and was not kept: {worst} is off by "
            f"{difference:.2%} in {dtype}; try --dtype fp32"
        )
    return difference
