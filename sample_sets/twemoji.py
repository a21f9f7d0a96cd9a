"""Twemoji's drawings: read from the npm package's archive, recoloured, turned into pixels."""

from __future__ import annotations

import io
import re
import tarfile
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from studio.errors import DatasetError

PACKAGE = "@twemoji/svg"
VERSION = "15.0.0"
CREDIT = "Twemoji graphics: copyright Twitter, Inc and other contributors, licensed under CC-BY 4.0"

RGB = tuple[int, int, int]

_FILL = re.compile(r'fill="#([0-9A-Fa-f]{6}|[0-9A-Fa-f]{3})"')
_NOT_FLAT = re.compile(r"opacity|stroke|Gradient|<image|<use")


class Twemoji:
    """The SVG drawings in an ``npm pack @twemoji/svg@15.0.0`` archive.

    Raises:
        DatasetError: the archive is missing, unreadable, or another package or version.
    """

    def __init__(self, archive: Path) -> None:
        try:
            with tarfile.open(archive) as tar:
                self._members = {
                    member.name: file.read() for member in tar if (file := tar.extractfile(member))
                }
        except (OSError, tarfile.TarError) as error:
            raise DatasetError(
                f"cannot read {archive} ({error}): make it with `npm pack {PACKAGE}@{VERSION}`"
            ) from error
        manifest = self._members.get("package/package.json", b"").decode()
        if f'"{PACKAGE}"' not in manifest or f'"{VERSION}"' not in manifest:
            raise DatasetError(
                f"{archive} is not {PACKAGE} {VERSION}: make it with `npm pack {PACKAGE}@{VERSION}`"
            )

    def svg(self, char: str) -> str:
        """The drawing of one emoji.

        Raises:
            DatasetError: the package has no such drawing.
        """
        name = f"package/{ord(char):x}.svg"
        if name not in self._members:
            raise DatasetError(f"{PACKAGE} {VERSION} has no drawing of {char!r}")
        return self._members[name].decode()


def recoloured(svg: str, tone: Callable[[RGB], RGB]) -> str:
    """``svg`` with every fill replaced by ``tone`` of it.

    Raises:
        DatasetError: the drawing is not made of opaque fills alone.
    """
    if _NOT_FLAT.search(svg):
        raise DatasetError("the drawing has more than opaque fills: choose another subject")
    explicit = svg.replace("<svg ", '<svg fill="#000" ', 1)  # SVG's default, said aloud
    return _FILL.sub(lambda match: f'fill="{_hex(tone(_rgb(match[1])))}"', explicit)


def rasterised(svg: str, side_px: int) -> Image.Image:
    """RGBA, side_px x side_px; a drawing's margins stay as drawn."""
    import resvg_py  # from the extra `make`: reading the style needs no rasteriser

    content = resvg_py.svg_to_bytes(svg_string=svg, width=side_px, height=side_px)
    return Image.open(io.BytesIO(bytes(content))).convert("RGBA")


def _rgb(digits: str) -> RGB:
    full = digits if len(digits) == 6 else "".join(2 * d for d in digits)
    r, g, b = bytes.fromhex(full)
    return r, g, b


def _hex(colour: RGB) -> str:
    return "#" + bytes(colour).hex()
