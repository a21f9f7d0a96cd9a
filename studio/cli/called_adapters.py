"""The adapters that prompts call by name: where their files lie, and what is drawn with them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from studio.adapters.exported import AdapterFiles
    from studio.preview.prompt import Tag
    from studio.preview.stack import Stack

NAMES_LISTED = 8


def called_files(
    tags: Iterable[Sequence[Tag]],
    given: Iterable[tuple[str, AdapterFiles]],
    folders: Iterable[Path],
) -> dict[str, AdapterFiles]:
    """The files of every adapter that a prompt calls: arguments first, then those in folders.

    Raises:
        UserError: a folder is none.
        AdapterError: no adapter has that name.
    """
    from studio.errors import AdapterError

    known: dict[str, AdapterFiles] = {path.stem: (path,) for path in _files_in(folders)}
    known |= dict(given)
    names = dict.fromkeys(tag.name for of_prompt in tags for tag in of_prompt)
    for name in names:
        if name not in known:
            raise AdapterError(f'a prompt calls "{name}", but {_hint(name, known)}')
    return {name: known[name] for name in names}


def _files_in(folders: Iterable[Path]) -> list[Path]:
    """Adapter files at any depth, the folder that was named first having the last word."""
    from studio.adapters.formats import formats
    from studio.errors import UserError

    endings = {known.extension for known in formats()} - {""}
    found: list[Path] = []
    for folder in folders:
        if not folder.is_dir():
            raise UserError(f"--adapter-folder {folder} is no folder")
        files = [path for path in sorted(folder.rglob("*")) if path.suffix in endings]
        found = [*files, *found]
    return found


def _hint(name: str, known: Mapping[str, object]) -> str:
    if not known:
        return "there are no adapters to call; say where they lie with --adapter-folder"
    by_lower = {other.lower(): other for other in known}
    if close := get_close_matches(name.lower(), by_lower, n=3):
        return f"no adapter is called so; near are: {', '.join(by_lower[c] for c in close)}"
    listed = ", ".join(sorted(known)[:NAMES_LISTED])
    return f"no adapter is called so; there are: {listed}{', …' * (len(known) > NAMES_LISTED)}"


def called_stacks(tags: Iterable[Sequence[Tag]], called: Mapping[str, AdapterFiles]) -> list[Stack]:
    """What each prompt calls, one stack for all prompts that call the same; nothing if none does."""
    from studio.preview.stack import Stack

    different = {
        tuple(of_prompt): Stack.joined(Stack.called(tag, called[tag.name]) for tag in of_prompt)
        for of_prompt in tags
    }
    return [different[tuple(of_prompt)] for of_prompt in tags] if called else []
