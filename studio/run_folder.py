"""Names, writing and reading of everything under ``runs/<name>/``.

::

    recipe.yaml           the recipe as given
    recipe.lock.yaml      all defaults resolved, and digests of everything that it depends on
    curation/             manifest.json and report.html
    events.jsonl          what happened, a line each
    status.json           running or finished
    checkpoints/          step-000100/ and so on, to resume from
    samples/              pictures drawn during and after training
    adapter/              the exported files
    report.json           how well it works
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock, Timeout

from studio import atomic
from studio.adapters.exported import AdapterFiles, exported_adapters
from studio.errors import RecipeError, RunError
from studio.events import EventLog
from studio.recipe import Recipe, load_recipe, yaml_text

RUNS = Path("runs")
LOCK_SECONDS = 1.0
"""How long a trainer waits for the run's lock: listing runs holds it for an instant."""

State = Literal["running", "finished", "interrupted"]


@dataclass(frozen=True)
class RunSummary:
    """One line of ``studio runs list``.

    Attributes:
        steps_done, steps_total: optimizer steps; None where training has not begun.
        created: seconds since 1970.
    """

    name: str
    path: Path
    kind: str
    base_model: str
    state: State
    steps_done: int | None
    steps_total: int | None
    created: float


class RunFolder:
    """One run on disk. Making the object touches nothing; `create` and `open` do."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = path.name
        self.recipe_path = path / "recipe.yaml"
        self.lock_path = path / "recipe.lock.yaml"
        self.curation = path / "curation"
        self.manifest_path = self.curation / "manifest.json"
        self.curation_report_path = self.curation / "report.html"
        self.events = EventLog(path / "events.jsonl")
        self.status_path = path / "status.json"
        self.checkpoints = path / "checkpoints"
        self.samples = path / "samples"
        self.preview_path = self.samples / "preview.png"
        self.adapter = path / "adapter"
        self.report_path = path / "report.json"

    @classmethod
    def create(cls, root: Path, name: str) -> RunFolder:
        """A new, empty run folder; a taken name gets ``-2``, ``-3`` and so on. Nothing is overwritten.

        Raises:
            RunError: the folder cannot be made there.
        """
        number = 1
        while True:
            path = root / (name if number == 1 else f"{name}-{number}")
            try:
                path.mkdir(parents=True)
            except FileExistsError as error:
                if not root.is_dir():
                    raise RunError(f"{root} is not a folder; give another with --runs") from error
                number += 1
            except OSError as error:
                raise RunError(f"cannot make a run in {root}: {error.strerror}") from error
            else:
                return cls(path)

    @classmethod
    def open(cls, run: Path | str, root: Path = RUNS) -> RunFolder:
        """The run of that name in ``root``, or at that path.

        Raises:
            RunError: there is none; names the nearest.
        """
        for path in (root / run, Path(run)):
            if is_run(path):
                return cls(path)
        if Path(run).is_dir():
            raise RunError(f"{run} is no run: it holds no recipe.yaml")
        names = [p.name for p in runs_in(root)]
        close = get_close_matches(Path(run).name, names, n=1)
        hint = f'did you mean "{close[0]}"?' if close else "`studio runs list` shows what there is"
        raise RunError(f'there is no run "{run}" in {root}; {hint}')

    def write_recipe(self, recipe: Recipe) -> None:
        """Keep the recipe as it was given."""
        atomic.write_text(self.recipe_path, recipe.text)

    def write_lock(self, content: dict[str, Any]) -> None:
        """Keep what `studio.recipe.lock` found."""
        header = f"# Repeats the run: studio train {self.lock_path}\n"
        atomic.write_text(self.lock_path, header + yaml_text.dump(content))

    def recipe(self) -> Recipe:
        """The locked recipe, or the one given where the run ended before it was locked.

        Raises:
            RecipeError: it was changed by hand and is no recipe any more.
        """
        return load_recipe(self.lock_path if self.lock_path.is_file() else self.recipe_path)

    def intended_recipe(self) -> Recipe:
        """The locked recipe but for what the machine's state decided: what its author would repeat.

        Raises:
            RecipeError: it was changed by hand and is no recipe any more.
        """
        given = load_recipe(self.recipe_path)
        return self.recipe().model_copy(update={"precision": given.precision})

    def adapters(self) -> list[AdapterFiles]:
        """The exported adapter once for each format, the recipe's first in front; none before export."""
        exports = (event for event in self.events.read() if event["event"] == "exported")
        return exported_adapters(self.adapter, {e["file"]: e["format"] for e in exports})

    def adapter_files(self) -> list[Path]:
        """All exported files and folders, those of the recipe's first format in front."""
        return [path for files in self.adapters() for path in files]

    def checkpoint_steps(self) -> list[int]:
        """After which steps there is a checkpoint, the earliest first."""
        return sorted(int(p.name.removeprefix("step-")) for p in self.checkpoints.glob("step-*"))

    def checkpoint(self, step: int) -> Path:
        """The folder of one checkpoint.

        Raises:
            RunError: there is none of that step.
        """
        path = self.checkpoints / f"step-{step:06d}"
        if not path.is_dir():
            known = ", ".join(map(str, self.checkpoint_steps())) or "none"
            raise RunError(
                f'the run "{self.name}" keeps no checkpoint of step {step}; there are: {known}'
            )
        return path

    def report(self) -> dict[str, Any] | None:
        """How well the adapter works; None where that was not measured."""
        return _read_json(self.report_path)

    def set_state(self, state: State, **fields: Any) -> None:
        """Note where the run stands. A run that is killed stays ``running`` in the file; `state`
        tells the truth.
        """
        atomic.write_json(self.status_path, {"state": state, **fields})

    @property
    def state(self) -> State:
        """Where the run stands, also after a sudden end."""
        if self._is_locked():
            return "running"
        status = _read_json(self.status_path) or {}
        return "finished" if status.get("state") == "finished" else "interrupted"

    @contextmanager
    def training(self) -> Iterator[None]:
        """Hold the run for the length of a ``with`` block, so that no second process trains it.

        Raises:
            RunError: another process holds it.
        """
        lock = FileLock(self._lock_file)
        try:
            lock.acquire(timeout=LOCK_SECONDS)
        except Timeout as error:
            raise RunError(
                f'the run "{self.name}" is being trained by another process; '
                "wait for it to end, or stop it"
            ) from error
        try:
            yield
        finally:
            lock.release()

    def summary(self) -> RunSummary:
        """The run in one line, from its files alone."""
        last = self.events.latest("step") or self.events.latest("training_started") or {}
        kind, base_model = self._method()
        return RunSummary(
            name=self.name,
            path=self.path,
            kind=kind,
            base_model=base_model,
            state=self.state,
            steps_done=last.get("step"),
            steps_total=last.get("total_steps"),
            created=self.recipe_path.stat().st_mtime,
        )

    def _method(self) -> tuple[str, str]:
        try:
            recipe = load_recipe(
                self.recipe_path
            )  # the lock says the same in a thousand lines more
        except RecipeError:
            return "?", "?"
        return recipe.trainer.kind, recipe.base_model

    @property
    def _lock_file(self) -> Path:
        return self.path / ".training.lock"

    def _is_locked(self) -> bool:
        if not self._lock_file.is_file():
            return False
        lock = FileLock(self._lock_file)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            return True
        except OSError:  # a folder that may only be read: whoever trains it is elsewhere
            return False
        lock.release()
        return False


def is_run(path: Path) -> bool:
    return (path / "recipe.yaml").is_file()


def list_runs(root: Path = RUNS) -> list[RunSummary]:
    """Every run below ``root``, newest first; none where the folder does not exist."""
    summaries = [RunFolder(path).summary() for path in runs_in(root)]
    return sorted(summaries, key=lambda s: (-s.created, s.name))


def runs_in(root: Path) -> list[Path]:
    return sorted(p for p in root.iterdir() if is_run(p)) if root.is_dir() else []


def _read_json(path: Path) -> dict[str, Any] | None:
    try:
        content: dict[str, Any] = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return None
    return content
