"""Stage ``hands``: the same things as other designers draw them, for the vision tower alone.

pocket draws Noto's emoji and learns from nothing else. What judges its pictures must also know things in
styles that it never drew, or it would take every style adapter for one that stopped following prompts.
"""

from __future__ import annotations

import io
import json
import re
import tarfile
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from studio.bases.pocket.make.glyphs import Glyph, glyphs

SIDE_PX = 96
PACKAGES = (  # npm pack NAME; licences MIT, MIT, CC-BY-4.0, CC-BY-4.0, Apache-2.0, Apache-2.0, CC-BY-4.0
    "iconify-json-fluent-emoji-flat-1.2.6.tgz",
    "iconify-json-fluent-emoji-high-contrast-1.2.6.tgz",
    "iconify-json-emojione-1.2.3.tgz",
    "iconify-json-emojione-monotone-1.2.1.tgz",
    "iconify-json-noto-v1-1.2.5.tgz",
    "iconify-json-fxemoji-1.2.2.tgz",
    "iconify-json-streamline-emojis-1.2.4.tgz",
)
SVG = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="{x} {y} {w} {h}" color="#202024">{body}</svg>'
)


@dataclass
class OtherHands:
    """Drawings of pocket's glyphs by others.

    Attributes:
        pictures: (drawings, 96, 96, 4), uint8 RGBA.
        by_glyph: the drawings of each glyph that has any, by its index.
    """

    pictures: np.ndarray
    by_glyph: dict[int, list[int]]

    @classmethod
    def load(cls, folder: Path) -> OtherHands:
        content = np.load(folder / "hands.npz")
        by_glyph: dict[int, list[int]] = {}
        for place, index in enumerate(content["glyphs"].tolist()):
            by_glyph.setdefault(index, []).append(place)
        return cls(content["pictures"], by_glyph)

    def drawing(self, glyph: Glyph, rng: np.random.Generator) -> Image.Image | None:
        """One of the glyph's drawings; None where nobody else drew it."""
        places = self.by_glyph.get(glyph.index)
        if not places:
            return None
        return Image.fromarray(self.pictures[places[rng.integers(len(places))]])


def draw_hands(folder: Path) -> None:
    """Rasterise the packages in ``folder/hands/`` into ``hands.npz``."""
    pictures, indices = [], []
    for package in PACKAGES:
        for glyph, svg in _drawn(folder / "hands" / package):
            pictures.append(_rasterised(svg))
            indices.append(glyph.index)
    np.savez(folder / "hands.npz", pictures=np.stack(pictures), glyphs=np.array(indices))


def _drawn(archive: Path) -> Iterator[tuple[Glyph, str]]:
    with tarfile.open(archive) as package:
        member = package.extractfile("package/icons.json")
        assert member is not None
        content = json.load(member)
    icons, aliases = content["icons"], content.get("aliases", {})
    for glyph in glyphs():
        name = _file_name(glyph.name)
        icon = icons.get(aliases.get(name, {}).get("parent", name))
        if icon is not None:
            yield glyph, _svg(content, icon)


def _file_name(name: str) -> str:
    ascii_name = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", ascii_name.lower()).strip("-")


def _svg(content: dict[str, Any], icon: dict[str, Any]) -> str:
    size = {"x": icon.get("left", 0), "y": icon.get("top", 0)}
    size |= {k[0]: icon.get(k, content.get(k, 16)) for k in ("width", "height")}
    return SVG.format(**size, body=icon["body"])


def _rasterised(svg: str) -> np.ndarray:
    import resvg_py

    content = bytes(resvg_py.svg_to_bytes(svg_string=svg, width=SIDE_PX, height=SIDE_PX))
    drawn = Image.open(io.BytesIO(content)).convert("RGBA")
    return np.asarray(drawn.resize((SIDE_PX, SIDE_PX)))
