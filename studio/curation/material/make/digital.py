"""Digital cameras in their variety, so that a noisy or processed picture is not called film.

Noise arises where it does in a camera, before the mosaic is interpolated: Poisson-Gaussian with
unit variance slope, in linear light, through a Bayer pattern (Foi et al., "Practical
Poissonian-Gaussian noise modeling and fitting for single-image raw-data", 2008). What the camera
and the photographer do afterwards follows in their order.
"""

from __future__ import annotations

import cv2
import numpy as np

from studio.curation.material.make.light import (
    Picture,
    Values,
    blurred,
    luma,
    sharpened,
    to_display,
    to_light,
    to_picture,
    to_values,
    vignetted,
)


def clean(picture: Picture, rng: np.random.Generator) -> Picture:
    """A good exposure at low ISO: hardly any noise, developed with restraint."""
    values = to_values(picture) + _faint_noise(picture.shape, rng.uniform(0, 1.0), rng)
    if rng.random() < 0.5:
        values = sharpened(values, rng.uniform(0.1, 0.5), rng.uniform(0.5, 1.0))
    if rng.random() < 0.3:
        values = _toned(values, rng, strength=0.5)
    return to_picture(values)


def noisy(picture: Picture, rng: np.random.Generator) -> Picture:
    """High ISO: sensor noise, then what a camera does against it."""
    height, width = picture.shape[:2]
    # More pixels than the finished picture has, for most are reduced for use.
    captured = _resized(picture, rng.choice([1.0, 1.0, 1.35, 1.7]))
    values = to_display(_sensed(to_light(captured), rng))
    values = _camera_denoised(values, rng)
    values = cv2.resize(values, (width, height), interpolation=cv2.INTER_AREA)
    if rng.random() < 0.7:
        values = sharpened(values, rng.uniform(0.2, 1.2), rng.uniform(0.5, 1.2))
    if rng.random() < 0.3:
        values = _toned(values, rng)
    if rng.random() < 0.12:
        values = _gray(values)
    return to_picture(values)


def processed(picture: Picture, rng: np.random.Generator) -> Picture:
    """Developed with a will: two to four things that photographers do or that happen to them."""
    values = to_values(picture) + _faint_noise(picture.shape, rng.uniform(0, 2.5), rng)
    for step in rng.permutation(len(_STEPS))[: rng.integers(2, 5)]:
        values = np.clip(_STEPS[step](values, rng), 0, 1)
    return to_picture(values)


def _faint_noise(shape: tuple[int, ...], levels: float, rng: np.random.Generator) -> Values:
    return rng.standard_normal(shape, np.float32) * np.float32(levels / 255)


def _resized(picture: Picture, factor: float) -> Picture:
    if factor == 1:
        return picture
    return cv2.resize(picture, None, fx=factor, fy=factor, interpolation=cv2.INTER_LINEAR)


def _sensed(light: Values, rng: np.random.Generator) -> Values:
    """Linear light through a noisy sensor with a Bayer pattern, white-balanced again."""
    gains = np.array([rng.uniform(1.3, 2.4), 1.0, rng.uniform(1.3, 2.4)], np.float32)
    exposure = rng.uniform(0.7, 1.0)
    mosaic = _mosaic(light * np.float32(exposure) / gains)
    shot = np.exp(rng.uniform(np.log(4e-4), np.log(1.2e-2)))
    read = shot * rng.uniform(0.02, 0.2)
    noise = rng.standard_normal(mosaic.shape, np.float32)
    mosaic += noise * np.sqrt(mosaic * np.float32(shot) + np.float32(read**2 + 1e-7))
    if rng.random() < 0.15:  # rows read out together share some noise
        mosaic += rng.standard_normal((mosaic.shape[0], 1), np.float32) * np.float32(read)
    black = 0.05  # kept above zero, or noise in the shadows would be cut in half
    raw = np.clip((mosaic + black) * (60_000 / (1 + black)), 0, 65_535).astype(np.uint16)
    method = cv2.COLOR_BayerRGGB2RGB if rng.random() < 0.3 else cv2.COLOR_BayerRGGB2RGB_EA
    rgb = cv2.demosaicing(raw, method).astype(np.float32) * ((1 + black) / 60_000) - black
    return rgb * (gains / np.float32(exposure))


def _mosaic(light: Values) -> Values:
    """Red, green, green, blue: one colour a pixel. Same height and width."""
    mosaic = light[..., 1].copy()
    mosaic[::2, ::2] = light[::2, ::2, 0]
    mosaic[1::2, 1::2] = light[1::2, 1::2, 2]
    return mosaic


