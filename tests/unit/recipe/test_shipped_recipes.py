"""Every recipe that is shipped opens with what a reader needs, and loads."""

from __future__ import annotations

import re
from itertools import takewhile
from pathlib import Path

import pytest

from studio.recipe import load_recipe

FOLDER = Path(__file__).parents[3] / "recipes"
RECIPES = sorted(FOLDER.rglob("*.yaml"))
SHORT_NAMES = {
    "pocket": "pocket",
    "stable-diffusion-v1-5/stable-diffusion-v1-5": "sd15",
    "stabilityai/stable-diffusion-2-1": "sd21",
    "stabilityai/stable-diffusion-xl-base-1.0": "sdxl",
    "stabilityai/stable-diffusion-xl-refiner-1.0": "sdxl-refiner",
    "stabilityai/stable-video-diffusion-img2vid-xt": "svd",
}


def test_there_are_recipes() -> None:
    assert RECIPES


@pytest.mark.parametrize("path", RECIPES, ids=lambda p: p.name)
def test_it_opens_with_what_needs_command_and_expected_result(path: Path) -> None:
    lines = path.read_text("utf-8").splitlines()
    comments = list(takewhile(lambda line: line.startswith("#"), lines))
    words = [c[2:].partition(":")[0] for c in comments if c[2:3].isalpha()]
    # Where the settings were not found by ourselves, it says who found them.
    source = [] if path.name.startswith("pocket_") else ["Source"]
    assert words == ["What", "Needs", "Command", "Expect", *source], f"{path} opens with {words}"
    assert f"studio train recipes/{path.relative_to(FOLDER)}" in "\n".join(comments), path


@pytest.mark.parametrize("path", RECIPES, ids=lambda p: p.name)
def test_it_loads_and_its_file_is_named_after_base_and_method(path: Path) -> None:
    recipe = load_recipe(path)
    base, method, subject, *memory = path.stem.split("_")
    assert base == SHORT_NAMES[recipe.base_model], path
    assert method.replace("-", "_") == recipe.trainer.kind, path
    if base == "pocket":  # the others are for the user's own pictures
        assert subject == Path(recipe.dataset.source).name, path
        assert not memory, path
    else:
        assert re.fullmatch(r"\d+gb", memory[0]), path
        assert f"GPU with {memory[0].removesuffix('gb')} GB" in re.sub(
            r"\s*\n#\s*", " ", recipe.text
        )


def test_every_method_has_one_on_pocket() -> None:
    methods = {load_recipe(p).trainer.kind for p in RECIPES if p.name.startswith("pocket_")}
    assert methods >= {"lora", "dreambooth", "hypernetwork", "textual_inversion"}
