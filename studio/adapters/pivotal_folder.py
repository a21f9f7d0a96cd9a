"""A LoRA and its words as a folder of the files that every tool reads apart.

``lora.safetensors`` is the LoRA in kohya's naming, ``embeddings/WORD.safetensors`` a word each: the one
goes among a webui's LoRAs, the others among its embeddings.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from safetensors.torch import load_file

from studio.adapters import embedding_files, kohya
from studio.adapters.adapter import Adapter
from studio.adapters.embedding_vectors import PIVOTAL, one_by_one, weights_and_words
from studio.adapters.formats import FILE_STEM_KEY
from studio.adapters.tensor_bytes import Dtype
from studio.bases.base_model import BaseModel
from studio.bases.tensor_file import TensorFileError, read_layout
from studio.errors import AdapterError

LORA, WORDS = "lora.safetensors", "embeddings"


def recognises(keys: Iterable[str]) -> bool:
    """Whether a folder with these files is one of these."""
    return {LORA, WORDS} <= set(keys)


def write(adapter: Adapter, path: Path, dtype: Dtype, base: BaseModel) -> None:
    """Write the files into an empty folder.

    Raises:
        AdapterError: a value does not fit ``dtype``, or the LoRA has no place in kohya's naming.
    """
    weights, words = weights_and_words(adapter)
    kohya.write(weights, path / LORA, dtype, base)
    for stem, word in one_by_one(words):
        embedding_files.write(word, path / WORDS / f"{stem}.safetensors", dtype, base)


def read_path(path: Path) -> Adapter:
    """LoRA and words of a folder.

    Raises:
        AdapterError: a file is broken or is not what its place says.
    """
    weights = _read(path / LORA)
    words = [_read(file) for file in word_files(path)]
    tensors = {name: tensor for word in words for name, tensor in word.tensors.items()}
    trigger = " ".join(word.header.trigger for word in words)
    header = replace(weights.header, kind=PIVOTAL, trigger=trigger)
    return Adapter(header, {**tensors, **weights.tensors})


def word_files(path: Path) -> list[Path]:
    """The words' files, by name."""
    return sorted((path / WORDS).glob("*.safetensors"))


def _read(path: Path) -> Adapter:
    try:
        metadata = read_layout(path).metadata
    except TensorFileError as error:
        raise AdapterError(f"{path.name} is broken: {error}") from error
    tensors = load_file(path)
    is_lora = path.name == LORA
    if not (kohya.recognises(tensors) if is_lora else embedding_files.recognises(tensors)):
        raise AdapterError(f"{path.name} is not what its place in the folder says")
    if is_lora:
        return kohya.read(tensors, metadata)
    return embedding_files.read(tensors, {**metadata, FILE_STEM_KEY: path.stem})
