"""Trainer plugins, found by entry point (group ``studio.trainers``); listing them imports no torch.

An entry point names a `TrainerPlugin`, a small record that a package's ``__init__`` can hold without
importing torch: the settings class is imported with it, the trainer class only when it is asked for.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

from studio.errors import UserError
from studio.settings import TrainerSettings

if TYPE_CHECKING:
    from studio.training.trainer import Trainer

GROUP = "studio.trainers"
KIND_PATTERN = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True)
class TrainerPlugin:
    """What the studio knows of a trainer before torch is imported.

    Attributes:
        kind: the tag in recipes, adapter headers and on the command line, e.g. ``lora``.
        summary: one sentence for lists and help.
        settings: the recipe's ``trainer:`` section.
        trainer_path: ``package.module:Class`` of the `Trainer`.
        adapter_kinds: kinds of adapter that it may produce; empty: its own kind alone.
        starting_points: recipe sections that a new recipe of this method begins with, by the base
            model's name; ``""`` stands for every other base.
    """

    kind: str
    summary: str
    settings: type[TrainerSettings]
    trainer_path: str
    adapter_kinds: tuple[str, ...] = ()
    starting_points: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def starting_point(self, base_model: str) -> Mapping[str, Any]:
        """Recipe sections to begin with on a base model; values in them that the user gave win."""
        points = self.starting_points
        return points.get(base_model) or points.get("") or {}

    @property
    def produces(self) -> tuple[str, ...]:
        """The kinds of adapter that may come of it."""
        return self.adapter_kinds or (self.kind,)

    def load(self) -> type[Trainer[Any]]:
        """Import the trainer class (and with it torch)."""
        module, _, name = self.trainer_path.partition(":")
        trainer: type[Trainer[Any]] = getattr(import_module(module), name)
        return trainer


@cache
def plugins() -> dict[str, TrainerPlugin]:
    """Every installed trainer by its kind, sorted by kind.

    Raises:
        UserError: two packages claim one kind, a kind is not a lower-case word, or an entry point
            names something that is no `TrainerPlugin`.
    """
    found: dict[str, TrainerPlugin] = {}
    for entry in sorted(entry_points(group=GROUP), key=lambda e: (e.name, e.value)):
        plugin = entry.load()
        if not isinstance(plugin, TrainerPlugin):
            raise UserError(
                f"entry point {entry.name} = {entry.value} names a {type(plugin).__name__}, "
                "not a TrainerPlugin; mend or uninstall that package"
            )
        if not KIND_PATTERN.fullmatch(plugin.kind) or plugin.kind != entry.name:
            raise UserError(
                f"entry point {entry.name} = {entry.value} has kind {plugin.kind!r}; "
                "a kind is a lower-case word equal to the entry point's name"
            )
        if plugin.kind in found:
            raise UserError(
                f"two packages provide the trainer {plugin.kind!r}: uninstall one of "
                f"{found[plugin.kind].trainer_path} and {plugin.trainer_path}"
            )
        found[plugin.kind] = plugin
    return found


def plugin(kind: str) -> TrainerPlugin:
    """The plugin of one kind.

    Raises:
        UserError: no installed package provides it.
    """
    if kind not in plugins():
        raise UserError(f"no trainer {kind!r} is installed; there are: {', '.join(plugins())}")
    return plugins()[kind]


def producer(kind: str) -> TrainerPlugin:
    """The plugin that makes adapters of a kind, and so can apply them.

    That is its namesake, or else, of those that make it, the one that makes the least besides.

    Raises:
        UserError: no installed package makes them.
    """
    makers = [p for p in plugins().values() if kind in p.produces]
    if kind in plugins() or not makers:
        return plugin(kind)
    return min(makers, key=lambda maker: len(maker.produces))
