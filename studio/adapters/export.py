"""An adapter into files: written whole, read back, and published only if they are right."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from studio import atomic
from studio.adapters.adapter import Adapter
from studio.adapters.formats import Format, format_named
from studio.adapters.tensor_bytes import Dtype
from studio.adapters.verify import Verdict, verify
from studio.bases.base_model import BaseModel
from studio.errors import AdapterError, VerificationError


@dataclass(frozen=True)
class ExportedFile:
    """A published adapter file.

    Attributes:
        digest: SHA-256 of the file's bytes, hexadecimal.
        verdict: what reading it back has shown.
    """

    path: Path
    format: str
    size_bytes: int
    digest: str
    verdict: Verdict

    def to_json(self) -> dict[str, Any]:
        """For a run's report: the file's name, never its folder."""
        return {
            "file": self.path.name,
            "format": self.format,
            "size_bytes": self.size_bytes,
            "digest": self.digest,
            "verdict": self.verdict.to_json(),
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
    """Write ``adapter`` as ``folder/name….safetensors``, one file for each format.

    Every file is verified against ``base`` under a temporary name first; one that fails never appears,
    and an older file of its name stays as it was.

    Raises:
        AdapterError: a format is unknown for this kind, the name is no file name, or a value does not
            fit ``dtype``.
        VerificationError: a file does not read back as what was trained.
    """
    if Path(name).name != name:
        raise AdapterError(f"{name!r} cannot be a file's name; leave out slashes and dots alone")
    chosen = [format_named(adapter.header.kind, wanted) for wanted in dict.fromkeys(formats)]
    return [
        export_file(adapter, base, folder / f"{name}{known.suffix}.safetensors", known, dtype)
        for known in chosen
    ]


def export_file(
    adapter: Adapter, base: BaseModel, path: Path, known: Format, dtype: Dtype
) -> ExportedFile:
    """Write one file in one format, verified before it appears; see `export`."""
    with atomic.replacing(path) as temporary:
        known.load().write(adapter, temporary, dtype)
        verdict = verify(temporary, adapter, base)
        if not verdict.ok:
            raise VerificationError(
                f"{path.name} does not read back as what was trained and was not kept: "
                f"{verdict.problem()}"
            )
    content = path.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    return ExportedFile(path, known.name, len(content), digest, verdict)
