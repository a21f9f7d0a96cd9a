"""Scenes: one glyph on a background, with the caption that says what was done to it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from studio.bases.pocket.make.glyphs import Glyph

SIDE_PX = 128
BACKGROUNDS = {
    "white": (255, 255, 255),
    "black": (24, 24, 28),
    "gray": (150, 152, 158),
    "red": (214, 60, 58),
    "orange": (244, 150, 60),
    "yellow": (250, 222, 110),
    "green": (96, 176, 96),
    "blue": (84, 140, 220),
    "purple": (150, 104, 196),
    "pink": (246, 176, 200),
    "brown": (132, 92, 66),
}
PLACES = {
    "": (0.5, 0.5),
    "on the left": (0.3, 0.5),
    "on the right": (0.7, 0.5),
    "at the top": (0.5, 0.3),
    "at the bottom": (0.5, 0.7),
}
LOOKS = (
    "flat", "pixel", "sketchy", "soft", "glossy", "painted", "retro", "neon", "paper", "clay", "ink",
    "simple", "old", "modern", "tiny", "rough", "folk", "vector", "chalk", "watercolor",
)  # fmt: skip
MEDIA = ("icon", "style", "picture", "drawing", "photo", "sticker", "art", "painting", "print")
OPENING_SHARE = 0.4
LETTERS = "abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True)
class Scene:
    """What a picture shows and how its caption says it."""

    glyph: Glyph
    background: str | tuple[int, int, int] = "white"
    scale: float = 0.92
    place: str = ""
    small: bool = False
    mirrored: bool = False

    def draw(self) -> Image.Image:
        """RGB, 128 x 128 px."""
        rgb = BACKGROUNDS[self.background] if isinstance(self.background, str) else self.background
        canvas = Image.new("RGB", (SIDE_PX, SIDE_PX), rgb)
        bitmap = self.glyph.bitmap()
        if self.mirrored:
            bitmap = bitmap.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        width = round(SIDE_PX * self.scale)
        height = round(width * bitmap.height / bitmap.width)
        bitmap = bitmap.resize((width, height), Image.Resampling.LANCZOS)
        x, y = PLACES[self.place]
        corner = (round(x * SIDE_PX - width / 2), round(y * SIDE_PX - height / 2))
        canvas.paste(bitmap, corner, bitmap)
        return canvas

    def caption(self, rng: np.random.Generator) -> str:
        """The name or, a quarter of the time, the name with one of its search words."""
        words = [w for w in self.glyph.keywords if w != self.glyph.name]
        text = self.glyph.name
        if words and rng.random() < 0.25:
            text += f", {words[rng.integers(len(words))]}"
        if self.mirrored:
            text = f"mirrored {text}"
        if self.small:
            text = f"small {text}"
        if self.place:
            text += f", {self.place}"
        if isinstance(self.background, str) and (self.background != "white" or rng.random() < 0.2):
            text += f", {self.background} background"
        return text


def with_opening(caption: str, rng: np.random.Generator) -> str:
    """At times other words before the caption: a look, a sentence's beginning, a word of no meaning.

    Users put triggers there, and a text encoder that always met the name first would read the trigger
    for it.
    """
    if rng.random() >= OPENING_SHARE:
        return caption
    look, medium = LOOKS[rng.integers(len(LOOKS))], MEDIA[rng.integers(len(MEDIA))]
    trigger = "".join(rng.choice(list(LETTERS), rng.integers(3, 6)))
    openings = (
        f"{look} {medium}, ",
        f"{look} {medium} of ",
        f"a {medium} of ",
        f"a {medium} of a ",
        f"a {look} {medium} of a ",
        "a ",
        f"{trigger}, ",
        f"{trigger} ",
        f"{trigger} {medium}, ",
        f"a {medium} of {trigger} ",
    )
    return openings[rng.integers(len(openings))] + caption


def random_scene(glyph: Glyph, rng: np.random.Generator) -> Scene:
    """A composition that the caption can name; six in ten are the plain glyph on white."""
    background = "white"
    if rng.random() < 0.4:
        background = list(BACKGROUNDS)[rng.integers(len(BACKGROUNDS))]
    small = bool(rng.random() < 0.12)
    place = list(PLACES)[rng.integers(len(PLACES))] if small else ""
    scale = float(rng.uniform(0.5, 0.56) if small else rng.uniform(0.88, 0.96))
    mirrored = bool(glyph.may_mirror and rng.random() < 0.1)
    return Scene(glyph, background, scale, place, small, mirrored)


def texture_scene(glyph: Glyph, rng: np.random.Generator) -> Scene:
    """A composition for the autoencoder alone: any colour, any scale, either way round."""
    if rng.random() < 0.3:
        background: str | tuple[int, int, int] = "white"
    else:
        r, g, b = rng.integers(0, 256, 3).tolist()
        background = (r, g, b)
    return Scene(glyph, background, float(rng.uniform(0.6, 1.0)), mirrored=bool(rng.random() < 0.5))


def to_array(picture: Image.Image) -> np.ndarray:
    """Float32 in [-1, 1], (3, height, width)."""
    return (np.asarray(picture, np.float32) / 127.5 - 1.0).transpose(2, 0, 1)
