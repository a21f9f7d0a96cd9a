"""New words as an adapter's tensors: ``text_encoder.<word>`` and for SDXL ``text_encoder_2.<word>``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch

from studio.adapters.adapter import Adapter
from studio.adapters.header import from_metadata
from studio.errors import AdapterError

KIND, PIVOTAL = "textual_inversion", "pivotal"
PARTS = ("text_encoder", "text_encoder_2")
PLACEHOLDER_KEY = "studio.placeholder"
"""Metadata: the word that a file's vectors stand for, where its tensors do not name it."""
_FAMILIES = {768: "sd1", 1024: "sd2"}
Vectors = dict[str, torch.Tensor]
"""One word's vectors, (vectors, width), by part."""


def is_word(name: str) -> bool:
    """Whether a neutral name is a word's: those of weights have dots behind the part."""
    part, _, placeholder = name.partition(".")
    return part in PARTS and bool(placeholder) and "." not in placeholder


def words_of(adapter: Adapter) -> dict[str, Vectors]:
    """Each word's vectors, in the tensors' order.

    Raises:
        AdapterError: there is none, one is not (vectors, width), or a value is not finite.
    """
    words: dict[str, Vectors] = {}
    for name, tensor in adapter.tensors.items():
        if is_word(name):
            part, _, placeholder = name.partition(".")
            words.setdefault(placeholder, {})[part] = _checked(placeholder, tensor)
    if not words:
        raise AdapterError("the adapter has no word's vectors")
    return words


def only_word(adapter: Adapter) -> tuple[str, Vectors]:
    """The one word of an adapter, for files that hold no more.

    Raises:
        AdapterError: there are several.
    """
    words = words_of(adapter)
    if len(words) > 1:
        raise AdapterError(
            f"the adapter has {len(words)} words ({', '.join(words)}) and this format holds one a "
            "file; export as bundle"
        )
    return next(iter(words.items()))


def one_by_one(adapter: Adapter) -> list[tuple[str, Adapter]]:
    """An adapter for each word, with the name that its file must have to be called by it."""
    return [
        (
            file_stem(placeholder),
            Adapter(
                replace(adapter.header, kind=KIND, trigger=placeholder),
                named(placeholder, vectors),
            ),
        )
        for placeholder, vectors in words_of(adapter).items()
    ]


def weights_and_words(adapter: Adapter) -> tuple[Adapter, Adapter]:
    """A pivotal adapter's LoRA and its words, apart."""
    words = {name: tensor for name, tensor in adapter.tensors.items() if is_word(name)}
    weights = {name: t for name, t in adapter.tensors.items() if name not in words}
    header = adapter.header
    return (
        Adapter(replace(header, kind="lora"), weights),
        Adapter(replace(header, kind=KIND), words),
    )


def named(placeholder: str, vectors: Mapping[str, torch.Tensor]) -> Vectors:
    """One word's vectors under their neutral names."""
    return {f"{part}.{placeholder}": tensor for part, tensor in vectors.items()}


def embedding_adapter(
    placeholder: str, vectors: Mapping[str, torch.Tensor], metadata: Mapping[str, str]
) -> Adapter:
    """The adapter of a file that holds one word; vectors of shape (width,) count as one vector.

    Raises:
        AdapterError: vectors of no known base, of unequal number, or metadata of another kind.
    """
    word = placeholder.lower().replace(".", "-").replace(" ", "-")
    rows = {part: tensor[None] if tensor.dim() == 1 else tensor for part, tensor in vectors.items()}
    header = from_metadata(metadata, KIND)
    family = header.family or _family(rows)
    adapter = Adapter(
        replace(header, family=family, trigger=header.trigger or word),
        named(word, {part: tensor.detach().float() for part, tensor in rows.items()}),
    )
    lengths = {len(tensor) for tensor in words_of(adapter)[word].values()}
    if len(lengths) > 1:
        raise AdapterError(
            f"its text encoders have different numbers of vectors, {sorted(lengths)}"
        )
    return adapter


def file_stem(placeholder: str) -> str:
    """A word as a file's name: what stands between the brackets, without signs that systems refuse."""
    kept = "".join(c for c in placeholder if c.isalnum() or c in "-_")
    return kept or "word"


def _family(vectors: Mapping[str, torch.Tensor]) -> str:
    width = vectors[PARTS[0]].shape[-1]
    if len(vectors) == 2:
        return "sdxl"
    if width not in _FAMILIES:
        raise AdapterError(f"its vectors are {width} wide, which fits no base; 768 and 1024 do")
    return _FAMILIES[width]


def _checked(placeholder: str, tensor: torch.Tensor) -> torch.Tensor:
    if tensor.dim() != 2 or 0 in tensor.shape:
        raise AdapterError(f"the vectors of {placeholder!r} have shape {tuple(tensor.shape)}")
    if not torch.isfinite(tensor).all():
        raise AdapterError(
            f"the vectors of {placeholder!r} are not finite: training diverged; lower the learning rate"
        )
    return tensor
