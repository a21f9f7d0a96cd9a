"""New words in a base model: tokens in its tokenizers, rows in its text encoders, and no trace after.

Textual inversion (Gal et al., 2023, arXiv 2208.01618) teaches a base a word by its embedding alone. The
new rows stand beside the base's embedding matrix, never in it: an optimizer sees the new rows only, and
the base's own stay as they are because nothing ever writes to them.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import CLIPTokenizer

from studio.bases.base_model import BaseModel

WORD_END = "</w>"
# transformers takes this one for "the highest id", which a new token's would be; see `_reads_at_the_end`.
_LEGACY_EOS_ID = 2


def token_names(placeholder: str, num_vectors: int) -> list[str]:
    """The tokens of one placeholder, as diffusers names them: ``<t>``, ``<t>_1``, ``<t>_2`` and on."""
    return [placeholder, *(f"{placeholder}_{number}" for number in range(1, num_vectors))]


def is_known(tokenizer: CLIPTokenizer, word: str) -> bool:
    """Whether the vocabulary has ``word``, as a whole word or as the beginning of one."""
    vocabulary = tokenizer.get_vocab()
    return word in vocabulary or word.lower() + WORD_END in vocabulary


@dataclass(frozen=True)
class PlaceholderWord:
    """One placeholder in one tokenizer.

    Attributes:
        ids: of its tokens, one a vector.
        spelling: the ids that the base's own vocabulary spells it with.
    """

    ids: tuple[int, ...]
    spelling: tuple[int, ...]


class PlaceholderEmbedding(nn.Module):
    """A text encoder's token embedding with new rows beside its own.

    Attributes:
        base_layer: the embedding that it stands in for.
        words: the placeholders that are known here, those of an embedding below included.
    """

    def __init__(
        self,
        base_layer: nn.Module,
        rows: Iterable[nn.Parameter],
        words: Mapping[str, PlaceholderWord],
    ) -> None:
        """Stand in for ``base_layer``.

        Args:
            rows: (vectors, width) for each of ``words``, in their order.
        """
        super().__init__()
        self.base_layer = (
            base_layer  # first, for the encoder's dtype is that of its first parameter
        )
        self.rows = nn.ParameterList(rows)
        self.words: dict[str, PlaceholderWord] = {**_words_in(base_layer), **words}
        ids = [token_id for word in words.values() for token_id in word.ids]
        self.ids: Tensor
        self.register_buffer("ids", torch.tensor(ids), persistent=False)

    @property
    def weight(self) -> Tensor:
        """The base's own matrix, for readers that ask for its shape or type."""
        layer: Any = self.base_layer
        weight: Tensor = layer.weight
        return weight

    def forward(self, input_ids: Tensor) -> Tensor:
        """(batch, tokens) to (batch, tokens, width), in the base's number format."""
        matches = input_ids[..., None].eq(self.ids)  # (batch, tokens, vectors)
        is_new = matches.any(-1)
        known: Tensor = self.base_layer(input_ids.masked_fill(is_new, 0))
        rows = torch.cat(tuple(self.rows))
        new = functional.embedding(matches.int().argmax(-1), rows)
        return torch.where(is_new[..., None], new.to(known.dtype), known)


