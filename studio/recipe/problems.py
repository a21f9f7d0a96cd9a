"""pydantic's findings as sentences: the path, the value given, what to do."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from studio.recipe.fields import Path, dotted, known_fields

VALUE_WIDTH = 60
KEYS_LISTED = 12
MISSING = object()
KEY_FINDINGS = ("missing", "recipe")
"""Findings about a key that need not stand in the content."""

SENTENCES: dict[str, str] = {
    "greater_than": "{given} is not greater than {gt}",
    "greater_than_equal": "{given} is less than {ge}",
    "less_than": "{given} is not less than {lt}",
    "less_than_equal": "{given} is more than {le}",
    "multiple_of": "{given} is not a multiple of {multiple_of}",
    "finite_number": "{given} is not a finite number",
    "literal_error": "{given} is not one of {expected}",
    "string_type": "{given} is not text; put it in quotes",
    "int_type": "{given} is not a whole number",
    "int_parsing": "{given} is not a whole number",
    "int_from_float": "{given} is not a whole number",
    "float_type": "{given} is not a number",
    "float_parsing": "{given} is not a number",
    "bool_type": "{given} is not true or false",
    "bool_parsing": "{given} is not true or false",
    "tuple_type": "{given} is not a list; write it as [..., ...]",
    "list_type": "{given} is not a list; write it as [..., ...]",
    "model_type": "{given} is not a section; write its settings below it, one a line",
    "dict_type": "{given} is not a section; write its settings below it, one a line",
}


def sentences(
    error: ValidationError, content: Mapping[str, Any], schema: type[BaseModel]
) -> list[str]:
    """One line for each finding of ``error``, in the recipe's order, without repetitions."""
    kind = _kind_of(content)
    lines = []
    for finding in error.errors(include_url=False):
        path = _path_in(finding, content)
        lines.append(f"{dotted(path)}: {_sentence(finding, path, schema, kind)}")
    return list(dict.fromkeys(lines))


def show(value: Any) -> str:
    """A value as the user would have written it, cut to a readable length."""
    if value is None:
        return "an empty value"
    if isinstance(value, bool):
        return str(value).lower()
    text = f'"{value}"' if isinstance(value, str) else str(value)
    text = " ".join(text.split())
    return text if len(text) <= VALUE_WIDTH else f"{text[: VALUE_WIDTH - 3]}..."


def _sentence(finding: ErrorDetails, path: Path, schema: type[BaseModel], kind: str | None) -> str:
    if finding["type"] == "extra_forbidden":
        return _unknown_key(path, schema, kind)
    if finding["type"] == "missing":
        return _missing(path, schema, kind)
    context = finding.get("ctx", {})
    template = SENTENCES.get(finding["type"])
    if template is None:
        return _own_words(finding)
    sentence = template.format(given=show(finding["input"]), **_quoted(context))
    return sentence + _nearest(finding["type"], finding["input"], context)


def _missing(path: Path, schema: type[BaseModel], kind: str | None) -> str:
    field = dict(known_fields(schema, kind)).get(path)
    if field is None or not field.description:
        return "missing; give it a value"
    description = " ".join(field.description.split()).partition(". ")[0].rstrip(".")
    return f"missing; needed: {description[:1].lower()}{description[1:]}"


def _own_words(finding: ErrorDetails) -> str:
    """The sentence of a validator of ours, or pydantic's with the value in front."""
    message = finding["msg"]
    if finding["type"] == "value_error":
        return message.removeprefix("Value error, ")
    if finding["type"] == "recipe":
        return message
    return f"{show(finding['input'])} does not fit: {message[:1].lower()}{message[1:]}"


def _quoted(context: dict[str, Any]) -> dict[str, Any]:
    """The limits of a finding as they read best: 0 rather than 0.0, words in double quotes."""
    limits = {k: f"{v:g}" if isinstance(v, float) else v for k, v in context.items()}
    return {k: v.replace("'", '"') if isinstance(v, str) else v for k, v in limits.items()}


def _nearest(kind: str, given: Any, context: dict[str, Any]) -> str:
    if kind == "multiple_of":
        step = context["multiple_of"]
        below = int(given) // step * step
        return f"; nearest are {below} and {below + step}"
    if kind == "literal_error" and isinstance(given, str):
        allowed = [
            word.strip("' ") for word in context["expected"].replace(" or ", ", ").split(",")
        ]
        close = get_close_matches(given.lower(), allowed, n=1)
        return f'; did you mean "{close[0]}"?' if close else ""
    return ""


def _unknown_key(path: Path, schema: type[BaseModel], kind: str | None) -> str:
    key = str(path[-1])
    known = [p for p, _ in known_fields(schema, kind)]
    siblings = [str(p[-1]) for p in known if p[:-1] == path[:-1]]
    if close := get_close_matches(key.lower(), siblings, n=1):
        return f'unknown key; did you mean "{close[0]}"?'
    leaves = {str(p[-1]): p for p in reversed(known)}
    if close := get_close_matches(key.lower(), leaves, n=1, cutoff=0.85):
        return f'unknown key; did you mean "{dotted(leaves[close[0]])}"?'
    if 0 < len(siblings) <= KEYS_LISTED:
        return f"unknown key; there are: {', '.join(siblings)}"
    return "unknown key; `studio recipe schema` lists all"


def _kind_of(content: Mapping[str, Any]) -> str | None:
    trainer = content.get("trainer")
    kind = trainer.get("kind") if isinstance(trainer, Mapping) else None
    return kind if isinstance(kind, str) else None


def _path_in(finding: ErrorDetails, content: Any) -> Path:
    """Where a finding lies in ``content``.

    pydantic's place also names the member of a union that was tried; that is no key and left out.
    """
    path: list[str | int] = []
    for depth, part in enumerate(finding["loc"], start=1):
        found = _inner(content, part)
        if found is not MISSING:
            content = found
        elif not (depth == len(finding["loc"]) and finding["type"] in KEY_FINDINGS):
            continue
        path.append(part)
    return tuple(path)


def _inner(content: Any, part: str | int) -> Any:
    if isinstance(content, Mapping) and part in content:
        return content[part]
    if isinstance(content, list | tuple) and isinstance(part, int) and part < len(content):
        return content[part]
    return MISSING
