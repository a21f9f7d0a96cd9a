"""Every setting of a recipe by its path, the chosen trainer's own among them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from studio import registry
from studio.settings import TrainerSettings

Path = tuple[str | int, ...]


def known_fields(
    schema: type[BaseModel], kind: str | None, above: Path = ()
) -> Iterator[tuple[Path, FieldInfo]]:
    """Every field of a schema by its path, the sections themselves among them, outermost first.

    Args:
        kind: of the trainer whose settings stand in the ``trainer:`` section.
    """
    inner: list[tuple[type[BaseModel], Path]] = []
    for name, field in schema.model_fields.items():
        if field.exclude:
            continue
        path = (*above, name)
        yield path, field
        if section := section_of(field.annotation, kind):
            inner.append((section, path))
    for section, path in inner:
        yield from known_fields(section, kind, path)


def section_of(annotation: Any, kind: str | None) -> type[BaseModel] | None:
    """The section that a field holds; None where it holds a value."""
    if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
        return None
    if annotation is TrainerSettings and kind in registry.plugins():
        return registry.plugin(kind).settings
    return annotation


def dotted(path: Path) -> str:
    """``("sampling", "prompts", 0)`` as ``sampling.prompts[0]``."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".") or "recipe"
