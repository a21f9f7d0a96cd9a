"""Which adapters there are to draw with and to hand on: those of runs, and files within the roots.

Nothing of an adapter is read but its header; a run is read again only when its files have changed.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path

from studio.adapters.exported import AdapterFiles
from studio.adapters.formats import SAFETENSORS
from studio.adapters.inspection.content import PICKLED, open_content
from studio.adapters.inspection.one_file import overview
from studio.bases.settings import BaseSettings
from studio.errands.drawing_order import Applied
from studio.errors import AdapterError, RunError, StudioError
from studio.run_folder import RunFolder, runs_in
from studio.workplace.roots import Roots

POCKET = "pocket"
REMEMBERED = 512


@dataclass(frozen=True)
class FoundAdapter:
    """One adapter, or a run that will make one.

    Attributes:
        name: the run's, or the file's without its ending.
        files: that make it together; none, where the run has not ended.
        kind: as in recipes; of a run its method, of a file what it holds, empty where that stays open.
        base_model: it was trained on; of another tool's file what that says, or nothing.
        base: how that base was read.
        trigger: the words that call it up; empty where there are none.
        run: the folder of its run; None for a file.
        checkpoints: the steps after which the run keeps one.
        written: changes when the files do.
    """

    name: str
    files: AdapterFiles
    kind: str
    base_model: str
    base: BaseSettings = field(default_factory=BaseSettings)
    trigger: str = ""
    run: Path | None = None
    checkpoints: tuple[int, ...] = ()
    written: str = ""

    @property
    def title(self) -> str:
        """For a list: name, kind and base."""
        told = (self.kind.replace("_", " "), self.base_model and Path(self.base_model).name)
        return " · ".join((self.name, *(part for part in told if part)))

    def at(self, step: int) -> FoundAdapter:
        """What it was after a step, under a name of its own."""
        return replace(self, name=f"{self.name} step {step}", files=(), checkpoints=(step,))

    def applied(self, strength: float = 1.0) -> Applied:
        """To be drawn with: what the run exported, or else its newest checkpoint.

        Raises:
            RunError: there is neither.
        """
        if not self.files and not self.checkpoints:
            raise RunError(
                f'the run "{self.name}" has neither an adapter nor a checkpoint yet; let it train on'
            )
        return Applied(
            name=self.name,
            files=self.files,
            run=self.run,
            checkpoint=None if self.files else self.checkpoints[-1],
            strength=strength,
            written=self.written,
        )


def adapters_of_runs(runs: Path) -> list[FoundAdapter]:
    """Of every run that can be drawn with, the newest first."""
    folders = sorted(runs_in(runs), key=lambda path: -_changed(path / "recipe.yaml"))
    found = (adapter_of_run(RunFolder(path)) for path in folders)
    return [adapter for adapter in found if adapter.files or adapter.checkpoints]


def adapter_of_run(run: RunFolder) -> FoundAdapter:
    """What a run has made so far."""
    looked_at = (run.lock_path, run.recipe_path, run.adapter, run.checkpoints, run.status_path)
    return _of_run(run.path, tuple(map(_changed, looked_at)))


def adapter_in_file(given: str, roots: Roots) -> FoundAdapter:
    """The adapter at a path that somebody gave.

    A pickled file is told by its name alone: this process reads none.

    Raises:
        RootsError: it is outside the roots.
        AdapterError: it holds no adapter.
    """
    path = roots.allowed(given)
    if path.suffix in PICKLED:
        if not path.is_file():
            raise AdapterError(f"there is no adapter file {path}; check the path")
        return FoundAdapter(path.stem, (path,), "", "", written=str(_changed(path)))
    if path.suffix != SAFETENSORS and not path.is_dir():
        raise AdapterError(f"{path} is no adapter; give a {SAFETENSORS} or .pt file, or a folder")
    return _of_file(path, _changed(path))


@lru_cache(maxsize=REMEMBERED)
def _of_run(path: Path, changed: tuple[int, ...]) -> FoundAdapter:
    run = RunFolder(path)
    files = next(iter(run.adapters()), ())
    checkpoints = tuple(run.checkpoint_steps())
    found = FoundAdapter(
        run.name, files, "", "", run=path, checkpoints=checkpoints, written=str(sum(changed))
    )
    try:
        recipe = run.recipe()
    except StudioError:  # changed by hand; its files are there all the same
        return found
    return replace(
        found,
        kind=recipe.trainer.kind,
        base_model=recipe.base_model,
        base=recipe.base,
        trigger=recipe.trigger,
    )


@lru_cache(maxsize=REMEMBERED)
def _of_file(path: Path, changed: int) -> FoundAdapter:
    seen = overview(open_content(path))
    return FoundAdapter(
        path.stem,
        (path,),
        seen.naming.kind,
        seen.facts.header.base_name,
        trigger=seen.trigger,
        written=str(changed),
    )


def _changed(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0
