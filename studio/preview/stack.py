"""Adapters put on a base: one, or several together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from studio.adapters.adapter import Adapter
from studio.adapters.files import check_fits, read_adapter
from studio.bases.base_model import BaseModel
from studio.registry import producer


def applied(adapter: Adapter, base: BaseModel, strength: float) -> AbstractContextManager[None]:
    """The adapter on the base for the length of a ``with`` block, by the plugin that made it.

    Raises:
        UserError: that plugin is not installed.
        AdapterError: the adapter does not fit the base.
    """
    return producer(adapter.header.plugin_kind).load().apply(adapter, base, strength)


@dataclass(frozen=True)
class Stack:
    """Adapter files that are on the base at the same time: what one series is drawn with.

    Attributes:
        files: what was read, from the bottom up.
        adapters: one for each file.
    """

    files: tuple[Path, ...]
    adapters: tuple[Adapter, ...]

    @classmethod
    def read(cls, files: Path | Sequence[Path]) -> Stack:
        """Read one file, or several that are to act together.

        Raises:
            AdapterError: a file cannot be read.
        """
        paths = (files,) if isinstance(files, Path) else tuple(files)
        return cls(paths, tuple(read_adapter(path) for path in paths))

    @property
    def heading(self) -> str:
        """The adapters' titles, each once; a file without one goes by its name."""
        named = zip(self.files, self.adapters, strict=True)
        titles = (adapter.header.title or path.stem for path, adapter in named)
        return " + ".join(dict.fromkeys(titles))

    def warnings(self, base: BaseModel) -> tuple[str, ...]:
        """What speaks against the files on this base.

        Raises:
            AdapterError: one is for a base of another family.
        """
        named = zip(self.files, self.adapters, strict=True)
        return tuple(
            f"{path.name}: {w}" for path, adapter in named for w in check_fits(adapter, base)
        )

    @contextmanager
    def applied(self, base: BaseModel, strength: float) -> Iterator[None]:
        """All of them on the base for the length of a ``with`` block, each at ``strength``.

        Raises:
            UserError: the plugin that made one is not installed.
            AdapterError: one does not fit the base, or not on top of those below it.
        """
        with ExitStack() as entered:
            for adapter in self.adapters:
                entered.enter_context(applied(adapter, base, strength))
            yield
