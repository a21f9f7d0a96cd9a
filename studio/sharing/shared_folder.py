"""A folder that holds all that others need of an adapter: its files, its card, its pictures."""

from __future__ import annotations

import shutil
from pathlib import Path

from studio import atomic
from studio.errors import RunError
from studio.run_folder import RunFolder
from studio.sharing.card import PREVIEW_NAME, model_card


def write_shared_folder(run: RunFolder, folder: Path, licence: str = "") -> Path:
    """Write it whole or not at all; the run stays as it is.

    Raises:
        RunError: the run has exported nothing yet, or the folder is there already.
        AdapterError: an exported file cannot be read.
    """
    if folder.exists():
        raise RunError(f"{folder} is there already; give another folder with --out")
    card = model_card(run, licence)
    with atomic.replacing_folder(folder) as temporary:
        for path in run.adapter_files():
            copy = shutil.copytree if path.is_dir() else shutil.copyfile
            copy(path, temporary / path.name)
        if run.preview_path.is_file():
            shutil.copyfile(run.preview_path, temporary / PREVIEW_NAME)
        (temporary / "README.md").write_text(card, "utf-8")
    return folder
