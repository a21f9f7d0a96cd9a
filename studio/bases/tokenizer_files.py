"""A base model's tokenizer read from its files: what its text encoder reads, without loading it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from tokenizers import Regex, Tokenizer, normalizers, pre_tokenizers
from tokenizers.models import BPE

from studio.bases.clip_vocabulary import WORD_END, clip_merges, clip_vocabulary
from studio.bases.diffusers_folder import DiffusersFolder
from studio.bases.identity import BaseIdentity
from studio.bases.published import is_published

_MARKS = 2  # the start and the end mark take a place each
# CLIP's words: contractions, letters, single digits, and what is neither.
_WORDS = r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}|[^\s\p{L}\p{N}]+"


@dataclass(frozen=True)
class Token:
    """A piece of a text: from ``start`` to ``end``, in characters; ``rarity`` as in `Piece`."""

    start: int
    end: int
    rarity: float


@dataclass(frozen=True)
class TokenizerFiles:
    """The first text encoder's tokenizer; SDXL's second splits words alike.

    Attributes:
        tokenizer: adds no marks, cuts nothing off.
        max_tokens: how many tokens are read of a text, marks aside.
    """

    tokenizer: Tokenizer
    max_tokens: int

    def tokens(self, text: str) -> list[Token]:
        """The pieces that ``text`` is read as, all of them."""
        encoding = self.tokenizer.encode(text, add_special_tokens=False)
        size = self.tokenizer.get_vocab_size()
        return [
            Token(start, end, token / size)
            for (start, end), token in zip(encoding.offsets, encoding.ids, strict=True)
        ]


def read_tokenizer(identity: BaseIdentity) -> TokenizerFiles | None:
    """The tokenizer in a base model's folder; None where its files are missing or broken."""
    content = identity.content
    folder = content.path if isinstance(content, DiffusersFolder) else content.config_folder
    folder = folder / "tokenizer"
    try:
        config = json.loads((folder / "tokenizer_config.json").read_text("utf-8"))
        tokenizer = _tokenizer(folder)
        tokenizer.no_truncation()
        tokenizer.no_padding()
        return TokenizerFiles(tokenizer, int(config["model_max_length"]) - _MARKS)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _tokenizer(folder: Path) -> Tokenizer:
    whole = folder / "tokenizer.json"
    try:
        if is_published(folder):
            return _clip_tokenizer(
                BPE(clip_vocabulary(), list(clip_merges()), end_of_word_suffix=WORD_END)
            )
        if whole.is_file():
            return Tokenizer.from_file(str(whole))
        model = BPE.from_file(
            str(folder / "vocab.json"), str(folder / "merges.txt"), end_of_word_suffix=WORD_END
        )
    except Exception as error:  # the library has no class of its own for broken files
        raise ValueError(f"{folder} holds no tokenizer that can be read: {error}") from error
    return _clip_tokenizer(model)


def _clip_tokenizer(model: BPE) -> Tokenizer:
    """Splits and writes text as CLIP's does."""
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_WORDS), behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    return tokenizer
