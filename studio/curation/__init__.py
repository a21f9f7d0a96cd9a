"""The first room: is this set of pictures fit to learn from, and if not, why not?

::

    from pathlib import Path
    from studio.curation import curate, write_html

    curated = curate("~/pictures", 512, advised_pictures=20, drop=["blurred.png"])
    print(curated.summary)               # the verdict, and what to do
    curated.ready, curated.kept          # may it be trained on, and which pictures
    for picture in curated.dropped:
        print(picture.name, picture.drop_reason.message)
    write_html(curated, Path("report.html"))

The names below are loaded when first asked for: the recipe imports this room's settings on every
start of the command line, and should not pay for decoders and hashes.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from studio.curation.decode import open_rgb
    from studio.curation.gate import require_trainable
    from studio.curation.manifest import CuratedSet, Finding, Picture
    from studio.curation.pipeline import curate
    from studio.curation.report import write_html
    from studio.curation.summary import to_json
    from studio.curation.table import print_table

__all__ = [
    "CuratedSet",
    "Finding",
    "Picture",
    "curate",
    "open_rgb",
    "print_table",
    "require_trainable",
    "to_json",
    "write_html",
]

_HOMES = {
    "CuratedSet": "manifest",
    "Finding": "manifest",
    "Picture": "manifest",
    "curate": "pipeline",
    "open_rgb": "decode",
    "print_table": "table",
    "require_trainable": "gate",
    "to_json": "summary",
    "write_html": "report",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
