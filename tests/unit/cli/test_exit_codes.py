"""Each kind of mistake: its exit code, one line, no traceback."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from studio.cli import trainers
from studio.errors import Interrupted, RecipeError, StudioError, UserError

Studio = Callable[..., Any]


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch, studio: Studio) -> Callable[[BaseException], Any]:
    """What the user sees where a command ends in that error."""

    def run(error: BaseException) -> Any:
        def fail(*_: object, **__: object) -> None:
            raise error

        monkeypatch.setattr(trainers, "result", fail)
        return studio("trainers", "list")

    return run


@pytest.mark.parametrize(
    ("error", "code", "expected"),
    [
        (UserError("no such thing; try another"), 2, "error: no such thing; try another\n"),
        (UserError("two\nlines"), 2, "error: two lines\n"),
        (RecipeError(["a: is bad", "b: too"]), 2, "error: a: is bad\nerror: b: too\n"),
        (StudioError("the loss is nan"), 1, "error: the loss is nan\n"),
        (Interrupted("stopped at step 3"), 130, "stopped at step 3\n"),
        (KeyboardInterrupt(), 130, "error: interrupted\n"),
        (
            ZeroDivisionError("by zero"),
            1,
            "error: ZeroDivisionError: by zero (a fault of ours; STUDIO_DEBUG=1 shows where)\n",
        ),
        (
            PermissionError(errno.EACCES, "Permission denied", "runs/x"),
            2,
            "error: runs/x: Permission denied\n",
        ),
        (
            OSError(errno.ENOSPC, "No space left on device"),
            2,
            "error: file system: No space left on device\n",
        ),
    ],
)
def test_every_error_is_one_line_and_a_code(
    failing: Any, error: BaseException, code: int, expected: str
) -> None:
    outcome = failing(error)
    assert (outcome.code, outcome.err, outcome.out) == (code, expected, "")


def test_debug_shows_the_traceback(failing: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "environ", {**os.environ, "STUDIO_DEBUG": "1"})
    with pytest.raises(UserError):
        failing(UserError("x"))


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["no-such"], "error: No such command 'no-such'.\n"),
        (["runs", "list", "--jsn"], "error: No such option: --jsn (Possible options: --json)\n"),
        (["train"], "error: nothing to train on; give a recipe file, or --dataset and a folder\n"),
        (["train", "no.yaml"], "error: no.yaml: there is no such recipe\n"),
        (
            ["train", "."],
            "error: . is a folder, not a recipe; to train on its pictures: "
            "studio train --dataset .\n",
        ),
        (
            ["resume", "demo"],
            'error: there is no run "demo" in runs; `studio runs list` shows what there is\n',
        ),
        (
            ["runs", "show", "demo"],
            'error: there is no run "demo" in runs; `studio runs list` shows what there is\n',
        ),
        (["preview", "x.safetensors"], "error: there is no adapter file x.safetensors\n"),
        (
            ["export", "x.safetensors", "--to", "kohya"],
            "error: there is no adapter file x.safetensors\n",
        ),
        (
            ["adapter", "inspect", "x.safetensors"],
            "error: there is no adapter file x.safetensors\n",
        ),
        (["trainers", "show", "qqq"], "error: no trainer 'qqq' is installed; there are: "),
    ],
)
def test_a_mistake_on_the_command_line_is_one_line(
    studio: Studio, arguments: list[str], expected: str
) -> None:
    outcome = studio(*arguments)
    assert outcome.code == 2
    assert outcome.err.startswith(expected)
    assert outcome.err.count("\n") == 1
    assert outcome.out == ""


def test_problems_of_a_recipe_are_a_line_each(studio: Studio, recipe: Path) -> None:
    outcome = studio("train", recipe, "--set", "seed=x", "--set", "trainer.rnk=4")
    assert outcome.code == 2
    assert outcome.err.splitlines() == [
        'error: seed: "x" is not a whole number',
        'error: trainer.rnk: unknown key; did you mean "rank"?',
    ]


def test_a_group_without_a_command_shows_its_help(studio: Studio) -> None:
    outcome = studio("recipe")
    assert outcome.code == 2
    assert outcome.err.startswith("Usage: studio recipe")


def test_a_real_process_shows_no_traceback(studio_process: Studio) -> None:
    outcome = studio_process("train", "no.yaml")
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err == "error: no.yaml: there is no such recipe\n"
    debugging = studio_process("train", "no.yaml", STUDIO_DEBUG="1")
    assert "Traceback" in debugging.err


def test_a_reader_that_has_gone_is_no_error() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "studio", "recipe", "schema"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    error = process.stderr.read()
    process.stderr.close()
    assert (process.wait(), error) == (141, b"")
