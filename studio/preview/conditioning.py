"""From a prompt with the webuis' syntax to what the U-Net is told, by the base's text encoders.

As AUTOMATIC1111's ``modules/sd_hijack_clip.py`` and Forge's ``ClassicTextProcessingEngine`` do it:

- The tokens are put into chunks of 75, each with its own begin and end; chunks are encoded one by one
  and joined along the sequence, so a long prompt is not cut. What stands behind a comma near the end
  of a chunk goes into the next one whole. A prompt and its negative are filled up with empty chunks
  to the same number (A1111's "Pad prompt/negative prompt").
- Weights multiply the embeddings of their tokens; then the chunk is rescaled to the mean that it had
  (the emphasis mode "Original").
- Clip skip N reads the text encoder's N-th layer from the end, through its final layer norm; 1 is the
  end itself. SDXL was trained on the second layer from the end without that norm, so 1 and 2 are both
  that one, as in Forge; in diffusers' words N is ``clip_skip=N - 2``.
- SDXL's pooled vector is that of the first chunk, from the encoder's end, without weights.

A prompt that needs nothing of this goes to diffusers' pipeline as text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import torch
from torch import Tensor

from studio.bases.architectures import Architecture, architecture_of
from studio.bases.base_model import BaseModel
from studio.bases.conditioning import Conditioning
from studio.errors import UserError
from studio.preview.prompt import Stretch, first_tag, has_syntax, stretches_of
from studio.preview.settings import SamplingSettings

COMMA = ",</w>"
COMMA_REACH = 20  # tokens behind a comma that go into the next chunk with it; A1111's default
Token = tuple[int, float]
"""A token's id and weight."""


class PromptReader:
    """Turns the prompts of one drawing into a pipeline's arguments.

    Args:
        pipe: diffusers' pipeline around the base.
        literal: take every sign as text: what captions are.
    """

    def __init__(
        self, pipe: Any, base: BaseModel, settings: SamplingSettings, *, literal: bool = False
    ) -> None:
        self._pipe, self._base, self._settings, self._literal = pipe, base, settings, literal
        self._negative = settings.negative_prompt
        self.num_chunks = cache(self._num_chunks)
        self._encoded = cache(self.encode)

    def _num_chunks(self, prompt: str) -> int:
        """How many chunks the prompt and its negative take; 0 where the pipeline reads both itself.

        Prompts of one number can be drawn together.

        Raises:
            UserError: an adapter is called by name here, where nobody looks for its file.
        """
        texts = (prompt, self._negative)
        count = max(
            len(self._chunks(t, tokenizer)) for t in texts for tokenizer in self._tokenizers
        )
        is_text = self._literal or not any(has_syntax(text) for text in texts)
        is_usual = self._layer == self._architecture.trained_layer
        return 0 if is_text and is_usual and count == 1 else count

    def arguments(self, prompts: Sequence[str]) -> dict[str, Any]:
        """The prompts, all of one number of chunks, as keyword arguments of the pipeline."""
        num_chunks = self.num_chunks(prompts[0])
        if num_chunks == 0:
            # No negative prompt is None: SDXL then guides away from zeros, not from an empty text.
            negative = [self._negative] * len(prompts) if self._negative else None
            return {"prompt": list(prompts), "negative_prompt": negative}
        wanted = [self._encoded(prompt, num_chunks) for prompt in prompts]
        arguments = _batched("", wanted)
        if self._settings.guidance_scale > 1:
            unwanted = [self._unwanted(conditioning, num_chunks) for conditioning in wanted]
            arguments |= _batched("negative_", unwanted)
        return arguments

    def _unwanted(self, wanted: Conditioning, num_chunks: int) -> Conditioning:
        if not self._negative and self._base.force_zeros_for_empty_prompt:
            return wanted.zeros()
        return self._encoded(self._negative, num_chunks)

    def encode(self, text: str, num_chunks: int) -> Conditioning:
        """What the text encoders say of the text in so many chunks.

        Raises:
            BaseModelError: a text encoder has fewer layers than are to be skipped.
        """
        parts = []
        for tokenizer, encoder in zip(self._tokenizers, self._base.text_encoders, strict=True):
            chunks = self._chunks(text, tokenizer)
            chunks += [[]] * (num_chunks - len(chunks))
            ids, weights = _framed(chunks, tokenizer)
            read = self._architecture.encode_ids(encoder, ids.to(encoder.device), self._layer)
            hidden = weighted(read.hidden_states, weights.to(read.hidden_states.device))
            # The pooled vector is that of the first chunk.
            first = None if read.pooled is None else read.pooled[:1]
            parts.append(Conditioning(hidden.flatten(0, 1)[None], first))
        states = torch.cat([part.hidden_states for part in parts], dim=-1)
        return Conditioning(states, parts[-1].pooled)

    def _chunks(self, text: str, tokenizer: Any) -> list[list[Token]]:
        filler = _Filler(tokenizer.model_max_length - 2, tokenizer.get_vocab().get(COMMA))
        for stretch in self._stretches(text):
            if stretch.opens_chunk:
                filler.close()
            # A word of several vectors is written as several tokens.
            spelled = self._pipe.maybe_convert_prompt(stretch.text, tokenizer)
            for token in tokenizer(spelled, add_special_tokens=False, verbose=False).input_ids:
                filler.add(token, stretch.weight)
        return filler.chunks()

    def _stretches(self, text: str) -> tuple[Stretch, ...]:
        if self._literal:
            return (Stretch(text),)
        if tag := first_tag(text):
            raise UserError(
                f"{tag} is called in a prompt that is drawn here without looking for its file; "
                "take it out, or draw with studio preview"
            )
        return stretches_of(text)

    @property
    def _tokenizers(self) -> list[Any]:
        return list(self._base.tokenizers)

    @property
    def _architecture(self) -> Architecture:
        return architecture_of(self._base)

    @property
    def _layer(self) -> int:
        """Counted from the end, 1 being the last."""
        wanted = self._settings.clip_skip or self._base.clip_skip
        return max(wanted, self._architecture.trained_layer)


