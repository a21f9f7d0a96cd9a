"""From a folder to a curated set: scan, decode and measure, judge."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from studio.curation.by_hand import ByHand, decisions
from studio.curation.captions import captions_of
from studio.curation.checks import Checks, checks_for
from studio.curation.embedder import Embedder
from studio.curation.embedding import embedded
from studio.curation.looking import look
from studio.curation.manifest import CuratedSet, Finding, Picture
from studio.curation.reading import CaptionReader
from studio.curation.scan import scan
from studio.curation.settings import CurationSettings, DatasetSettings
from studio.curation.severity import Rulings
from studio.curation.sources.clip_folder import clips_left_out
from studio.curation.sources.folder import pictures_folder
from studio.curation.view import View

DEFAULT_RESOLUTION_PX = 512  # what Stable Diffusion 1.x learned at


def curate(
    source: str | Path | DatasetSettings,
    resolution_px: int | None = None,
    *,
    reader: CaptionReader | None = None,
    embedder: Embedder | None = None,
    progress: Callable[[int, int], None] | None = None,
    processes: int | None = None,
    **limits: Any,
) -> CuratedSet:
    """Judge every picture of a set, and the set as a whole. Nothing in it is changed.

    A bad picture is dropped with its reason, never raised for; whether enough are left is asked by
    `studio.curation.require_trainable`.

    Args:
        source: the pictures, or the recipe's ``dataset:`` section.
        resolution_px: side of the training bucket's square equivalent; by default that of the
            section, or 512.
        reader: the base model's, to tell what of a caption is never read:
            `studio.examples.caption_reader`. Without it a finding says that nobody looked.
        embedder: a vision model, to tell by what pictures show:
            `studio.embedding.recognition.embedder_for`.
        progress: called after each picture with how many are done and how many there are; while a
            source is unpacked, in its own units.
        processes: how many to measure in; 0 is this one alone. By default as many as pay.
        limits: fields of `CurationSettings`, e.g. ``advised_pictures=20``, ``keep=["a.png"]``,
            ``severity={"blur": "block"}``. They take the place of the section's.

    Raises:
        DatasetError: no such source or folder of captions, no picture in it, or ``keep`` and
            ``drop`` name what is not there.
        RecipeError: a limit is unknown or out of range.
        Interrupted: the user pressed Ctrl-C; what was measured is kept for the next time.
    """
    settings = _settings(source, limits)
    resolution_px = resolution_px or settings.resolution or DEFAULT_RESOLUTION_PX
    folder = pictures_folder(settings, progress)
    found = scan(folder)
    by_hand = decisions(settings.curation, found.pictures)
    captions, caption_findings = captions_of(found, settings)
    checks = checks_for(settings, resolution_px, reader, embedder)
    asked = (checks.all, resolution_px, by_hand.keep)
    views = look(found, captions, *asked, progress=progress, processes=processes)
    if embedder:
        views = embedded(views, folder, embedder, progress)
    rulings = Rulings(settings.curation.severity)
    remarks = {name: captions[name].findings for name in found.pictures}
    pictures, set_findings = judge(views, checks, by_hand, remarks, rulings)
    found_in_reading = (*found.findings, *clips_left_out(folder), *caption_findings)
    of_reading = rulings.weighed(found_in_reading)
    origin = "" if folder == Path(settings.source).expanduser() else settings.source
    return CuratedSet(folder, pictures, (*of_reading, *set_findings), origin)


def _settings(source: str | Path | DatasetSettings, limits: Mapping[str, Any]) -> DatasetSettings:
    given = source if isinstance(source, DatasetSettings) else DatasetSettings(source=str(source))
    if not limits:
        return given
    from studio.recipe.loading import validated

    curation = validated(CurationSettings, {**given.curation.model_dump(), **limits})
    return given.model_copy(update={"curation": curation})


def judge(
    views: Sequence[View],
    checks: Checks,
    by_hand: ByHand,
    remarks: Mapping[str, tuple[Finding, ...]],
    rulings: Rulings,
) -> tuple[tuple[Picture, ...], tuple[Finding, ...]]:
    """Every picture with its findings and the verdict, and the findings on the set.

    Each set check sees the pictures that nothing before it dropped. What a finding counts for is
    the recipe's to say, and the user's own word on a picture comes before both.

    Args:
        remarks: what was found when the captions were read, by picture.
    """
    found = {v.name: [*rulings.weighed((*_alone(v, checks), *remarks[v.name]))] for v in views}
    scores = {view.name: _scores(view, checks) for view in views}
    of_set: list[Finding] = []
    for check in checks.of_set:
        kept = [view for view in views if by_hand.keeps(view, found[view.name])]
        findings = check.examine(kept)
        for name, finding in findings.of_pictures.items():
            found[name] += rulings.weighed([finding])
        for name, score in findings.scores.items():
            scores[name][check.name] = score
        dropped_any = any(not by_hand.keeps(view, found[view.name]) for view in kept)
        of_set += rulings.weighed_of_set(check.name, findings.of_set, dropped_any=dropped_any)
    pictures = tuple(_picture(v, found[v.name], scores[v.name], by_hand) for v in views)
    return pictures, tuple(of_set)


def _alone(view: View, checks: Checks) -> list[Finding]:
    unreadable = checks.unreadable.examine(view)
    if unreadable:
        return [unreadable]
    findings = (check.examine(view) for check in checks.of_picture)
    return [finding for finding in findings if finding]


def _scores(view: View, checks: Checks) -> dict[str, float]:
    if view.unreadable:
        return {}
    scores = {check.name: check.score(view) for check in checks.of_picture}
    return {name: score for name, score in scores.items() if score is not None}


def _picture(
    view: View, findings: Sequence[Finding], scores: Mapping[str, float], by_hand: ByHand
) -> Picture:
    return Picture(
        name=view.name,
        digest=view.digest,
        width_px=view.width_px,
        height_px=view.height_px,
        caption=view.caption,
        caption_source=view.caption_source,
        findings=(*findings, *by_hand.findings(view.name, findings)),
        kept=by_hand.keeps(view, findings),
        scores={name: round(s, 4) for name, s in scores.items() if math.isfinite(s)},
        camera=view.facts.camera,
    )
