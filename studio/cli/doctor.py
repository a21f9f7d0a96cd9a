"""``studio doctor``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import typer

from studio.cli.output import AsJson, Runs, result, table


def doctor(runs: Runs = Path("runs"), as_json: AsJson = False) -> None:
    """Check that this machine is ready; exit code 1 where something is broken."""
    from studio.doctor import diagnose

    found = diagnose(runs)
    rows = [["ok" if d.ok else "BROKEN", d.name, d.found] for d in found]
    advice = [f"{d.name}: {d.advice}" for d in found if not d.ok]
    lines = [*table(rows), *(["", "What to do:"] if advice else []), *advice]
    healthy = all(d.ok for d in found)
    result({"ok": healthy, "checks": [asdict(d) for d in found]}, lines, as_json=as_json)
    if not healthy:
        raise typer.Exit(1)
