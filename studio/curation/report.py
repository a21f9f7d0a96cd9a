"""What curation found, as one self-contained page with thumbnails."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from PIL import Image

from studio import atomic
from studio.curation.decode import open_rgb
from studio.curation.manifest import CuratedSet, Finding, Picture
from studio.curation.summary import drop_reasons, is_ready, printable, verdict
from studio.errors import DatasetError

# A page of some megabytes opens on a phone; what is over that is listed without pictures.
MAX_THUMBNAILS = 600
_SIDE_PX = 192


@dataclass(frozen=True)
class _Card:
    """One picture on the page. ``thumbnail`` is a data URL, empty where there is none to show."""

    name: str
    size: str
    caption: str
    caption_source: str
    findings: tuple[Finding, ...]
    thumbnail: str


def write_html(curated: CuratedSet, path: Path) -> None:
    """Write the page, whole or not at all.

    Dropped pictures come first, then those with something to improve, then the others. Names and
    captions are escaped: a file called ``<script>`` is shown, not run.
    """
    kept = sorted(curated.kept, key=lambda p: (not _has_warning(p), p.name))
    left = MAX_THUMBNAILS
    dropped_cards = [_card(curated, p, shown=i < left) for i, p in enumerate(curated.dropped)]
    left -= len(dropped_cards)
    kept_cards = [_card(curated, p, shown=i < left) for i, p in enumerate(kept)]
    page = (
        _template_environment()
        .get_template("report.html")
        .render(
            curated=curated,
            verdict=verdict(curated),
            ready=is_ready(curated),
            reasons=drop_reasons(curated),
            sections=[("Dropped", dropped_cards), ("Kept", kept_cards)],
        )
    )
    atomic.write_text(path, page)


def _template_environment() -> Environment:
    return Environment(
        loader=PackageLoader("studio.curation"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _card(curated: CuratedSet, picture: Picture, *, shown: bool) -> _Card:
    size = f"{picture.width_px} × {picture.height_px} px" if picture.width_px else "unreadable"
    return _Card(
        name=printable(picture.name),
        size=size,
        caption=picture.caption,
        caption_source=picture.caption_source.replace("_", " "),
        findings=picture.findings,
        thumbnail=_thumbnail(curated.path_of(picture)) if shown and picture.width_px else "",
    )


def _thumbnail(path: Path) -> str:
    """A data URL; empty if the file has gone or changed since it was curated."""
    try:
        image = open_rgb(path)
    except DatasetError:
        return ""
    image.thumbnail((_SIDE_PX, _SIDE_PX), Image.Resampling.LANCZOS)
    file = io.BytesIO()
    image.save(file, "WEBP", quality=75)
    return "data:image/webp;base64," + base64.b64encode(file.getvalue()).decode("ascii")


def _has_warning(picture: Picture) -> bool:
    return any(f.severity == "warn" for f in picture.findings)
