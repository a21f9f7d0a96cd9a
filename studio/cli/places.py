"""What the user may name on the command line: an adapter file, or the run that made one."""

from __future__ import annotations

from pathlib import Path

from studio.adapters.exported import AdapterFiles
from studio.errors import AdapterError, RunError
from studio.run_folder import RunFolder


def adapter_file(given: str, runs: Path) -> Path:
    """The adapter file or folder at that path, or the first one of the run of that name; see
    `adapter_files`.
    """
    return adapter_files(given, runs)[0]


def adapter_files(given: str, runs: Path) -> AdapterFiles:
    """The adapter file or folder at that path, or all that make the adapter of the run of that name.

    Raises:
        AdapterError: there is no such file.
        RunError: there is no such run, or it has exported nothing yet.
    """
    path = Path(given)
    if path.suffix or path.is_file() or _is_adapter_folder(path):
        if not path.exists():
            is_link = path.is_symlink()
            raise AdapterError(
                f"{given} is a link that leads nowhere"
                if is_link
                else f"there is no adapter file {given}"
            )
        return (path,)
    return adapter_of_run(RunFolder.open(given, runs))


def _is_adapter_folder(path: Path) -> bool:
    """Whether it is a folder in a format of adapters; others may bear a run's name."""
    if not path.is_dir():
        return False
    from studio.adapters.files import format_of

    try:
        format_of(path)
    except AdapterError:
        return False
    return True


def adapter_of_run(run: RunFolder) -> AdapterFiles:
    """The files that make a run's adapter, in the recipe's first format.

    Raises:
        RunError: it has exported nothing yet.
    """
    adapters = run.adapters()
    if not adapters:
        raise RunError(
            f'the run "{run.name}" has exported no adapter; finish it with: studio resume {run.name}'
        )
    return adapters[0]
