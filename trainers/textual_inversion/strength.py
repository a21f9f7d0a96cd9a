"""The strength of a new word, between not being there and being there as trained.

A file of vectors says nothing of what a weaker word would be. So strength acts on what the text encoders
say of the whole text: 0 is what the bare base says of it, spelling the word with the pieces it knows; 1
is what it says with the word; between and beyond, the straight line through both. It needs the file
alone, is continuous, and is near to what the webuis make of ``(word:0.5)`` in a prompt.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from transformers import CLIPTokenizer

from studio.bases.base_model import BaseModel
from studio.training.placeholder_tokens import PlaceholderWord, words_of


@contextmanager
def at_strength(base: BaseModel, placeholders: Sequence[str], strength: float) -> Iterator[None]:
    """Text encoders that know the placeholders as strongly as asked, for the length of a block.

    Several blocks in one another each keep their own strength.
    """
    with ExitStack() as stack:
        if strength != 1.0:
            for encoder, tokenizer in zip(base.text_encoders, base.tokenizers, strict=True):
                known = words_of(encoder)
                words = [known[placeholder] for placeholder in placeholders]
                blend = _Blend(encoder.forward, words, tokenizer, strength)
                stack.enter_context(_forward(encoder, blend))
        yield


@contextmanager
def _forward(encoder: nn.Module, forward: Callable[..., Any]) -> Iterator[None]:
    """Another forward pass for a module, without a trace afterwards."""
    own = vars(encoder)
    before = own.get("forward")
    own["forward"] = forward
    try:
        yield
    finally:
        if before is None:
            del own["forward"]
        else:
            own["forward"] = before


class _Blend:
    """A text encoder's forward pass: bare + strength * (with the words - bare)."""

    def __init__(
        self,
        forward: Callable[..., Any],
        words: Sequence[PlaceholderWord],
        tokenizer: CLIPTokenizer,
        strength: float,
    ) -> None:
        self._forward = forward
        self._spellings = {word.ids[0]: list(word.spelling) for word in words}
        self._further = {token_id for word in words for token_id in word.ids[1:]}
        self._end, self._padding = int(tokenizer.eos_token_id), int(tokenizer.pad_token_id)
        self._strength = strength

    def __call__(self, input_ids: Tensor, *args: Any, **kwargs: Any) -> Any:
        full = self._forward(input_ids, *args, **kwargs)
        rows = [self._spelled(row) for row in input_ids.tolist()]
        bare_ids = torch.tensor(rows, dtype=input_ids.dtype, device=input_ids.device)
        if torch.equal(bare_ids, input_ids):
            return full
        return self._between(self._forward(bare_ids, *args, **kwargs), full)

    def _spelled(self, ids: Sequence[int]) -> list[int]:
        """The text with every placeholder written as the base would read it, as long as before."""
        spelled: list[int] = []
        for token_id in ids:
            if token_id not in self._further:
                spelled += self._spellings.get(token_id, [token_id])
        cut = spelled[: len(ids)] + [self._padding] * (len(ids) - len(spelled))
        if self._end in ids and self._end not in cut:
            cut[-1] = self._end
        return cut

    def _between(self, bare: Any, full: Any) -> Any:
        if isinstance(full, Tensor):
            return torch.lerp(bare, full, self._strength) if full.is_floating_point() else full
        if isinstance(full, dict):  # transformers' outputs are ordered dictionaries
            return type(full)(**{k: self._between(bare[k], full[k]) for k in full})
        if isinstance(full, tuple):
            return tuple(self._between(b, f) for b, f in zip(bare, full, strict=True))
        return full
