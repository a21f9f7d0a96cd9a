"""A folder of adapter files at a glance: a line for each, by names and shapes alone. No torch.

Of safetensors files no tensor is read. Pickled files have no header and are read whole, as data; very
large ones, which are no adapters but models, are left out and told.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from studio.adapters.formats import SAFETENSORS
from studio.adapters.inspection.content import is_adapter_folder, open_content
from studio.adapters.inspection.one_file import Overview, overview
from studio.errors import AdapterError

PICKLE = ".pt"
MAX_PICKLE_BYTES = 1 << 30


@dataclass(frozen=True)
class Listed:
    """One file or adapter folder found.

    Attributes:
        name: its path in the folder that was looked through.
        overview: None where it cannot be read.
        problem: why not, as a clause; empty where it can.
    """

    name: str
    size_bytes: int
    overview: Overview | None
    problem: str = ""

    def to_json(self) -> dict[str, Any]:
        found: dict[str, Any] = {"file": self.name, "size_bytes": self.size_bytes}
        if self.overview is None:
            return found | {"problem": self.problem}
        seen = self.overview
        return found | {
            "kind": seen.naming.kind,
            "format": seen.naming.format,
            "family": seen.family,
            "ranks": list(seen.ranks),
            "trigger": seen.trigger,
            "tags": list(seen.facts.tags),
        }


def listed(folder: Path) -> list[Listed]:
    """Every adapter below a folder, in the order of their paths; hidden files and folders excepted."""
    return [_listed(path, path.relative_to(folder).as_posix()) for path in _found(folder)]


def _found(folder: Path) -> Iterator[Path]:
    """Files and folders that may be adapters; what is in an adapter's folder is not told again."""
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            continue
        if path.is_dir():
            # A link may lead back up, without end.
            if is_adapter_folder(path):
                yield path
            elif not path.is_symlink():
                yield from _found(path)
        elif path.suffix.lower() in (SAFETENSORS, PICKLE) and (path.is_file() or path.is_symlink()):
            yield path


def _listed(path: Path, name: str) -> Listed:
    size = 0
    try:
        size = path.stat().st_size
        if path.suffix.lower() == PICKLE and size > MAX_PICKLE_BYTES:
            raise AdapterError(
                f"{path} has {size:,} bytes, all of which must be read; inspect it by itself"
            )
        content = open_content(path)
        return Listed(name, content.size_bytes, overview(content))
    except (AdapterError, OSError) as error:
        return Listed(name, size, None, _clause(error, path))


def _clause(error: AdapterError | OSError, path: Path) -> str:
    """Why a file cannot be read, without its path, which stands in front already."""
    if isinstance(error, OSError):
        return error.strerror or str(error)
    text = str(error).removeprefix(f"{path} ")
    return text.removeprefix("cannot be read: ") if text.startswith("cannot") else f"it {text}"
