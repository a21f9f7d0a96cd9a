"""Captions as the U-Net reads them."""

from __future__ import annotations

import re
from collections.abc import Sequence

import torch
from torch import Tensor
from transformers import CLIPTokenizer

from studio.bases.base_model import BaseModel
from studio.errors import BaseModelError
from studio.examples.conditioning import Conditioning


def encode_captions(base: BaseModel, captions: Sequence[str]) -> Conditioning:
    """Captions through the text encoders; carries gradients if enabled.

    Captions are padded or cut to the tokenizer's length, as Stable Diffusion was trained. The families
    sd1 and sd2 read the last hidden states, normalised; sdxl reads the last but one of both encoders
    side by side, and the second encoder's projected vector as ``pooled``.

    Raises:
        BaseModelError: the base model's family reads no text.
    """
    if base.family == "svd":
        raise BaseModelError(
            f"cannot train on {base.name}: its family svd is guided by a picture and reads no "
            "captions; choose a base model of the family sd1, sd2 or sdxl"
        )
    if base.family == "sdxl":
        return _encode_for_sdxl(base, captions)
    ids = _input_ids(base.tokenizer, captions).to(base.text_encoder.device)
    return Conditioning(base.text_encoder(ids).last_hidden_state)


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


def _encode_for_sdxl(base: BaseModel, captions: Sequence[str]) -> Conditioning:
    outputs = [
        text_encoder(
            _input_ids(tokenizer, captions).to(text_encoder.device), output_hidden_states=True
        )
        for tokenizer, text_encoder in zip(base.tokenizers, base.text_encoders, strict=True)
    ]
    # The hidden states are the embedding, then the output of each layer.
    penultimate = [output.hidden_states[-2] for output in outputs]
    return Conditioning(torch.cat(penultimate, dim=-1), outputs[-1].text_embeds)


def _input_ids(tokenizer: CLIPTokenizer, captions: Sequence[str]) -> Tensor:
    """(captions, tokens)."""
    tokens = tokenizer(
        [expand_placeholders(caption, tokenizer) for caption in captions],
        padding="max_length",
        max_length=tokenizer.model_max_length,
        truncation=True,
        return_tensors="pt",
    )
    ids: Tensor = tokens.input_ids
    return ids
