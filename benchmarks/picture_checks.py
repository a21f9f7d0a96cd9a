"""How often each check of single pictures finds its fault, and how often it cries wolf.

    python benchmarks/picture_checks.py FOLDER [--pictures 100] [--side 1024] [--seed 0]

FOLDER holds photographs without faults. Each is reduced, so that what its camera and its file did to
it is averaged away, and given one fault after the other. False alarms are counted twice, on the
reduced pictures and on the files as they are: among the latter may be true ones, which --names lists.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from picture_faults import copies, faults
from PIL import Image

from studio.curation.checks import checks_for
from studio.curation.checks.check import Check, PictureCheck, SetCheck
from studio.curation.decode import decode
from studio.curation.file_facts import FileFacts
from studio.curation.manifest import Finding, Severity
from studio.curation.scan import EXTENSIONS
from studio.curation.settings import DatasetSettings
from studio.curation.view import Pixels, View

RESOLUTION_PX = 512
SEVERITIES: tuple[Severity, ...] = ("block", "warn", "info")
ALSO_JUDGED = ("near_duplicate", "low_information", "blank")


def main() -> None:
    """Print the tables."""
    arguments = _arguments()
    cv2.setNumThreads(1)
    rng = np.random.default_rng(arguments.seed)
    paths = sorted(p for p in arguments.folder.iterdir() if p.suffix.lower() in EXTENSIONS)
    chosen = [paths[i] for i in sorted(rng.permutation(len(paths))[: arguments.pictures])]
    bench = Bench(arguments.side)
    for done, path in enumerate(chosen, start=1):
        bench.add(path)
        print(f"\r{done} of {len(chosen)} read", end="", file=sys.stderr)
    print(f"{len(chosen)} photographs of {arguments.folder}, reduced to {arguments.side} px")
    bench.print_false_alarms(names=arguments.names)
    bench.print_faults(rng)
    bench.print_copies(rng)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pictures", type=int, default=100)
    parser.add_argument("--side", type=int, default=1024, help="longer side in pixels")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--names", action="store_true", help="of the false alarms")
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

    def print_false_alarms(self, *, names: bool) -> None:
        print(f"\n{'false alarms':<16} {'':<8} {'reduced':>8} {'files':>8}")
        for check in (*ALSO_JUDGED, *faults(np.random.default_rng())):
            reduced, files = (self._findings(check, views) for views in (self.reduced, self.files))
            for severity in SEVERITIES:
                chosen = [_of(found, severity) for found in (reduced, files)]
                shares = " ".join(f"{len(found) / len(self.files):>8.1%}" for found in chosen)
                if any(chosen):
                    print(f"{check:<16} {severity:<8} {shares}")
                for where, found in zip(("reduced", "file"), chosen if names else (), strict=False):
                    for name, finding in found.items():
                        print(f"    {where} {name}: {finding.message}")

    def print_faults(self, rng: np.random.Generator) -> None:
        print(f"\n{'check':<16} {'fault':<22} {'found':>7}")
        for check, made in faults(rng).items():
            for fault, applied in made.items():
                hits = 0
                for place, image in enumerate(self.pictures.values()):
                    faulty = _view(applied(image), "the faulty one", [self.checks[check]])
                    others = [view for i, view in enumerate(self.reduced) if i != place]
                    hits += faulty.name in self._findings(check, [*others, faulty])
                print(f"{check:<16} {fault:<22} {hits / len(self.pictures):>7.1%}", flush=True)

    def print_copies(self, rng: np.random.Generator) -> None:
        """One copy of each picture among all pictures, one kind of copy after the other."""
        check = self.checks["near_duplicate"]
        print(f"\n{'copies':<22} {'found':>7} {'wrong':>7}")
        for kind, copied in copies(rng).items():
            made = [
                _view(copied(image), f"{name} copy", [check])
                for name, image in self.pictures.items()
            ]
            found = self._findings(check.name, [*self.reduced, *made])
            pairs = [sorted((name, str(f.evidence["twin"]))) for name, f in found.items()]
            right = sum(f"{first} copy" == second for first, second in pairs)
            shares = (right / len(made), (len(pairs) - right) / len(made))
            print(f"{kind:<22} {shares[0]:>7.1%} {shares[1]:>7.1%}", flush=True)

    def _findings(self, name: str, views: Sequence[View]) -> Mapping[str, Finding]:
        check = self.checks[name]
        if isinstance(check, SetCheck):
            return check.examine(views).of_pictures
        assert isinstance(check, PictureCheck)
        findings = {view.name: check.examine(view) for view in views}
        return {view: finding for view, finding in findings.items() if finding}


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
