"""docs/results.md: a page of sections, each written by one command, which leaves the others alone."""

from __future__ import annotations

from pathlib import Path

from studio import atomic

DOCS = Path(__file__).resolve().parents[1] / "docs"
PAGE = DOCS / "results.md"
IMAGES = DOCS / "images"


def write_section(name: str, text: str, page: Path = PAGE) -> None:
    """Put a command's section where its last one stands, or at the end of the page.

    Raises:
        ValueError: the page has the mark that begins the section, but not the one that ends it.
    """
    content = page.read_text("utf-8") if page.exists() else "# Results\n"
    atomic.write_text(page, with_section(content, name, text))


def with_section(page: str, name: str, text: str) -> str:
    """``page`` with the section ``name`` replaced or added."""
    begin, end = f"<!-- begin {name} -->", f"<!-- end {name} -->"
    section = f"{begin}\n\n{text.strip()}\n\n{end}"
    before, begun, rest = page.partition(begin)
    if not begun:
        return f"{page.rstrip()}\n\n{section}\n"
    _, ended, after = rest.partition(end)
    if not ended:
        raise ValueError(f"the page has {begin} but not {end}; put it where the section ends")
    return f"{before}{section}{after}"
