"""What the user may name on the command line: an adapter file, or the run that made it."""

from __future__ import annotations

from pathlib import Path

from studio.errors import AdapterError, RunError
from studio.run_folder import RunFolder


def adapter_file(given: str, runs: Path) -> Path:
    """The adapter file or folder at that path, or the first one of the run of that name.

    Raises:
        AdapterError: there is neither such a file nor such a run.
        RunError: the run has exported nothing yet.
    """
    path = Path(given)
    if path.suffix or path.is_file() or _is_adapter_folder(path):
        if not path.exists():
            raise AdapterError(f"there is no adapter file {given}")
        return path
    return adapter_of_run(RunFolder.open(given, runs))


def _is_adapter_folder(path: Path) -> bool:
    return (path / "model_index.json").is_file()


def adapter_of_run(run: RunFolder) -> Path:
    """The first adapter file of a run.

    Raises:
        RunError: it has exported nothing yet.
    """
    files = run.adapter_files()
    if not files:
        raise RunError(
            f'the run "{run.name}" has exported no adapter; finish it with: studio resume {run.name}'
        )
    return files[0]
