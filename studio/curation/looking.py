"""Every picture of a set decoded and measured, once, in as many processes as are worth it."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Collection, Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from studio.curation.captions import Caption
from studio.curation.checks.check import Check
from studio.curation.measurement_cache import MeasurementCache, measurement_cache
from studio.curation.measuring import Ask, Header, Measuring, Seen
from studio.curation.scan import Scan
from studio.curation.view import View
from studio.curation.worker_pool import MAX_PROCESSES, WorkerPool, available_cores
from studio.curation.worker_process import CannotStartError
from studio.errors import Interrupted

# A process takes a second to start, in which this one is done with fewer or smaller files.
_WORTH_PICTURES = 24
_WORTH_BYTES = 24 << 20


def look(
    scan: Scan,
    captions: Mapping[str, Caption],
    checks: Sequence[Check],
    resolution_px: int,
    pinned: Collection[str],
    *,
    progress: Callable[[int, int], None] | None = None,
    processes: int | None = None,
) -> list[View]:
    """A view of every picture, in the scan's order, whatever the number of processes.

    Args:
        progress: called after each picture with how many are done and how many there are.
        processes: 0 looks at the pictures in this one; by default as many as there are cores, 8 at
            most, or 0 where there is little to look at.

    Raises:
        Interrupted: the user pressed Ctrl-C; what was measured is kept for the next time.
    """
    paths = [scan.source / name for name in scan.pictures]
    measuring = Measuring.by(checks, resolution_px)
    seen: dict[int, Seen] = {}
    with measurement_cache(measuring) as cache, _without_warnings():
        try:
            with closing(_seen(paths, measuring, cache, processes)) as all_seen:
                for place, found in all_seen:
                    seen[place] = found
                    if progress:
                        progress(len(seen), len(paths))
        except KeyboardInterrupt as error:
            raise Interrupted(_how_far(len(seen), len(paths), kept=cache.keeps)) from error
    return [
        _view(name, seen[place], captions[name], pinned=name in pinned)
        for place, name in enumerate(scan.pictures)
    ]


def _seen(
    paths: Sequence[Path], measuring: Measuring, cache: MeasurementCache, processes: int | None
) -> Generator[tuple[int, Seen]]:
    """Every path, by its place, with what was known of it; then every other with what is found now."""
    changed = {}
    for place, path in enumerate(paths):
        known = cache.unchanged(path)
        if known:
            yield place, known
        else:
            changed[place] = path
    recalled: dict[str, Seen] = {}

    def ask(header: Header) -> Sequence[str] | None:
        known = cache.recall(header.digest)
        if known:
            recalled[header.digest] = known
        return measuring.missing(known)

    if processes is None:
        processes = _worthwhile_processes(changed.values())
    with closing(_found(changed, measuring, ask, processes)) as all_found:
        for place, found in all_found:
            cache.remember(changed[place], found)
            yield place, _completed(found, recalled.get(found.digest))


def _found(
    paths: Mapping[int, Path], measuring: Measuring, ask: Ask, processes: int
) -> Generator[tuple[int, Seen]]:
    """Every path with what ``ask`` wanted to know, in processes or, where they cannot be, here."""
    left = dict(paths)
    if processes:
        with suppress(CannotStartError), WorkerPool(measuring, processes) as pool:
            for place, found in pool.look_at(paths, ask):
                del left[place]
                yield place, found
    for place, path in left.items():
        yield place, measuring.look_at(path, ask)


def _completed(found: Seen, known: Seen | None) -> Seen:
    """``found``, which lacks what was known of the content before."""
    if known is None or found.unreadable:
        return found
    return replace(known, measurements={**known.measurements, **found.measurements})


def _worthwhile_processes(paths: Collection[Path]) -> int:
    if len(paths) < _WORTH_PICTURES and sum(map(_size, paths)) < _WORTH_BYTES:
        return 0
    return min(MAX_PROCESSES, available_cores(), len(paths))


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _how_far(done: int, total: int, *, kept: bool) -> str:
    if kept:
        return (
            f"interrupted: {done} of {total} pictures are measured and kept; "
            "the same command goes on from there"
        )
    return f"interrupted after {done} of {total} pictures; nothing is kept, there is no cache"


@contextmanager
def _without_warnings() -> Iterator[None]:
    """Pillow warns of odd files by name of its own source line; the checks speak for themselves."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _view(name: str, seen: Seen, caption: Caption, *, pinned: bool) -> View:
    return View(
        name=name,
        digest=seen.digest,
        width_px=seen.width_px,
        height_px=seen.height_px,
        caption=caption.text,
        caption_source=caption.source,
        raw_caption=caption.raw,
        unreadable=seen.unreadable,
        frames=seen.frames,
        facts=seen.facts,
        pinned=pinned,
        measurements={n: m for n, m in seen.measurements.items() if m is not None},
    )