def _camera_denoised(values: Values, rng: np.random.Generator) -> Values:
    """Colour noise blurred away, brightness noise cored: from a raw converter's none to a phone's."""
    ycc = list(cv2.split(cv2.cvtColor(values, cv2.COLOR_RGB2YCrCb)))
    chroma_px = rng.choice([0.0, rng.uniform(0.6, 4.0)], p=[0.15, 0.85])
    ycc[1:] = (_chroma_blurred(plane, chroma_px) for plane in ycc[1:])
    strength = rng.choice([0.0, rng.uniform(0.2, 0.95)], p=[0.3, 0.7])
    if strength:
        ycc[0] = _cored(ycc[0], strength, rng.uniform(0.7, 1.6))
    return cv2.cvtColor(cv2.merge(ycc), cv2.COLOR_YCrCb2RGB)


def _chroma_blurred(plane: Values, sigma_px: float) -> Values:
    return blurred(cv2.medianBlur(plane, 3), sigma_px) if sigma_px else plane


def _cored(plane: Values, strength: float, sigma_px: float) -> Values:
    """Fine detail below the noise's own level is taken away, what exceeds it stays."""
    base = blurred(plane, sigma_px)
    detail = plane - base
    threshold = np.float32(2.5 * np.median(np.abs(detail[::4, ::4])) + 1e-6)
    kept = np.minimum(np.abs(detail) / threshold, 1) ** 2
    return base + detail * (1 - np.float32(strength) * (1 - kept))


def _toned(values: Values, rng: np.random.Generator, strength: float = 1.0) -> Values:
    """White balance, contrast, saturation, black and white point: film's colours, no film."""
    tint = np.exp(rng.normal(0, 0.06 * strength, 3)).astype(np.float32)
    values = np.clip(values * tint, 0, 1)
    values = values + np.float32(rng.uniform(-0.3, 0.7) * strength) * values * (1 - values) * (
        2 * values - 1
    )
    gray = luma(values)[..., None]
    values = gray + (values - gray) * np.float32(1 + rng.uniform(-0.5, 0.5) * strength)
    black, white = np.array([[0, 1]]).T + rng.uniform(0, 0.08 * strength, (2, 3)) * [[1], [-1]]
    return (black + (white - black) * values).astype(np.float32)


def _oversharpened(values: Values, rng: np.random.Generator) -> Values:
    return sharpened(values, rng.uniform(0.8, 2.5), rng.uniform(0.5, 1.8))


def _clarity(values: Values, rng: np.random.Generator) -> Values:
    """Local tone mapping: the contrast of middle-sized things raised, as in HDR pictures."""
    gray = luma(values)
    local = cv2.createCLAHE(rng.uniform(1.5, 5), (8, 8)).apply(to_picture(gray))
    gain = (to_values(local) + 0.02) / (np.clip(gray, 0, 1) + 0.02)
    return values * (1 + np.float32(rng.uniform(0.3, 1)) * (gain - 1))[..., None]


def _vignette(values: Values, rng: np.random.Generator) -> Values:
    light = np.power(np.clip(values, 0, 1), np.float32(2.2))
    return to_display(vignetted(light, rng.uniform(0.2, 0.7)))


def _gray(values: Values) -> Values:
    return np.repeat(luma(values)[..., None], 3, axis=2)


def _black_and_white(values: Values, rng: np.random.Generator) -> Values:
    mix = rng.dirichlet([3, 5, 2])[None].astype(np.float32)
    return np.repeat(cv2.transform(values, mix)[..., None], 3, axis=2)


def _fog(values: Values, rng: np.random.Generator) -> Values:
    """Mist or a veiling glare: low contrast, and nothing dark."""
    air = np.float32(rng.uniform(0.6, 0.9) + rng.normal(0, 0.02, 3))
    share = np.float32(rng.uniform(0.2, 0.7))
    return values * (1 - share) + air * share


def _defocus(values: Values, rng: np.random.Generator) -> Values:
    return blurred(values, rng.uniform(0.5, 1.6))


def _lifted_shadows(values: Values, rng: np.random.Generator) -> Values:
    """Underexposed and brightened: noise where it is darkest."""
    noise = rng.standard_normal(values.shape, np.float32) * np.float32(rng.uniform(1, 6) / 255)
    noise = blurred(noise, rng.uniform(0, 0.6)) * (1 - values) ** 2
    return np.power(np.clip(values, 0, 1), np.float32(rng.uniform(0.55, 0.9))) + noise


_STEPS = (
    _toned,
    _oversharpened,
    _clarity,
    _vignette,
    _black_and_white,
    _fog,
    _defocus,
    _lifted_shadows,
)
