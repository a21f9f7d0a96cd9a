"""Adapters put on a base: one, or several together, each as strongly as it is wanted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from studio.adapters.adapter import Adapter
from studio.adapters.files import NamedBase, check_fits, naming, read_adapter
from studio.bases.base_model import BaseModel
from studio.errors import AdapterError
from studio.preview.block_strength import with_block_strengths
from studio.preview.prompt import HYPERNET, Tag
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
        shares: each adapter's part of the strength that the stack is applied at; empty: all of it.
    """

    files: tuple[Path, ...]
    adapters: tuple[Adapter, ...]
    shares: tuple[float, ...] = ()

    @classmethod
    def read(
        cls,
        files: Path | Sequence[Path],
        share: float = 1.0,
        blocks: Mapping[str, float] | None = None,
    ) -> Stack:
        """Read one file, or several that are to act together.

        Args:
            share: of the strength that the stack is applied at.
            blocks: shares of single blocks, by name; see `studio.preview.block_strength`.

        Raises:
            AdapterError: a file cannot be read, or its kind has no strength per block.
            UserError: a name is no block's.
        """
        paths = (files,) if isinstance(files, Path) else tuple(files)
        adapters = tuple(with_block_strengths(read_adapter(path), blocks or {}) for path in paths)
        return cls(paths, adapters, (share,) * len(paths))

    @classmethod
    def called(cls, tag: Tag, files: Path | Sequence[Path]) -> Stack:
        """What a prompt's tag calls, as strongly as the tag says.

        Raises:
            AdapterError: a file cannot be read, is of the other kind, or cannot be scaled by parts.
            UserError: a name is no block's.
        """
        stack = cls.read(files, *_share_and_blocks(tag))
        for path, adapter in zip(stack.files, stack.adapters, strict=True):
            if (adapter.header.kind == "hypernetwork") != (tag.kind == HYPERNET):
                raise AdapterError(
                    f"<{tag.kind}:{tag.name}> calls {path}, which is a {adapter.header.kind} "
                    "adapter; write <hypernet:…> for a hypernetwork and <lora:…> for the others"
                )
        return stack

    @classmethod
    def joined(cls, stacks: Iterable[Stack]) -> Stack:
        """All of them as one, the first at the bottom."""
        parts = tuple(stacks)
        return cls(
            tuple(path for stack in parts for path in stack.files),
            tuple(adapter for stack in parts for adapter in stack.adapters),
            tuple(share for stack in parts for share in stack.each_share),
        )

    @property
    def each_share(self) -> tuple[float, ...]:
        return self.shares or (1.0,) * len(self.adapters)

    @property
    def share(self) -> float:
        """The largest: what one number says of the stack; 0 where nothing is in it."""
        return max(self.each_share, key=abs, default=0.0)

    @property
    def heading(self) -> str:
        """The adapters' titles, each once; a file without one goes by its name.

        Where adapters differ in strength, each one's stands behind its title.
        """
        titles = [
            adapter.header.title or path.stem
            for path, adapter in zip(self.files, self.adapters, strict=True)
        ]
        if len(set(self.each_share)) > 1:
            titles = [f"{t} {s:g}" for t, s in zip(titles, self.each_share, strict=True)]
        return " + ".join(dict.fromkeys(titles))

    def warnings(self, base: NamedBase) -> tuple[str, ...]:
        """What speaks against the files on this base.

        Raises:
            AdapterError: one is for a base of another family.
        """
        told: list[str] = []
        for path, adapter in zip(self.files, self.adapters, strict=True):
            with naming(path):
                told += (f"{path.name}: {warning}" for warning in check_fits(adapter, base))
        return tuple(told)

    @contextmanager
    def applied(self, base: BaseModel, strength: float = 1.0) -> Iterator[None]:
        """All of them on the base for the length of a ``with`` block, each at its share of
        ``strength``.

        Raises:
            UserError: the plugin that made one is not installed.
            AdapterError: one does not fit the base, or not on top of those below it.
        """
        with ExitStack() as entered:
            parts = zip(self.files, self.adapters, self.each_share, strict=True)
            for path, adapter, share in parts:
                with naming(path):
                    entered.enter_context(applied(adapter, base, share * strength))
            yield


def _share_and_blocks(tag: Tag) -> tuple[float, dict[str, float]]:
    """One share for all where the tag has one, for every kind of adapter can be scaled as a whole."""
    if tag.text_encoder == tag.unet:
        return tag.unet, dict(tag.blocks)
    parts = {"text_encoder": tag.text_encoder, "text_encoder_2": tag.text_encoder, "unet": tag.unet}
    return 1.0, parts | {
        name: parts.get(name.partition(".")[0], 1.0) * share for name, share in tag.blocks
    }
