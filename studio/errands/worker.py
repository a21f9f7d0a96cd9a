"""``python -m studio.errands.worker FOLDER``: one lane's process.

Errands come as JSON lines on standard input and go back as JSON lines on standard output. Whatever else
is printed goes to standard error. It ends when the input does: nobody is left to hear of anything.
"""

from __future__ import annotations

import json
import os
import select
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from studio import atomic
from studio.errands.errand import Errand
from studio.errands.kinds import KINDS
from studio.errors import StudioError

IDLE_SECONDS = 300.0
RESULT = "result.json"
ASKED = "errand.json"

Say = Callable[[dict[str, Any]], None]


def main(errands: Path) -> None:
    """Do what comes in, until nothing has come for a while."""
    say = _own_line_out()
    with os.fdopen(0, "rb", buffering=0, closefd=False) as lines:
        buffer = b""
        while select.select([lines], [], [], IDLE_SECONDS)[0]:
            received = os.read(0, 1 << 16)
            if not received:
                return
            *whole, buffer = (buffer + received).split(b"\n")
            for line in whole:
                asked = json.loads(line)
                do(Errand(asked["kind"], asked["arguments"]), errands, say)


def do(errand: Errand, errands: Path, say: Say) -> None:
    """One errand, told from its beginning to its end."""

    def tell(title: str, done: int, total: int) -> None:
        say({"key": errand.key, "state": "working", "title": title, "done": done, "total": total})

    tell("", 0, 0)
    try:
        result = _done(errand, errands, tell)
    except StudioError as error:
        say({"key": errand.key, "state": "failed", "error": str(error)})
    except Exception as error:  # ours; whoever asked hears of it, and the lane goes on
        sys.excepthook(type(error), error, error.__traceback__)
        text = f"{type(error).__name__}: {error} (a fault of ours; the dashboard's log shows where)"
        say({"key": errand.key, "state": "failed", "error": " ".join(text.split())})
    else:
        say({"key": errand.key, "state": "done", "result": result})


def _done(errand: Errand, errands: Path, tell: Callable[[str, int, int], None]) -> dict[str, Any]:
    kind = KINDS[errand.kind]
    work = kind.load()
    if not kind.is_kept:
        with TemporaryDirectory() as temporary:
            return work(errand.arguments, Path(temporary), tell)
    folder = errands / errand.key
    folder.mkdir(parents=True, exist_ok=True)
    asked = {"kind": errand.kind, "arguments": dict(errand.arguments)}
    atomic.write_json(folder / ASKED, asked)
    try:
        result = work(errand.arguments, folder, tell)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    atomic.write_json(folder / RESULT, result)
    return result


def _own_line_out() -> Say:
    """Standard output for errands alone; libraries that print are led to standard error."""
    out = os.dup(1)
    os.dup2(2, 1)

    def say(message: dict[str, Any]) -> None:
        os.write(out, json.dumps(message).encode() + b"\n")

    return say


if __name__ == "__main__":
    main(Path(sys.argv[1]))
