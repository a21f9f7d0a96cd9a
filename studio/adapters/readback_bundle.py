"""How A1111 takes a bundled file apart: by the names' first word, LoRA layers and the rest."""

from __future__ import annotations

from pathlib import Path

from studio.adapters import readback_embedding, readback_kohya
from studio.adapters.adapter import Adapter
from studio.adapters.embedding_vectors import weights_and_words
from studio.adapters.lora_layers import trained_changes
from studio.adapters.measurement import Measurement
from studio.adapters.readback import FileContent, ReadBack, load_content
from studio.adapters.weight_changes import measure_changes
from studio.bases.base_model import BaseModel

_PLACES = {
    "string_to_param.*": "text_encoder",
    "clip_l": "text_encoder",
    "clip_g": "text_encoder_2",
}


def measure(path: Path, adapter: Adapter, base: BaseModel) -> Measurement:
    """Compare the LoRA by its effect on the weights, the words by their vectors.

    Raises:
        VerificationError: it is no whole file.
    """
    weights, words = weights_and_words(adapter)
    lora = measure_changes(path, _lora, trained_changes(weights), base)
    content = load_content(path)
    found, unmatched = {}, []
    for key, tensor in content.tensors.items():
        first, _, rest = key.partition(".")
        if first != "bundle_emb":
            continue
        placeholder, _, place = rest.partition(".")
        if place in _PLACES and (place != "clip_l" or len(base.text_encoders) > 1):
            found[f"{_PLACES[place]}.{placeholder}"] = tensor
        else:
            unmatched.append(key)
    vectors = readback_embedding.compared(found, words.tensors, base, unmatched, content)
    return joined(lora, vectors, len(content.tensors))


def joined(first: Measurement, second: Measurement, tensors: int) -> Measurement:
    """Two measurements of one export as one; the number format is the first one's."""
    return Measurement(
        differences=first.differences | second.differences,
        missing=first.missing + second.missing,
        unmatched=first.unmatched + second.unmatched,
        tensors=tensors,
        dtype=first.dtype,
    )


def _lora(content: FileContent, base: BaseModel) -> ReadBack:
    layers = {k: t for k, t in content.tensors.items() if not k.startswith("bundle_emb.")}
    return readback_kohya.read_back(FileContent(layers, content.metadata), base)
