from __future__ import annotations

from typing import Any

import pytest

from studio import registry
from studio.forms.entry import LEFT_OUT, entered, shown
from studio.forms.sheet import Problem, Sheet, header, read
from studio.recipe import yaml_text

HEADER = "# What:    A test.\n# Needs:   nothing.\n"
LEAST: dict[str, Any] = {
    "name": "x",
    "dataset": {"source": "/pictures", "trigger": "zorp"},
    "trainer": {"kind": "lora"},
}


def sheet(**more: Any) -> Sheet:
    return read(HEADER + yaml_text.dump(LEAST | more))


def changed(before: Sheet, path: str, typed: Any) -> Sheet:
    assert before.form
    field = before.form.fields[path]
    return read(before.with_value(field, entered(field, typed)))


def test_a_value_goes_to_its_place_below_the_opening_comment() -> None:
    after = changed(sheet(), "optimizer.learning_rate", "3e-4")
    assert after.text.startswith(HEADER + "name: x\n")
    assert after.content["optimizer"] == {"learning_rate": 3e-4}
    assert after.recipe
    assert after.recipe.text == after.text


def test_a_new_name_goes_into_the_text() -> None:
    after = read(sheet().named("y"))
    assert after.text.startswith(HEADER + "name: y\n")
    assert after.content == sheet().content | {"name": "y"}


@pytest.mark.parametrize("text", ["name:   y # as it was\ntrainer: {}\n", "name: [", "- a", ""])
def test_a_text_of_that_name_or_of_none_stays_as_it_is(text: str) -> None:
    assert read(text).named("y") == text


def test_what_means_no_more_than_the_default_is_left_out() -> None:
    given = sheet(optimizer={"learning_rate": 3e-4})
    assert "optimizer" not in changed(given, "optimizer.learning_rate", "1e-4").content


def test_a_default_that_another_setting_moved_is_not_left_out() -> None:
    lion = sheet(optimizer={"name": "lion"})
    assert lion.form
    assert lion.value(lion.form.fields["optimizer.learning_rate"]) == 3e-5
    after = changed(lion, "optimizer.learning_rate", "1e-4")
    assert after.content["optimizer"] == {"name": "lion", "learning_rate": 1e-4}


def test_one_way_to_say_how_long_takes_the_place_of_another() -> None:
    assert changed(sheet(), "budget.steps", "50").content["budget"] == {"steps": 50}
    given = sheet(budget={"steps": 50})
    assert changed(given, "budget.minutes", "5").content["budget"] == {"minutes": 5}
    assert "budget" not in changed(given, "budget.steps_per_image", "100").content


def test_emptied_fields_are_the_default_again() -> None:
    given = sheet(optimizer={"learning_rate": 3e-4, "weight_decay": 0.1})
    assert changed(given, "optimizer.learning_rate", "").content["optimizer"] == {
        "weight_decay": 0.1
    }
    assert LEFT_OUT not in given.content.values()


@pytest.mark.parametrize("kind", registry.plugins())
def test_every_field_as_it_is_shown_means_the_same_recipe(kind: str) -> None:
    given = sheet(trainer={"kind": kind})
    assert given.recipe, given.problems
    assert given.form
    for field in given.form.fields.values():
        text = given.with_value(field, entered(field, shown(field, given.value(field))))
        after = read(text)
        assert after.problems == (), field.path
        assert after.resolved == given.resolved, field.path


def test_all_problems_are_told_each_at_its_field() -> None:
    wrong = sheet(
        optimizer={"learning_rate": "fast", "betas": [0.9, 2]},
        sampling={"seeds": ["b"]},
        loss={"snr_gamma": 5, "debiased": True},
        colour="red",
    )
    assert wrong.recipe is None
    assert set(wrong.placed) == {
        "optimizer.learning_rate",
        "optimizer.betas",
        "sampling.seeds",
        "loss.snr_gamma",
        "colour",
    }
    assert wrong.placed["optimizer.learning_rate"][0].text == '"fast" is not a number'


def test_a_rule_of_a_section_is_told_at_the_setting_that_it_names() -> None:
    wrong = sheet(trainer={"kind": "dreambooth", "prior": "output"})
    assert list(wrong.placed) == ["trainer.class_prompt"]
    wrong = sheet(trainer={"kind": "textual_inversion", "initializer_words": ["a", "b"]})
    assert list(wrong.placed) == ["trainer.initializer_words"]


def test_the_rest_stays_as_it_is_while_something_is_wrong() -> None:
    wrong = sheet(optimizer={"name": "lion"}, seed="b", budget={"steps": 5})
    assert wrong.form
    assert wrong.value(wrong.form.fields["optimizer.learning_rate"]) == 3e-5
    assert wrong.value(wrong.form.fields["budget.steps_per_image"]) is None


@pytest.mark.parametrize("text", ["", "- a", "a: [", "!!python/object:os.system x", "x"])
def test_what_is_no_recipe_is_told_as_a_whole(text: str) -> None:
    given = read(text)
    assert given.recipe is None
    assert given.form is None
    assert [problem.path for problem in given.problems] == [""]


def test_an_unknown_method_has_no_form() -> None:
    given = sheet(trainer={"kind": "lroa"})
    assert given.form is None
    assert given.problems[0].path == "trainer.kind"


def test_another_set_brings_its_own_and_leaves_how_it_is_learned_from() -> None:
    decided = {"keep": ["a.png"], "min_pictures": 5}
    given = sheet(dataset={"source": "/p", "trigger": "t", "crop": "random", "curation": decided})
    after = read(given.with_dataset({"source": "/q", "curation": {"drop": ["b.png"]}}))
    assert after.content["dataset"] == {
        "source": "/q",
        "trigger": "t",
        "crop": "random",
        "curation": {"min_pictures": 5, "drop": ["b.png"]},
    }


def test_proposals_are_changes() -> None:
    after = read(sheet().with_changes(["precision.base_dtype=bf16", "trainer.rank=4"]))
    assert after.content["precision"] == {"base_dtype": "bf16"}
    assert after.content["trainer"] == {"kind": "lora", "rank": 4}


def test_problems_from_elsewhere_stand_beside_the_recipes_own() -> None:
    given = sheet().with_problems(["dataset.source: /x is outside the folders"])
    assert given.recipe is None
    assert given.placed["dataset.source"] == [
        Problem("dataset.source", "/x is outside the folders")
    ]


def test_the_opening_comment_ends_where_the_recipe_begins() -> None:
    assert header("# a\n# b\nname: x # c\n# d\n") == "# a\n# b\n"
    assert header("name: x") == ""
