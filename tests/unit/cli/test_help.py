from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

HEAVY = ("torch", "diffusers", "transformers", "peft", "accelerate", "pydantic", "numpy", "PIL")
COMMANDS = [
    "demo",
    "curate",
    "train",
    "resume",
    "preview",
    "evaluate",
    "export",
    "adapter inspect",
    "adapter verify",
    "adapter share",
    "adapter convert",
    "adapter merge",
    "adapter resize",
    "adapter extract",
    "recipe new",
    "recipe check",
    "recipe schema",
    "trainers list",
    "trainers show",
    "runs list",
    "runs show",
    "queue add",
    "queue list",
    "queue start",
    "queue cancel",
    "queue stop",
    "queue move",
    "queue resume",
    "doctor",
]


def test_help_imports_nothing_heavy() -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "studio", "--help"],
        capture_output=True,
        text=True,
        check=True,
    )
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "typer" in imported
    assert {m for m in imported if m.partition(".")[0] in HEAVY} == set()


def test_lists_recipes_and_wrong_paths_import_no_torch(tmp_path: Any) -> None:
    script = (
        "import sys\n"
        "from studio.cli.entry import exit_code\n"
        "assert exit_code(['trainers', 'list']) == 0\n"
        "assert exit_code(['recipe', 'schema']) == 0\n"
        "assert exit_code(['runs', 'list']) == 0\n"
        "assert exit_code(['train', '--dataset', '/nowhere', '--trigger', 'x']) == 2\n"
        "assert exit_code(['resume', 'nobody']) == 2\n"
        "assert 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, cwd=tmp_path)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself_and_its_options(
    studio: Callable[..., Any], command: str
) -> None:
    outcome = studio(*command.split(), "--help")
    assert outcome.code == 0
    assert outcome.out.startswith(f"Usage: studio {command}")
    if command != "recipe schema":
        assert "--json" in outcome.out


def test_the_version(studio: Callable[..., Any]) -> None:
    outcome = studio("--version")
    assert outcome.code == 0
    assert outcome.out.startswith("adapter-studio 0.")
