"""Files of adapters that checkpoints hold, made when first needed."""

from __future__ import annotations

import hashlib
from pathlib import Path

from studio import atomic
from studio.adapters.export import export
from studio.adapters.exported import AdapterFiles
from studio.bases.base_model import BaseModel
from studio.checkpointed import checkpointed
from studio.errands.newest import keep_newest
from studio.errors import RunError
from studio.run_folder import RunFolder

KEPT = 24
"""Checkpoints whose files are kept; those looked at longest ago go first."""


def checkpoint_files(run: Path, step: int, base: BaseModel, cache: Path) -> AdapterFiles:
    """The files that a run would have exported after a step, in its kind's usual format.

    Args:
        base: clean; the files are read back and compared on it.
        cache: a folder for them.

    Raises:
        RunError: there is no such checkpoint, or it is damaged.
    """
    opened = RunFolder.open(run)
    folder = cache / f"{opened.name}-{step:06d}-{_mark(opened.checkpoint(step))}"
    if not folder.is_dir():
        adapter = checkpointed(opened, step)
        with atomic.replacing_folder(folder) as temporary:
            # As trained: whoever wants fewer bits exports these files once more.
            export(adapter, base, temporary, opened.name, formats=(), dtype="fp32")
    keep_newest(cache, KEPT, folder)
    return tuple(sorted(folder.glob("[!.]*")))


def _mark(checkpoint: Path) -> str:
    """Tells a checkpoint from one of the same step in a run of the same name."""
    try:
        content = (checkpoint / "checkpoint.json").read_bytes()
    except OSError:
        raise RunError(f"{checkpoint} is no whole checkpoint; choose another") from None
    return hashlib.sha256(content).hexdigest()[:12]
