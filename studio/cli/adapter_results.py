"""What the commands print that make adapter files of others."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studio.cli.output import note, result
from studio.errors import AdapterError

if TYPE_CHECKING:
    from studio.adapters.rework.batch import Refused
    from studio.adapters.rework.conversion import Converted
    from studio.adapters.rework.made_lora import MadeLora
    from studio.adapters.rework.steps import Step


@contextmanager
def progress(title: str, *, as_json: bool) -> Iterator[Step]:
    """A bar where somebody watches, and nothing where nobody does."""
    from studio.adapters.rework.steps import unseen
    from studio.cli.terminal import TerminalReporter

    if as_json or not sys.stderr.isatty():
        yield unseen
        return
    with TerminalReporter().stage(title) as step:
        yield step


def tell_made(made: MadeLora, *, as_json: bool) -> None:
    """One LoRA."""
    result(_made_json(made), [_made_line(made)], as_json=as_json)


def tell_converted(done: Converted, *, as_json: bool) -> None:
    """One converted file, and on stderr what speaks against it."""
    _warn([done])
    result(_converted_json(done), [_converted_line(done)], as_json=as_json)


def tell_all(
    sources: Sequence[Path], outcomes: Sequence[MadeLora | Converted | Refused], *, as_json: bool
) -> None:
    """A line for each file of a folder.

    Raises:
        AdapterError: of one nothing could be made.
    """
    from studio.adapters.rework.batch import Refused

    pairs = list(zip(sources, outcomes, strict=True))
    _warn(outcomes)
    content = [{"source": source, **_json(outcome)} for source, outcome in pairs]
    result(content, [_line(outcome) for outcome in outcomes], as_json=as_json)
    failed = sum(isinstance(outcome, Refused) for outcome in outcomes)
    if failed:
        raise AdapterError(f"nothing was made of {failed} of {len(outcomes)} files; see above")


def _warn(outcomes: Sequence[MadeLora | Converted | Refused]) -> None:
    """Each warning once, for a folder's files have them in common."""
    from studio.adapters.rework.conversion import Converted

    found = [w for outcome in outcomes if isinstance(outcome, Converted) for w in outcome.warnings]
    for warning in dict.fromkeys(found):
        note(f"warning: {warning}")


def _json(outcome: MadeLora | Converted | Refused) -> dict[str, Any]:
    from studio.adapters.rework.batch import Refused
    from studio.adapters.rework.made_lora import MadeLora

    if isinstance(outcome, Refused):
        return {"error": outcome.reason}
    return _made_json(outcome) if isinstance(outcome, MadeLora) else _converted_json(outcome)


def _line(outcome: MadeLora | Converted | Refused) -> str:
    from studio.adapters.rework.batch import Refused
    from studio.adapters.rework.made_lora import MadeLora

    if isinstance(outcome, Refused):
        return f"failed   {outcome.source}  {' '.join(outcome.reason.split())}"
    return _made_line(outcome) if isinstance(outcome, MadeLora) else _converted_line(outcome)


def _made_json(made: MadeLora) -> dict[str, Any]:
    return {
        "adapter": made.file.path,
        "format": made.file.format,
        "dtype": made.file.dtype,
        "kept_share": made.kept_share,
        "layers": {
            path: {"rank": made.ranks[path], "kept_share": share}
            for path, share in made.kept_by_layer.items()
        },
    }


def _made_line(made: MadeLora) -> str:
    least, most = min(made.ranks.values()), max(made.ranks.values())
    rank = f"rank {most}" if least == most else f"ranks {least} to {most}"
    worst = min(made.kept_by_layer, key=made.kept_by_layer.__getitem__)
    kept = f"keeps {made.kept_share:.2%}"
    if made.kept_by_layer[worst] < made.kept_share:
        kept += f", least {made.kept_by_layer[worst]:.2%} in {worst}"
    return f"adapter  {made.file.path}  {len(made.ranks)} layers, {rank}; {kept}"


def _converted_json(done: Converted) -> dict[str, Any]:
    return {
        "source": done.source,
        "adapter": done.file.path,
        "format": done.file.format,
        "dtype": done.file.dtype,
        "max_relative_difference": done.file.max_relative_difference,
        "kept_share": done.kept_share,
    }


def _converted_line(done: Converted) -> str:
    kept = "" if done.kept_share is None else f"; keeps {done.kept_share:.2%}"
    return f"adapter  {done.file.path}  {done.file.format}, {done.file.dtype}{kept}"
