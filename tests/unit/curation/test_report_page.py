from __future__ import annotations

import base64
import hashlib
import io
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from studio.curation.manifest import CuratedSet, Finding, Picture
from studio.curation.report import write_html
from studio.curation.report.crops import evidence_box, grain_box
from studio.curation.report.page import MAX_CARDS, MAX_PRINTS, render
from studio.curation.report.prints import Paper, develop
from studio.curation.report.spread import WIDTH, spreads

HOSTILE = "<script>alert('x')</script> [bold]{{ 7*7 }} & \"quoted\""


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

    def having(self, tag: str, **wanted: str) -> list[dict[str, str | None]]:
        found = [attrs for name, attrs in self.tags if name == tag]
        return [a for a in found if all(a.get(k) == v for k, v in wanted.items())]

    def cards(self, mark: str) -> int:
        """How many cards the filter of that mark leaves to be seen."""
        return sum(mark in (a.get("class") or "").split() for a in self.having("li"))


def film_among_drawings(curated: CuratedSet, *minority: str) -> CuratedSet:
    """The set as if two materials had been found."""
    pictures = tuple(
        replace(p, scores={**p.scores, "material": 0.9 if p.name in minority else n / 100})
        for n, p in enumerate(curated.pictures)
    )
    majority = [p.name for p in pictures if p.name not in minority]
    finding = Finding(
        "material",
        "warn",
        0.9,
        0.5,
        "are of another material",
        {
            "majority": majority,
            "minority": list(minority),
            "majority_material": "clean drawings",
            "minority_material": "film",
            "differs_by": ["grain", "tone"],
        },
    )
    return replace(curated, pictures=pictures, findings=(finding,))


def test_every_picture_with_its_reasons(folder, scene, curate_folder, tmp_path):
    scene(8, (20, 20)).save(folder / "tiny.png")
    (folder / "broken.png").write_bytes(b"")
    curated = curate_folder(folder)
    write_html(curated, tmp_path / "report.html")
    page = Page((tmp_path / "report.html").read_text("utf-8"))
    assert all(p.name in page.text for p in curated.pictures)
    assert "is too small: 20 x 20 px" in page.text
    assert curated.verdict in page.text
    images = page.having("img")
    assert {i["alt"] for i in images} >= {p.name for p in curated.pictures} - {"broken.png"}
    assert all(i["alt"] and i["loading"] == "lazy" for i in images)


def test_the_page_needs_nothing_else(folder, curate_folder):
    text = render(curate_folder(folder))
    assert not re.search(r"https?://|<script|<link|@import|url\(", text)
    assert "width=device-width" in text
    assert "prefers-color-scheme: dark" in text


def test_a_filter_for_each_finding_and_state(folder, scene, curate_folder):
    for seed in (8, 9):
        scene(seed, (20, 20)).save(folder / f"tiny {seed}.png")
    (folder / "broken.png").write_bytes(b"")
    text = render(curate_folder(folder))
    page = Page(text)
    filters = [a["id"] for a in page.having("input", type="radio", name="show")]
    labels = [a["for"] for a in page.having("label")]
    assert filters == labels
    title = re.search(r'<label for="(check-\d)">too small <b>2</b>', text)
    assert title
    assert page.cards(title[1]) == 2
    assert f"#{title[1]}:checked ~ .roll > li:not(.{title[1]}) {{ display: none; }}" in text
    assert (page.cards("dropped"), page.cards("clean")) == (3, 6)


def test_both_materials_stand_side_by_side_with_their_grain(folder, curate_folder):
    curated = film_among_drawings(curate_folder(folder), "cow.png", "eel.png")
    page = Page(render(curated))
    assert "Most of the set: clean drawings" in page.text
    assert "The strangers: film" in page.text
    assert "They differ by grain, tone." in page.text
    grains = [a["title"] for a in page.having("img") if "pixel by pixel" in a["alt"]]
    assert sorted(grains[-2:]) == ["cow.png", "eel.png"], "the minority comes last"
    assert len(grains) == 6


def test_a_twin_is_shown_beside_the_picture(folder, curate_folder):
    (folder / "zebra.png").write_bytes((folder / "fox.png").read_bytes())
    page = Page(render(curate_folder(folder)))
    beside = [a["alt"] for a in page.having("img", **{"class": "twin"})]
    assert beside == ["this picture", "fox.png"]


def test_evidence_is_cut_out_pixel_by_pixel(folder, scene, tmp_path):
    scene(3, (500, 400)).save(folder / "large.png")
    bar = Finding("border", "warn", 0.1, 0.02, "has a bar", {"crop": "480,10,60,50"})
    broken = Finding("blur", "warn", 2, 1, "is soft", {"crop": "somewhere"})
    digest = hashlib.sha256((folder / "large.png").read_bytes()).hexdigest()
    picture = Picture("large.png", digest, 500, 400, "", "none", (bar, broken))
    page = Page(render(CuratedSet(folder, (picture,))))
    assert len(page.having("img", **{"class": "crop"})) == 1
    assert evidence_box(bar, (500, 400)) == (480, 10, 500, 60), "kept inside the picture"
    wide = replace(bar, evidence={"crop": "0,0,500,50"})
    assert evidence_box(wide, (500, 400)) == (154, 0, 346, 50), "the middle of a large part"


