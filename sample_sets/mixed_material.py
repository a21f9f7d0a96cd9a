"""datasets/mixed-material: a set with faults on purpose, each named in its card.

Clean flat drawings for the most part; eight as if shot on film; three clean ones in the film's
colours alone, which are no strangers; and one copy, one near copy, one blurred and one tiny.
"""

from __future__ import annotations

import argparse
import io
from importlib.metadata import version
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from sample_sets.backgrounds import BACKGROUNDS
from sample_sets.card import Card, Expected, Source
from sample_sets.film import filmed, warmed
from sample_sets.picture_set import PictureSet, png, slug
from sample_sets.subjects import MIXED_MATERIAL
from sample_sets.twemoji import CREDIT, PACKAGE, VERSION, Twemoji, rasterised
from studio.errors import UserError

SEED = 20_240
SIDE_PX = 128
GLYPH_PX = 104
TINY_PX = 40
BLUR_SIGMA_PX = 5.0
CROP_PX = (2, 2, 126, 126)
JPEG_QUALITY = 70

FILMED = (
    "backpack",
    "drum",
    "hedgehog",
    "hot beverage",
    "mountain",
    "panda",
    "sushi",
    "tractor",
)
WARMED = ("bus", "key", "pig face")
BLURRED = "anchor"
TINY = "candle"
COPIED = "telephone"
RECOMPRESSED = "superhero"


def make(archive: Path, folder: Path) -> Card:
    """Draw the set into ``folder``.

    Raises:
        DatasetError: the archive is not the one needed, or ``folder`` holds something else.
    """
    twemoji = Twemoji(archive)
    pictures = PictureSet()
    for index, (name, char) in enumerate(MIXED_MATERIAL.items()):
        background = background_of(index)
        clean = draw(twemoji.svg(char), background)
        caption = f"{name}, {background} background"
        pictures.add(f"{slug(name)}.png", png(treated(name, clean, index)), caption)
        if name == COPIED:
            pictures.add(f"{slug(name)}-2.png", png(clean), caption)
        if name == RECOMPRESSED:
            pictures.add(f"{slug(name)}-2.jpg", near_copy(clean), caption)
    pictures.add_licence(f"{CREDIT}.\nThe pictures in this folder are derived works: {_CHANGES}.")
    return pictures.write(folder, _card(pictures.picture_count))


def background_of(index: int) -> str:
    """Backgrounds in turn, neighbours unlike each other."""
    names = list(BACKGROUNDS)
    return names[4 * index % len(names)]


def draw(svg: str, background: str) -> Image.Image:
    """RGB, 128 x 128 px: the drawing in its own colours on a plain background."""
    glyph = rasterised(svg, GLYPH_PX)
    picture = Image.new("RGB", (SIDE_PX, SIDE_PX), BACKGROUNDS[background])
    margin = (SIDE_PX - GLYPH_PX) // 2
    picture.paste(glyph, (margin, margin), glyph)
    return picture


def treated(name: str, clean: Image.Image, index: int) -> Image.Image:
    """The picture of one subject with the fault that it was given, if any."""
    if name in FILMED:
        return filmed(clean, np.random.default_rng([SEED, index]))
    if name in WARMED:
        return warmed(clean)
    if name == BLURRED:
        return clean.filter(ImageFilter.GaussianBlur(BLUR_SIGMA_PX))
    if name == TINY:
        return clean.resize((TINY_PX, TINY_PX), Image.Resampling.LANCZOS)
    return clean


def near_copy(clean: Image.Image) -> bytes:
    """The same picture as it comes back from the web: cropped by a few pixels, resized, JPEG."""
    buffer = io.BytesIO()
    cropped = clean.crop(CROP_PX).resize((SIDE_PX, SIDE_PX), Image.Resampling.BICUBIC)
    cropped.save(buffer, "JPEG", quality=JPEG_QUALITY)
    return buffer.getvalue()


_CHANGES = "set on plain backgrounds at 128 px; some warmed, blurred, reduced, or as if on film"


def _card(pictures: int) -> Card:
    return Card(
        name="mixed-material",
        title="A set of two materials, with faults",
        description=(
            "Clean flat drawings on plain backgrounds, eight of them with simulated film (softness,"
            " halation, warm toe and shoulder, mid-frequency grain), and one exact copy, one near"
            " copy, one blurred and one tiny picture. Three clean ones have the film's colours"
            " alone: a warm picture is not another material. For tests of curation. Grain on flat"
            " colour is the easy case: passing here says nothing of film among photographs."
        ),
        pictures=pictures,
        resolution=SIDE_PX,
        licence="CC-BY-4.0",
        source=Source(
            package=PACKAGE, version=VERSION, licence="CC-BY-4.0", credit=CREDIT, changes=_CHANGES
        ),
        made_by="python -m sample_sets.mixed_material twemoji-svg-15.0.0.tgz",
        made_with={name: version(name) for name in ("numpy", "pillow", "resvg-py", "scikit-image")},
        seed=SEED,
        expected=Expected(
            minority=_files(*FILMED),
            look_alikes=_files(*WARMED),
            exact_duplicate=(f"{slug(COPIED)}.png", f"{slug(COPIED)}-2.png"),
            near_duplicate=(f"{slug(RECOMPRESSED)}.png", f"{slug(RECOMPRESSED)}-2.jpg"),
            blurred=_files(BLURRED),
            too_small=_files(TINY),
        ),
    )


def _files(*names: str) -> tuple[str, ...]:
    return tuple(f"{slug(name)}.png" for name in names)


def main() -> None:
    """Command line: ``python -m sample_sets.mixed_material ARCHIVE [--out FOLDER]``."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("archive", type=Path, help=f"from `npm pack {PACKAGE}@{VERSION}`")
    parser.add_argument("--out", type=Path, default=Path("datasets/mixed-material"))
    arguments = parser.parse_args()
    try:
        make(arguments.archive, arguments.out)
    except UserError as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
