"""The curated set: what curation found, decided and hands to training. One JSON file, no torch."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from studio import atomic
from studio.curation.advice import what_to_do
from studio.curation.summary import MANIFEST_VERSION, is_ready, receipt, to_json, verdict
from studio.errors import DatasetError

Severity = Literal["block", "warn", "info"]
CaptionSource = Literal["txt", "metadata", "file_name", "auto", "none"]

# What a finding may carry. By convention ``twin`` names the picture that is repeated, ``crop`` is
# the telling part of the picture as "left,top,width,height" in pixels of the upright file;
# ``decided_by`` says whose judgement it is where not the check's: ``recipe`` or ``hand``.
Evidence = str | float | int | list[str]


@dataclass(frozen=True)
class Finding:
    """What one check has to say of a picture, or of the whole set.

    Attributes:
        check: the check's name, e.g. ``near_duplicate``.
        severity: ``block`` drops the picture (or stops the run, for the set), ``warn`` is for the
            user to weigh, ``info`` is a remark.
        score: the measured value, in the check's own unit.
        threshold: the limit that the score passed.
        message: one plain sentence with the value in it and, where it helps, what to do.
        evidence: further figures or names, e.g. the picture this one repeats.
    """

    check: str
    severity: Severity
    score: float
    threshold: float
    message: str
    evidence: dict[str, Evidence] = field(default_factory=dict)


@dataclass(frozen=True)
class Picture:
    """One picture of the set as the scan found it.

    Attributes:
        name: path below the source folder, with forward slashes; never an absolute path.
        digest: SHA-256 of the file's bytes, hexadecimal; empty where the file could not be read.
        width_px, height_px: after EXIF orientation; 0 where the picture could not be decoded.
        caption: the text to train with, trigger word not yet added; of several lines where one of
            them is drawn at each showing.
        caption_source: ``txt``, ``metadata``, ``file_name``, ``auto`` (written by a captioner) or
            ``none``.
        findings: what the checks say of it.
        kept: whether it goes into training.
        scores: what the checks measured, at fault or not, by check, each in its own unit.
        camera: maker and model, where the file has them.
    """

    name: str
    digest: str
    width_px: int
    height_px: int
    caption: str
    caption_source: CaptionSource
    findings: tuple[Finding, ...] = ()
    kept: bool = True
    scores: dict[str, float] = field(default_factory=dict)
    camera: str = ""

    @property
    def drop_reason(self) -> Finding:
        """Why it was dropped: the user's own word, or the first finding that blocks it.

        A set put together by other means than `curate` need not say why: it is ``left_out`` then.
        """
        own_word = [f for f in self.findings if f.check == "dropped_by_hand"]
        blocking = [f for f in self.findings if f.severity == "block"]
        return (own_word or blocking or [Finding("left_out", "block", 1, 0, "is left out")])[0]


@dataclass(frozen=True)
class CuratedSet:
    """A set of pictures with curation's verdict on each and on the whole.

    Attributes:
        source: the folder where the pictures are read, and never changed.
        pictures: all that were found, sorted by name.
        findings: on the whole.
        origin: what the user gave where that is no folder and was unpacked into ``source``: an
            archive, a table, a name on the hub. Else empty.
    """

    source: Path
    pictures: tuple[Picture, ...]
    findings: tuple[Finding, ...] = ()
    origin: str = ""

    @property
    def title(self) -> str:
        """The set in messages, as the user knows it."""
        return self.origin or str(self.source)

    @property
    def kept(self) -> tuple[Picture, ...]:
        return tuple(p for p in self.pictures if p.kept)

    @property
    def dropped(self) -> tuple[Picture, ...]:
        return tuple(p for p in self.pictures if not p.kept)

    @property
    def digest(self) -> str:
        """SHA-256 over the kept pictures' bytes and captions, whatever their names and order."""
        lines = sorted(f"{p.digest} {p.caption}" for p in self.kept)
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    @property
    def duplicate_groups(self) -> tuple[tuple[str, ...], ...]:
        """Names of pictures that repeat each other, exactly or nearly, dropped ones included.

        Sorted within each group and between them; a picture that stands alone is in none. What
        divides a set (training and validation) keeps each group on one side.
        """
        leaders = {p.name: p.name for p in self.pictures}
        for name, twin in self._twins():
            first, second = sorted((_leader(leaders, name), _leader(leaders, twin)))
            leaders[second] = first
        groups: dict[str, list[str]] = {}
        for name in sorted(leaders):
            groups.setdefault(_leader(leaders, name), []).append(name)
        return tuple(tuple(group) for group in groups.values() if len(group) > 1)

    def _twins(self) -> list[tuple[str, str]]:
        names = {p.name for p in self.pictures}
        pairs = [
            (p.name, str(f.evidence.get("twin", ""))) for p in self.pictures for f in p.findings
        ]
        return [(name, twin) for name, twin in pairs if twin in names]

    def path_of(self, picture: Picture) -> Path:
        return self.source / picture.name

    @property
    def ready(self) -> bool:
        """Whether the set can be trained on."""
        return is_ready(self)

    @property
    def verdict(self) -> str:
        """The same as a sentence."""
        return verdict(self)

    @property
    def receipt(self) -> str:
        """The same in counts alone, for an adapter's header."""
        return receipt(self)

    @property
    def to_do(self) -> list[str]:
        """What to do about the set, most urgent first, a sentence each."""
        return what_to_do(self)

    @property
    def summary(self) -> str:
        """The verdict and what to do, as lines to print."""
        steps = [f"{number}. {step}" for number, step in enumerate(self.to_do, start=1)]
        return "\n".join([self.verdict, *steps])

    def save(self, path: Path) -> None:
        """Write the manifest as JSON (`summary.to_json`), whole or not at all."""
        atomic.write_json(path, to_json(self))

    @classmethod
    def load(cls, path: Path) -> CuratedSet:
        """Read what `save` wrote.

        Raises:
            DatasetError: the file is missing, damaged or of another version.
        """
        try:
            content = json.loads(path.read_text("utf-8"))
            if content["version"] != MANIFEST_VERSION:
                raise DatasetError(
                    f"{path} is a curation manifest of version {content['version']}, this studio "
                    f"reads version {MANIFEST_VERSION}; curate the pictures again"
                )
            return cls(
                source=Path(content["source"]),
                pictures=tuple(_picture(p) for p in content["pictures"]),
                findings=tuple(Finding(**f) for f in content["findings"]),
                origin=content["origin"],
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DatasetError(
                f"{path} is no readable curation manifest ({type(error).__name__}: {error}); "
                "curate the pictures again"
            ) from error


def _picture(content: dict[str, Any]) -> Picture:
    findings = tuple(Finding(**f) for f in content["findings"])
    return Picture(**{**content, "findings": findings})


def _leader(leaders: dict[str, str], name: str) -> str:
    while leaders[name] != name:
        name = leaders[name]
    return name