def test_grain_is_looked_for_where_nothing_else_is():
    levels = np.random.default_rng(0).integers(0, 256, (400, 600, 3)).astype(np.uint8)
    levels[:160, :200] = 255
    levels[200:360, 400:560] = 128
    left, top, right, bottom = grain_box(Image.fromarray(levels))
    assert (right - left, bottom - top) == (128, 128)
    assert (levels[top:bottom, left:right] == 128).mean() > 0.9
    assert grain_box(Image.new("RGB", (50, 300)))[2:] != (0, 0)
    assert grain_box(Image.new("RGB", (7, 3), "gray")) == (0, 0, 7, 3)


@pytest.mark.parametrize("lowest", [0.0, 0.001])
def test_the_spread_keeps_order_and_marks_the_flagged(tmp_path, lowest):
    soft = Finding("blur", "warn", 9, 5.5, "is soft")
    pictures = tuple(
        Picture(f"{n}", "", 9, 9, "", "none", (soft,) if n > 5 else (), scores={"blur": n + lowest})
        for n in range(10)
    )
    strip = spreads(CuratedSet(tmp_path, pictures))["blur"]
    places = [strip.places[p.name] for p in pictures]
    assert places == sorted(places)
    assert 0 <= places[0] < places[5] <= strip.threshold_x < places[6] < places[9] <= WIDTH
    assert (strip.fine.count("M"), strip.flagged.count("M")) == (6, 4)
    assert "<text" in render(CuratedSet(tmp_path, pictures))


def test_a_check_without_scores_or_spread_has_no_strip(tmp_path):
    alike = tuple(Picture(f"{n}", "", 9, 9, "", "none", scores={"blur": 1.0}) for n in range(9))
    assert spreads(CuratedSet(tmp_path, alike)) == {}


def test_hostile_names_captions_and_checks_are_shown_not_run(folder, scene, curate_folder):
    name = HOSTILE.replace("/", "") + ".png"
    scene(9).save(folder / name)
    (folder / "ant.txt").write_text(HOSTILE)
    curated = curate_folder(folder)
    hostile = Finding("</style>" + HOSTILE, "warn", 1, 0, HOSTILE)
    pictures = tuple(replace(p, findings=(*p.findings, hostile)) for p in curated.pictures)
    text = render(replace(curated, pictures=pictures, findings=(hostile,)))
    page = Page(text)
    assert "script" not in {tag for tag, _ in page.tags}
    assert text.count("</style>") == 1
    assert HOSTILE in page.text
    assert name in [attrs["alt"] for attrs in page.having("img")]


def test_what_has_gone_or_changed_since_is_listed_without_thumbnail(folder, curate_folder):
    curated = curate_folder(folder)
    (folder / "ant.png").unlink()
    (folder / "bee.png").write_bytes((folder / "cow.png").read_bytes())
    page = Page(render(curated))
    assert "ant.png" in page.text
    assert len(page.having("img")) == 4


def test_a_large_photograph_is_printed_upright_and_small(tmp_path, scene):
    turned = Image.Exif()
    turned[0x0112] = 6
    scene(3, (1200, 900)).save(tmp_path / "a.jpg", exif=turned)
    digest = hashlib.sha256((tmp_path / "a.jpg").read_bytes()).hexdigest()
    picture = Picture("a.jpg", digest, 900, 1200, "", "none")
    url = develop(CuratedSet(tmp_path, (picture,)), (picture,), frozenset())["a.jpg"].whole
    with Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))) as image:
        assert image.size == (168, 224)


def test_the_report_leaves_the_pictures_alone(folder, curate_folder, tmp_path):
    before = {p.name: p.read_bytes() for p in folder.iterdir()}
    write_html(curate_folder(folder), tmp_path / "report.html")
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == before


def test_ten_thousand_pictures_make_a_page_of_bounded_size(tmp_path):
    long = "is wrong in a way that takes a good many words to say, " * 20
    findings = tuple(Finding(check, "warn", 2, 1, long) for check in ("blur", "border", "text"))
    scores = {"blur": 2.0, "border": 1.0}
    pictures = tuple(
        Picture(f"holiday/picture {n:05}.jpg", "", 6000, 4000, long, "txt", findings, True,
                {**scores, "text": float(n)})
        for n in range(10_000)
    )  # fmt: skip
    text = render(CuratedSet(tmp_path, pictures))
    assert len(text) < 10_000_000, "beside the prints' 16 MB"
    assert text.count('<li class="warned') == MAX_CARDS
    assert "8000 more, by name" in text
    assert "picture 09999.jpg" in text


def test_what_matters_is_printed_first_and_no_more_than_there_is_paper_for(tmp_path, monkeypatch):
    developed = []
    monkeypatch.setattr(
        "studio.curation.report.page.develop",
        lambda curated, pictures, grain: developed.extend(pictures) or {},
    )
    soft = Finding("blur", "warn", 2, 1, "is soft")
    pictures = tuple(
        Picture(f"{n:04}", "", 9, 9, "", "none", (soft,) if n == 900 else ()) for n in range(1000)
    )
    render(CuratedSet(tmp_path, pictures))
    assert len(developed) == MAX_PRINTS
    assert developed[0].name == "0900"
    paper = Paper(10)
    assert [paper.take(url) for url in ("123456", "1234567", "1")] == ["123456", "", ""]
