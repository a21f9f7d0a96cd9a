"""A base model's tokenizers, as transformers has them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from transformers import CLIPTokenizer

from studio.bases.clip_vocabulary import clip_merges, clip_vocabulary
from studio.bases.published import is_published


def load_tokenizer(folder: Path) -> CLIPTokenizer:
    """The tokenizer in a model's folder, or CLIP's for a configuration that ships with the studio.

    What pads, ``!`` of SD 2.x and of SDXL's second, is a mark of its own for transformers: in a text
    too, ``!`` is token 0 there, where open_clip itself reads 256, the end of a word. Folders as
    published do the same.

    Raises:
        OSError, ValueError: a file is missing or broken.
    """
    tokenizer: CLIPTokenizer
    if not is_published(folder):
        tokenizer = CLIPTokenizer.from_pretrained(folder, local_files_only=True)
        return tokenizer
    config = json.loads((folder / "tokenizer_config.json").read_text("utf-8"))
    merges: Any = list(clip_merges())  # said to be lines of text; pairs are what is read
    return CLIPTokenizer(
        vocab=dict(clip_vocabulary()),
        merges=merges,
        pad_token=config["pad_token"],
        model_max_length=config["model_max_length"],
    )
