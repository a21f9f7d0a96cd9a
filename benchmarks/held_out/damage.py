"""What files, software and printers do to photographs."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage
from skimage import color, restoration

Picture = NDArray[np.uint8]  # (height, width, 3), RGB
Values = NDArray[np.float32]  # the same, 0 to 1

_KERNELS = (cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_LANCZOS4)


def jpeg(picture: Picture, quality: int) -> Picture:
    """Through a JPEG with OpenCV's settings."""
    return _encoded(picture, ".jpg", [cv2.IMWRITE_JPEG_QUALITY, quality])


def jpeg_low(picture: Picture, rng: np.random.Generator) -> Picture:
    """JPEG of quality 10 to 40; half of them were moved by some pixels and saved once more."""
    picture = jpeg(picture, int(rng.integers(10, 41)))
    if rng.random() < 0.5:
        return picture
    moved = np.roll(picture, rng.integers(1, 8, 2), (0, 1))
    return jpeg(moved, int(rng.integers(20, 50)))


def jpeg_q30(picture: Picture, _rng: np.random.Generator) -> Picture:
    return jpeg(picture, 30)


def webp_low(picture: Picture, rng: np.random.Generator) -> Picture:
    """WebP of quality 5 to 30."""
    return _encoded(picture, ".webp", [cv2.IMWRITE_WEBP_QUALITY, int(rng.integers(5, 31))])


def upscaled_2x(picture: Picture, rng: np.random.Generator) -> Picture:
    return _enlarged(picture, 2.0, rng)


def upscaled(picture: Picture, rng: np.random.Generator) -> Picture:
    """Enlarged 1.5 to 4 times."""
    return _enlarged(picture, rng.uniform(1.5, 4), rng)


def over_smoothed(picture: Picture, rng: np.random.Generator) -> Picture:
    """Denoised by total variation, wavelets, or diffusion along edges, without measure."""
    values = picture.astype(np.float32) / 255
    smooth = (_total_variation, _wavelets, _diffused)[rng.integers(3)]
    return _picture(smooth(values, rng))


def overlay_grain(picture: Picture, rng: np.random.Generator) -> Picture:
    """One field for all colours, of a spectrum made to measure, blended in as soft light or added."""
    height, width = picture.shape[:2]
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width))
    low_pass = 1 / (1 + (frequency / rng.uniform(0.15, 0.6)) ** rng.uniform(2, 6))
    noise = np.fft.irfft2(
        np.fft.rfft2(rng.laplace(size=(height, width))) * low_pass, (height, width)
    )
    grain = (noise / noise.std() * rng.uniform(4, 16) / 255).astype(np.float32)[..., None]
    values = picture.astype(np.float32) / 255
    if rng.random() < 0.5:
        return _picture(values + grain)
    return _picture(values + 4 * grain * values * (1 - values))


def halftone(picture: Picture, rng: np.random.Generator) -> Picture:
    """Inks in dots without a raster: error diffusion, or a random screen; then a scan of it."""
    height, width = picture.shape[:2]
    factor = rng.uniform(0.8, 1.6)
    small = Image.fromarray(picture).resize((round(width * factor), round(height * factor)))
    inks = Image.fromarray(255 - np.asarray(small))
    screen = _diffusion if rng.random() < 0.5 else _random_screen
    printed = Image.merge("RGB", [screen(ink, rng) for ink in inks.split()])
    scanned = ndimage.uniform_filter(255 - np.asarray(printed), (2, 2, 0))
    resized = Image.fromarray(scanned).resize((width, height), Image.Resampling.BICUBIC)
    return np.asarray(resized)


def _encoded(picture: Picture, extension: str, options: list[int]) -> Picture:
    bgr = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    _, data = cv2.imencode(extension, bgr, options)
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR_RGB))


def _picture(values: Values) -> Picture:
    return np.clip(values * 255 + 0.5, 0, 255).astype(np.uint8)


def _enlarged(picture: Picture, factor: float, rng: np.random.Generator) -> Picture:
    height, width = picture.shape[:2]
    size = (max(1, round(width / factor)), max(1, round(height / factor)))
    small = Image.fromarray(picture).resize(size, Image.Resampling.HAMMING)
    kernel = _KERNELS[rng.integers(len(_KERNELS))]
    return np.asarray(cv2.resize(np.asarray(small), (width, height), interpolation=kernel))


def _total_variation(values: Values, rng: np.random.Generator) -> Values:
    weight = rng.uniform(0.04, 0.12)
    return restoration.denoise_tv_chambolle(values, weight, max_num_iter=25, channel_axis=-1)


def _wavelets(values: Values, rng: np.random.Generator) -> Values:
    ycc = color.rgb2ycbcr(values)
    sigma = rng.uniform(0.04, 0.12)
    ycc[..., 0] = 255 * restoration.denoise_wavelet(
        ycc[..., 0] / 255, sigma, wavelet="sym4", mode="soft"
    )
    ycc[..., 1:] = ndimage.uniform_filter(ycc[..., 1:], (5, 5, 0))
    return np.asarray(color.ycbcr2rgb(ycc), np.float32)


def _diffused(values: Values, rng: np.random.Generator) -> Values:
    """Perona and Malik, "Scale-space and edge detection using anisotropic diffusion" (1990)."""
    reach = np.float32(rng.uniform(0.02, 0.05))
    for _ in range(int(rng.integers(8, 20))):
        flow = np.zeros_like(values)
        for axis in (0, 1):
            step = np.diff(values, axis=axis)
            step *= np.exp(-((step / reach) ** 2))
            ahead = [(0, 0)] * 3
            behind = [(0, 0)] * 3
            ahead[axis], behind[axis] = (0, 1), (1, 0)
            flow += np.pad(step, ahead) - np.pad(step, behind)
        values = values + np.float32(0.2) * flow
    return values


def _diffusion(ink: Image.Image, _rng: np.random.Generator) -> Image.Image:
    """Floyd and Steinberg's, as Pillow has it."""
    return ink.convert("1").convert("L")


def _random_screen(ink: Image.Image, rng: np.random.Generator) -> Image.Image:
    """A threshold of noise without low frequencies, so that dots keep apart."""
    noise = rng.standard_normal((ink.height, ink.width)).astype(np.float32)
    grain = ndimage.gaussian_filter(noise, 0.7) - ndimage.gaussian_filter(noise, 2)
    threshold = 0.5 + grain / grain.std() * 0.28
    return Image.fromarray(((np.asarray(ink) / 255 > threshold) * 255).astype(np.uint8))
