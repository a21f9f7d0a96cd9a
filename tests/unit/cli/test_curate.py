"""``studio curate``: its flags, what it prints where, what it writes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from studio.recipe import yaml_text

Studio = Callable[..., object]
SMALL = ("--set", "dataset.resolution=64")


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for seed, name in enumerate(["ant", "bee", "cow", "dog"]):
        levels = np.random.default_rng(seed).integers(0, 256, (9, 9, 3)).astype(np.uint8)
        Image.fromarray(levels).resize((96, 96), Image.Resampling.NEAREST).save(
            folder / f"{name}.png"
        )
    (folder / "dog again.png").write_bytes((folder / "dog.png").read_bytes())
    return folder


def decisions(error_output: str) -> dict[str, object]:
    """The lines for the recipe, as a recipe would read them."""
    section = error_output.partition("put into the recipe:\n")[2]
    return yaml_text.parse(section, "lines")["dataset"]["curation"]


def test_for_people_the_verdict_comes_first(studio: Studio, pictures: Path) -> None:
    outcome = studio("curate", pictures, *SMALL)
    assert outcome.code == 0, outcome.err
    assert outcome.out.startswith("Ready to train: 4 of 5 pictures kept")
    assert outcome.out.rstrip().endswith(f"studio curate {pictures} --html report.html")
    assert outcome.err == "looking at pictures\n"


def test_for_programs_there_is_json_and_nothing_else(studio: Studio, pictures: Path) -> None:
    outcome = studio("curate", pictures, *SMALL, "--json", "--html", "page.html")
    content = json.loads(outcome.out)
    assert (content["ready"], content["kept"], content["found"]) == (True, 4, 5)
    assert content["drop_reasons"] == {"exact duplicate": 1}
    assert "written: page.html" in outcome.err
    assert "dog again.png" in Path("page.html").read_text("utf-8")


def test_a_reader_who_closes_the_pipe_still_gets_the_page(pictures: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as nobody_reads:
        command = [sys.executable, "-m", "studio", "curate", pictures, *SMALL, "--html", page]
        outcome = subprocess.run(command, stdout=nobody_reads, stderr=subprocess.PIPE, check=False)
    assert b"Traceback" not in outcome.stderr
    assert "dog again.png" in page.read_text("utf-8")


def test_a_page_and_a_folder_may_both_be_asked_for(studio: Studio, pictures: Path) -> None:
    outcome = studio("curate", pictures, *SMALL, "--html", "a/page.html", "--out", "b")
    assert {str(p) for p in Path().rglob("*.html")} == {"a/page.html", "b/report.html"}
    assert json.loads(Path("b/manifest.json").read_text("utf-8"))["ready"]
    assert outcome.out.rstrip().endswith("a/page.html"), "where to look"


def test_keep_and_drop_count_and_are_told_for_the_recipe(studio: Studio, pictures: Path) -> None:
    arguments = ("--keep", "dog again.png", "--drop", "ant.png", "--drop", "bee.png", "--json")
    outcome = studio(
        "curate", pictures, *SMALL, "--set", "dataset.curation.min_pictures=1", *arguments
    )
    kept = {p["name"]: p["kept"] for p in json.loads(outcome.out)["pictures"]}
    assert kept == {
        "ant.png": False,
        "bee.png": False,
        "cow.png": True,
        "dog.png": False,
        "dog again.png": True,
    }
    assert decisions(outcome.err) == {"keep": ["dog again.png"], "drop": ["ant.png", "bee.png"]}


def test_a_later_word_takes_the_place_of_the_recipes(studio: Studio, pictures: Path) -> None:
    Path("my.yaml").write_text(
        "name: my\ntrainer: {kind: lora}\n"
        "dataset: {source: pictures, resolution: 64, curation: {drop: [ant.png, bee.png]}}\n"
    )
    outcome = studio("curate", "my.yaml", "--keep", "ant.png", "--json")
    assert decisions(outcome.err) == {"keep": ["ant.png"], "drop": ["bee.png"]}
    kept = {p["name"] for p in json.loads(outcome.out)["pictures"] if p["kept"]}
    assert kept == {"ant.png", "cow.png", "dog.png"}


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--keep", "antt.png"), "did you mean ant.png?"),
        (("--keep", "ant.png", "--drop", "ant.png"), "ant.png is in both"),
        (("--set", "dataset.curation.severity.blurr=off"), 'did you mean "blur"?'),
    ],
)
def test_mistakes_in_one_line(
    studio: Studio, pictures: Path, arguments: tuple[str, ...], sentence: str
) -> None:
    outcome = studio("curate", pictures, *SMALL, *arguments)
    assert outcome.code == 2
    errors = [line for line in outcome.err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert sentence in errors[0]


def test_a_severity_from_the_command_line(studio: Studio, pictures: Path) -> None:
    weaker = ("--set", "dataset.curation.severity={exact_duplicate: warn, near_duplicate: off}")
    content = json.loads(studio("curate", pictures, *SMALL, *weaker, "--json").out)
    assert content["kept"] == 5
