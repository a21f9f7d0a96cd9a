"""Errands that a test can watch."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from studio.errands.kinds import Tell
from studio.errors import UserError


def count(arguments: Mapping[str, Any], folder: Path, tell: Tell) -> dict[str, Any]:
    """Counts to ``to``, a turn each 20 ms, prints, and leaves a file."""
    print("libraries print to standard output")
    for number in range(arguments["to"]):
        tell("counting", number + 1, arguments["to"])
        time.sleep(0.02)
    (folder / "counted.txt").write_text(str(arguments["to"]))
    return {"counted": arguments["to"], "pid": os.getpid()}


def refuse(arguments: Mapping[str, Any], folder: Path, tell: Tell) -> dict[str, Any]:
    raise UserError(f"{arguments['what']} will not do; take another")


def fail(arguments: Mapping[str, Any], folder: Path, tell: Tell) -> dict[str, Any]:
    (folder / "half.txt").write_text("half")
    raise ZeroDivisionError("division by zero")


def die(arguments: Mapping[str, Any], folder: Path, tell: Tell) -> dict[str, Any]:
    os.kill(os.getpid(), signal.SIGKILL)
    return {}
