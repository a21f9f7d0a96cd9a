"""Every picture of a set shown to a learned model, once: what it sees is remembered by content.

Pictures are opened anew for it, after all checks have measured: a model of some hundred megabytes
stands in this process alone, not in each that decodes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from PIL import Image

from studio.curation.checks.check import Check
from studio.curation.checks.content import Content
from studio.curation.decode import open_rgb
from studio.curation.embedder import Embedder
from studio.curation.measurement_cache import MeasurementCache, measurement_cache
from studio.curation.measuring import Measuring, Seen
from studio.curation.view import Measurement, View, resized
from studio.errors import Interrupted

BATCH = 16
# Models look at 64 to 518 px; a batch of larger pictures would take gigabytes for nothing.
_SHORTER_SIDE_PX = 640
_LONGEST = 4  # by shorter side: scaled by its shorter one, a strip of 2 x 60,000 px would be huge
_ANY_RESOLUTION = 0  # what a model sees does not depend on the training bucket


def embedded(
    views: Sequence[View],
    source: Path,
    embedder: Embedder,
    progress: Callable[[int, int], None] | None = None,
) -> list[View]:
    """The views, every readable one with the embedding of its picture as `Content` wants it.

    Args:
        source: folder of the pictures.
        progress: called after each batch with how many are done and how many there are.

    Raises:
        DatasetError: a picture was removed or changed meanwhile.
        EmbedderError: the model cannot be loaded.
        Interrupted: the user pressed Ctrl-C; what was seen is kept for the next time.
    """
    wanted = {view.digest: view for view in views if not view.unreadable}
    with measurement_cache(Measuring((_Seeing(embedder),), _ANY_RESOLUTION)) as cache:
        vectors = {digest: _known(cache, digest) for digest in wanted}
        unknown = [view for digest, view in wanted.items() if vectors[digest] is None]
        try:
            for start in range(0, len(unknown), BATCH):
                batch = unknown[start : start + BATCH]
                for view, vector in zip(batch, _seen(batch, source, embedder), strict=True):
                    vectors[view.digest] = vector
                    cache.remember(source / view.name, _with(view, vector))
                if progress:
                    progress(len(wanted) - len(unknown) + start + len(batch), len(wanted))
        except KeyboardInterrupt as error:
            raise Interrupted(
                "interrupted while the content model looked at the pictures; "
                "the same command goes on from there"
            ) from error
    return [_view(view, vectors) for view in views]


class _Seeing(Check):
    """Stands for `Content` before the cache: what one model saw is not what another would."""

    name = Content.name

    def __init__(self, embedder: Embedder) -> None:
        self.measured_since = int(embedder.digest[:8], 16)


def _known(cache: MeasurementCache, digest: str) -> Measurement | None:
    seen = cache.recall(digest)
    return seen.measurements.get(Content.name) if seen else None


def _seen(views: Sequence[View], source: Path, embedder: Embedder) -> Measurement:
    return embedder.embed([_small(open_rgb(source / view.name, view.digest)) for view in views])


def _small(picture: Image.Image) -> Image.Image:
    """Of a strip, the middle."""
    longest = _LONGEST * min(picture.size)
    left, top = (max(0, side - longest) // 2 for side in picture.size)
    if left or top:
        picture = picture.crop((left, top, picture.width - left, picture.height - top))
    return resized(picture, min(1.0, _SHORTER_SIDE_PX / min(picture.size)))


def _with(view: View, vector: Measurement) -> Seen:
    return Seen(
        view.digest,
        view.width_px,
        view.height_px,
        view.frames,
        view.facts,
        measurements={Content.name: vector},
    )


def _view(view: View, vectors: Mapping[str, Measurement | None]) -> View:
    vector = vectors.get(view.digest)
    if view.unreadable or vector is None:
        return view
    return replace(view, measurements={**view.measurements, Content.name: vector})