def weighted(hidden: Tensor, weights: Tensor) -> Tensor:
    """Embeddings times their tokens' weights, each chunk with the mean that it had before.

    Args:
        hidden: (chunks, tokens, width).
        weights: (chunks, tokens).
    """
    if bool((weights == 1).all()):
        return hidden
    scaled = hidden.float() * weights[..., None]
    means = hidden.float().mean((1, 2), keepdim=True) / scaled.mean((1, 2), keepdim=True)
    return (scaled * means).to(hidden.dtype)


@dataclass
class _Filler:
    """Puts tokens into chunks of ``length``; ``comma`` is the id of one, where there is any."""

    length: int
    comma: int | None
    _closed: list[list[Token]] = field(default_factory=list)
    _open: list[Token] = field(default_factory=list)
    _last_comma: int | None = None

    def add(self, token: int, weight: float) -> None:
        is_full = len(self._open) == self.length
        if token != self.comma and is_full and self._last_comma is not None:
            behind = self._open[self._last_comma + 1 :]
            if len(behind) < COMMA_REACH:
                del self._open[self._last_comma + 1 :]
                self.close()
                self._open = behind
        if len(self._open) == self.length:
            self.close()
        if token == self.comma and not is_full:
            self._last_comma = len(self._open)
        self._open.append((token, weight))

    def close(self) -> None:
        self._closed.append(self._open)
        self._open, self._last_comma = [], None

    def chunks(self) -> list[list[Token]]:
        """All of them; one at least, and none that is empty at the end."""
        return [*self._closed, self._open] if self._open or not self._closed else self._closed


def _framed(chunks: Sequence[Sequence[Token]], tokenizer: Any) -> tuple[Tensor, Tensor]:
    """Ids and weights, (chunks, tokens) each, with begin, end and padding, whose weight is 1."""
    ids, weights = [], []
    for chunk in chunks:
        padding = tokenizer.model_max_length - 2 - len(chunk)
        ids.append(
            [tokenizer.bos_token_id, *(token for token, _ in chunk), tokenizer.eos_token_id]
            + [tokenizer.pad_token_id] * padding
        )
        weights.append([1.0, *(weight for _, weight in chunk), 1.0] + [1.0] * padding)
    return torch.tensor(ids), torch.tensor(weights)


def _batched(prefix: str, conditionings: Sequence[Conditioning]) -> dict[str, Tensor]:
    arguments = {f"{prefix}prompt_embeds": torch.cat([c.hidden_states for c in conditionings])}
    pooled = [c.pooled for c in conditionings if c.pooled is not None]
    return arguments | ({f"{prefix}pooled_prompt_embeds": torch.cat(pooled)} if pooled else {})
