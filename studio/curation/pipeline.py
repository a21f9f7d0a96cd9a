"""From a folder to a curated set: scan, decode and measure, judge."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from studio.curation.by_hand import ByHand, decisions
from studio.curation.captions import read_captions
from studio.curation.checks import Checks, checks_for
from studio.curation.looking import look
from studio.curation.manifest import CuratedSet, Finding, Picture
from studio.curation.scan import scan
from studio.curation.settings import DatasetSettings
from studio.curation.view import View


def curate(
    settings: DatasetSettings,
    resolution_px: int,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> CuratedSet:
    """Judge every picture of a folder, and the folder as a whole. Nothing in it is changed.

    A bad picture is dropped with its reason, never raised for; whether enough are left is asked by
    `studio.curation.require_trainable`.

    Args:
        settings: the recipe's ``dataset:`` section.
        resolution_px: side of the training bucket's square equivalent.
        progress: called after each picture with how many are done and how many there are.

    Raises:
        DatasetError: no such folder, no picture in it, or ``curation.keep`` and ``curation.drop``
            name what is not there.
    """
    found = scan(Path(settings.source).expanduser())
    by_hand = decisions(settings.curation, found.pictures)
    captions, caption_findings = read_captions(found, keep_lines=settings.caption.draw_line)
    checks = checks_for(settings, resolution_px)
    views = look(found, captions, checks.all, resolution_px, by_hand.keep, progress=progress)
    remarks = {n: (*captions[n].findings, *by_hand.findings(n)) for n in found.pictures}
    pictures, set_findings = judge(views, checks, by_hand, remarks)
    return CuratedSet(
        source=found.source,
        pictures=pictures,
        findings=(*found.findings, *caption_findings, *set_findings),
    )


def judge(
    views: Sequence[View],
    checks: Checks,
    by_hand: ByHand,
    remarks: dict[str, tuple[Finding, ...]],
) -> tuple[tuple[Picture, ...], tuple[Finding, ...]]:
    """Every picture with its findings and the verdict, and the findings on the set.

    Each set check sees the pictures that nothing before it dropped.
    """
    found = {view.name: [*_alone(view, checks), *remarks[view.name]] for view in views}
    scores = {view.name: _scores(view, checks) for view in views}
    of_set: list[Finding] = []
    for check in checks.of_set:
        kept = [view for view in views if _is_kept(view, found[view.name], by_hand)]
        findings = check.examine(kept)
        of_set += findings.of_set
        for name, finding in findings.of_pictures.items():
            found[name].append(finding)
        for name, score in findings.scores.items():
            scores[name][check.name] = score
    pictures = tuple(
        _picture(v, found[v.name], scores[v.name], kept=_is_kept(v, found[v.name], by_hand))
        for v in views
    )
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
    return {name: round(score, 4) for name, score in scores.items() if score is not None}


def _is_kept(view: View, findings: Sequence[Finding], by_hand: ByHand) -> bool:
    if view.unreadable or view.name in by_hand.drop:
        return False
    return view.pinned or not any(f.severity == "block" for f in findings)


def _picture(
    view: View, findings: Sequence[Finding], scores: dict[str, float], *, kept: bool
) -> Picture:
    return Picture(
        name=view.name,
        digest=view.digest,
        width_px=view.width_px,
        height_px=view.height_px,
        caption=view.caption,
        caption_source=view.caption_source,
        findings=tuple(findings),
        kept=kept,
        scores=scores,
        camera=view.facts.camera,
    )
