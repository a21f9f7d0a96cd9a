"""An adapter into files: written whole, read back, and published only if they are right."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from studio import atomic
from studio.adapters.adapter import Adapter
from studio.adapters.formats import Format, default_format, format_named
from studio.adapters.tensor_bytes import Dtype
from studio.adapters.tools.verdicts import ToolVerdict, tool_verdicts
from studio.adapters.verify import Verdict, verify
from studio.bases.base_model import BaseModel
from studio.errors import AdapterError, VerificationError


@dataclass(frozen=True)
class ExportedFile:
    """A published adapter file; in some formats a folder.

    Attributes:
        size_bytes: of all files in it.
        digest: SHA-256 of the file's bytes, hexadecimal; of a folder's, over its files' digests and
            names in sorted order.
        verdict: what reading it back has shown.
        tools: what other tools will make of it.
    """

    path: Path
    format: str
    size_bytes: int
    digest: str
    verdict: Verdict
    tools: tuple[ToolVerdict, ...]

    def to_json(self) -> dict[str, Any]:
        """For a run's report: the file's name, never its folder."""
        return {
            "file": self.path.name,
            "format": self.format,
            "size_bytes": self.size_bytes,
            "digest": self.digest,
            "verdict": self.verdict.to_json(),
            "tools": [tool.to_json() for tool in self.tools],
        }


def export(
    adapter: Adapter,
    base: BaseModel,
    folder: Path,
    name: str,
    *,
    formats: Sequence[str],
    dtype: Dtype,
) -> list[ExportedFile]:
    """Write ``adapter`` as ``folder/name…``, one file or folder for each format; words as a file each.

    Every file is verified against ``base`` under a temporary name first; one that fails never appears,
    and an older file of its name stays as it was.

    Args:
        formats: names of formats; empty: the first of the adapter's kind that holds its family.

    Raises:
        AdapterError: a format is unknown for this kind, the name is no file name, or a value does not
            fit ``dtype``.
        VerificationError: a file does not read back as what was trained.
    """
    if Path(name).name != name:
        raise AdapterError(f"{name!r} cannot be a file's name; leave out slashes and dots alone")
    kind = adapter.header.kind
    chosen = [format_named(kind, wanted) for wanted in dict.fromkeys(formats)]
    return [
        export_file(part, base, folder / file_name, known, dtype)
        for known in chosen or [default_format(kind, adapter.header.family)]
        for file_name, part in known.parts(adapter, name)
    ]


def export_file(
    adapter: Adapter, base: BaseModel, path: Path, known: Format, dtype: Dtype
) -> ExportedFile:
    """Write one file or folder in one format, verified before it appears; see `export`."""
    with _replacing(path, known) as temporary:
        known.load().write(adapter, temporary, dtype, base)
        verdict = verify(temporary, adapter, base, known)
        if not verdict.ok:
            raise VerificationError(
                f"{path.name} does not read back as what was trained and was not kept: "
                f"{verdict.problem()}"
            )
        tools = tool_verdicts(temporary, known, adapter, base)
    return ExportedFile(path, known.name, _size_bytes(path), _digest(path), verdict, tools)


@contextmanager
def _replacing(path: Path, known: Format) -> Iterator[Path]:
    """A temporary place beside ``path``, to be written to; takes its place on a clean exit."""
    replacing = atomic.replacing if known.extension else atomic.replacing_folder
    with replacing(path) as temporary:
        yield temporary


def _files(path: Path) -> list[Path]:
    return sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]


def _size_bytes(path: Path) -> int:
    return sum(file.stat().st_size for file in _files(path))


def _digest(path: Path) -> str:
    digests = {file.relative_to(path).as_posix(): _file_digest(file) for file in _files(path)}
    if path.is_file():
        return digests["."]
    lines = "".join(f"{digest} {name}\n" for name, digest in digests.items())
    return hashlib.sha256(lines.encode()).hexdigest()


def _file_digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
