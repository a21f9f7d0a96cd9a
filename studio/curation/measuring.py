"""One picture's file: opened and hashed, decoded once, all checks on the same arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from studio.curation.checks.check import Check
from studio.curation.decode import Decoded, UnreadableError, opened
from studio.curation.file_facts import FileFacts
from studio.curation.file_stamp import FileStamp
from studio.curation.view import Measurement, Pixels


@dataclass(frozen=True)
class Header:
    """What is known of a file before its pixels are decoded.

    Attributes:
        digest: SHA-256 of its bytes.
        memory_bytes: what decoding and measuring it will take at most, about.
    """

    digest: str
    memory_bytes: int


Ask = Callable[[Header], Sequence[str] | None]
"""Told a header, names the checks whose numbers are wanted; None where all is known already."""


@dataclass(frozen=True)
class Seen:
    """What a file came to, whatever its name.

    Attributes:
        digest: SHA-256 of its bytes; empty where the verdict is not on them (`UnreadableError`).
        unreadable: why it could not be decoded; empty for a good one.
        measurements: by the check's name; None where a check had nothing to measure.
        stamp: tells that the file is unchanged; None where nothing can.
    """

    digest: str
    width_px: int = 0
    height_px: int = 0
    frames: int = 1
    facts: FileFacts = field(default_factory=FileFacts)
    unreadable: str = ""
    measurements: Mapping[str, Measurement | None] = field(default_factory=dict)
    stamp: FileStamp | None = None


@dataclass(frozen=True)
class Measuring:
    """What every picture of a set is asked. Travels to other processes.

    Attributes:
        checks: those that measure.
        resolution_px: side of the training bucket's square equivalent.
        cpu_seconds: of computing that a picture may take in a process of its own.
    """

    checks: tuple[Check, ...]
    resolution_px: int
    cpu_seconds: int = 60

    @classmethod
    def by(cls, checks: Sequence[Check], resolution_px: int) -> Measuring:
        """Of ``checks``, those that have a `Check.measure` of their own."""
        own = (check for check in checks if type(check).measure is not Check.measure)
        return cls(tuple(own), resolution_px)

    @cached_property
    def since(self) -> dict[str, int]:
        """`Check.measured_since` by the check's name."""
        return {check.name: check.measured_since for check in self.checks}

    def missing(self, seen: Seen | None) -> tuple[str, ...] | None:
        """What is still to be measured of a picture; None where it need not be opened."""
        if seen is None:
            return tuple(self.since)
        missing = tuple(name for name in self.since if name not in seen.measurements)
        return None if seen.unreadable or not missing else missing

    def look_at(self, path: Path, ask: Ask) -> Seen:
        """A file, with what ``ask`` wants to know of it.

        Raises:
            RuntimeError: a check failed on the picture, which is the check's fault.
        """
        try:
            seen, wanted, decoded = _decoded(path, ask)
            if decoded is None:
                return seen
            return replace(seen, measurements=self._measured(decoded, wanted, path))
        except UnreadableError as error:
            return Seen(error.digest, unreadable=str(error))

    def _measured(
        self, decoded: Decoded, wanted: Sequence[str], path: Path
    ) -> dict[str, Measurement | None]:
        pixels = Pixels(decoded.image, self.resolution_px, decoded.facts)
        measured = {}
        for check in self.checks:
            if check.name in wanted:
                try:
                    measured[check.name] = check.measure(pixels)
                except MemoryError as error:
                    raise UnreadableError("it takes more memory than there is") from error
                except Exception as error:
                    what = f"the check {check.name} failed on {path}: {error!r}"
                    raise RuntimeError(what) from error
        return measured


def _decoded(path: Path, ask: Ask) -> tuple[Seen, Sequence[str], Decoded | None]:
    """What is seen without measuring, what is to be measured, and the picture where that is asked.

    A function of its own, so that what the decoder holds is gone before the checks take memory.
    """
    with opened(path) as picture:
        seen = Seen(picture.digest, stamp=picture.lasting_stamp)
        wanted = ask(Header(picture.digest, picture.memory_bytes))
        if wanted is None:
            return seen, (), None
        try:
            decoded = picture.decode()
        except UnreadableError as error:
            return replace(seen, digest=error.digest, unreadable=str(error)), (), None
    width_px, height_px = decoded.image.size
    seen = replace(
        seen, width_px=width_px, height_px=height_px, frames=decoded.frames, facts=decoded.facts
    )
    return seen, wanted, decoded
