"""Which exported files make one adapter together, and which are the same adapter again. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from studio.adapters.formats import formats

AdapterFiles = tuple[Path, ...]
"""The files and folders that make one adapter together: one, or for new words one each."""


def exported_adapters(folder: Path, format_of: Mapping[str, str]) -> list[AdapterFiles]:
    """The adapters in a folder. Files of one format belong together; another format has it all again.

    Args:
        format_of: the formats of the files that one export wrote, by name and in its order, which is
            also theirs here. A file that is not named stands alone, behind those, the plainest name
            first.
    """
    order = {name: number for number, name in enumerate(format_of)}
    found = sorted(
        _adapter_paths(folder),
        key=lambda path: (order.get(path.name, len(order)), len(path.stem), path.name),
    )
    together: dict[str, list[Path]] = {}
    for path in found:
        together.setdefault(format_of.get(path.name, path.name), []).append(path)
    return [tuple(files) for files in together.values()]


def _adapter_paths(folder: Path) -> list[Path]:
    endings = {known.extension for known in formats()}
    return [
        path for path in folder.glob("[!.]*") if ("" if path.is_dir() else path.suffix) in endings
    ]
