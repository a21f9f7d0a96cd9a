"""Forms for every method that is installed, and for one of somebody else's."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest
from pydantic import Field as Limits

from studio import registry
from studio.forms.entry import fits
from studio.forms.schema import FIRST, USUAL_BUDGETS, form_of
from studio.recipe.fields import dotted, known_fields, section_of
from studio.recipe.schema import Recipe
from studio.registry import TrainerPlugin
from studio.settings import TrainerSettings

KINDS = sorted(registry.plugins())


class TheirSettings(TrainerSettings):
    """A method from elsewhere."""

    kind: Literal["theirs"] = "theirs"
    """The method."""

    depth: int = Limits(3, ge=1, le=9)
    """How deep it goes."""

    note: str | None = None
    """A remark. Empty: none."""

    start: Path | None = None
    """A file to start from."""

    careful: bool | None = None
    """Whether to be careful. Empty: as it sees fit."""

    shares: list[float] = Limits(default_factory=lambda: [0.5, 1e-5])
    """Shares."""

    weights: dict[str, float] = Limits(default_factory=dict)
    """By name."""


@pytest.fixture
def theirs(monkeypatch: pytest.MonkeyPatch) -> str:
    plugin = TrainerPlugin("theirs", "Another method.", TheirSettings, "nowhere:Trainer")
    everyone = {**registry.plugins(), "theirs": plugin}
    monkeypatch.setattr(registry, "plugins", lambda: everyone)
    return "theirs"


@pytest.mark.parametrize("kind", KINDS)
def test_every_setting_is_a_field_with_help(kind: str) -> None:
    form = form_of(kind)
    settings = {
        dotted(path)
        for path, info in known_fields(Recipe, kind)
        if section_of(info.annotation, kind) is None
    }
    assert settings - set(form.fields) == {"version", "trainer.kind"}
    assert [path for path, field in form.fields.items() if not field.help] == []


@pytest.mark.parametrize("kind", KINDS)
def test_every_default_can_be_shown_and_entered(kind: str) -> None:
    for field in form_of(kind).fields.values():
        assert field.is_required or fits(field, field.default), field.path


@pytest.mark.parametrize("kind", KINDS)
def test_the_few_come_first_and_only_there(kind: str) -> None:
    form = form_of(kind)
    first = [field.path for field in form.first]
    assert first[:2] == ["dataset.source", "dataset.trigger"]
    assert set(USUAL_BUDGETS) < set(first)
    assert any(path.startswith("trainer.") for path in first)
    assert first[-1] == FIRST[-1] == "optimizer.learning_rate"
    folded = [field.path for group in form.folded for field in group.fields]
    assert sorted(folded + first) == sorted(form.fields)


@pytest.mark.parametrize(
    ("kind", "leading"),
    [
        ("lora", ["rank"]),
        ("dreambooth", ["weights", "rank"]),
        ("hypernetwork", ["layer_structure"]),
        ("textual_inversion", ["num_vectors"]),
    ],
)
def test_the_size_of_each_method_is_among_them(kind: str, leading: list[str]) -> None:
    first = [field.path for field in form_of(kind).first if field.path.startswith("trainer.")]
    assert first == [f"trainer.{name}" for name in leading]


def test_fields_know_what_may_stand_in_them() -> None:
    fields = form_of("lora").fields
    rate = fields["optimizer.learning_rate"]
    assert (rate.kind, rate.default, rate.label) == ("number", 1e-4, "Learning rate")
    assert rate.bounds == "more than 0, at most 10"
    assert fields["budget.steps_per_image"].default == 100
    assert fields["dataset.source"].kind == fields["base_model"].kind == "path"
    assert fields["trainer.init_from"].kind == "path"
    assert fields["optimizer.betas"].kind == "numbers"
    assert fields["sampling.prompts"].kind == "texts"
    assert fields["dataset.curation.severity"].kind == "yaml"
    assert fields["loss.prediction_type"].choices == ("epsilon", "v_prediction")
    assert fields["loss.prediction_type"].is_optional
    assert fields["loss.zero_terminal_snr"].choices == (True, False)
    assert fields["dataset.resolution"].bounds.endswith("a multiple of 8")
    assert fields["seed"].bounds == "at least 0"


def test_somebody_elses_method_has_a_form_by_its_settings_alone(theirs: str) -> None:
    form = form_of(theirs)
    own = {path: f for path, f in form.fields.items() if path.startswith("trainer.")}
    assert {path.partition(".")[2]: field.kind for path, field in own.items()} == {
        "depth": "whole number",
        "note": "text",
        "start": "path",
        "careful": "choice",
        "shares": "numbers",
        "weights": "yaml",
    }
    assert [f.path for f in form.first if f.path in own] == ["trainer.depth"]
    assert all(fits(field, field.default) for field in own.values())
    (group,) = [group for group in form.groups if group.path == "trainer"]
    assert group.help == "A method from elsewhere."


def test_search_finds_by_name_and_by_help() -> None:
    form = form_of("lora")
    assert form.search("learning rate")[0].label == "Learning rate"
    assert "loss.snr_gamma" in {field.path for field in form.search("min-snr paper")}
    assert form.search("no such words anywhere") == []
