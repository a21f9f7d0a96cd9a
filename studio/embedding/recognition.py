"""Which vision model a name stands for: told by its folder's files and configuration alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from studio.bases.source import POCKET_FOLDER
from studio.embedding.vision_model import READINGS, VisionModel
from studio.errors import EmbedderError

POCKET = "pocket"
_WANTED = f'give "{POCKET}", or a transformers folder of the kind {", ".join(sorted(READINGS))}'


def embedder_for(name: str) -> VisionModel | None:
    """The model that the recipe's ``curation.content_model`` names; None for an empty name.

    Nothing is fetched, no code of the folder's own is run, and no weight is read yet.

    Args:
        name: ``pocket`` for the vision tower that ships with the studio, or a folder.

    Raises:
        EmbedderError: there is no such folder, it is of a kind that is not supported, or a part of
            it is missing.
    """
    if not name:
        return None
    if name == POCKET:
        return _vision_model(POCKET_FOLDER / "clip", "pocket's vision tower")
    folder = Path(name).expanduser()
    if not folder.is_dir():
        raise EmbedderError(f"no vision model's folder {folder}; {_WANTED}")
    return _vision_model(folder, folder.resolve().name)


def _vision_model(folder: Path, title: str) -> VisionModel:
    for part in ("config.json", "preprocessor_config.json"):
        if not (folder / part).is_file():
            raise EmbedderError(f"{folder} has no {part}; {_WANTED}")
    kind = str(_config(folder / "config.json").get("model_type", ""))
    if kind not in READINGS:
        raise EmbedderError(f"{folder} is of the kind {kind!r}, which is not supported; {_WANTED}")
    weights = sorted(folder.glob("*.safetensors"))
    if not weights:
        raise EmbedderError(
            f"{folder} has no .safetensors weights (pickled .bin files can run code when opened); "
            "fetch or convert them"
        )
    return VisionModel(folder, weights, kind, title)


def _config(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise EmbedderError(f"{path} is broken ({error}); fetch it anew") from error
    return content if isinstance(content, dict) else {}
