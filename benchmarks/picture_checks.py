"""How often each check of single pictures finds its fault, and how often it cries wolf.

    make picture-checks                                   # into docs/results.md
    python benchmarks/picture_checks.py FOLDER [--pictures 100] [--side 1024] [--seed 0] [--names]

FOLDER holds photographs without faults. Each is reduced, so that what its camera and its file did to
it is averaged away, and given one fault after the other. False alarms are counted twice, on the
reduced pictures and on the files as they are: among the latter may be true ones, which --names lists.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from picture_faults import copies, faults
from PIL import Image
from results_page import write_section

from studio.curation.checks import checks_for
from studio.curation.checks.check import Check, PictureCheck, SetCheck
from studio.curation.decode import decode
from studio.curation.file_facts import FileFacts
from studio.curation.manifest import Finding, Severity
from studio.curation.scan import EXTENSIONS
from studio.curation.settings import DatasetSettings
from studio.curation.view import Pixels, View

HEAD = """## What the checks of single pictures find

Written by `make picture-checks`: {photographs} photographs, others than those that taught the classifier,
reduced to {side} px, so that what camera and file did to them is averaged away, and each given one fault
after the other. False alarms are counted on the reduced ones, and on the files as they are, where some
will be true.
"""
RESOLUTION_PX = 512
SEVERITIES: tuple[Severity, ...] = ("block", "warn", "info")
ALSO_JUDGED = ("near_duplicate", "low_information", "blank")


def main() -> None:
    """Print the tables, and put them on the page where that is asked for."""
    arguments = _arguments()
    cv2.setNumThreads(1)
    rng = np.random.default_rng(arguments.seed)
    paths = sorted(p for p in arguments.folder.iterdir() if p.suffix.lower() in EXTENSIONS)
    chosen = [paths[i] for i in sorted(rng.permutation(len(paths))[: arguments.pictures])]
    bench = Bench(arguments.side)
    for done, path in enumerate(chosen, start=1):
        bench.add(path)
        print(f"\r{done} of {len(chosen)} read", end="", file=sys.stderr)
    text = "\n".join(_printed(bench.tables(rng, names=arguments.names)))
    if arguments.write:
        facts = {"photographs": len(chosen), "side": arguments.side}
        write_section("picture-checks", HEAD.format(**facts) + text)


def _printed(lines: Iterable[str]) -> Iterator[str]:
    """The lines, each shown as soon as it is known."""
    for line in lines:
        print(line, flush=True)
        yield line


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pictures", type=int, default=100)
    parser.add_argument("--side", type=int, default=1024, help="longer side in pixels")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--names", action="store_true", help="of the false alarms")
    parser.add_argument("--write", action="store_true", help="into docs/results.md")
    return parser.parse_args()


class Bench:
    """Photographs, and what the checks say of them and of what is made of them."""

    def __init__(self, side_px: int) -> None:
        self.side_px = side_px
        settings = DatasetSettings(source="unused")
        self.checks = {check.name: check for check in checks_for(settings, RESOLUTION_PX).all}
        self.pictures: dict[str, Image.Image] = {}
        self.reduced: list[View] = []
        self.files: list[View] = []

    def add(self, path: Path) -> None:
        decoded = decode(path)
        checks = list(self.checks.values())
        self.files.append(_view(decoded.image, path.name, checks, decoded.facts))
        size = (self.side_px, self.side_px)
        decoded.image.thumbnail(size, Image.Resampling.LANCZOS)
        self.pictures[path.name] = decoded.image
        self.reduced.append(_view(decoded.image, path.name, checks))

    def tables(self, rng: np.random.Generator, *, names: bool) -> Iterator[str]:
        """Markdown, line by line."""
        yield from self._false_alarms(names=names)
        yield from self._faults(rng)
        yield from self._copies(rng)

    def _false_alarms(self, *, names: bool) -> Iterator[str]:
        yield from _head("false alarms of", "severity", "reduced", "files as they are")
        told = []
        for check in (*ALSO_JUDGED, *faults(np.random.default_rng())):
            reduced, files = (self._findings(check, views) for views in (self.reduced, self.files))
            for severity in SEVERITIES:
                chosen = [_of(found, severity) for found in (reduced, files)]
                if any(chosen):
                    shares = [f"{len(found) / len(self.files):.0%}" for found in chosen]
                    yield _row(check, severity, *shares)
                told += [f"{n}: {f.message}" for found in chosen for n, f in found.items()]
        yield from told if names else ()

    def _faults(self, rng: np.random.Generator) -> Iterator[str]:
        yield from _head("check", "fault", "found")
        for check, made in faults(rng).items():
            for fault, applied in made.items():
                hits = 0
                for place, image in enumerate(self.pictures.values()):
                    faulty = _view(applied(image), "the faulty one", [self.checks[check]])
                    others = [view for i, view in enumerate(self.reduced) if i != place]
                    hits += faulty.name in self._findings(check, [*others, faulty])
                yield _row(check, fault, f"{hits / len(self.pictures):.0%}")

    def _copies(self, rng: np.random.Generator) -> Iterator[str]:
        """One copy of each picture among all pictures, one kind of copy after the other."""
        check = self.checks["near_duplicate"]
        yield from _head("copies", "found", "others taken for copies")
        for kind, copied in copies(rng).items():
            made = [
                _view(copied(image), f"{name} copy", [check])
                for name, image in self.pictures.items()
            ]
            found = self._findings(check.name, [*self.reduced, *made])
            pairs = [sorted((name, str(f.evidence["twin"]))) for name, f in found.items()]
            right = sum(f"{first} copy" == second for first, second in pairs)
            yield _row(kind, *(f"{n / len(made):.0%}" for n in (right, len(pairs) - right)))

    def _findings(self, name: str, views: Sequence[View]) -> Mapping[str, Finding]:
        check = self.checks[name]
        if isinstance(check, SetCheck):
            return check.examine(views).of_pictures
        assert isinstance(check, PictureCheck)
        findings = {view.name: check.examine(view) for view in views}
        return {view: finding for view, finding in findings.items() if finding}


def _head(*cells: str) -> tuple[str, ...]:
    return ("", _row(*cells), _row(*("---" for _ in cells)))


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _of(found: Mapping[str, Finding], severity: Severity) -> dict[str, Finding]:
    return {name: finding for name, finding in found.items() if finding.severity == severity}


def _view(
    image: Image.Image, name: str, checks: Sequence[Check], facts: FileFacts | None = None
) -> View:
    pixels = Pixels(image, RESOLUTION_PX, facts or FileFacts())
    measured = {check.name: check.measure(pixels) for check in checks}
    empty = View(name, name, image.width, image.height, name, "txt", facts=pixels.facts)
    return replace(empty, measurements={n: m for n, m in measured.items() if m is not None})


if __name__ == "__main__":
    main()
