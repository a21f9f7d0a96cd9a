"""The folders that may be looked into: a page in a browser is no shell, and gets no further."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from studio.errors import RootsError


@dataclass(frozen=True)
class Roots:
    """Folders, resolved; everything below them may be read, and nothing else."""

    folders: tuple[Path, ...]

    @classmethod
    def of(cls, folders: Sequence[Path]) -> Roots:
        """Raises:
        RootsError: one is no folder.
        """
        for folder in folders:
            if not folder.expanduser().is_dir():
                raise RootsError(f"--root {folder} is no folder")
        return cls(tuple(dict.fromkeys(folder.expanduser().resolve() for folder in folders)))

    def allowed(self, path: Path | str) -> Path:
        """The path, absolute and with every link followed, if it lies below one of the folders.

        Whether anything is there is not looked at, so that the answer tells nothing of what is outside.

        Raises:
            RootsError: it leads elsewhere, or is no path.
        """
        try:
            resolved = Path(path).expanduser().resolve()
        except (OSError, RuntimeError, ValueError):  # loops of links, a home unknown, a null byte
            raise RootsError(f"{str(path)!r} is no path that can be followed") from None
        if not any(resolved.is_relative_to(folder) for folder in self.folders):
            raise RootsError(
                f"{path} is outside the folders that this dashboard may read ({self}); "
                "start it with --root for another"
            )
        return resolved

    def __str__(self) -> str:
        return ", ".join(map(str, self.folders))
