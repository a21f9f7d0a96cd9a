"""Recipes in the making: YAML files that a person reads, edits and keeps by name."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from studio import atomic
from studio.errors import RecipeError, UserError
from studio.forms.sheet import read
from studio.recipe import yaml_text
from studio.recipe.schema import is_name
from studio.workplace.set_names import free_name
from studio.workplace.workplace import Workplace

MAX_BYTES = 256 * 1024
"""Of one recipe; the longest that ships has 3 KiB."""

ENDING = ".yaml"


@dataclass(frozen=True)
class Drafts:
    """The recipes of one workplace. Any thread or process may have its own."""

    workplace: Workplace

    def names(self) -> list[str]:
        """The newest first."""
        folder = self.workplace.recipes
        files = [f for f in folder.glob(f"*{ENDING}") if is_name(f.stem)] if folder.is_dir() else []
        return [file.stem for file in sorted(files, key=_age)]

    def read(self, name: str) -> str:
        """The text as it was saved.

        Raises:
            UserError: there is none of that name, or it cannot be read.
        """
        try:
            return self._path(name).read_text("utf-8")
        except FileNotFoundError:
            close = get_close_matches(name, self.names(), n=1)
            hint = f'; did you mean "{close[0]}"?' if close else ""
            raise UserError(f'there is no recipe "{name}" here{hint}') from None
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f'the recipe "{name}" cannot be read: {error}') from error

    def save(self, name: str, text: str) -> None:
        """Keep a text, whatever it says: a recipe in the making may be wrong.

        Raises:
            UserError: the name is none, or the text is too long.
        """
        path = self._path(name)
        content = text.encode("utf-8", "replace")
        _require_short(len(content))
        atomic.write_bytes(path, content)

    def free_name(self, title: str) -> str:
        """A name made from any title, with a number where a recipe or a run has it: a run is called as
        its recipe is.
        """
        taken, runs = set(self.names()), self.workplace.runs
        return free_name(title, lambda name: name in taken or (runs / name).exists())

    def receive(self, name: str, content: bytes) -> str:
        """Keep a file that came through the browser, under a free name, which is returned.

        It is called as its text says, else as its file is; and its text says that name from then on.

        Raises:
            UserError: it is too large, no text, or holds no recipe at all.
        """
        _require_short(len(content))
        try:
            text = content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise RecipeError([f"{name} is not UTF-8 text (byte {error.start})"]) from error
        recipe = yaml_text.parse(text, name)
        if not isinstance(recipe, dict):
            raise RecipeError([f'{name} is no recipe; a recipe is lines of "key: value"'])
        said = str(recipe.get("name", ""))
        free = self.free_name(said if is_name(said) else name)
        self.save(free, read(text).named(free))
        return free

    def remove(self, name: str) -> None:
        """Raises:
        UserError: there is none of that name.
        """
        try:
            self._path(name).unlink()
        except FileNotFoundError:
            raise UserError(f'there is no recipe "{name}" here') from None

    def _path(self, name: str) -> Path:
        if not is_name(name):
            raise UserError(
                f"{name!r} cannot name a recipe; use up to 80 letters, digits, '-', '_' and '.', "
                "beginning and ending with a letter or digit"
            )
        return self.workplace.recipes / f"{name}{ENDING}"


def _require_short(count: int) -> None:
    if count > MAX_BYTES:
        raise UserError(
            f"{count / 1024:.0f} KiB is too long for a recipe; the most is {MAX_BYTES // 1024} KiB"
        )


def _age(file: Path) -> tuple[float, str]:
    try:
        return -file.stat().st_mtime, file.stem
    except FileNotFoundError:  # removed meanwhile, in another tab
        return 0.0, file.stem
