"""What curation found, on one screen of the terminal: the verdict first, then what to do."""

from __future__ import annotations

from itertools import groupby

from rich.console import Console
from rich.text import Text

from studio.curation.advice import groups, what_to_do
from studio.curation.manifest import CuratedSet, Picture
from studio.curation.summary import drop_reasons, is_ready, printable, verdict

MAX_LINES = 23
"""A terminal has 24, and the prompt takes one."""

_VERDICT_LINES, _ALL_STEPS_LINES, _STEP_LINES, _GROUPS = 2, 8, 3, 6
_NAMES = 20  # more than fit any line


def print_table(curated: CuratedSet, console: Console, *, see: str = "") -> None:
    """Print the verdict, what to do, and which pictures are meant: at most `MAX_LINES` lines.

    Names and captions are printed as they are: they are never read as markup.

    Args:
        see: where each picture's reasons are told: a page, or the command that writes one.
    """
    style = "bold green" if is_ready(curated) else "bold red"
    lines = _wrapped(verdict(curated), console, _VERDICT_LINES, style=style)
    lines.append(_cut(Text(_counts(curated), "dim"), console.width))
    lines += _steps(curated, console)
    lines += _groups(curated, console)
    if see:
        lines += [Text(), Text("Every reason, with pictures:", "dim"), Text(f"  {printable(see)}")]
    for line in lines:
        console.print(line, soft_wrap=True)


def _counts(curated: CuratedSet) -> str:
    found, kept, dropped = (len(p) for p in (curated.pictures, curated.kept, curated.dropped))
    return f"{found} found, {kept} kept, {dropped} dropped in {printable(curated.title)}"


def _steps(curated: CuratedSet, console: Console) -> list[Text]:
    """What to do, as far as there is room."""
    steps = what_to_do(curated)
    lines: list[Text] = []
    for number, step in enumerate(steps, start=1):
        wrapped = _wrapped(f"{number}. {step}", console, _STEP_LINES, indent=3)
        room = _ALL_STEPS_LINES - len(lines) - (number < len(steps))
        if len(wrapped) > room:
            lines.append(Text(f"   and {len(steps) - number + 1} more in the report", "dim"))
            break
        lines += wrapped
    return [Text(), Text("What to do", "bold"), *lines] if lines else []


def _groups(curated: CuratedSet, console: Console) -> list[Text]:
    """A line for each check that dropped pictures, then for each that warns of kept ones."""
    rows = [("dropped", "red", check, names) for check, names in _dropped(curated).items()]
    rows += [
        ("look at", "yellow", group.title, list(group.names))
        for group in groups(curated.kept, "warn")
    ]
    if not rows:
        return []
    width = max(len(check) for _, _, check, _ in rows)
    lines = [Text()]
    for what, style, check, names in rows[:_GROUPS]:
        line = Text.assemble((what, style), f"  {check:<{width}}  {len(names):>5}  ")
        line.append(printable(", ".join(names[:_NAMES])), "dim")
        lines.append(_cut(line, console.width))
    if len(rows) > _GROUPS:
        lines.append(Text(f"and {len(rows) - _GROUPS} more in the report", "dim"))
    return lines


def _dropped(curated: CuratedSet) -> dict[str, list[str]]:
    """Names by the check that dropped them, the commonest check first."""

    def check(picture: Picture) -> str:
        return picture.drop_reason.check.replace("_", " ")

    order = {name: place for place, name in enumerate(drop_reasons(curated))}
    sorted_in = sorted(curated.dropped, key=lambda p: (order[check(p)], p.name))
    return {name: [p.name for p in part] for name, part in groupby(sorted_in, key=check)}


def _wrapped(
    text: str, console: Console, max_lines: int, *, style: str = "", indent: int = 0
) -> list[Text]:
    """``text`` on at most so many lines, the later ones indented, the last cut with an ellipsis."""
    room = max(console.width - indent, 1)
    whole = list(Text(printable(text), style).wrap(console, room))
    for line in whole:
        line.rstrip()
    lines = whole[:max_lines]
    if len(whole) > max_lines:
        lines[-1] = _cut(lines[-1].append("…"), room)
    return [lines[0], *(Text(" " * indent) + line for line in lines[1:])]


def _cut(line: Text, room: int) -> Text:
    line.truncate(room, overflow="ellipsis")
    return line
