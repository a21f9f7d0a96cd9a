"""``studio curate``'s captions: mended ones and a model's, written beside the pictures."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

Studio = Callable[..., Any]


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for n in range(4):
        picture = Image.radial_gradient("L").rotate(n * 70).convert("RGB")
        picture.putpixel((n, n), (255, 0, 0))
        picture.save(folder / f"IMG_000{n}.png")
    (folder / "IMG_0000.txt").write_text("ein BÃ¤r", "utf-8")
    return folder


def curate(studio: Studio, pictures: Path, *arguments: object) -> Any:
    return studio("curate", pictures, "--set", "dataset.resolution=128", *arguments)


def test_mended_captions_are_written_beside_and_shown(studio: Studio, pictures: Path) -> None:
    outcome = curate(studio, pictures, "--fix-captions")
    assert outcome.code == 0, outcome.err
    mended = pictures.parent / "pictures-captions" / "IMG_0000.txt"
    assert mended.read_text("utf-8") == "ein Bär\n"
    assert "- ein [BÃ¤r]" in outcome.err
    assert "+ ein [Bär]" in outcome.err
    assert f"--set dataset.caption_folder={mended.parent}" in outcome.err
    again = curate(studio, pictures, "--fix-captions")
    assert (again.code, "exists already" in again.err) == (2, True)


def test_mended_captions_are_used_from_their_folder(studio: Studio, pictures: Path) -> None:
    out = pictures.parent / "out"
    curate(studio, pictures, "--fix-captions", "--captions-out", out)
    use = ("--set", f"dataset.caption_folder={out}")
    manifest = json.loads(curate(studio, pictures, *use, "--json").out)
    assert manifest["pictures"][0]["caption"] == "ein Bär"
    assert "nothing to mend" in curate(studio, pictures, *use, "--fix-captions").err


def test_what_is_no_captioner_is_said_before_pictures_are_looked_at(
    studio: Studio, pictures: Path
) -> None:
    outcome = curate(studio, pictures, "--auto-captions", pictures)
    assert outcome.code == 2
    assert "holds no captioner" in outcome.err
    assert "looking at pictures" not in outcome.err


def test_captions_that_the_base_model_does_not_read_to_the_end(
    studio: Studio, pictures: Path
) -> None:
    (pictures / "IMG_0001.txt").write_text("a red house, " * 20 + "a small dog")
    manifest = json.loads(curate(studio, pictures, "--json").out)
    found = {f["check"]: f for f in manifest["pictures"][1]["findings"]}["caption_too_long"]
    assert found["evidence"]["lost"].endswith("a small dog")
    assert found["threshold"] == 30
