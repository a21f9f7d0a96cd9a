"""How each family of base models is spoken to."""

from __future__ import annotations

from functools import cache
from importlib import import_module

from studio.bases.architectures.architecture import Architecture
from studio.bases.base_model import BaseModel
from studio.bases.families import FAMILIES, Family

__all__ = ["Architecture", "architecture_of"]


def architecture_of(base: BaseModel) -> Architecture:
    """The one that ``base`` is of."""
    return _architecture(base.family)


@cache
def _architecture(family: Family) -> Architecture:
    module, _, name = FAMILIES[family].architecture.partition(":")
    kind: type[Architecture] = getattr(import_module(module), name)
    return kind()
