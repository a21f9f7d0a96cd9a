"""The same done with every file in a folder, where one that is broken stops no other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from studio.adapters.files import format_of
from studio.adapters.formats import SAFETENSORS, formats
from studio.errors import AdapterError, StudioError

MODEL_INDEX = "model_index.json"
Made = TypeVar("Made")


@dataclass(frozen=True)
class Refused:
    """A file that nothing could be made of, and why."""

    source: Path
    reason: str


def each(sources: Iterable[Path], out: Path, make: Callable[[Path], Made]) -> list[Made | Refused]:
    """What ``make`` makes of each file, or why it makes nothing of it; in their order.

    Args:
        out: the folder that it writes into.

    Raises:
        AdapterError: ``out`` is a file.
    """
    if out.exists() and not out.is_dir():
        raise AdapterError(f"{out} is a file; give a folder with --out")
    return [_made(source, make) for source in sources]


def adapters_in(folder: Path) -> list[Path]:
    """The files in a folder that are called as adapter files are, sorted; hidden ones excepted.

    Raises:
        AdapterError: there is none.
    """
    endings = {known.extension for known in formats() if known.extension}
    files = [path for path in _shown(folder) if path.suffix in endings and path.is_file()]
    if not files:
        raise AdapterError(f"{folder} holds no adapter files ({', '.join(sorted(endings))})")
    return files


def models_in(folder: Path, base: str) -> list[Path]:
    """The single files and diffusers folders in a folder, sorted; hidden ones excepted.

    Args:
        base: is left out where it lies among them.

    Raises:
        AdapterError: there is none.
    """
    models = [path for path in _shown(folder) if _is_model(path)]
    models = [path for path in models if path.resolve() != Path(base).resolve()]
    if not models:
        raise AdapterError(
            f"{folder} holds no models (*{SAFETENSORS}, or folders with {MODEL_INDEX})"
        )
    return models


def is_folder_of_adapters(path: Path) -> bool:
    """Whether it is a folder that is no adapter itself."""
    if not path.is_dir():
        return False
    try:
        format_of(path)
    except AdapterError:
        return True
    return False


def is_folder_of_models(path: Path) -> bool:
    """Whether it is a folder that is no model itself."""
    return path.is_dir() and not (path / MODEL_INDEX).is_file()


def bare_name(path: Path) -> str:
    """What a file or folder is called without its ending."""
    return path.name if path.is_dir() else path.stem


def _shown(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.iterdir()) if not path.name.startswith("."))


def _is_model(path: Path) -> bool:
    if path.is_file():
        return path.suffix == SAFETENSORS
    # Beside a single file stands its configuration, in a folder of its name.
    is_configuration = path.with_name(f"{path.name}{SAFETENSORS}").is_file()
    return (path / MODEL_INDEX).is_file() and not is_configuration


def _made(source: Path, make: Callable[[Path], Made]) -> Made | Refused:
    try:
        return make(source)
    except (StudioError, OSError) as error:
        return Refused(source, str(error))
