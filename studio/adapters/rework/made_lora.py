"""LoRAs made of other weights, written to files: what is left to tell of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from studio.adapters.approximation import Approximation
from studio.adapters.files import format_of
from studio.adapters.formats import format_named
from studio.adapters.rework.batch import bare_name
from studio.adapters.rework.writing import WrittenFile, write_adapter
from studio.adapters.tensor_bytes import Dtype


@dataclass(frozen=True)
class MadeLora:
    """A written LoRA without its tensors.

    Attributes:
        kept_share, kept_by_layer: as in `studio.adapters.approximation.Approximation`.
        ranks: of each layer, by neutral path.
    """

    file: WrittenFile
    kept_share: float
    kept_by_layer: dict[str, float]
    ranks: dict[str, int]


def write_lora(made: Approximation, path: Path, to: str, dtype: Dtype) -> MadeLora:
    """Write one in the format ``to``.

    Raises:
        AdapterError: as `studio.adapters.rework.writing.write_adapter`.
        VerificationError: likewise.
    """
    file = write_adapter(made.adapter, path, format_named("lora", to), dtype)
    tensors = made.adapter.tensors
    ranks = {layer: len(tensors[f"{layer}.lora_A.weight"]) for layer in made.kept_by_layer}
    return MadeLora(file, made.kept_share, made.kept_by_layer, ranks)


def lora_name(name: str, to: str) -> str:
    """The file name of a LoRA called ``name`` in the format ``to``."""
    return format_named("lora", to).file_name(name)


def stem_of(adapter_file: Path) -> str:
    """An adapter file's name without what its format has added.

    Raises:
        AdapterError: it is no adapter file.
    """
    name = bare_name(adapter_file)
    return name.removesuffix(format_of(adapter_file).suffix) or name
