"""A file as the tables that ``torch.load`` or safetensors make of it, for kinds that come as either."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from studio.adapters.pickled import read_pickled
from studio.adapters.readback import load_content
from studio.adapters.verify import TOLERANCES
from studio.errors import AdapterError, VerificationError

# What A1111's safety check knows in an archive of torch.save; torch 2.7 and later add more.
_KNOWN_MEMBER = re.compile(r"[^/]+/(data/\d+|version|byteorder|.data/serialization_id|data\.pkl)")


class UnreadError(Exception):
    """A tool does not take the file; the message is a clause that says why."""


@dataclass(frozen=True)
class Table:
    """A file's content.

    Attributes:
        entries: by key; in a pickled file some are no tensors but tables, texts and numbers.
        is_pickled: it is a file of ``torch.save``, not safetensors.
        unknown: the member that A1111's safety check would stumble over; empty where there is none.
    """

    entries: Mapping[Any, Any]
    is_pickled: bool = False
    unknown: str = ""

    @property
    def tensors(self) -> dict[str, Tensor]:
        """All tensors by their keys, those of tables within as ``string_to_param.*``."""
        return dict(_tensors(self.entries, ""))

    @property
    def tolerance(self) -> float:
        """Up to where a difference is the rounding of the coarsest number format in it."""
        found = [TOLERANCES.get(tensor.dtype, 0.0) for tensor in self.tensors.values()]
        return max(found, default=0.0)


def load_table(path: Path) -> Table:
    """Read a file by its content, for one that is being verified has a temporary name.

    Raises:
        VerificationError: it is no whole file, or a pickle that asks for more than tensors.
    """
    with path.open("rb") as file:
        is_pickled = file.read(9)[8:] != b"{"  # safetensors: a JSON header behind eight bytes
    if not is_pickled:
        return Table(load_content(path).tensors)
    try:
        return Table(read_pickled(path), is_pickled=True, unknown=_unknown_member(path))
    except AdapterError as error:
        raise VerificationError(str(error)) from error


def require_safe(table: Table) -> None:
    """A1111's ``torch.load``: its own check first (modules/safe.py, 1.10.1); Forge has dropped it.

    Raises:
        UnreadError: the check refuses the file.
    """
    if table.unknown:
        raise UnreadError(
            f"its safety check does not know {table.unknown!r}, which newer torch writes; "
            "save it in the older layout"
        )


def state_dict(pair: Any, side: int) -> dict[str, Tensor]:
    """One of a hypernetwork's pair of state dicts.

    Raises:
        UnreadError: there is no such pair.
    """
    if not isinstance(pair, list | tuple) or len(pair) <= side or not isinstance(pair[side], dict):
        raise UnreadError("it finds no pair of state dicts under the width")
    return {str(key): tensor for key, tensor in pair[side].items() if isinstance(tensor, Tensor)}


def _unknown_member(path: Path) -> str:
    if not zipfile.is_zipfile(path):
        return ""
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
    return next((name for name in names if not _KNOWN_MEMBER.fullmatch(name)), "")


def _tensors(entries: Mapping[Any, Any], prefix: str) -> list[tuple[str, Tensor]]:
    found: list[tuple[str, Tensor]] = []
    for key, value in entries.items():
        if isinstance(value, Tensor):
            found.append((f"{prefix}{key}", value))
        elif isinstance(value, Mapping):
            found += _tensors(value, f"{prefix}{key}.")
        elif isinstance(value, list | tuple):
            found += _tensors(dict(enumerate(value)), f"{prefix}{key}.")
    return found
