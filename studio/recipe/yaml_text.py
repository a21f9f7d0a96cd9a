"""YAML as recipes use it: the core schema of YAML 1.2, without the surprises of 1.1.

PyYAML reads YAML 1.1, where ``no`` is false, ``1e-4`` is text, ``010`` is eight, ``1:30`` is ninety
and ``2024-01-01`` is a date. Here ``no`` and ``on`` are words, ``1e-4`` is a number, ``010`` ten,
and times and dates are text (https://yaml.org/spec/1.2.2/#103-core-schema). Keys are always text
and may not repeat.
"""

from __future__ import annotations

import re
from collections.abc import Hashable
from math import inf
from typing import Any

import yaml

from studio.errors import RecipeError

CORE_SCHEMA = {
    "tag:yaml.org,2002:null": (r"~|null|Null|NULL|", "~nN"),
    "tag:yaml.org,2002:bool": (r"true|True|TRUE|false|False|FALSE", "tTfF"),
    "tag:yaml.org,2002:int": (r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", "-+0123456789"),
    "tag:yaml.org,2002:float": (
        r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?"
        r"|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        "-+0123456789.",
    ),
}


MOST_NODES = 1_000_000
"""Of a document with every alias written out; a few lines of aliases can stand for billions."""


class _Loader(yaml.SafeLoader):
    """A safe loader with the core schema's scalars and text keys."""

    yaml_implicit_resolvers: dict[str, list[Any]] = {}  # noqa: RUF012 - PyYAML's own protocol
    yaml_constructors = {  # noqa: RUF012
        tag: construct
        for tag, construct in yaml.SafeLoader.yaml_constructors.items()
        if tag is None or tag.rpartition(":")[2] in ("null", "str", "seq", "map")
    }

    def construct_document(self, node: yaml.Node) -> Any:
        if _nodes(node, {}) > MOST_NODES:
            raise yaml.constructor.ConstructorError(
                problem="its aliases stand for more than a recipe can hold",
                problem_mark=node.start_mark,
            )
        return super().construct_document(node)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        content: dict[Hashable, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(
                    problem="a key must be a word", problem_mark=key_node.start_mark
                )
            if key_node.value in content:
                raise yaml.constructor.ConstructorError(
                    problem=f'the key "{key_node.value}" stands here for the second time',
                    problem_mark=key_node.start_mark,
                )
            content[key_node.value] = self.construct_object(value_node, deep=deep)
        return content

    def construct_truth(self, node: yaml.ScalarNode) -> bool | str:
        return {"true": True, "false": False}.get(node.value.lower(), str(node.value))

    def construct_whole_number(self, node: yaml.ScalarNode) -> int | str:
        base = {"0o": 8, "0x": 16}.get(node.value[:2], 10)
        try:
            return int(node.value, base)
        except ValueError:  # an explicit tag before a word, or thousands of digits
            return str(node.value)

    def construct_number(self, node: yaml.ScalarNode) -> float | str:
        try:
            return float(re.sub(r"\.(?=inf|nan)", "", node.value.lower()))
        except ValueError:
            return str(node.value)


class _Dumper(yaml.SafeDumper):
    """A safe dumper that puts in quotes whatever the loader would not read back as text."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - PyYAML's own protocol
        return True

    def represent_text(self, data: str) -> yaml.ScalarNode:
        is_plain = parse_scalar(data) == data and data.isprintable()
        return self.represent_scalar("tag:yaml.org,2002:str", data, style=None if is_plain else '"')


for _tag, (_pattern, _first) in CORE_SCHEMA.items():
    _Loader.add_implicit_resolver(_tag, re.compile(rf"^(?:{_pattern})\Z"), list(_first))
_Loader.add_implicit_resolver("tag:yaml.org,2002:null", re.compile(r"^\Z"), [""])
_Loader.add_constructor("tag:yaml.org,2002:bool", _Loader.construct_truth)
_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_whole_number)
_Loader.add_constructor("tag:yaml.org,2002:float", _Loader.construct_number)
_Dumper.add_representer(str, _Dumper.represent_text)


def _nodes(node: yaml.Node, counted: dict[int, float]) -> float:
    """How many there are in and below a node; without end where one is inside itself."""
    if id(node) not in counted:
        counted[id(node)] = inf
        within = node.value if isinstance(node, yaml.CollectionNode) else ()
        pairs = within if isinstance(node, yaml.MappingNode) else [(each,) for each in within]
        counted[id(node)] = 1 + sum(_nodes(each, counted) for pair in pairs for each in pair)
    return counted[id(node)]


def parse(text: str, name: str) -> Any:
    """The content of one YAML document. ``name`` stands for the file in messages.

    Raises:
        RecipeError: the text is no YAML; one line that says where.
    """
    try:
        return yaml.load(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        raise RecipeError([f"{name}{_where(error)}: {_what(error)}"]) from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise RecipeError(
            [f"{name}, line {line}: character U+{_code(error):04X} cannot stand in a recipe"]
        ) from error
    except RecursionError as error:
        raise RecipeError([f"{name}: sections within sections without end"]) from error


def parse_scalar(text: str) -> Any:
    """The value that ``text`` would have as a plain YAML scalar.

    What is no number, truth value or null is the text itself, with all its punctuation.
    """
    for tag, (pattern, _) in CORE_SCHEMA.items():
        if re.fullmatch(pattern, text):
            node = yaml.ScalarNode(tag, text)
            return _Loader("").construct_object(node)
    return text


def dump(content: Any) -> str:
    """``content`` as YAML, keys in the order given; `parse` reads back the same."""
    text: str = yaml.dump(
        content, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100, indent=2
    )
    return text


def _where(error: yaml.MarkedYAMLError) -> str:
    mark = error.problem_mark or error.context_mark
    return f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""


def _what(error: yaml.MarkedYAMLError) -> str:
    problem = " ".join((error.problem or error.context or "this is not YAML").split())
    if "found another document" in problem:
        return "a second document begins here; a recipe is one"
    if "'\\t'" in problem:
        return "a tab; YAML is indented with spaces"
    return problem


def _code(error: yaml.reader.ReaderError) -> int:
    character = error.character
    return character if isinstance(character, int) else ord(character)
