"""What curation found, on one screen of the terminal: the verdict first, then what to do."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from studio.curation.manifest import CuratedSet, Severity
from studio.curation.summary import (
    drop_reasons,
    is_ready,
    printable,
    reason,
    verdict,
    warnings_of_kept,
)

MAX_DROPPED_LINES = 15
MAX_ADVICE_LINES = 10
_STYLES: dict[Severity, str] = {"block": "red", "warn": "yellow", "info": "dim"}


def print_table(curated: CuratedSet, console: Console) -> None:
    """Print the verdict, the counts, the dropped pictures with their reasons, and the advice.

    Names and captions are printed as they are: they are never read as markup.
    """
    style = "bold green" if is_ready(curated) else "bold red"
    console.print(Text(printable(verdict(curated)), style))
    console.print(Text(_counts(curated), "dim"))
    if curated.dropped:
        console.print()
        console.print(_dropped(curated))
    advice = _advice(curated)
    if advice:
        console.print()
    for line in advice:
        console.print(line)


def _counts(curated: CuratedSet) -> str:
    reasons = ", ".join(f"{count} {check}" for check, count in drop_reasons(curated).items())
    dropped = f"{len(curated.dropped)} dropped{f' ({reasons})' if reasons else ''}"
    return (
        f"{printable(str(curated.source))}: {len(curated.pictures)} found, "
        f"{len(curated.kept)} kept, {dropped}"
    )


def _dropped(curated: CuratedSet) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=True, header_style="bold")
    table.add_column("Dropped", overflow="ellipsis", no_wrap=True, ratio=1)
    table.add_column("Why", overflow="ellipsis", no_wrap=True, ratio=2)
    for picture in curated.dropped[:MAX_DROPPED_LINES]:
        why = printable(reason(picture).message)
        table.add_row(Text(printable(picture.name)), Text(why))
    more = len(curated.dropped) - MAX_DROPPED_LINES
    if more > 0:
        table.add_row(Text(f"and {more} more", "dim"))
    return table


def _advice(curated: CuratedSet) -> list[Text]:
    """Findings on the set, then one line for each check that warns of kept pictures."""
    order: dict[Severity, int] = {"block": 0, "warn": 1, "info": 2}
    of_set = sorted(curated.findings, key=lambda f: order[f.severity])
    lines = [_line(f.severity, f.message) for f in of_set]
    for check, pictures, example in warnings_of_kept(curated):
        others = f" (and {len(pictures) - 1} more)" if len(pictures) > 1 else ""
        what = f"{check.replace('_', ' ')}: {pictures[0].name}{others} {example.message}"
        lines.append(_line("warn", what))
    return lines[:MAX_ADVICE_LINES]


def _line(severity: Severity, message: str) -> Text:
    line = Text(f"{severity:<6}", _STYLES[severity])
    line.append(printable(message), "default")
    return line
