from __future__ import annotations

from typing import Any

from studio.recipe import recipe_from_dict
from studio.recipe.difference import ABSENT, Change, difference


def changes(before: dict[str, Any], after: dict[str, Any]) -> list[Change]:
    least = {"name": "x", "dataset": {"source": "/p"}, "trainer": {"kind": "lora"}}
    return difference(recipe_from_dict(least | before), recipe_from_dict(least | after))


def test_what_means_the_same_is_no_difference() -> None:
    assert changes({}, {"optimizer": {"learning_rate": 0.0001}, "seed": 0}) == []
    one = {"optimizer": {"learning_rate": "1e-4"}, "sampling": {"seeds": [0, 1]}}
    assert changes(one, {"optimizer": {"learning_rate": 1e-4}}) == []


def test_values_are_named_by_path_in_the_recipes_order() -> None:
    found = changes({}, {"optimizer": {"learning_rate": 3e-4}, "name": "y"})
    assert found == [
        Change("name", "x", "y"),
        Change("optimizer.learning_rate", 1e-4, 3e-4),
    ]


def test_a_default_that_another_setting_moves_is_a_difference() -> None:
    found = changes({}, {"optimizer": {"name": "lion"}})
    assert [c.path for c in found] == ["optimizer.name", "optimizer.learning_rate"]


def test_another_methods_settings_come_and_go() -> None:
    found = {c.path: c for c in changes({}, {"trainer": {"kind": "hypernetwork"}})}
    assert found["trainer.rank"].after is ABSENT
    assert found["trainer.layer_structure"].before is ABSENT
    assert found["trainer.rank"].to_json() == {"path": "trainer.rank", "before": 8}
    assert found["trainer.rank"].row() == ["trainer.rank", "8", "not there"]


def test_mappings_differ_entry_by_entry() -> None:
    severity = {"dataset": {"source": "/p", "curation": {"severity": {"blur": "block"}}}}
    assert changes({}, severity) == [Change("dataset.curation.severity.blur", ABSENT, "block")]


def test_the_text_makes_no_difference() -> None:
    recipe = recipe_from_dict(
        {"name": "x", "dataset": {"source": "/p"}, "trainer": {"kind": "lora"}}
    )
    assert difference(recipe.with_text("# a"), recipe.with_text("# b")) == []
