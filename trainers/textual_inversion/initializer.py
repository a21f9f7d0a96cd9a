"""Where the vectors of a new word start."""

from __future__ import annotations

import torch
from torch import Tensor
from transformers import CLIPTokenizer

from studio.errors import RecipeError
from studio.training.randomness import RandomStreams


def initial_vectors(
    vocabulary: Tensor, tokenizer: CLIPTokenizer, words: str, num_vectors: int
) -> Tensor:
    """Known words dealt out to the vectors in order, (num_vectors, width), fp32.

    Fewer words than vectors repeat in runs (two words on four vectors: a, a, b, b); of more words each
    vector takes the mean of its share, a single one that of all.

    Args:
        vocabulary: (tokens, width), the text encoder's own embeddings.

    Raises:
        RecipeError: there is no word, or the tokenizer knows one only in pieces, which mean nothing.
    """
    ids = [_single_id(tokenizer, word) for word in words.split()]
    if not ids:
        raise RecipeError(["trainer.initializer_words: an entry is empty; name a known word"])
    rows = vocabulary[ids].float()
    count = len(ids)
    shares = [
        rows[
            i * count // num_vectors : max(
                (i + 1) * count // num_vectors, i * count // num_vectors + 1
            )
        ]
        for i in range(num_vectors)
    ]
    return torch.stack([share.mean(dim=0) for share in shares])


def drawn_vectors(
    vocabulary: Tensor, num_vectors: int, streams: RandomStreams, encoder: int, placeholder: int
) -> Tensor:
    """Vectors by chance with the vocabulary's mean and spread, (num_vectors, width), fp32."""
    rows = vocabulary.float()
    std, mean = torch.std_mean(rows, dim=0)
    noise = streams.normal((num_vectors, rows.shape[1]), "placeholder_init", encoder, placeholder)
    return mean + std * noise.to(rows.device)


def _single_id(tokenizer: CLIPTokenizer, word: str) -> int:
    ids = tokenizer(word, add_special_tokens=False).input_ids
    if len(ids) != 1:
        pieces = " ".join(tokenizer.tokenize(word))
        raise RecipeError(
            [
                f'trainer.initializer_words: the base knows "{word}" only in pieces ({pieces}), which '
                "mean nothing alone; choose a commoner word"
            ]
        )
    return int(ids[0])