class PlaceholderTokens:
    """Placeholders of one owner on one base; put in once, and out and in again at will.

    Args:
        vectors: for each text encoder, the rows of each placeholder, (vectors, width).

    Raises:
        ValueError: a placeholder is in a vocabulary already; as a placeholder of another owner it may
            be, with the same number of vectors, and is hidden then.
    """

    def __init__(self, base: BaseModel, vectors: list[dict[str, nn.Parameter]]) -> None:
        self._base = base
        self._before = base.tokenizers
        self._tokenizers: list[CLIPTokenizer] = []
        self._layers: list[tuple[nn.Module, str, nn.Module, PlaceholderEmbedding]] = []
        for encoder, tokenizer, rows in zip(
            base.text_encoders, base.tokenizers, vectors, strict=True
        ):
            path, layer = _token_embedding(encoder)
            known = _words_in(layer)
            extended, words = _extended(tokenizer, {k: len(v) for k, v in rows.items()}, known)
            self._tokenizers.append(extended)
            embedding = PlaceholderEmbedding(layer, rows.values(), words).to(encoder.device)
            self._layers.append((encoder, path, layer, embedding))
        self._readers = _readers_of_the_end(base)
        self._put_in()

    @contextmanager
    def removed(self) -> Iterator[None]:
        """The base without them, for the length of a ``with`` block."""
        self.take_out()
        try:
            yield
        finally:
            self._put_in()

    def take_out(self) -> None:
        """Tokenizers and text encoders exactly as they were: the very same objects."""
        self._base.tokenizers = self._before
        for encoder, path, layer, _ in self._layers:
            encoder.set_submodule(path, layer)
        for module, _ in self._readers:
            module.eos_token_id = _LEGACY_EOS_ID

    def _put_in(self) -> None:
        # A new list: others may hold the old one, and their tokenizers are not to change.
        self._base.tokenizers = self._tokenizers
        for encoder, path, _, embedding in self._layers:
            encoder.set_submodule(path, embedding)
        for module, eos_token_id in self._readers:
            module.eos_token_id = eos_token_id


def words_of(encoder: nn.Module) -> Mapping[str, PlaceholderWord]:
    """The placeholders that a text encoder knows at the moment."""
    return _words_in(_token_embedding(encoder)[1])


def vocabulary(encoder: nn.Module) -> Tensor:
    """The text encoder's own embeddings, (tokens, width)."""
    layer: Any = _token_embedding(encoder)[1]
    matrix: Tensor = layer.weight.detach()
    return matrix


def _words_in(layer: nn.Module) -> Mapping[str, PlaceholderWord]:
    return layer.words if isinstance(layer, PlaceholderEmbedding) else {}


def _extended(
    tokenizer: CLIPTokenizer, lengths: Mapping[str, int], known: Mapping[str, PlaceholderWord]
) -> tuple[CLIPTokenizer, dict[str, PlaceholderWord]]:
    """A copy of the tokenizer with the placeholders' tokens, for none can be taken out of it again."""
    extended = copy.deepcopy(tokenizer)
    words: dict[str, PlaceholderWord] = {}
    for placeholder, num_vectors in lengths.items():
        names = token_names(placeholder, num_vectors)
        if placeholder in known:
            if len(known[placeholder].ids) != num_vectors:
                raise ValueError(f"{placeholder!r} is in use with another number of vectors")
            words[placeholder] = known[placeholder]
            continue
        taken = next((name for name in names if is_known(extended, name)), None)
        if taken is not None:
            raise ValueError(f"{taken!r} is a word of the base model's vocabulary")
        spelling = tokenizer(placeholder, add_special_tokens=False).input_ids
        extended.add_tokens(names)
        ids = tuple(extended.added_tokens_encoder[name] for name in names)
        words[placeholder] = PlaceholderWord(ids, tuple(spelling))
    return extended, words


def _token_embedding(encoder: nn.Module) -> tuple[str, nn.Module]:
    """Path and module of the layer that turns token ids into vectors."""
    text_encoder: Any = encoder
    layer: nn.Module = text_encoder.get_input_embeddings()
    return next(path for path, module in encoder.named_modules() if module is layer), layer


def _readers_of_the_end(base: BaseModel) -> list[tuple[Any, int]]:
    """Modules that find a text's end by its highest token id, with the id that they should look for.

    Stable Diffusion's configurations hold a wrong id of the end token. transformers then takes the
    pooled vector from the highest id in the text, which is the end token only as long as no token was
    added after it; SDXL's U-Net reads that vector.
    """
    return [
        (module, tokenizer.eos_token_id)
        for encoder, tokenizer in zip(base.text_encoders, base.tokenizers, strict=True)
        for module in encoder.modules()
        if getattr(module, "eos_token_id", None) == _LEGACY_EOS_ID
    ]
