"""Which vision model a name stands for: told by its folder's files and configuration alone."""

from __future__ import annotations

from pathlib import Path

from studio.bases.source import POCKET_FOLDER
from studio.embedding.vision_model import PIXELS_NAME, READINGS, VisionModel
from studio.errors import EmbedderError
from studio.model_folder import recognised

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
    path = Path(name).expanduser()
    if not path.is_dir():
        raise EmbedderError(f"no vision model's folder {path}; {_WANTED}")
    return _vision_model(path, path.resolve().name)


def _vision_model(path: Path, title: str) -> VisionModel:
    folder = recognised(path, READINGS, _WANTED, EmbedderError)
    if not (path / PIXELS_NAME).is_file():
        raise EmbedderError(f"{path} has no {PIXELS_NAME}; {_WANTED}")
    return VisionModel(folder, title)
