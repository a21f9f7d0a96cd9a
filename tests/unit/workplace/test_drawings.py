"""Former drawings: found with every setting, and deleted."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from studio.errors import UserError
from studio.recipe import yaml_text
from studio.workplace.drawings import delete, drawing, drawings, recipe_section

PICTURE = {
    "file": "000.png",
    "row": "a cat · seed 3",
    "column": "demo",
    "prompt": "a cat",
    "seed": 3,
    "adapter": "demo",
    "strength": 0.8,
    "checkpoint": None,
}
ORDER: dict[str, Any] = {
    "adapters": [{"name": "demo", "files": ["/runs/demo.safetensors"], "strength": 0.8}],
    "sampling": {"prompts": ["a cat"], "seeds": [3], "guidance_scale": 7.0},
}


def drawn(errands: Path, key: str, time: float, kind: str = "draw") -> Path:
    folder = errands / key
    folder.mkdir(parents=True)
    asked = {"kind": kind, "arguments": ORDER}
    result = {"pictures": [PICTURE], "grid": "grid.png", "warnings": ["old"], "settings": {}}
    (folder / "errand.json").write_text(json.dumps(asked))
    (folder / "result.json").write_text(json.dumps(result))
    os.utime(folder / "result.json", (time, time))
    return folder


def test_the_newest_comes_first_and_nothing_else_is_taken_for_a_drawing(tmp_path: Path) -> None:
    drawn(tmp_path, "1" * 16, 100)
    drawn(tmp_path, "2" * 16, 200)
    drawn(tmp_path, "3" * 16, 300, kind="judge")
    (drawn(tmp_path, "4" * 16, 400) / "result.json").write_text("{")
    (drawn(tmp_path, "5" * 16, 500) / "result.json").unlink()
    assert [one.key for one in drawings(tmp_path)] == ["2" * 16, "1" * 16]
    assert drawings(tmp_path / "nowhere") == []


def test_it_has_every_setting_and_says_what_is_to_be_seen(tmp_path: Path) -> None:
    drawn(tmp_path, "1" * 16, 100)
    (one,) = drawings(tmp_path)
    assert one.order.sampling.guidance_scale == 7
    assert one.warnings == ("old",)
    (picture,) = one.rows["a cat · seed 3"]
    assert picture.path == tmp_path / ("1" * 16) / "000.png"
    assert picture.alt == "a cat: the base model with demo at strength 0.8, seed 3"


def test_as_a_recipe_it_is_read_back_as_it_was(tmp_path: Path) -> None:
    drawn(tmp_path, "1" * 16, 100)
    (one,) = drawings(tmp_path)
    assert yaml_text.parse(recipe_section(one.order), "section") == {
        "sampling": ORDER["sampling"] | {"strength": 0.8}
    }


def test_one_is_deleted_and_a_key_is_no_path(tmp_path: Path) -> None:
    errands = tmp_path / "errands"
    drawn(errands, "1" * 16, 100)
    drawn(errands, "2" * 16, 100)
    drawn(tmp_path, "outside", 100)
    delete(errands, "1" * 16)
    assert [one.key for one in drawings(errands)] == ["2" * 16]
    assert drawing(errands, "1" * 16) is None
    with pytest.raises(UserError, match="no drawing"):
        delete(errands, "../outside")
    assert (tmp_path / "outside").is_dir()
