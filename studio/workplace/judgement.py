"""A judgement at hand: pictures found by name and by content, decisions since then applied."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

from studio.curation.by_hand import ByHand
from studio.curation.check_names import CERTAIN
from studio.curation.manifest import CuratedSet, Finding, Picture
from studio.curation.view import View
from studio.workplace.picture_set import PictureSet

BY_HAND = ("kept_by_hand", "dropped_by_hand")
"""Findings that only repeat what the user said."""


@dataclass(frozen=True)
class Judgement:
    """What curation found, and the ways into it."""

    curated: CuratedSet

    @cached_property
    def by_name(self) -> dict[str, Picture]:
        return {picture.name: picture for picture in self.curated.pictures}

    @cached_property
    def by_digest(self) -> dict[str, Picture]:
        """Pictures that could be decoded."""
        return {p.digest: p for p in self.curated.pictures if p.digest and p.width_px}

    def with_words(self, picture_set: PictureSet) -> Judgement:
        """With the set's decisions as they stand now, before curation has looked again.

        Only the pictures themselves are decided anew; what follows for the others (the twin of a copy that
        is now dropped) is found when the set is judged.
        """
        by_hand = ByHand(frozenset(picture_set.keep), frozenset(picture_set.drop))
        pictures = tuple(_decided(picture, by_hand) for picture in self.curated.pictures)
        return Judgement(replace(self.curated, pictures=pictures))


def findings_of_checks(picture: Picture) -> tuple[Finding, ...]:
    """Without those that only repeat the user's own word."""
    return tuple(f for f in picture.findings if f.check not in BY_HAND)


def is_about_caption(finding: Finding) -> bool:
    """Whether it is out of date once the caption is edited."""
    return finding.check.startswith("caption_")


def _decided(picture: Picture, by_hand: ByHand) -> Picture:
    is_same = not picture.findings or picture.findings[-1].check not in BY_HAND
    if is_same and picture.name not in by_hand.keep and picture.name not in by_hand.drop:
        return picture
    found = findings_of_checks(picture)
    kept = by_hand.keeps(_as_view(picture), found)
    return replace(picture, findings=(*found, *by_hand.findings(picture.name, found)), kept=kept)


def _as_view(picture: Picture) -> View:
    broken = next((f.message for f in picture.findings if f.check in CERTAIN), "")
    return View(
        name=picture.name,
        digest=picture.digest,
        width_px=picture.width_px,
        height_px=picture.height_px,
        caption=picture.caption,
        caption_source=picture.caption_source,
        unreadable=broken,
    )
