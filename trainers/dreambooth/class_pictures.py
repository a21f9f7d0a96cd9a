"""Pictures of the subject's class: drawn once with the clean base, or the user's own."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path

from studio import atomic
from studio.bases.base_model import BaseModel
from studio.bases.number_format import number_format_of
from studio.curation.decode import UnreadableError, decode
from studio.curation.scan import EXTENSIONS
from studio.errors import DatasetError
from studio.examples.example import Example
from studio.preview.sampler import pictures_at_once, sample
from studio.preview.settings import SamplingSettings

Progress = Callable[[int, int], None]
"""Called with (pictures done, pictures in all)."""


def draw_class_pictures(
    base: BaseModel,
    prompt: str,
    count: int,
    sampling: SamplingSettings,
    *,
    folder: Path,
    progress: Progress | None = None,
) -> list[Path]:
    """Pictures 0 to ``count`` - 1 of a class; what an earlier call has drawn is not drawn again.

    Picture n starts from seed n, and its folder is named after everything else that it depends on.
    Batches are always the same ones and always whole, for a picture's last bits depend on its
    neighbours; each is kept as soon as it is there, so a run that is stopped has lost at most one.

    Args:
        base: clean.
        folder: holds the class pictures of any number of bases and prompts.
    """
    own = folder / _key(base, prompt, sampling)
    size = pictures_at_once(base)
    for start in range(0, count, size):
        paths = [own / _file_name(number) for number in range(start, start + size)]
        if not all(path.is_file() for path in paths):
            pictures = sample(base, [prompt], range(start, start + size), sampling, literal=True)
            for path, picture in zip(paths, pictures, strict=True):
                with atomic.replacing(path) as temporary:
                    picture.save(temporary, format="PNG")
        if progress is not None:
            progress(min(start + size, count), count)
    return [own / _file_name(number) for number in range(count)]


def _file_name(number: int) -> str:
    return f"{number:06d}.png"


def pictures_in(folder: Path) -> list[Path]:
    """The picture files of a folder and of those in it, sorted; hidden ones left out.

    Raises:
        DatasetError: there is none.
    """
    paths = [
        path
        for path in sorted(folder.rglob("*"))
        if path.suffix.lower() in EXTENSIONS
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    ]
    if not paths:
        raise DatasetError(f"no pictures in trainer.class_pictures: {folder}; add some")
    return paths


def class_examples(paths: Sequence[Path], prompt: str) -> list[Example]:
    """Class pictures as examples, all with the same text.

    Raises:
        DatasetError: a file is no whole picture.
    """
    return [_example(path, prompt) for path in paths]


def _example(path: Path, prompt: str) -> Example:
    try:
        decoded = decode(path)
    except UnreadableError as error:
        raise DatasetError(
            f"the class picture {path} cannot be used: {error}; remove it"
        ) from error
    width_px, height_px = decoded.image.size
    return Example(path, decoded.digest, width_px, height_px, prompt)


def _key(base: BaseModel, prompt: str, sampling: SamplingSettings) -> str:
    depends_on = {
        "base": base.digest,
        "resolution_px": base.resolution_px,
        "prompt": prompt,
        "num_inference_steps": sampling.num_inference_steps,
        "guidance_scale": sampling.guidance_scale,
        "negative_prompt": sampling.negative_prompt,
    }
    numbers = number_format_of(base.unet)
    if numbers != "float32":  # which needs no word, as before there was any other
        depends_on["numbers"] = numbers
    return hashlib.sha256(json.dumps(depends_on, sort_keys=True).encode()).hexdigest()[:32]
