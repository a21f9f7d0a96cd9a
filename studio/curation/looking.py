"""Decoding and measuring a set: in threads, with a result that does not depend on them."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from studio.curation.captions import Caption
from studio.curation.checks.check import Check
from studio.curation.decode import UnreadableError, decode
from studio.curation.scan import Scan
from studio.curation.view import Pixels, View

# Each holds a whole picture, of up to 100 megapixels: four are enough to keep a disk busy.
_MAX_WORKERS = 4


def look(
    scan: Scan,
    captions: Mapping[str, Caption],
    checks: Sequence[Check],
    resolution_px: int,
    pinned: Collection[str],
    *,
    progress: Callable[[int, int], None] | None = None,
    workers: int = min(_MAX_WORKERS, os.cpu_count() or 1),
) -> list[View]:
    """A view of every picture, in the scan's order, whatever the number of workers."""

    def view(name: str) -> View:
        path, caption = scan.source / name, captions[name]
        return _view(path, name, caption, checks, resolution_px, pinned=name in pinned)

    views = []
    pool = ThreadPoolExecutor(workers)
    # Pillow warns of odd files by name of its own source line; the checks speak for themselves.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            for done, seen in enumerate(pool.map(view, scan.pictures), start=1):
                views.append(seen)
                if progress:
                    progress(done, len(scan.pictures))
        finally:
            # Ctrl-C must not wait for the thousands of pictures still in line.
            pool.shutdown(cancel_futures=True)
    return views


def _view(
    path: Path,
    name: str,
    caption: Caption,
    checks: Sequence[Check],
    resolution_px: int,
    *,
    pinned: bool,
) -> View:
    try:
        decoded = decode(path)
    except UnreadableError as error:
        return View(name, error.digest, 0, 0, caption.text, caption.source, unreadable=str(error))
    pixels = Pixels(decoded.image, resolution_px, decoded.facts)
    measured = {check.name: check.measure(pixels) for check in checks}
    return View(
        name=name,
        digest=decoded.digest,
        width_px=decoded.image.width,
        height_px=decoded.image.height,
        caption=caption.text,
        caption_source=caption.source,
        frames=decoded.frames,
        facts=decoded.facts,
        pinned=pinned,
        measurements={n: m for n, m in measured.items() if m is not None},
    )
