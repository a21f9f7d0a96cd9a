from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Literal

import pytest

from studio import registry
from studio.recipe import json_schema
from studio.settings import TrainerSettings


class BrushSettings(TrainerSettings):
    """A method of another package."""

    kind: Literal["brush"] = "brush"
    """The method."""

    bristles: int = 3
    """How many."""


@pytest.fixture
def two_trainers(monkeypatch: pytest.MonkeyPatch) -> None:
    brush = registry.TrainerPlugin("brush", "Paints.", BrushSettings, "brush:Brush")
    found = {"brush": brush, **registry.plugins()}
    monkeypatch.setattr(registry, "plugins", lambda: found)


def references(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        if "$ref" in schema:
            yield schema["$ref"]
        for value in schema.values():
            yield from references(value)
    if isinstance(schema, list):
        for value in schema:
            yield from references(value)


@pytest.mark.usefixtures("two_trainers")
def test_the_trainer_is_one_of_those_installed_told_apart_by_kind() -> None:
    schema = json_schema()
    trainer = schema["properties"]["trainer"]
    assert trainer["discriminator"]["propertyName"] == "kind"
    assert trainer["discriminator"]["mapping"].keys() >= {"brush", "lora"}
    brush = schema["$defs"]["BrushSettings"]
    assert brush["required"] == ["kind"]
    assert brush["additionalProperties"] is False
    assert brush["properties"]["bristles"]["description"] == "How many."


def test_the_schema_is_whole_and_strict() -> None:
    schema = json.loads(json.dumps(json_schema()))
    assert schema["additionalProperties"] is False
    assert set(schema["required"]) == {"name", "dataset", "trainer"}
    for reference in references(schema):
        assert reference.removeprefix("#/$defs/") in schema["$defs"]


def test_every_setting_is_described() -> None:
    schema = json_schema()
    undescribed = [
        f"{section}.{name}"
        for section, content in {"Recipe": schema, **schema["$defs"]}.items()
        for name, field in content["properties"].items()
        if not field.get("description")
        and section not in ("Lock", "LockedPicture")
        and "$ref" not in field
    ]
    assert undescribed == []
