"""Texts as a CLIP text encoder reads them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from torch import Tensor
from transformers import CLIPTokenizer

from studio.errors import BaseModelError


def input_ids(tokenizer: CLIPTokenizer, texts: Sequence[str]) -> Tensor:
    """(texts, tokens); padded or cut to the tokenizer's length, as Stable Diffusion was trained."""
    tokens = tokenizer(
        [expand_placeholders(text, tokenizer) for text in texts],
        padding="max_length",
        max_length=tokenizer.model_max_length,
        truncation=True,
        return_tensors="pt",
    )
    ids: Tensor = tokens.input_ids
    return ids


def expand_placeholders(text: str, tokenizer: CLIPTokenizer) -> str:
    """Write a placeholder of several vectors out in full: ``<t>`` becomes ``<t> <t>_1 <t>_2``.

    The tokens are found in the tokenizer's added vocabulary under diffusers' names, so that prompts
    read here as they read in its pipelines. What is written out already stays as it is.
    """
    added = tokenizer.added_tokens_encoder
    for token in sorted((t for t in added if f"{t}_1" in added), key=len, reverse=True):
        several = [token]
        while f"{token}_{len(several)}" in added:
            several.append(f"{token}_{len(several)}")
        alone = rf"{re.escape(token)}(?!_\d)(?! {re.escape(token)}_1)"
        text = re.sub(alone, " ".join(several).replace("\\", r"\\"), text)
    return text


def hidden_layer(output: Any, layer: int) -> Tensor:
    """The hidden states of a text encoder's layer, (batch, tokens, width), without the final norm.

    Args:
        output: of the text encoder, with all hidden states: the embedding, then each layer's.
        layer: counted from the end, 1 being the last.

    Raises:
        BaseModelError: the text encoder has fewer layers.
    """
    num_layers = len(output.hidden_states) - 1
    if layer > num_layers:
        raise BaseModelError(
            f"clip skip {layer} is more than the {num_layers} layers of the text encoder; "
            f"choose {num_layers} or less"
        )
    states: Tensor = output.hidden_states[-layer]
    return states
