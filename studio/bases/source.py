"""From the name in a recipe to files on this machine."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from studio.bases.checkpoint_header import SAFETENSORS, is_checkpoint
from studio.errors import BaseModelError

Form = Literal["pocket", "folder", "file", "hub", "published"]

POCKET_FOLDER = Path(__file__).parent / "pocket" / "weights"
HUB_ID = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")
# What a diffusers model needs and nothing else: many repositories also hold pickled twins and the
# whole model a second time as one file.
WEIGHT_FOLDERS = ("unet", "vae", "text_encoder", "text_encoder_2", "image_encoder")
TOKENIZER_FOLDERS = ("tokenizer", "tokenizer_2")
OTHER_FOLDERS = ("scheduler", "feature_extractor")
HUB_FILES = [
    "model_index.json",
    "pocket.json",
    *(f"{folder}/*.json" for folder in (*WEIGHT_FOLDERS, *TOKENIZER_FOLDERS, *OTHER_FOLDERS)),
    *(f"{folder}/*.safetensors" for folder in WEIGHT_FOLDERS),
    *(f"{folder}/*.txt" for folder in TOKENIZER_FOLDERS),
]


@dataclass(frozen=True)
class Source:
    """Where a base model lies.

    Attributes:
        form: ``pocket``, a diffusers ``folder``, a single ``file`` or a ``hub`` snapshot.
        path: a folder; for ``file`` the file, as for a snapshot that holds one and no folders.
    """

    form: Form
    path: Path


def locate(name: str, *, allow_download: bool = False) -> Source:
    """Find the base model ``name``: ``pocket``, a folder, a single file or a hub id.

    Raises:
        BaseModelError: nothing of that name is on this machine, or the file is of no known kind.
    """
    if name == "pocket":
        return Source("pocket", POCKET_FOLDER)
    path = Path(name).expanduser()
    if path.is_dir():
        return Source("folder", path)
    if path.is_file():
        return Source("file", _checked_file(path))
    if HUB_ID.fullmatch(name) and not is_checkpoint(path):
        return Source("hub", _model_in(_snapshot(name, allow_download), name))
    raise BaseModelError(
        f"base model {name!r} is no file or folder; give 'pocket', a diffusers folder, "
        "a .safetensors file or a hub id such as owner/model"
    )


def _checked_file(path: Path) -> Path:
    if not is_checkpoint(path):
        raise BaseModelError(
            f"base model {str(path)!r} is not a {SAFETENSORS} file; give one, a .ckpt, or a "
            "diffusers folder"
        )
    return path


def _model_in(snapshot: Path, name: str) -> Path:
    """The snapshot where it is a diffusers model, else the one checkpoint in it.

    Raises:
        BaseModelError: there are several.
    """
    if (snapshot / "model_index.json").is_file():
        return snapshot
    files = [file for file in sorted(snapshot.iterdir()) if file.is_file() and is_checkpoint(file)]
    # The pickled twin of a file that is there is not looked at.
    files = [f for f in files if f.suffix == SAFETENSORS] or files
    if len(files) > 1:
        raise BaseModelError(
            f"base model {name!r} has {len(files)} checkpoints in {snapshot}: "
            f"{', '.join(file.name for file in files)}; give the path of one"
        )
    return files[0] if files else snapshot


def _snapshot(repo_id: str, allow_download: bool) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        folder = snapshot_download(
            repo_id, local_files_only=not allow_download, allow_patterns=HUB_FILES
        )
    except (LocalEntryNotFoundError, HfHubHTTPError, OSError) as error:
        reason = "cannot be downloaded" if allow_download else "is not in this machine's hub cache"
        raise BaseModelError(
            f"base model {repo_id!r} is no folder here and {reason}; on a machine with a network "
            f"run: hf download {repo_id}"
        ) from error
    return Path(folder)
