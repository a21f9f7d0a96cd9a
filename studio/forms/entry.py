"""A value as one reads and types it, and back: 1e-4 rather than 0.0001, a line for each text of a list."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from enum import Enum
from math import isfinite
from typing import Any, Final

from studio.errors import RecipeError
from studio.forms.field import Field
from studio.recipe import yaml_text


class _LeftOut(Enum):
    LEFT_OUT = "left out"


LEFT_OUT: Final = _LeftOut.LEFT_OUT
"""What an emptied field comes to where empty means nothing: the default."""

LONGEST_WHOLE = 1e15
_DECIMAL_COMMA = re.compile(r"(-?0),(\d+)|(-?\d+),(\d{1,2}|\d{4,})")


def shown(field: Field, value: Any) -> Any:
    """What stands in the field for a JSON value: a text; of a toggle or a choice the value itself."""
    match field.kind:
        case "toggle" | "choice":
            return value
        case "number" | "whole number":
            return _number(value)
        case "numbers":
            return ", ".join(map(_number, value)) if isinstance(value, list) else ""
        case "texts":
            return "\n".join(map(_text, value)) if isinstance(value, list) else ""
        case "yaml":
            return _yaml(value)
    return "" if value is None else _text(value, may_be_empty=not field.is_optional)


def entered(field: Field, given: Any) -> Any:
    """The JSON value that was entered, or `LEFT_OUT`. What is no number stays text, to be told of."""
    if field.kind in ("toggle", "choice"):
        return given
    empty = None if field.is_optional else LEFT_OUT
    match field.kind:
        case "number" | "whole number":
            return _typed_number(field, given.strip()) if given.strip() else empty
        case "numbers":
            parts = [part for part in re.split(r"[,\s]+", given.strip(" ,[]")) if part]
            return [yaml_text.parse_scalar(part) for part in parts] or (
                empty if empty is None else []
            )
        case "texts":
            lines = [_plain(line) for line in given.splitlines() if line.strip()]
            return lines or (empty if empty is None else [])
        case "yaml":
            return _parsed(given) if given.strip() else empty
    return _plain(given) if given or not field.is_optional else None


def fits(field: Field, value: Any) -> bool:
    """Whether the field can hold the value; a recipe written by hand may hold any."""
    if field.kind == "toggle":
        return isinstance(value, bool)
    if field.kind == "choice":
        return value in field.choices or (value is None and field.is_optional)
    is_odd = isinstance(value, bool) and field.kind != "yaml"
    if is_odd or (value is None and not field.is_optional):
        return False
    try:
        back = entered(field, shown(field, value))
    except (TypeError, ValueError, AttributeError):
        return False
    if back is LEFT_OUT:
        return bool(value == field.default)
    return bool(back == value)


def _number(value: Any) -> str:
    if value is None:
        return ""
    if not isinstance(value, float):
        return str(value).lower() if isinstance(value, bool) else str(value)
    if not isfinite(value):
        return yaml_text.dump([value])[2:].strip()
    plain = str(_whole(value))
    _, digits, exponent = Decimal(repr(value)).normalize().as_tuple()
    assert isinstance(exponent, int)
    fraction = "".join(map(str, digits[1:]))
    sign = "-" if value < 0 else ""
    short = f"{sign}{digits[0]}{'.' if fraction else ''}{fraction}e{exponent + len(digits) - 1}"
    return plain if len(plain) <= len(short) or value == 0 else short


def _typed_number(field: Field, given: str) -> Any:
    number = yaml_text.parse_scalar(_with_point(given))
    return _whole(number) if field.kind == "whole number" else number


def _whole(value: Any) -> Any:
    """A float without a fraction as the whole number that it is: 1e6 is a million; the rest as it is."""
    is_whole = isinstance(value, float) and value.is_integer() and abs(value) < LONGEST_WHOLE
    return int(value) if is_whole else value


def _with_point(given: str) -> str:
    """A decimal comma as a point; 1,000 stays as it is, for it may be a thousand."""
    return given.replace(",", ".") if _DECIMAL_COMMA.fullmatch(given) else given


def _text(value: Any, may_be_empty: bool = False) -> str:
    """A text on one line; in JSON's quotes where it could not be told from others otherwise."""
    if not isinstance(value, str):
        raise TypeError(value)
    is_plain = value.splitlines() == [value] and value.strip() and value[0] != '"'
    return value if is_plain or (may_be_empty and not value) else json.dumps(value)


def _plain(line: str) -> str:
    if line.startswith('"'):
        try:
            return str(json.loads(line))
        except ValueError:
            pass
    return line


def _yaml(value: Any) -> str:
    if value is None or value == {}:
        return ""
    if isinstance(value, dict | list):
        return yaml_text.dump(value).rstrip("\n")
    return yaml_text.dump([value])[2:].rstrip("\n")


def _parsed(given: str) -> Any:
    try:
        return yaml_text.parse(given, "this")
    except RecipeError:
        return given
