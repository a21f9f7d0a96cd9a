"""Judging a set of pictures: ``studio curate`` for the dashboard."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from studio.curation.pipeline import curate
from studio.curation.scan import scan
from studio.curation.settings import DatasetSettings
from studio.curation.sources.folder import pictures_folder
from studio.errands.kinds import Tell
from studio.examples.caption_reader import caption_reader
from studio.workplace.picture_set import PictureSet
from studio.workplace.reading import base_of, settings_of
from studio.workplace.set_folder import SetFolder

_PRIORITY = 15  # of 19, which is the lowest


def judge(arguments: Mapping[str, Any], _folder: Path, tell: Tell) -> dict[str, Any]:
    """Judge the set as it now stands, and keep what was found in its folder.

    A set that cannot be trained on is no failure: what it lacks is the answer.

    Args:
        arguments: ``folder`` of the set; ``set`` and ``stamp`` only tell one errand from another.

    Returns:
        ``ready``, ``verdict``, ``found``, ``kept``.

    Raises:
        StudioError: the pictures or the base model are not there, or cannot be read.
    """
    _step_back()
    place = SetFolder(Path(arguments["folder"]))
    tell("reading the set", 0, 0)
    picture_set = _without_the_gone(place)
    stamp = place.stamp(picture_set)
    settings = settings_of(picture_set)
    base = base_of(picture_set)
    curated = curate(
        settings,
        base.resolution_px,
        reader=caption_reader(base, settings),
        progress=lambda done, total: tell("looking at pictures", done, total),
    )
    place.keep_judgement(curated, stamp)
    return {
        "ready": curated.ready,
        "verdict": curated.verdict,
        "found": len(curated.pictures),
        "kept": len(curated.kept),
    }


def _step_back() -> None:
    """Thousands of pictures take every core for minutes; pages and training come first."""
    if hasattr(os, "setpriority"):
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, 0, _PRIORITY)


def _without_the_gone(place: SetFolder) -> PictureSet:
    """The set, after forgetting decisions on pictures that are no longer there."""
    before = place.read()
    if not before.keep and not before.drop:
        return before
    there = set(scan(pictures_folder(DatasetSettings(source=before.source))).pictures)

    def still(names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(name for name in names if name in there)

    return place.change(lambda now: replace(now, keep=still(now.keep), drop=still(now.drop)))
