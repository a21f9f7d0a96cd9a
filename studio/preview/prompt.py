r"""Prompts as the webuis write them: emphasis, chunks, and the adapters that a prompt calls. No torch.

What AUTOMATIC1111's ``modules/prompt_parser.py`` and ``modules/extra_networks.py`` read, and Forge with
them (https://github.com/AUTOMATIC1111/stable-diffusion-webui/wiki/Features):

=========================  =========================================================================
``(word)``, ``[word]``     1.1 times the weight, and a 1.1th of it; brackets in brackets multiply
``(word:1.3)``             1.3 times the weight
``\( \) \[ \] \\``         the sign itself
``BREAK``                  what follows begins a new chunk of tokens
``<lora:NAME:0.8>``        the adapter NAME at strength 0.8; without a number at 1. ``<lyco:…>`` means
                           the same, ``<hypernet:NAME:0.8>`` calls a hypernetwork
``<lora:NAME:0.8:0.5>``    0.8 for the text encoders, 0.5 for the U-Net; also ``:te=0.8:unet=0.5``
=========================  =========================================================================

A bracket that is never closed acts to the end; one that was never opened is text. Ours alone is
``<lora:NAME:0.8:unet.up=0.5>``: the named block at that share of the strength, see
`studio.preview.block_strength`.

Not read: prompts that change while drawing (``[cat:dog:0.5]``, ``[cat|dog]``) and ``AND``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from studio.errors import UserError

ROUND, SQUARE = 1.1, 1 / 1.1
LORA, HYPERNET = "lora", "hypernet"

_TAG = re.compile(r"<(lora|lyco|hypernet):([^<>]+)>")
_SIGN = re.compile(
    r"""
      \\(?P<escaped>[()\[\]\\]?)
    | (?P<open>[(\[])
    | (?::\s*(?P<weight>[+-]?(?:\d+\.?\d*|\.\d+))\s*)?(?P<close>\))
    | (?P<close_square>\])
    | \s*\b(?P<break>BREAK)\b\s*
    """,
    re.VERBOSE,
)


@dataclass(frozen=True)
class Stretch:
    """A part of a prompt whose tokens weigh the same.

    Attributes:
        weight: what the tokens' embeddings are multiplied with.
        opens_chunk: it stood behind a ``BREAK``.
    """

    text: str
    weight: float = 1.0
    opens_chunk: bool = False


@dataclass(frozen=True)
class Tag:
    """An adapter that a prompt calls.

    Attributes:
        kind: ``lora`` (of every variant) or ``hypernet``.
        name: of the adapter's file, without folder and ending.
        text_encoder, unet: how strongly it acts there.
        blocks: shares of that strength, by block.
    """

    kind: str
    name: str
    text_encoder: float = 1.0
    unet: float = 1.0
    blocks: tuple[tuple[str, float], ...] = ()


def has_syntax(text: str) -> bool:
    """Whether anything in the text is a sign: without one it is drawn as it stands."""
    return _SIGN.search(text) is not None


def stretches_of(text: str) -> tuple[Stretch, ...]:
    """The text in stretches of equal weight, without its signs; an empty text is one empty stretch."""
    reading, end = _Reading(), 0
    for sign in _SIGN.finditer(text):
        reading.write(text[end : sign.start()])
        reading.take(sign)
        end = sign.end()
    reading.write(text[end:])
    reading.close_all()
    return tuple(_joined(reading.pieces)) or (Stretch(""),)


def without_tags(prompt: str) -> tuple[str, tuple[Tag, ...]]:
    """The prompt's text, and the adapters that it calls, in order.

    Raises:
        UserError: a tag has no number where one belongs, or a key that is not known.
    """
    tags = tuple(_tag(match) for match in _TAG.finditer(prompt))
    return (" ".join(_TAG.sub("", prompt).split()) if tags else prompt), tags


def first_tag(prompt: str) -> str:
    """The first tag as it is written; empty where there is none."""
    found = _TAG.search(prompt)
    return found[0] if found else ""


@dataclass
class _Piece:
    text: str
    weight: float = 1.0
    is_break: bool = False


@dataclass
class _Reading:
    """What was read so far, and where the brackets opened that still wait for their partners."""

    pieces: list[_Piece] = field(default_factory=list)
    _round: list[int] = field(default_factory=list)
    _square: list[int] = field(default_factory=list)

    def write(self, text: str) -> None:
        if text:
            self.pieces.append(_Piece(text))

    def take(self, sign: re.Match[str]) -> None:
        if sign["open"]:
            opened = self._round if sign["open"] == "(" else self._square
            opened.append(len(self.pieces))
        elif sign["break"]:
            self.pieces.append(_Piece("", is_break=True))
        elif sign["close"] and self._round:
            self._weigh(self._round.pop(), float(sign["weight"] or ROUND))
        elif sign["close_square"] and self._square:
            self._weigh(self._square.pop(), SQUARE)
        else:
            self.write(sign[0] if sign["escaped"] is None else sign["escaped"])

    def close_all(self) -> None:
        for start in self._round:
            self._weigh(start, ROUND)
        for start in self._square:
            self._weigh(start, SQUARE)

    def _weigh(self, start: int, factor: float) -> None:
        for piece in self.pieces[start:]:
            piece.weight *= factor


def _joined(pieces: Iterable[_Piece]) -> Iterator[Stretch]:
    """Neighbours of one weight as one text, for a word may go on from one to the next."""
    last: Stretch | None = None
    for piece in pieces:
        if last is not None and not piece.is_break and piece.weight == last.weight:
            last = Stretch(last.text + piece.text, last.weight, last.opens_chunk)
            continue
        # A break says nothing itself, so it takes the weight of what follows it.
        if last is not None and last.opens_chunk and not last.text and not piece.is_break:
            last = Stretch(piece.text, piece.weight, opens_chunk=True)
            continue
        if last is not None:
            yield last
        last = Stretch(piece.text, piece.weight, piece.is_break)
    if last is not None:
        yield last


def _tag(match: re.Match[str]) -> Tag:
    kind = HYPERNET if match[1] == HYPERNET else LORA
    name, *items = (item.strip() for item in match[2].split(":"))
    plain = [_number(item, match[0]) for item in items if "=" not in item]
    if not name or len(plain) > (2 if kind == LORA else 1):
        raise UserError(
            f"{match[0]} cannot be read; write <{match[1]}:NAME:0.8>"
            + (", or <lora:NAME:TEXT_ENCODER:UNET>" if kind == LORA else "")
        )
    named = {
        key.strip(): _number(value, match[0])
        for key, _, value in (item.partition("=") for item in items if "=" in item)
    }
    text_encoder = named.pop("te", plain[0] if plain else 1.0)
    unet = named.pop("unet", plain[1] if len(plain) > 1 else text_encoder)
    return Tag(kind, name, text_encoder, unet, tuple(named.items()))


def _number(text: str, tag: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise UserError(f"{tag} has {text!r} where a number belongs, as in 0.8") from None
