"""The VAE's memory while pictures are drawn: it peaks at the very end, when latents become pixels."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from studio.bases.base_model import BaseModel
from studio.bases.placement import free_bytes, is_gpu

LIVE_TENSORS = 5  # of the widest layer's size, in fp32, at the peak of a decoder: an estimate
SMALLEST_TILE_PX = 256
SWITCHES = ("use_slicing", "use_tiling", "tile_sample_min_size", "tile_latent_min_size")
"""What diffusers' VAEs have of this."""


@contextmanager
def sparing(base: BaseModel, side_px: int) -> Iterator[None]:
    """Decode with as little memory as is wise, for the length of a ``with`` block.

    On a GPU pictures are decoded one by one. They are decoded in tiles, which can leave faint seams,
    where they are larger than the base was trained for, or where the GPU has no room for a whole one.
    On the CPU a picture of the base's own size is decoded as ever, to the bit.
    """
    vae: Any = base.vae
    device = base.offload_to or base.device
    free = free_bytes(device) if is_gpu(device) else None
    tile_px = tile_side_px(vae.config.block_out_channels, side_px, base.resolution_px, free)
    before = {name: getattr(vae, name) for name in SWITCHES}
    try:
        vae.use_slicing = before["use_slicing"] or is_gpu(device)
        if tile_px < side_px:
            vae.use_tiling = True
            vae.tile_sample_min_size = tile_px
            vae.tile_latent_min_size = tile_px // 2 ** (len(vae.config.block_out_channels) - 1)
        yield
    finally:
        for name, value in before.items():
            setattr(vae, name, value)


def tile_side_px(
    block_out_channels: tuple[int, ...], side_px: int, native_px: int, free: int | None
) -> int:
    """The side of the squares that a picture is decoded in; its own where it is decoded whole.

    Args:
        block_out_channels: of the VAE.
        native_px: the side that the base was trained for.
        free: bytes of the GPU's memory; None: no matter.
    """
    tile_px = min(side_px, native_px)
    while (
        free is not None
        and tile_px > SMALLEST_TILE_PX
        and decoding_bytes(block_out_channels, tile_px) > free
    ):
        tile_px //= 2
    return tile_px


def decoding_bytes(block_out_channels: tuple[int, ...], side_px: int) -> int:
    """About what it takes to decode a square in fp32, beside the weights."""
    widest = block_out_channels[min(1, len(block_out_channels) - 1)]
    return int(side_px) ** 2 * widest * 4 * LIVE_TENSORS
