"""What commands print: results on stdout, everything else on stderr."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")]
Runs = Annotated[Path, typer.Option("--runs", help="Folder that holds the runs.")]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="PATH=VALUE", help="Change one setting; may be repeated."),
]


def result(content: Any, lines: Iterable[str], *, as_json: bool) -> None:
    """Print a command's result: JSON for programs, or lines for people."""
    if as_json:
        typer.echo(json.dumps(content, indent=2, ensure_ascii=False, default=str))
        return
    for line in lines:
        typer.echo(line)


def note(line: str) -> None:
    """Tell the user something that is no result."""
    typer.echo(line, err=True)


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows as lines with aligned columns."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
