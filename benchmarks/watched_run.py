"""Runs a piece of Python in a process of its own, and watches how much memory it and its children take."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import psutil

_EVERY_SECONDS = 0.1


@dataclass(frozen=True)
class Run:
    """What a run came to.

    Attributes:
        answer: what the code assigned to ``answer``.
        peak_mb: the most memory of the process and all below it at one time. Pages that several
            share count once, where the system tells.
    """

    answer: Any
    peak_mb: float


def watched(code: str, environment: Mapping[str, str], python: str = sys.executable) -> Run:
    """Run ``code``, which is to assign something that JSON can hold to ``answer``.

    Raises:
        RuntimeError: it failed; the message is the end of what it had to say.
    """
    whole = f"import json, time\n{code}\nprint('\\n' + json.dumps(answer))\n"
    process = subprocess.Popen(
        [python, "-c", whole],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=dict(environment),
    )
    peak = 0
    while process.poll() is None:
        peak = max(peak, _memory_bytes(process.pid))
        time.sleep(_EVERY_SECONDS)
    said, complaint = process.communicate()
    if process.returncode:
        raise RuntimeError((complaint.strip().splitlines() or [f"status {process.returncode}"])[-1])
    return Run(json.loads(said.splitlines()[-1]), peak / 1e6)


def _memory_bytes(pid: int) -> int:
    try:
        process = psutil.Process(pid)
        return sum(_own_bytes(p) for p in [process, *process.children(recursive=True)])
    except psutil.Error:
        return 0


def _own_bytes(process: psutil.Process) -> int:
    try:
        memory = process.memory_full_info()
    except psutil.Error:  # it has just ended
        return 0
    return int(getattr(memory, "pss", memory.rss))
