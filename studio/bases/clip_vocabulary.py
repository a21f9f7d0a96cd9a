"""CLIP's vocabulary, rebuilt from the merges that ship with the studio. No torch.

Radford et al., 2021, arXiv 2103.00020: byte-pair encoding over lower-cased text. Single-file checkpoints
hold no tokenizer, for all text encoders of Stable Diffusion read this one, 49,408 tokens in all:

====================  =======================================================================
ids                   tokens
====================  =======================================================================
0 to 255              the bytes, each as one printable character: first those that are printable
                      in Latin-1, then the rest
256 to 511            the same at the end of a word, with ``</w>``
512 to 49,405         what each merge makes, in the order of the merges
49,406 and 49,407     ``<|startoftext|>`` and ``<|endoftext|>``
====================  =======================================================================
"""

from __future__ import annotations

import gzip
from functools import cache
from pathlib import Path

MERGES = Path(__file__).parent / "published" / "clip" / "merges.txt.gz"
START, END = "<|startoftext|>", "<|endoftext|>"
WORD_END = "</w>"
# Printable in Latin-1 and no space: from "!" to "~", from "¡" to "¬", from "®" to "ÿ".
_PRINTABLE = (*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100))


@cache
def clip_merges() -> tuple[tuple[str, str], ...]:
    """The pairs that are merged, the first ones first."""
    lines = gzip.decompress(MERGES.read_bytes()).decode("utf-8").splitlines()
    pairs = (line.split(" ") for line in lines)
    return tuple((left, right) for left, right in pairs)


@cache
def clip_vocabulary() -> dict[str, int]:
    """From tokens to their ids; not to be changed, for all callers share it."""
    # A byte that is not printable is written as the next free character from U+0100 on.
    bytes_ = [*map(chr, _PRINTABLE), *(chr(0x100 + n) for n in range(256 - len(_PRINTABLE)))]
    words = [f"{byte}{WORD_END}" for byte in bytes_]
    merged = [left + right for left, right in clip_merges()]
    return {token: index for index, token in enumerate([*bytes_, *words, *merged, START, END])}
