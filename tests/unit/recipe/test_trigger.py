"""The words that call up what is learned: settled by the method, or refused, while a recipe loads."""

from __future__ import annotations

from typing import Any

import pytest

from studio.errors import RecipeError
from studio.recipe import Recipe, load_recipe, lock, recipe_from_dict, starter_recipe

SKS_DOG = {"kind": "dreambooth", "instance_prompt": "a photo of SKS dog"}
CAPTIONED = {"kind": "dreambooth", "use_captions": True}
WORDS = {"kind": "textual_inversion", "placeholder_tokens": ["<a>", "<b>"]}


def recipe(trainer: dict[str, Any], trigger: str) -> Recipe:
    dataset = {"source": "pictures", "trigger": trigger}
    return recipe_from_dict({"name": "x", "dataset": dataset, "trainer": trainer})


@pytest.mark.parametrize(
    ("trainer", "given", "settled"),
    [
        ({"kind": "lora"}, "", ""),
        ({"kind": "lora"}, "my style", "my style"),
        ({"kind": "hypernetwork"}, "", ""),
        ({"kind": "hypernetwork"}, "my style", "my style"),
        ({"kind": "dreambooth"}, "my dog", "my dog"),
        (SKS_DOG, "sks dog", "sks dog"),
        (SKS_DOG, "", "a photo of SKS dog"),
        (CAPTIONED, "", ""),
        (CAPTIONED, "sks dog", "sks dog"),
        ({"kind": "textual_inversion"}, "<toy>", "<toy>"),
        (WORDS, "", "<a> <b>"),
        (WORDS, "<a> <b>", "<a> <b>"),
    ],
)
def test_the_method_has_the_last_say(trainer: dict[str, Any], given: str, settled: str) -> None:
    found = recipe(trainer, given)
    assert found.trigger == settled
    assert found.effective_dataset == found.dataset.model_copy(update={"trigger": settled})
    assert found.dataset.trigger == given  # what the user wrote stays what the recipe says
    assert recipe(trainer, settled).trigger == settled


@pytest.mark.parametrize(
    ("trainer", "given", "problem"),
    [
        (
            {"kind": "dreambooth"},
            " ",
            "missing; write a rare word and the class, such as: sks dog, or a whole "
            "trainer.instance_prompt, or set trainer.use_captions: true",
        ),
        (
            SKS_DOG,
            "zorp",
            '"zorp" would not be learned, for it is not in trainer.instance_prompt, '
            '"a photo of SKS dog"; write the same words there, or leave one of the two out',
        ),
        ({"kind": "textual_inversion"}, "", "missing; write the new word, such as <toy>"),
        (
            {"kind": "textual_inversion"},
            "flat icon",
            '"flat icon" cannot be a new word; write one without blanks, dots and slashes, '
            "or name the word in trainer.placeholder_tokens",
        ),
        (
            {"kind": "textual_inversion"},
            "Toy",
            '"Toy" has capitals, which the base never sees; write "toy", '
            "or name the word in trainer.placeholder_tokens",
        ),
        (
            WORDS,
            "<a>",
            '"<a>" would not be learned: trainer.placeholder_tokens names "<a> <b>"; '
            "leave one of the two out",
        ),
    ],
)
def test_words_that_would_not_be_learned_are_a_problem_of_the_recipe(
    trainer: dict[str, Any], given: str, problem: str
) -> None:
    with pytest.raises(RecipeError) as caught:
        recipe(trainer, given)
    assert list(caught.value.problems) == [f"dataset.trigger: {problem}"]


def test_a_folder_alone_is_not_enough_for_a_method_that_learns_a_word(tmp_path: Any) -> None:
    for method in ("dreambooth", "textual_inversion"):
        with pytest.raises(RecipeError, match=r"^dataset\.trigger: missing; write"):
            starter_recipe(tmp_path, method=method)
        assert starter_recipe(tmp_path, method=method, trigger="<toy>").trigger == "<toy>"


def test_the_lock_holds_what_was_written_and_comes_to_the_same(recipe_file: Any) -> None:
    from studio.curation.manifest import CuratedSet
    from studio.recipe import yaml_text

    given = recipe(WORDS, "")
    curated = CuratedSet(source=recipe_file.path.parent, pictures=())
    locked = load_recipe(recipe_file(yaml_text.dump(lock(given, curated, "f" * 64))))
    assert (locked.dataset.trigger, locked.trigger) == ("", "<a> <b>")
