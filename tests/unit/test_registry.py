from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from studio import registry
from studio.errors import UserError
from studio.settings import TrainerSettings


@dataclass
class Entry:
    """An installed entry point."""

    name: str
    value: str
    target: Any

    def load(self) -> Any:
        return self.target


def plugin_named(kind: str, path: str = "one:Trainer") -> registry.TrainerPlugin:
    return registry.TrainerPlugin(kind, f"{kind}.", TrainerSettings, path)


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    def pretend(*entries: Entry) -> None:
        monkeypatch.setattr(registry, "entry_points", lambda group: list(entries))

    registry.plugins.cache_clear()
    yield pretend
    registry.plugins.cache_clear()


def test_plugins_are_found_and_sorted(install: Any) -> None:
    install(
        Entry("lora", "b:plugin", plugin_named("lora")),
        Entry("brush", "a:plugin", plugin_named("brush")),
    )
    assert list(registry.plugins()) == ["brush", "lora"]
    assert registry.plugin("brush").summary == "brush."


def test_two_packages_with_one_kind_are_refused(install: Any) -> None:
    install(
        Entry("lora", "a:plugin", plugin_named("lora", "a:Trainer")),
        Entry("lora", "b:plugin", plugin_named("lora", "b:Trainer")),
    )
    with pytest.raises(UserError) as caught:
        registry.plugins()
    assert str(caught.value) == (
        "two packages provide the trainer 'lora': uninstall one of a:Trainer and b:Trainer"
    )


def test_something_else_than_a_plugin_is_refused(install: Any) -> None:
    install(Entry("lora", "a:plugin", {"kind": "lora"}))
    with pytest.raises(UserError) as caught:
        registry.plugins()
    assert str(caught.value) == (
        "entry point lora = a:plugin names a dict, not a TrainerPlugin; "
        "mend or uninstall that package"
    )


@pytest.mark.parametrize(
    ("name", "kind"), [("LoRA", "LoRA"), ("lora", "brush"), ("a-b", "a-b"), ("1a", "1a"), ("", "")]
)
def test_a_bad_kind_is_refused(install: Any, name: str, kind: str) -> None:
    install(Entry(name, "a:plugin", plugin_named(kind)))
    with pytest.raises(UserError) as caught:
        registry.plugins()
    assert str(caught.value) == (
        f"entry point {name} = a:plugin has kind {kind!r}; "
        "a kind is a lower-case word equal to the entry point's name"
    )


def test_an_unknown_kind_is_answered_with_those_there_are(install: Any) -> None:
    install(Entry("lora", "a:plugin", plugin_named("lora")))
    with pytest.raises(UserError, match=r"^no trainer 'brush' is installed; there are: lora$"):
        registry.plugin("brush")


def test_our_own_plugins_are_installed_and_their_settings_name_their_kind() -> None:
    registry.plugins.cache_clear()
    assert "lora" in registry.plugins()
    for kind, plugin in registry.plugins().items():
        assert plugin.settings().kind == kind
