"""``studio curate`` on what is no folder, and its copies: ``--export`` and ``--review``."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

Studio = Callable[..., object]
SMALL = ("--set", "dataset.resolution=64")


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Four pictures and a tiny one, zipped; the cache is the test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with zipfile.ZipFile(tmp_path / "pictures.zip", "w") as archive:
        for seed, name in enumerate(["ant", "bee", "cow", "dog", "tiny"]):
            levels = np.random.default_rng(seed).integers(0, 256, (9, 9, 3)).astype(np.uint8)
            side = 12 if name == "tiny" else 96
            image = Image.fromarray(levels).resize((side, side), Image.Resampling.NEAREST)
            with archive.open(f"{name}.png", "w") as file:
                image.save(file, "PNG")
            archive.writestr(f"{name}.txt", f"a {name}")
    return tmp_path / "pictures.zip"


def test_an_archive_and_both_copies_of_it(studio: Studio, archive: Path) -> None:
    outcome = studio("curate", archive, *SMALL, "--export", "kept", "--review", "dropped", "--json")
    assert outcome.code == 0, outcome.err
    content = json.loads(outcome.out)
    assert content["origin"] == str(archive)
    assert "written: kept, 4 pictures with their captions" in outcome.err
    assert "written: dropped, 1 dropped" in outcome.err
    lines = Path("kept/train/metadata.jsonl").read_text("utf-8").splitlines()
    assert json.loads(lines[0]) == {"file_name": "ant.png", "text": "a ant"}
    assert Path("dropped/too_small/tiny.png").is_file()
    assert "tiny.png: " in Path("dropped/review.txt").read_text("utf-8")


def test_what_is_not_on_this_machine_is_one_line(
    studio: Studio, archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    for command in (["curate"], ["train", "--dataset"]):
        outcome = studio(*command, "hf:owner/name", *SMALL)
        assert outcome.code == 2
        [line] = [line for line in outcome.err.splitlines() if line.startswith("error:")]
        assert "hf:owner/name cannot be had from the Hugging Face hub" in line
