"""A dashboard that a test may start, kill and visit."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from playwright.sync_api import Page

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_SECONDS = 120  # two test processes and a trainer share two cores

Open = Callable[..., Page]
Shoot = Callable[[Page, str], None]


@dataclass
class Dashboard:
    """A dashboard of its own, in a process of its own, that may be killed and started again."""

    folder: Path
    options: list[str] = field(default_factory=list)
    url: str = ""
    process: subprocess.Popen[str] | None = None
    was_killed: bool = False

    @property
    def runs(self) -> Path:
        return self.folder / "runs"

    def start(self) -> None:
        port = re.search(r":(\d+)/", self.url)  # the same again, so that open tabs find it
        command = [sys.executable, "-m", "studio", "dashboard", "--runs", str(self.runs)]
        command += [
            "--port",
            port[1] if port else "0",
            "--root",
            str(ROOT),
            "--root",
            str(self.folder),
        ]
        log = (self.folder / "dashboard.log").open("a")
        self.process = subprocess.Popen(
            [*command, *self.options],
            cwd=self.folder,
            env={**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        log.close()
        assert self.process.stdout is not None
        said = self.process.stdout.readline()
        self.url = said.removeprefix("Adapter Studio: ").strip()
        assert self.url.startswith("http://"), (said, (self.folder / "dashboard.log").read_text())

    def stop(self, how: int = signal.SIGINT) -> None:
        assert self.process is not None
        assert self.process.stdout is not None
        self.was_killed = True
        self.process.send_signal(how)
        self.process.wait(timeout=PATIENCE_SECONDS)
        self.process.stdout.close()


def settled(page: Page) -> None:
    """Wait until the page has a heading and its script has come to its end."""
    page.get_by_role("heading", level=1).first.wait_for()
    page.locator("[data-testid=stApp][data-test-script-state=notRunning]").wait_for()
