"""The form for a method: fields from the recipe's schema and the settings of the method's plugin."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path as PathType
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined, to_jsonable_python

from studio import registry
from studio.forms.field import Field, Group, Kind
from studio.place import place_of
from studio.recipe.fields import Path, dotted, known_fields, section_of
from studio.recipe.schema import Recipe
from studio.settings import TrainerSettings

FIRST = ("dataset.source", "dataset.trigger", "budget", "trainer", "optimizer.learning_rate")
"""What matters most, by path. ``budget`` is the whole section, ``trainer`` what its method puts first."""

USUAL_BUDGETS = {"budget.steps_per_image": 100, "budget.steps": 1000, "budget.minutes": 30}
"""The three ways to say how long, of which exactly one counts, and where each begins."""

NO_SECTION = Group(
    "", "The run", "What it is called, what it teaches, and where its chances come from.", ()
)
SHORT = {
    "lora": "LoRA",
    "dreambooth": "DreamBooth",
    "ema": "EMA",
    "snr": "SNR",
    "vae": "VAE",
    "px": "(px)",
    "lr": "Learning rate",
    "num": "Number of",
}
_SCALARS: Mapping[Any, Kind] = {bool: "toggle", int: "whole number", float: "number", str: "text"}
_NUMERIC = {"whole number", "number"}
_UNTOLD = 1e9
"""A limit beyond is of no use to anybody."""

_BOUNDS = {"gt": "more than", "ge": "at least", "lt": "less than", "le": "at most"}


@dataclass(frozen=True)
class Form:
    """Every setting of a recipe of one method."""

    kind: str
    groups: tuple[Group, ...]
    leading: tuple[str, ...]

    @cached_property
    def fields(self) -> Mapping[str, Field]:
        """By path, in order."""
        return {field.path: field for group in self.groups for field in group.fields}

    @cached_property
    def first(self) -> tuple[Field, ...]:
        """The few that matter most, in the order in which one thinks of them."""
        found: list[Field] = []
        for path in FIRST:
            if path == "trainer":
                found += (self.fields[f"trainer.{name}"] for name in self.leading)
            else:
                found += (
                    f for p, f in self.fields.items() if p == path or p.startswith(f"{path}.")
                )
        return tuple(found)

    @cached_property
    def folded(self) -> tuple[Group, ...]:
        """The groups without what comes first."""
        rest = (
            Group(g.path, g.title, g.help, tuple(f for f in g.fields if f not in self.first))
            for g in self.groups
        )
        return tuple(group for group in rest if group.fields)

    def search(self, words: str) -> list[Field]:
        """Those that are about the words, those called so in front."""

        def distance(field: Field) -> int:
            place = field.label.lower().find(words.lower())
            return 2 if place < 0 else min(place, 1)

        return sorted((f for f in self.fields.values() if f.is_about(words)), key=distance)


def form_of(kind: str) -> Form:
    """The form for a method.

    Raises:
        UserError: no such trainer is installed.
    """
    return _form(kind, registry.plugin(kind).settings)


@lru_cache(maxsize=32)
def _form(kind: str, settings: type[TrainerSettings]) -> Form:
    defaults: dict[Path, Any] = {}
    descriptions: dict[Path, str] = {(): ""}
    fields: dict[Path, list[Field]] = {(): []}
    for path, info in known_fields(Recipe, kind):
        default = _default(info, defaults.get(path[:-1]), str(path[-1]))
        if section_of(info.annotation, kind) is not None:
            defaults[path], descriptions[path], fields[path] = default, info.description or "", []
        elif not _is_constant(info.annotation):
            fields[path[:-1]].append(_field(path, info, default))
    descriptions["trainer",] = settings.__doc__ or ""
    order = [path[:1] for path in fields]
    groups = tuple(
        _group(path, descriptions[path], tuple(fields[path]))
        for path in sorted(fields, key=lambda path: order.index(path[:1]))
        if fields[path]
    )
    return Form(kind, groups, settings.leading or _first_of_its_own(settings))


def _group(path: Path, description: str, fields: tuple[Field, ...]) -> Group:
    if not path:
        return Group("", NO_SECTION.title, NO_SECTION.help, fields)
    title = ": ".join(label_of(str(part)) for part in path)
    return Group(dotted(path), title, _one_line(description), fields)


def _first_of_its_own(settings: type[TrainerSettings]) -> tuple[str, ...]:
    own = (n for n, info in settings.model_fields.items() if not _is_constant(info.annotation))
    return tuple(own)[:1]


def _default(info: FieldInfo, section: BaseModel | None, name: str) -> Any:
    """What a setting is where it is left out: its section's word counts before its own."""
    if section is not None:
        return getattr(section, name)
    default = info.get_default(call_default_factory=True, validated_data={})
    return None if default is PydanticUndefined else default


def _field(path: Path, info: FieldInfo, default: Any) -> Field:
    annotation, is_optional = _without_none(info.annotation)
    kind, choices = _entered_as(annotation, is_optional)
    if kind == "text" and place_of(info) is not None:
        kind = "path"
    return Field(
        path=dotted(path),
        label=label_of(str(path[-1])),
        help=_one_line(info.description or ""),
        kind=kind,
        default=to_jsonable_python(default),
        bounds=_bounds(info.metadata),
        choices=choices,
        is_optional=is_optional,
        is_required=info.is_required(),
    )


def _entered_as(annotation: Any, is_optional: bool) -> tuple[Kind, tuple[Any, ...]]:
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return "choice", inner
    if annotation is bool and is_optional:
        return "choice", (True, False)
    if origin in (tuple, list):
        kinds = {_entered_as(_bare(each), False)[0] for each in inner if each is not Ellipsis}
        return ("texts" if kinds == {"text"} else "numbers" if kinds <= _NUMERIC else "yaml"), ()
    if isinstance(annotation, type) and issubclass(annotation, PathType):
        return "path", ()
    return _SCALARS.get(annotation, "yaml"), ()


def _without_none(annotation: Any) -> tuple[Any, bool]:
    if get_origin(annotation) not in (Union, UnionType):
        return _bare(annotation), False
    inner = [each for each in get_args(annotation) if each is not NoneType]
    is_optional = len(inner) < len(get_args(annotation))
    return (_bare(inner[0]) if len(inner) == 1 else annotation), is_optional


def _bare(annotation: Any) -> Any:
    return get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation


def _is_constant(annotation: Any) -> bool:
    """Whether only one value may stand there, as a trainer's own ``kind``."""
    return get_origin(annotation) is Literal and len(get_args(annotation)) == 1


def _bounds(metadata: list[Any]) -> str:
    found = []
    for limit in metadata:
        for name, words in _BOUNDS.items():
            if (value := getattr(limit, name, None)) is not None and abs(value) < _UNTOLD:
                found.append(f"{words} {value:g}")
        if (step := getattr(limit, "multiple_of", None)) is not None:
            found.append(f"a multiple of {step}")
    return ", ".join(found)


def label_of(name: str) -> str:
    """``learning_rate`` as ``Learning rate``."""
    words = " ".join(SHORT.get(word, word) for word in name.split("_"))
    return words[:1].upper() + words[1:]


def _one_line(text: str) -> str:
    return " ".join(text.split())
