"""datasets/flat-icons: emoji as flat poster icons, six tones on aubergine with a long shadow.

The colours are a fixed function of the drawing's own colours, so that the style is one rule for all
subjects, those of the set and those that an adapter has never seen.
"""

from __future__ import annotations

import argparse
import colorsys
from importlib.metadata import version
from pathlib import Path

import numpy as np
from PIL import Image

from sample_sets.card import Card, Source
from sample_sets.picture_set import PictureSet, png, slug
from sample_sets.subjects import FLAT_ICONS
from sample_sets.twemoji import CREDIT, PACKAGE, RGB, VERSION, Twemoji, rasterised, recoloured
from studio.errors import UserError

SIDE_PX = 128
GLYPH_PX = 100
OVERSAMPLING = 4

BACKGROUND: RGB = (75, 33, 96)
SHADOW: RGB = (57, 24, 73)
INK: RGB = (25, 10, 36)
CREAM: RGB = (255, 240, 221)
AMBER: RGB = (249, 180, 76)
CORAL: RGB = (242, 96, 122)
TURQUOISE: RGB = (53, 184, 174)
TEAL: RGB = (30, 124, 138)


def tone(colour: RGB) -> RGB:
    """The palette's colour for a drawing's: dark, pale, red, yellow or cold."""
    hue, saturation, _ = colorsys.rgb_to_hsv(*(channel / 255 for channel in colour))
    degrees = 360 * hue
    bright = brightness(colour)
    if bright < 0.3:
        return INK
    cold = TURQUOISE if bright > 0.5 else TEAL
    if saturation < 0.3:
        return CREAM if bright > 0.72 else cold
    if degrees < 26 or degrees >= 315:
        return CORAL
    return AMBER if degrees < 65 else cold


def brightness(colour: RGB) -> float:
    """Luminance in [0, 1], back on the eye's scale (Rec. 709 weights, gamma 2.2)."""
    r, g, b = ((channel / 255) ** 2.2 for channel in colour)
    return float((0.2126 * r + 0.7152 * g + 0.0722 * b) ** (1 / 2.2))


def draw(svg: str) -> Image.Image:
    """RGB, 128 x 128 px: the drawing in the set's style."""
    glyph = rasterised(recoloured(svg, tone), GLYPH_PX * OVERSAMPLING)
    side = SIDE_PX * OVERSAMPLING
    margin = (side - glyph.width) // 2
    shape = Image.new("L", (side, side))
    shape.paste(glyph.getchannel("A"), (margin, margin))
    picture = Image.new("RGB", (side, side), BACKGROUND)
    picture.paste(SHADOW, (0, 0, side, side), long_shadow(shape))
    picture.paste(glyph, (margin, margin), glyph)
    return picture.reduce(OVERSAMPLING)


def long_shadow(shape: Image.Image) -> Image.Image:
    """The mask of ``shape`` swept towards the lower right until it leaves the picture."""
    swept = np.asarray(shape) > 127
    step = 1
    while step < swept.shape[0]:  # each pass doubles the sweep
        further = swept.copy()
        further[step:, step:] |= swept[:-step, :-step]
        swept, step = further, 2 * step
    return Image.fromarray(np.where(swept, 255, 0).astype(np.uint8))


def make(archive: Path, folder: Path) -> Card:
    """Draw the set into ``folder``.

    Raises:
        DatasetError: the archive is not the one needed, or ``folder`` holds something else.
    """
    twemoji = Twemoji(archive)
    icons = PictureSet()
    for name, char in FLAT_ICONS.items():
        icons.add(f"{slug(name)}.png", png(draw(twemoji.svg(char))), name)
    icons.add_licence(f"{CREDIT}.\nThe pictures in this folder are derived works: {_CHANGES}.")
    return icons.write(folder, _card(icons.picture_count))


_CHANGES = "recoloured to six tones, set on a plain background with a long shadow, drawn at 128 px"


def _card(pictures: int) -> Card:
    return Card(
        name="flat-icons",
        title="Flat poster icons",
        description=(
            "Everyday things, animals, food, vehicles and faces in one style: six flat tones (ink,"
            " cream, amber, coral, turquoise, teal) on an aubergine background, a large centred"
            " shape and a long shadow to the lower right. Captions are the plain Unicode short"
            " names and do not mention the style."
        ),
        pictures=pictures,
        resolution=SIDE_PX,
        licence="CC-BY-4.0",
        source=Source(
            package=PACKAGE, version=VERSION, licence="CC-BY-4.0", credit=CREDIT, changes=_CHANGES
        ),
        made_by="python -m sample_sets.flat_icons twemoji-svg-15.0.0.tgz",
        made_with={name: version(name) for name in ("pillow", "resvg-py")},
        seed=0,
    )


def main() -> None:
    """Command line: ``python -m sample_sets.flat_icons ARCHIVE [--out FOLDER]``."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("archive", type=Path, help=f"from `npm pack {PACKAGE}@{VERSION}`")
    parser.add_argument("--out", type=Path, default=Path("datasets/flat-icons"))
    arguments = parser.parse_args()
    try:
        make(arguments.archive, arguments.out)
    except UserError as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
