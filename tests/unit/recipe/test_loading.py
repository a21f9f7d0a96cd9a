from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from studio.errors import RecipeError
from studio.recipe import load_recipe, recipe_from_dict


def the_problem(path: Path) -> str:
    with pytest.raises(RecipeError) as caught:
        load_recipe(path)
    [problem] = caught.value.problems
    assert "\n" not in problem
    return problem


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ": is empty; `studio recipe new` writes one to start from"),
        ("# only a comment\n", ": is empty; `studio recipe new` writes one to start from"),
        ("- 1\n", ': is no recipe; a recipe is lines of "key: value"'),
        ("a: 1\na: 2\n", ', line 2, column 1: the key "a" stands here for the second time'),
        ("a: {b: 1, b: 2}\n", ', line 1, column 11: the key "b" stands here for the second time'),
        ("a:\n\tb: 2\n", ", line 2, column 1: a tab; YAML is indented with spaces"),
        ("a: b: 2\n", ", line 1, column 5: mapping values are not allowed here"),
        ("a: 1\n---\nb: 1\n", ", line 2, column 1: a second document begins here; a recipe is one"),
        ("a: \0\n", ", line 1: character U+0000 cannot stand in a recipe"),
        ("[" * 1000, ": sections within sections without end"),
        ("? [1, 2]\n: 3\n", ", line 1, column 3: a key must be a word"),
        ("a: *b\n", ", line 1, column 4: found undefined alias 'b'"),
    ],
)
def test_text_that_is_no_recipe_is_answered_in_one_line(
    recipe_file: Any, text: str, expected: str
) -> None:
    path = recipe_file(text)
    assert the_problem(path) == f"{path}{expected}"


def test_a_recipe_cannot_make_objects(recipe_file: Any) -> None:
    problem = the_problem(recipe_file("a: !!python/object/apply:os.system [ls]\n"))
    assert "could not determine a constructor" in problem


def test_a_missing_file_names_the_nearest(recipe_file: Any, tmp_path: Path) -> None:
    there = recipe_file.with_minimum("")
    problem = the_problem(tmp_path / "demmo.yaml")
    assert problem == (
        f'{tmp_path / "demmo.yaml"}: there is no such recipe; did you mean "{there}"?'
    )


def test_a_missing_file_in_a_missing_folder(tmp_path: Path) -> None:
    path = tmp_path / "no" / "x.yaml"
    assert the_problem(path) == f"{path}: there is no such recipe"


def test_a_folder_and_foreign_text_are_told_apart(tmp_path: Path) -> None:
    assert the_problem(tmp_path) == f"{tmp_path}: is a folder, not a recipe file"
    path = tmp_path / "latin.yaml"
    path.write_bytes("name: é".encode("latin-1"))
    assert the_problem(path) == f"{path}: is not UTF-8 text (byte 6); save it as UTF-8"


def test_windows_text_is_read(recipe_file: Any, tmp_path: Path) -> None:
    text = recipe_file.with_minimum("seed: 3\n").read_text()
    (tmp_path / "w.yaml").write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    assert load_recipe(tmp_path / "w.yaml").seed == 3


@pytest.mark.parametrize("word", ["no", "false", "off", "No", '"no"', "False"])
def test_every_way_to_write_no_is_no_mixed_precision(recipe_file: Any, word: str) -> None:
    recipe = load_recipe(recipe_file.with_minimum(f"precision: {{mixed_precision: {word}}}"))
    assert recipe.precision.mixed_precision == "no"


@pytest.mark.parametrize("number", ["1e-4", "1E-4", ".0001", "0.0001", '"1e-4"', "1.0e-04"])
def test_every_way_to_write_a_learning_rate(recipe_file: Any, number: str) -> None:
    recipe = load_recipe(recipe_file.with_minimum(f"optimizer: {{learning_rate: {number}}}"))
    assert recipe.optimizer.learning_rate == 1e-4


def test_the_pictures_are_looked_for_beside_the_recipe_then_here(
    recipe_file: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path / "here"
    (here / "pictures").mkdir(parents=True)
    monkeypatch.chdir(here)
    path = recipe_file.with_minimum("")
    assert load_recipe(path).dataset.source == str(here / "pictures")
    (tmp_path / "pictures").mkdir()
    assert load_recipe(path).dataset.source == str(tmp_path / "pictures")
    assert load_recipe(path, ["dataset.source=./nowhere"]).dataset.source == "./nowhere"


def test_masks_are_looked_for_as_pictures_are(recipe_file: Any, tmp_path: Path) -> None:
    (tmp_path / "masks").mkdir()
    masks = {"source": "nowhere", "mask": "folder", "mask_folder": "masks"}
    text = f"name: x\ndataset: {masks}\ntrainer: {{kind: lora}}\nloss: {{masked_loss: true}}\n"
    dataset = load_recipe(recipe_file(text)).dataset
    assert (dataset.source, dataset.mask_folder) == ("nowhere", str(tmp_path / "masks"))


def test_captions_are_looked_for_as_pictures_are(recipe_file: Any, tmp_path: Path) -> None:
    (tmp_path / "captions").mkdir()
    text = "name: x\ndataset: {source: p, caption_folder: captions}\ntrainer: {kind: lora}\n"
    assert load_recipe(recipe_file(text)).dataset.caption_folder == str(tmp_path / "captions")


def test_an_override_of_the_pictures_is_looked_for_here(
    recipe_file: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path / "here"
    for folder in (here / "mine", tmp_path / "mine", tmp_path / "pictures"):
        folder.mkdir(parents=True)
    monkeypatch.chdir(here)
    recipe = load_recipe(recipe_file.with_minimum(""), ["dataset.source=mine"])
    assert recipe.dataset.source == str(here / "mine")


def test_the_text_is_kept_byte_for_byte_and_overrides_are_noted_above(recipe_file: Any) -> None:
    path = recipe_file.with_minimum("# a remark\nseed:   7\n")
    assert load_recipe(path).text == path.read_text()
    changed = load_recipe(path, ["seed=8"])
    assert changed.text.endswith(path.read_text())
    assert changed.text.startswith("# demo.yaml with these changes")
    assert "#   --set seed=8\n" in changed.text


def test_a_recipe_from_nowhere_writes_itself(recipe_file: Any) -> None:
    content = {"name": "x", "dataset": {"source": "p"}, "trainer": {"kind": "lora", "rank": 3}}
    recipe = recipe_from_dict(content)
    again = load_recipe(recipe_file(recipe.text))
    assert again.model_dump() == recipe.model_dump()


def test_the_content_given_is_not_changed() -> None:
    content: dict[str, Any] = {"name": "x", "dataset": {"source": "."}, "trainer": {"kind": "lora"}}
    recipe_from_dict(content, ["dataset.trigger=cat"])
    assert content == {"name": "x", "dataset": {"source": "."}, "trainer": {"kind": "lora"}}


@pytest.mark.parametrize(("steps", "warmup"), [(10, 1), (100, 10), (200, 20), (5000, 20)])
def test_a_warm_up_left_out_is_at_most_a_tenth(recipe_file: Any, steps: int, warmup: int) -> None:
    recipe = load_recipe(recipe_file.with_minimum(f"budget: {{steps: {steps}}}"))
    assert recipe.optimizer.lr_warmup_steps == warmup


def test_a_warm_up_given_stays(recipe_file: Any) -> None:
    text = "budget: {steps: 10}\noptimizer: {lr_warmup_steps: 7}"
    assert load_recipe(recipe_file.with_minimum(text)).optimizer.lr_warmup_steps == 7
