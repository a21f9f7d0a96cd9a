"""Faults and copies of photographs, made on purpose: what `picture_checks.py` tries the checks with."""

from __future__ import annotations

import io
from collections.abc import Callable

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageOps

Fault = Callable[[Image.Image], Image.Image]
_LANCZOS, _BICUBIC = Image.Resampling.LANCZOS, Image.Resampling.BICUBIC


def faults(rng: np.random.Generator) -> dict[str, dict[str, Fault]]:
    """By the name of the check that should find them: each fault's name and how it is made."""
    return {
        "compression": {
            "JPEG 10": saved("JPEG", 10),
            "JPEG 25": saved("JPEG", 25),
            "JPEG 45": saved("JPEG", 45),
            "JPEG 25, then 90": saved_twice(25, 90, rng),
            "JPEG 40, then 75": saved_twice(40, 75, rng),
        },
        "upscaled": {
            "1.5 x bicubic": enlarged(1.5, _BICUBIC),
            "2 x bicubic": enlarged(2, _BICUBIC),
            "2 x Lanczos": enlarged(2, _LANCZOS),
            "4 x bilinear": enlarged(4, Image.Resampling.BILINEAR),
            "2 x bicubic, JPEG 90": lambda image: saved("JPEG", 90)(enlarged(2, _BICUBIC)(image)),
            "3 x nearest": enlarged(3, Image.Resampling.NEAREST),
        },
        "over_smoothed": {
            "denoised, 6": denoised(6),
            "denoised, 10": denoised(10),
            "beauty filter": beautified,
            "WebP 20": saved("WEBP", 20),
        },
        "blur": {"Gaussian 3 px": blurred(3), "Gaussian 5 px": blurred(5)},
        "clipping": {"+2 stops": exposed(2), "+3 stops": exposed(3)},
        "exposure": {"-5 stops": exposed(-5), "+4 stops": exposed(4)},
        "border": {
            "black bars": barred("black", rng),
            "white bars": barred("white", rng),
            "white frame": framed(rng),
        },
        "text": {"a line of text": lettered},
    }


def copies(rng: np.random.Generator) -> dict[str, Fault]:
    """Ways in which the same picture comes into a set again."""
    return {
        "half the size": lambda image: image.resize([side // 2 for side in image.size]),
        "JPEG 40": saved("JPEG", 40),
        "brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.2),
        "mirrored": ImageOps.mirror,
        "framed": framed(rng),
        "cropped to 60-90%": cropped(rng),
        "made square": lambda image: ImageOps.fit(image, (min(image.size),) * 2),
    }


def saved(kind: str, quality: int) -> Fault:
    def fault(image: Image.Image) -> Image.Image:
        file = io.BytesIO()
        image.save(file, kind, quality=quality)
        return Image.open(file).convert("RGB")

    return fault


def saved_twice(first: int, second: int, rng: np.random.Generator) -> Fault:
    """As JPEG, cropped off the grid of blocks, as JPEG again."""

    def fault(image: Image.Image) -> Image.Image:
        left, top = (int(v) for v in rng.integers(0, 8, 2))
        return saved("JPEG", second)(saved("JPEG", first)(image).crop((left, top, *image.size)))

    return fault


def enlarged(factor: float, method: Image.Resampling) -> Fault:
    """Reduced by the factor and enlarged again."""

    def fault(image: Image.Image) -> Image.Image:
        small = image.resize([round(side / factor) for side in image.size], _LANCZOS)
        return small.resize([round(side * factor) for side in small.size], method)

    return fault


def denoised(strength: int) -> Fault:
    """By non-local means."""

    def fault(image: Image.Image) -> Image.Image:
        levels = np.asarray(image)
        smooth = cv2.fastNlMeansDenoisingColored(levels, None, strength, strength, 5, 11)
        return Image.fromarray(smooth)

    return fault


def beautified(image: Image.Image) -> Image.Image:
    """A bilateral filter twice, as skin smoothing does."""
    levels = np.asarray(image)
    for _ in range(2):
        levels = cv2.bilateralFilter(levels, 9, 40, 7)
    return Image.fromarray(levels)


def blurred(sigma_px: float) -> Fault:
    return lambda image: image.filter(ImageFilter.GaussianBlur(sigma_px))


def exposed(stops: float) -> Fault:
    """So many stops more, in linear light, clipped at white."""

    def fault(image: Image.Image) -> Image.Image:
        linear = np.clip((np.asarray(image) / 255) ** 2.2 * 2**stops, 0, 1)
        return Image.fromarray((linear ** (1 / 2.2) * 255).astype(np.uint8))

    return fault


def barred(colour: str, rng: np.random.Generator) -> Fault:
    """Bars above and below."""
    return lambda image: ImageOps.expand(
        image, (0, round(image.height * rng.uniform(0.03, 0.15))), colour
    )


def framed(rng: np.random.Generator) -> Fault:
    return lambda image: ImageOps.expand(
        image, round(max(image.size) * rng.uniform(0.01, 0.05)), "white"
    )


def lettered(image: Image.Image) -> Image.Image:
    """A line of text near a corner."""
    image = image.copy()
    place = (image.width * 0.5, image.height * 0.9)
    text = "example photographs 2024"
    ImageDraw.Draw(image).text(place, text, "white", font_size=image.width / 30)
    return image


def cropped(rng: np.random.Generator) -> Fault:
    """60 to 90% of the area, anywhere."""

    def fault(image: Image.Image) -> Image.Image:
        share = np.sqrt(rng.uniform(0.6, 0.9))
        width, height = (round(side * share) for side in image.size)
        left = int(rng.integers(0, image.width - width + 1))
        top = int(rng.integers(0, image.height - height + 1))
        return image.crop((left, top, left + width, top + height))

    return fault
