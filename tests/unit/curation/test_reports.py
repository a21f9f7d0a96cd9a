from __future__ import annotations

import io
import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from rich.console import Console

from studio.curation.manifest import Finding
from studio.curation.report import write_html
from studio.curation.summary import is_ready, printable, to_json, verdict
from studio.curation.table import print_table

HOSTILE = "<script>alert('x')</script> [bold]{{ 7*7 }} & \"quoted\""


def printed(curated, width=100) -> str:
    console = Console(file=io.StringIO(), width=width)
    print_table(curated, console)
    return console.file.getvalue()


@pytest.fixture
def many_bad(folder, scene):
    for seed in range(40):
        scene(seed + 50, (20, 20)).save(folder / f"tiny {seed:02}.png")
    (folder / "broken.png").write_bytes(b"")
    scene(100, (40, 40)).save(folder / "small.png")
    return folder


def test_the_table_fits_one_screen_and_opens_with_the_verdict(many_bad, curate_folder):
    lines = printed(curate_folder(many_bad, advised_pictures=50)).splitlines()
    assert lines[0] == "Ready to train: 7 of 48 pictures kept; 1 of them with something to improve"
    assert "48 found, 7 kept, 41 dropped (40 too small, 1 unreadable)" in " ".join(
        " ".join(lines[1:3]).split()
    )
    assert len(lines) <= 30
    assert any(line.startswith("and 26 more") for line in lines)
    assert any("broken.png" in line and "the file is empty" in line for line in lines)
    assert any(line.startswith("warn") and "7 pictures are few" in line for line in lines)
    assert any(line.startswith("warn") and "small.png" in line for line in lines)


def test_names_are_not_read_as_markup(folder, scene, curate_folder):
    scene(9, (20, 20)).save(folder / "[red]tiny[blue].png")
    scene(10, (20, 20)).save(folder / "line\nend \x1b[31m.png")
    text = printed(curate_folder(folder))
    assert "[red]tiny[blue].png" in text
    assert "line\\nend \\x1b[31m.png" in text
    assert "\x1b" not in text


def test_verdicts(folder, curate_folder):
    good = curate_folder(folder)
    assert verdict(good) == "Ready to train: 6 of 6 pictures kept"
    few = curate_folder(folder, min_pictures=10)
    assert verdict(few).startswith("Not ready to train: only 6")
    assert (is_ready(good), is_ready(few)) == (True, False)
    assert not is_ready(replace(good, pictures=()))


def test_json_is_plain_and_leads_with_the_verdict(many_bad, curate_folder):
    content = json.loads(json.dumps(to_json(curate_folder(many_bad)), allow_nan=False))
    assert list(content)[:3] == ["ready", "verdict", "found"]
    assert (content["found"], content["kept"], content["dropped"]) == (48, 7, 41)
    assert len(content["pictures"]) == 48


class Page(HTMLParser):
    """What a browser would see: tags, and the text outside of the style sheet."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data


def test_the_page_shows_every_picture_with_its_reasons(many_bad, curate_folder, tmp_path):
    curated = curate_folder(many_bad)
    write_html(curated, tmp_path / "report.html")
    page = Page((tmp_path / "report.html").read_text("utf-8"))
    assert all(p.name in page.text for p in curated.pictures)
    assert "is too small: 20 x 20 px" in page.text
    images = [attrs for tag, attrs in page.tags if tag == "img"]
    assert len(images) == 47, "all but the broken one"
    assert all(image["loading"] == "lazy" for image in images)


def test_the_page_needs_nothing_else(folder, curate_folder, tmp_path):
    write_html(curate_folder(folder), tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text("utf-8")
    assert not re.search(r"https?://|<script|<link|@import|url\(", text)
    assert "width=device-width" in text
    assert "prefers-color-scheme: dark" in text


def test_hostile_names_and_captions_are_shown_not_run(folder, scene, curate_folder, tmp_path):
    name = HOSTILE.replace("/", "") + ".png"
    scene(9).save(folder / name)
    (folder / "ant.txt").write_text(HOSTILE)
    curated = curate_folder(folder)
    hostile = Finding("x", "warn", 1, 0, HOSTILE)
    write_html(replace(curated, findings=(hostile,)), tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text("utf-8")
    page = Page(text)
    assert "script" not in {tag for tag, _ in page.tags}
    assert page.text.count(HOSTILE) == 2
    assert name in page.text
    assert name in [attrs["alt"] for tag, attrs in page.tags if tag == "img"]


def test_a_picture_that_has_gone_since_is_listed_without_thumbnail(folder, curate_folder, tmp_path):
    curated = curate_folder(folder)
    (folder / "ant.png").unlink()
    write_html(curated, tmp_path / "report.html")
    page = Page((tmp_path / "report.html").read_text("utf-8"))
    assert "ant.png" in page.text
    assert sum(tag == "img" for tag, _ in page.tags) == 5


def test_the_report_leaves_the_pictures_alone(folder, curate_folder, tmp_path):
    before = {p.name: p.read_bytes() for p in folder.iterdir()}
    write_html(curate_folder(folder), tmp_path / "report.html")
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == before


def test_printable():
    assert printable("grün 猫 🦊") == "grün 猫 🦊"
    assert printable("a\tb\x00\x1b") == "a\\tb\\x00\\x1b"
