"""What drawing takes. A GPU gets by with what it has: parts visit it, pictures are decoded in tiles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from studio.bases.placement import must_visit
from studio.bases.settings import Offload
from studio.planning.work import Work
from studio.preview.decoding import SMALLEST_TILE_PX


@dataclass(frozen=True)
class Drawing:
    """A batch of pictures, as it would be drawn with memory in plenty.

    Attributes:
        pictures: in the batch.
        side_px: of each.
        adapter_bytes: what an adapter that is put on takes.
        denoising_bytes: of the whole batch, beside weights and adapter.
        decoding_bytes: the same; of one picture on a GPU.
        work: of all its steps.
    """

    pictures: int
    side_px: int
    adapter_bytes: int
    denoising_bytes: int
    decoding_bytes: int
    work: Work


def drawing_bytes(
    drawing: Drawing, parts: Mapping[str, int], gpu_bytes: int | None, offload: Offload
) -> int:
    """The most that weights and data take on the device.

    Args:
        parts: the weights, by the base's part.
        gpu_bytes: what a GPU has for both; None: a processor, where nothing moves and nothing is tiled.
        offload: as the recipe says.
    """
    denoising = drawing.denoising_bytes
    before_denoising = before_decoding = sum(parts.values()) + drawing.adapter_bytes
    if gpu_bytes is None:
        return before_decoding + max(denoising, drawing.decoding_bytes)
    if must_visit(offload, sum(parts.values()), gpu_bytes):
        # The adapter is put on in main memory, and pictures are drawn one by one (`pictures_at_once`).
        before_denoising, before_decoding = parts["unet"], parts["vae"]
        denoising //= drawing.pictures
    return max(
        *parts.values(),
        before_denoising + denoising,
        before_decoding + _tiled_bytes(drawing, gpu_bytes - before_decoding),
    )


def _tiled_bytes(drawing: Drawing, free: int) -> int:
    needed, side_px = drawing.decoding_bytes, drawing.side_px
    while needed > free and side_px > SMALLEST_TILE_PX:
        needed, side_px = needed // 4, side_px // 2
    return needed
