"""A recipe's text in the making: what stands in it, what is wrong with it, and changes of it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from itertools import takewhile
from typing import Any

from studio import registry
from studio.errors import RecipeError
from studio.forms.entry import LEFT_OUT
from studio.forms.field import Field
from studio.forms.schema import Form, form_of
from studio.recipe import Recipe, recipe_from_dict, yaml_text
from studio.recipe.overrides import apply_overrides, put

_OF_A_SET = (("source",), ("caption_folder",), ("curation", "keep"), ("curation", "drop"))
"""What belongs to one set of pictures and means nothing for another."""

_PATH = re.compile(r"(?P<path>[a-z]\w*([.\[][\w\]]+)*): (?P<text>.+)", re.DOTALL)


@dataclass(frozen=True)
class Problem:
    """What is wrong.

    Attributes:
        path: of the setting or the section; empty where it is the text as a whole.
    """

    path: str
    text: str

    @classmethod
    def of(cls, sentence: str) -> Problem:
        found = _PATH.fullmatch(sentence)
        return cls(found["path"], found["text"]) if found else cls("", sentence)

    def __str__(self) -> str:
        return f"{self.path}: {self.text}" if self.path else self.text


@dataclass(frozen=True)
class Sheet:
    """One state of a recipe in the making.

    Attributes:
        text: as it is kept.
        content: of the YAML; empty where it is none.
        recipe: None as long as something is wrong.
    """

    text: str
    content: Mapping[str, Any]
    recipe: Recipe | None
    problems: tuple[Problem, ...] = ()
    resolved: Mapping[str, Any] = field(default_factory=dict)

    @property
    def form(self) -> Form | None:
        """The form for its method; None where it names none that is installed."""
        trainer = self.content.get("trainer")
        kind = trainer.get("kind") if isinstance(trainer, Mapping) else None
        return form_of(kind) if isinstance(kind, str) and kind in registry.plugins() else None

    @cached_property
    def placed(self) -> Mapping[str, list[Problem]]:
        """The problems by the field that they belong to; elsewhere by what they name."""
        fields = self.form.fields if self.form else {}
        found: dict[str, list[Problem]] = {}
        for problem in self.problems:
            found.setdefault(_home(problem, fields), []).append(problem)
        return found

    def with_problems(self, sentences: Sequence[str]) -> Sheet:
        """The same, with what is wrong for those who are to run it; there is no recipe then."""
        if not sentences:
            return self
        problems = (*self.problems, *map(Problem.of, sentences))
        return replace(self, recipe=None, problems=problems)

    def value(self, of: Field) -> Any:
        """What a setting is: as written, else as it comes."""
        for content in (self.content, self.resolved):
            found = _get(content, of.keys)
            if found is not LEFT_OUT:
                return found
        return of.default

    def is_written(self, of: Field) -> bool:
        """Whether the text says it, rather than a default."""
        return _get(self.content, of.keys) is not LEFT_OUT

    def with_value(self, of: Field, value: Any) -> str:
        """The text with another value; what means no more than the default is left out.

        Raises:
            RecipeError: the section it belongs to is something else in the text.
        """
        if not self.is_written(of) and value == self.value(of):
            return self.text
        content = deepcopy(dict(self.content))
        if value is LEFT_OUT:
            return self.rewritten(_without(content, of.keys))
        put(content, of.keys, value)
        if not of.is_required:
            shorter = _without(content, of.keys)
            meant = _meaning(content)
            content = shorter if meant is not None and meant == _meaning(shorter) else content
        return self.rewritten(content)

    def with_changes(self, changes: Sequence[str]) -> str:
        """The text with ``a.b=c``, as after ``--set``.

        Raises:
            RecipeError: one is no change.
        """
        return self.rewritten(apply_overrides(dict(self.content), changes))

    def with_dataset(self, dataset: Mapping[str, Any]) -> str:
        """The text with another set of pictures; how they are learned from stays."""
        content = dict(self.content)
        content.pop("lock", None)
        for keys in _OF_A_SET:
            content = _without(content, ("dataset", *keys))
        return self.rewritten({**content, "dataset": joined(content.get("dataset"), dataset)})

    def named(self, name: str) -> str:
        """The text with that name in it; as it is where it has that name, or is no recipe at all."""
        if not self.content or self.content.get("name") == name:
            return self.text
        return self.rewritten({**self.content, "name": name})

    def rewritten(self, content: Mapping[str, Any]) -> str:
        """Another content under the same opening comment."""
        return header(self.text) + yaml_text.dump(dict(content))


@lru_cache(maxsize=64)
def read(text: str) -> Sheet:
    """Take a text for a recipe; whatever it is, it is told and never raised."""
    try:
        content = yaml_text.parse(text, "the text")
    except RecipeError as error:
        return Sheet(text, {}, None, tuple(Problem("", p) for p in error.problems))
    if not isinstance(content, dict):
        return Sheet(
            text, {}, None, (Problem("", 'this is no recipe; write lines of "key: value"'),)
        )
    try:
        recipe = recipe_from_dict(content).with_text(text)
    except RecipeError as error:
        return _with_defaults(Sheet(text, content, None, tuple(map(Problem.of, error.problems))))
    return Sheet(text, content, recipe, resolved=recipe.model_dump(mode="json"))


def _with_defaults(sheet: Sheet) -> Sheet:
    """What the rest comes to, so that defaults do not jump while something is wrong elsewhere."""
    right = dict(sheet.content)
    for path in sheet.placed:
        right = _without(right, path.split("."))
    return replace(sheet, resolved=_meaning(right) or {})


def header(text: str) -> str:
    """The comment that a recipe opens with."""
    lines = takewhile(lambda line: line.startswith("#"), text.splitlines(keepends=True))
    return "".join(lines)


def joined(own: Any, other: Mapping[str, Any]) -> dict[str, Any]:
    """A section with another's values put in, sections within it as well."""
    whole = dict(own) if isinstance(own, Mapping) else {}
    for key, value in other.items():
        whole[key] = joined(whole.get(key), value) if isinstance(value, Mapping) else value
    return whole


def _get(content: Any, keys: Sequence[str]) -> Any:
    for key in keys:
        if not isinstance(content, Mapping) or key not in content:
            return LEFT_OUT
        content = content[key]
    return content


def _without(content: dict[str, Any], keys: Sequence[str]) -> dict[str, Any]:
    """A copy without one setting, and without the sections that are empty then."""
    key, *rest = keys
    if not isinstance(content, dict) or key not in content:
        return content
    if not rest:
        return {k: v for k, v in content.items() if k != key}
    inner = _without(content[key], rest)
    return {k: inner if k == key else v for k, v in content.items() if k != key or inner}


def _meaning(content: Mapping[str, Any]) -> dict[str, Any] | None:
    try:
        return recipe_from_dict(content).model_dump(mode="json")
    except RecipeError:
        return None


def _home(problem: Problem, fields: Mapping[str, Field]) -> str:
    """The longest field that a problem's path begins with; a section's rule names its setting first."""
    first = re.match(r"\w*", problem.text)
    named = f"{problem.path}.{first[0]}" if first else ""
    if named in fields:
        return named
    path = re.sub(r"\[\d+\]", "", problem.path)
    while path and path not in fields:
        path = path.rpartition(".")[0]
    return path or problem.path
