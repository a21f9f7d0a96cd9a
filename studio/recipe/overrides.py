"""``--set a.b=c``: single values changed on a recipe's raw content, before it is validated."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from typing import Any

from studio.errors import RecipeError
from studio.recipe import yaml_text

LOCK_ALLOWS = {"name", "dataset.source"}
"""What may be changed in a rerun: the pictures are still compared with the lock's."""


def apply_overrides(content: dict[str, Any], overrides: Sequence[str]) -> dict[str, Any]:
    """A copy of ``content`` with every ``path=value`` put in.

    Values are plain YAML scalars, or lists and sections in YAML's ``[...]`` and ``{...}`` form;
    text needs no quotes. The three budgets exclude each other, so giving one takes away the others.
    A locked recipe that is changed is another run: its lock no longer binds.

    Raises:
        RecipeError: an override is not ``path=value``, or leads through what is no section.
    """
    content = deepcopy(content)
    problems: list[str] = []
    for override in overrides:
        path, equals, text = override.partition("=")
        keys = path.strip().split(".")
        if not equals or not all(keys):
            problems.append(f'--set {override}: write it as "path=value", such as "seed=1"')
            continue
        try:
            put(content, keys, _value(text.strip(), override))
        except RecipeError as error:
            problems.extend(error.problems)
    if problems:
        raise RecipeError(problems)
    return content


def put(content: dict[str, Any], keys: Sequence[str], value: Any) -> None:
    """Set one value in place; see `apply_overrides` for what goes with it.

    Raises:
        RecipeError: the keys lead through what is no section.
    """
    section = content
    for depth, key in enumerate(keys[:-1], start=1):
        inner = section.setdefault(key, {})
        if inner is None:
            inner = section[key] = {}
        if not isinstance(inner, dict):
            raise RecipeError([f"--set {'.'.join(keys)}: {'.'.join(keys[:depth])} is no section"])
        section = inner
    if list(keys[:-1]) == ["budget"]:
        section.clear()
    if ".".join(keys) not in LOCK_ALLOWS:
        content.pop("lock", None)
    section[keys[-1]] = value


def _value(text: str, override: str) -> Any:
    if text[:1] in ("[", "{", '"', "'"):
        return yaml_text.parse(text, f"--set {override}")
    return yaml_text.parse_scalar(text)
