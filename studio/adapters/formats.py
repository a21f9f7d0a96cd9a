"""The file formats of each adapter kind. Knowing their names imports no torch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Protocol, cast

from studio.errors import AdapterError

if TYPE_CHECKING:
    from pathlib import Path

    import torch

    from studio.adapters.adapter import Adapter
    from studio.adapters.readback import Change, FileContent, ReadBack
    from studio.adapters.tensor_bytes import Dtype
    from studio.bases.base_model import BaseModel


class FormatModule(Protocol):
    """What a format's module defines."""

    def recognises(self, keys: Iterable[str]) -> bool:
        """Whether tensors of these names are in this format."""

    def write(self, adapter: Adapter, path: Path, dtype: Dtype) -> None:
        """Write one file."""

    def read(self, tensors: Mapping[str, torch.Tensor], metadata: Mapping[str, str]) -> Adapter:
        """The adapter in a file's content."""

    def trained_changes(self, adapter: Adapter) -> dict[str, Change]:
        """What the adapter in memory does to each layer, by neutral path."""


class ReadBackModule(Protocol):
    """What a format's second, independent reader defines; it shares no code with the first."""

    def read_back(self, content: FileContent, base: BaseModel) -> ReadBack:
        """The effective change of each of the base's layers by the format's documented rules."""


@dataclass(frozen=True)
class Format:
    """One way to write one kind of adapter.

    Attributes:
        kind: the trainer plugin's kind.
        name: as recipes and the command line call it.
        suffix: added to the adapter's name before ``.safetensors``.
        module, readback_module: dotted paths of a `FormatModule` and a `ReadBackModule`.
    """

    kind: str
    name: str
    suffix: str
    module: str
    readback_module: str

    def load(self) -> FormatModule:
        return cast("FormatModule", import_module(self.module))

    def load_readback(self) -> ReadBackModule:
        return cast("ReadBackModule", import_module(self.readback_module))


_formats: dict[tuple[str, str], Format] = {}


def register(added: Format) -> None:
    """Add a format; a plugin with a kind of its own brings its formats this way.

    Raises:
        AdapterError: another format has that kind and name.
    """
    if _formats.setdefault((added.kind, added.name), added) != added:
        raise AdapterError(
            f"two packages provide the format {added.name!r} of {added.kind} adapters"
        )


def formats() -> list[Format]:
    """Every known format, in the order of registration."""
    return list(_formats.values())


def recognise(keys: Iterable[str]) -> Format | None:
    """The format that tensors of these names are in."""
    names = list(keys)
    return next((known for known in formats() if known.load().recognises(names)), None)


def format_named(kind: str, name: str) -> Format:
    """One format of one kind.

    Raises:
        AdapterError: there is none of that name.
    """
    if (kind, name) not in _formats:
        names = ", ".join(known.name for known in formats() if known.kind == kind) or "none"
        raise AdapterError(f"{kind} adapters have no format {name!r}; there are: {names}")
    return _formats[kind, name]


register(Format("lora", "kohya", "", "studio.adapters.kohya", "studio.adapters.readback_kohya"))
register(
    Format(
        "lora",
        "diffusers",
        "-diffusers",
        "studio.adapters.diffusers_format",
        "studio.adapters.readback_diffusers",
    )
)
