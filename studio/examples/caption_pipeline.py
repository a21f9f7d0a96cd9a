"""Captions as they are shown: a text varied by its recipe and by counters, never by state. No torch."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

from studio.curation.settings import CaptionSettings
from studio.examples.order import View

if TYPE_CHECKING:
    from studio.training.randomness import RandomStreams

MAX_VARIANTS = 8
"""Texts that one caption may become and still be encoded ahead: an SDXL caption takes 0.6 MB."""

AS_THEY_ARE = CaptionSettings()
"""Captions shown as they are."""

_WILDCARD = re.compile(r"\{([^{}]*)\}")
_PUNCTUATION = tuple(",.;:!?")


@dataclass(frozen=True)
class CaptionPipeline:
    """What a caption becomes at each showing: a pure function of (caption, seed, view, item).

    In this order: now and then nothing is left (caption dropout); one line is drawn; each wildcard
    becomes one of its alternatives; tags are dropped, then shuffled; prefix and suffix are put around
    what is left, so neither is ever moved.

    Attributes:
        settings: the recipe's ``dataset.caption``.
        dropout: chance of an empty caption.
        trigger: a tag that holds it is never dropped.
    """

    settings: CaptionSettings = AS_THEY_ARE
    dropout: float = 0.0
    trigger: str = ""

    def caption(self, text: str, view: View, streams: RandomStreams) -> str:
        """The text for one showing of one example."""
        if streams.uniform("caption_dropout", view.view, view.item) < self.dropout:
            return ""

        def one_of(options: Sequence[str], stream: str) -> str:
            if len(options) == 1:
                return options[0]
            return options[streams.integer(0, len(options), stream, view.view, view.item)]

        parts = self._parts(one_of(self._lines(text), "caption_line"))
        spoken = "".join(
            one_of(alternatives, f"wildcard/{place}") for place, alternatives in enumerate(parts)
        )
        return self._framed(self._with_tags_varied(self._tidied(spoken), view, streams))

    def plain(self, text: str) -> str:
        """The text without chance: its first line, first alternatives and all tags in their order."""
        spoken = "".join(alternatives[0] for alternatives in self._parts(self._lines(text)[0]))
        return self._framed(self._with_all_tags(self._tidied(spoken)))

    def variants(self, text: str) -> tuple[str, ...] | None:
        """Every text that a caption can become, dropout of the whole aside; None where these are too
        many to encode ahead: more than `MAX_VARIANTS`, or tags that are shuffled or dropped.
        """
        if self.settings.shuffle_tags or self.settings.tag_dropout > 0:
            return None
        rows = [self._parts(line) for line in self._lines(text)]
        if sum(math.prod(len(alternatives) for alternatives in row) for row in rows) > MAX_VARIANTS:
            return None
        spoken = ["".join(chosen) for row in rows for chosen in product(*row)]
        return tuple(self._framed(self._with_all_tags(self._tidied(s))) for s in spoken)

    def longest(self, text: str, length: Callable[[str], int]) -> str:
        """The longest that a caption can become: the longest line, of each wildcard the longest
        alternative, every tag.
        """
        spoken = [
            "".join(max(alternatives, key=length) for alternatives in self._parts(line))
            for line in self._lines(text)
        ]
        shown = [self._framed(self._with_all_tags(self._tidied(line))) for line in spoken]
        return max(shown, key=length)

    def _lines(self, text: str) -> list[str]:
        return text.split("\n") if self.settings.draw_line else [text]

    def _parts(self, line: str) -> list[list[str]]:
        """A line as a row of alternatives; what stands outside of braces has only one."""
        if not self.settings.wildcards:
            return [[line]]
        return [
            part.split("|") if place % 2 else [part]
            for place, part in enumerate(_WILDCARD.split(line))
        ]

    def _tidied(self, spoken: str) -> str:
        """Without the blanks and the empty tags that an empty alternative leaves."""
        if not self.settings.wildcards:
            return spoken
        text = " ".join(spoken.split())
        whole = all(tag.strip() for tag in text.split(self.settings.tag_separator))
        return text if whole else self._joined(self._split(text))

    def _with_tags_varied(self, text: str, view: View, streams: RandomStreams) -> str:
        settings = self.settings
        if not settings.shuffle_tags and settings.tag_dropout == 0:
            return self._with_all_tags(text)
        head, loose, tail = self._tags(text)
        stays = [
            self._holds_trigger(tag)
            or streams.uniform(f"tag_dropout/{place}", view.view, view.item) >= settings.tag_dropout
            for place, tag in enumerate(loose)
        ]
        left = [tag for tag, stay in zip(loose, stays, strict=True) if stay]
        if settings.shuffle_tags:
            order = streams.permutation(len(left), "tag_order", view.view, view.item)
            left = [left[place] for place in order]
        return self._joined([*head, *left, *tail])

    def _with_all_tags(self, text: str) -> str:
        """The text as it is; where it holds the keep mark, without that."""
        mark = self.settings.keep_tokens_separator
        if not mark or mark not in text:
            return text
        head, loose, tail = self._tags(text)
        return self._joined([*head, *loose, *tail])

    def _tags(self, text: str) -> tuple[list[str], list[str], list[str]]:
        """Tags that stay in front, tags to vary, and tags that stay at the end."""
        mark = self.settings.keep_tokens_separator
        if mark and mark in text:
            head, loose, *tail = text.split(mark, 2)
            return self._split(head), self._split(loose), self._split("".join(tail))
        tags, kept = self._split(text), self.settings.keep_tokens
        return tags[:kept], tags[kept:], []

    def _split(self, text: str) -> list[str]:
        return [tag.strip() for tag in text.split(self.settings.tag_separator) if tag.strip()]

    def _joined(self, tags: Sequence[str]) -> str:
        return f"{self.settings.tag_separator.strip()} ".join(tags)

    def _holds_trigger(self, tag: str) -> bool:
        return any(part.lower() in tag.lower() for part in self._split(self.trigger))

    def _framed(self, text: str) -> str:
        prefix, suffix = self.settings.prefix.strip(), self.settings.suffix.strip()
        if prefix:
            text = f"{prefix} {text}".strip()
        if suffix:
            gap = "" if suffix.startswith(_PUNCTUATION) else " "
            text = f"{text}{gap}{suffix}".strip()
        return text
