"""A folder of a LoRA and its words, each file read by its own format's second reader."""

from __future__ import annotations

from pathlib import Path

from studio.adapters import readback_embedding, readback_kohya
from studio.adapters.adapter import Adapter
from studio.adapters.embedding_vectors import one_by_one, weights_and_words
from studio.adapters.measurement import Measurement
from studio.adapters.readback_bundle import joined
from studio.bases.base_model import BaseModel


def measure(path: Path, adapter: Adapter, base: BaseModel) -> Measurement:
    """Compare each file with its part of the adapter.

    Raises:
        VerificationError: a file is not there or not whole.
    """
    weights, words = weights_and_words(adapter)
    total = readback_kohya.measure(path / "lora.safetensors", weights, base)
    for stem, word in one_by_one(words):
        file = path / "embeddings" / f"{stem}.safetensors"
        of_word = readback_embedding.measure(file, word, base)
        total = joined(total, of_word, total.tensors + of_word.tensors)
    return total
