"""Every mode a picture can be stored in, to 8-bit RGB."""

from __future__ import annotations

import numpy as np
from PIL import Image

# JPEG's pixels are used as they were decoded. Other decoders hold on to more than the pixels,
# WebP's to three further copies of them, until the picture is copied out.
_LEAN_FORMATS = ("JPEG", "MPO")
_TO_EIGHT_BITS = (np.arange(1 << 16) * (255 / 65535)).round().astype(np.uint8)


def rgb_and_alpha(image: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    """A loaded picture in mode RGB, transparency laid on white, and the transparency.

    Returns:
        the picture, and mode L, 255 where it is solid, or None where it has no transparency.
    """
    if image.mode.startswith("I;16"):
        image = Image.fromarray(_TO_EIGHT_BITS[np.asarray(image)])
    elif image.mode in ("I", "F"):
        image = _from_numbers(image)
    if image.has_transparency_data:
        return _on_white(image if image.mode == "RGBA" else image.convert("RGBA"))
    if image.mode == "RGB" and getattr(image, "format", None) in _LEAN_FORMATS:
        return image, None
    return image.convert("RGB"), None


def _on_white(image: Image.Image) -> tuple[Image.Image, Image.Image]:
    ground = Image.new("RGB", image.size, "white")
    ground.paste(image, mask=image)
    return ground, image.getchannel("A")


def _from_numbers(image: Image.Image) -> Image.Image:
    """32-bit whole and floating-point gray to 8 bits, white staying white.

    White is the least of 1 (for floating point), 255 and 65535 that no pixel passes, or else the
    brightest pixel. What is no number is black, what is infinite is white or black.
    """
    values = np.array(image, np.float32)
    brightest = float(values.max(where=np.isfinite(values), initial=0))
    steps = (1.0, 255.0, 65535.0) if image.mode == "F" else (255.0, 65535.0)
    white = next((step for step in steps if brightest <= step), brightest)
    np.nan_to_num(values, copy=False, nan=0, posinf=white, neginf=0)
    values *= 255 / white
    return Image.fromarray(values.clip(0, 255, out=values).round().astype(np.uint8))
