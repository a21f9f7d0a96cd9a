"""Which captioner a folder holds: told by its files' names and its configuration alone."""

from __future__ import annotations

from pathlib import Path

from studio.captioning.captioner import Captioner
from studio.captioning.describer import PROMPTS, Describer
from studio.captioning.tagger import TAG_THRESHOLD, Tagger
from studio.captioning.tags import TAGS_NAME
from studio.errors import CaptionerError
from studio.model_folder import recognised

_WANTED = (
    f"give one with the safetensors of {', '.join(sorted(PROMPTS))}, or a tagger's model.onnx and "
    f"{TAGS_NAME}"
)


def captioner_for(folder: Path, *, tag_threshold: float = TAG_THRESHOLD) -> Captioner:
    """The captioner in ``folder``; nothing is fetched, and no code of the folder's own is run.

    Args:
        tag_threshold: how sure a tagger must be of a tag, 0 to 1; captioners that write sentences
            have no such thing.

    Raises:
        CaptionerError: there is none, of a kind that is not supported, or a part of it is missing.
    """
    folder = folder.expanduser()
    if not folder.is_dir():
        raise CaptionerError(f"no captioner's folder {folder}; {_WANTED}")
    if (folder / TAGS_NAME).is_file():
        return _tagger(folder, tag_threshold)
    if (folder / "config.json").is_file():
        return _describer(folder)
    raise CaptionerError(f"{folder} holds no captioner that is known here; {_WANTED}")


def _tagger(folder: Path, threshold: float) -> Tagger:
    model = folder / "model.onnx"
    if not model.is_file():
        raise CaptionerError(
            f"{folder} has {TAGS_NAME} but no model.onnx; a tagger's weights in other formats are "
            "not read: fetch its model.onnx too"
        )
    return Tagger(folder, model, threshold)


def _describer(path: Path) -> Describer:
    folder = recognised(path, PROMPTS, _WANTED, CaptionerError)
    if "auto_map" in folder.config:
        raise CaptionerError(
            f"{path} comes with code of its own, which is not run; fetch the {folder.kind} that "
            "transformers reads by itself, such as florence-community's of florence2"
        )
    return Describer(folder)
