"""Sets with strangers in them: the same things in another material, or of poor quality.

Strangers take the place of clean pictures of the same things. So a clean set and one with strangers
are of one size and show the same, and what curation leaves of the latter is smaller: where it pays,
it pays although there is less to learn from.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from picture_faults import blurred, enlarged, saved
from PIL import Image

from sample_sets.film import filmed
from studio.curation import CuratedSet, curate

Treatment = Callable[[Image.Image, np.random.Generator], Image.Image]
ARMS = CLEAN, MIXED, CURATED = ("clean", "with strangers", "curated")
DIVISION_SEED = 4


@dataclass(frozen=True)
class Kind:
    """One kind of stranger: how many there are in a set, and how a clean picture becomes one."""

    count: int
    treat: Treatment


KINDS = {
    "film": Kind(16, filmed),
    "upscaled 3 x": Kind(3, lambda picture, _: enlarged(3, Image.Resampling.BICUBIC)(picture)),
    "JPEG of quality 10": Kind(3, lambda picture, _: saved("JPEG", 10)(picture)),
    "blurred by 2 px": Kind(2, lambda picture, _: blurred(2)(picture)),
}


@dataclass(frozen=True)
class Trial:
    """The sets of one seed.

    Attributes:
        folders: by arm.
        names: the pictures of the clean set and of the one with strangers.
        strangers: those that are strangers in the latter, with their kind.
        left_out: those that curation left out of it.
    """

    folders: dict[str, Path]
    names: tuple[str, ...]
    strangers: dict[str, str]
    left_out: tuple[str, ...]


def divided(names: Sequence[str], held_out: int) -> tuple[list[str], list[str]]:
    """What is held out to measure with, and what is trained on: the same two for every seed."""
    order = np.random.default_rng(DIVISION_SEED).permutation(sorted(names)).tolist()
    return sorted(order[:held_out]), sorted(order[held_out:])


def make_trial(
    source: Path, names: Sequence[str], seed: int, folder: Path, resolution_px: int
) -> Trial:
    """Write the clean set, the same with strangers in it, and what curation leaves of that."""
    folders = {arm: folder / arm for arm in ARMS}
    strangers = strangers_among(names, seed)
    write_set(source, folders[CLEAN], names)
    write_set(source, folders[MIXED], names, strangers, seed)
    left_out = doubted(curate(folders[MIXED], resolution_px))
    write_set(folders[MIXED], folders[CURATED], [n for n in names if n not in left_out])
    return Trial(folders, tuple(names), strangers, left_out)


def strangers_among(names: Sequence[str], seed: int) -> dict[str, str]:
    """Which of the pictures are to be strangers, and of what kind; others for another seed.

    Raises:
        ValueError: there are fewer pictures than strangers.
    """
    kinds = [name for name, kind in KINDS.items() for _ in range(kind.count)]
    chosen = np.random.default_rng(seed).choice(sorted(names), len(kinds), replace=False)
    return dict(zip(chosen.tolist(), kinds, strict=True))


def write_set(
    source: Path,
    folder: Path,
    names: Sequence[str],
    strangers: Mapping[str, str] | None = None,
    seed: int = 0,
) -> None:
    """Copy pictures and captions of ``source`` into a new folder, ``strangers`` treated as their kind is.

    Args:
        strangers: a kind for each picture that is to be one.
        seed: of what chance decides, such as grain.
    """
    folder.mkdir(parents=True)
    for index, name in enumerate(names):
        caption = Path(name).with_suffix(".txt")
        shutil.copyfile(source / caption, folder / caption)
        kind = (strangers or {}).get(name)
        if kind is None:
            shutil.copyfile(source / name, folder / name)
            continue
        with Image.open(source / name) as picture:
            rng = np.random.default_rng([seed, index])
            KINDS[kind].treat(picture.convert("RGB"), rng).save(folder / name)


def doubted(curated: CuratedSet) -> tuple[str, ...]:
    """The pictures that curation drops or warns of: what one leaves out who follows its every word."""
    return tuple(
        picture.name
        for picture in curated.pictures
        if not picture.kept or any(f.severity == "warn" for f in picture.findings)
    )
