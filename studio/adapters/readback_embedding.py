"""How tools find a word's vectors in a file, starting from the text encoders that they have."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch

from studio.adapters.adapter import Adapter
from studio.adapters.measurement import Measurement, relative
from studio.adapters.readback import FileContent, load_content
from studio.adapters.weight_changes import coarsest
from studio.bases.base_model import BaseModel


def measure(path: Path, adapter: Adapter, base: BaseModel) -> Measurement:
    """Compare a file's vectors with the adapter's, encoder by encoder.

    Raises:
        VerificationError: it is no whole file.
    """
    content = load_content(path)
    return look_up(content, next(iter(content.tensors), ""), adapter, base)


def look_up(content: FileContent, only_key: str, adapter: Adapter, base: BaseModel) -> Measurement:
    """Give every text encoder what its tool would look up for it.

    Args:
        only_key: what the vectors are called in a file for one encoder, beside ``emb_params``.
    """
    left = dict(content.tensors)
    found: dict[str, torch.Tensor] = {}
    several = len(base.text_encoders) > 1
    for index, (part, key) in enumerate((("text_encoder", "clip_l"), ("text_encoder_2", "clip_g"))):
        looked_up = key if several else ("emb_params" if "emb_params" in left else only_key)
        if index < len(base.text_encoders) and looked_up in left:
            found[part] = left.pop(looked_up)
    unmatched = [f"{key} belongs to no text encoder of {base.name}" for key in left]
    wanted = {n.partition(".")[0]: t for n, t in adapter.tensors.items()}
    return compared(found, wanted, base, unmatched, content)


def compared(
    found: Mapping[str, torch.Tensor],
    wanted: Mapping[str, torch.Tensor],
    base: BaseModel,
    unmatched: list[str],
    content: FileContent,
) -> Measurement:
    """The figures of vectors that were found, by part or by neutral name, beside those wanted."""
    widths = {
        part: encoder.config.hidden_size
        for part, encoder in zip(
            ("text_encoder", "text_encoder_2"), base.text_encoders, strict=False
        )
    }
    differences: dict[str, float] = {}
    for name, vectors in found.items():
        width = widths[name.partition(".")[0]]
        trained = wanted.get(name)
        if vectors.dim() != 2 or vectors.shape[1] != width:
            unmatched.append(f"{name}: {tuple(vectors.shape)} does not fit an encoder of {width}")
        elif trained is None or trained.shape != vectors.shape:
            unmatched.append(f"{name}: {tuple(vectors.shape)} vectors are not those trained")
        else:
            off = (vectors.float() - trained).abs().max().item()
            differences[name] = relative(off, trained.abs().max().item())
    return Measurement(
        differences=differences,
        missing=tuple(sorted(set(wanted) - set(found))),
        unmatched=tuple(unmatched),
        tensors=len(content.tensors),
        dtype=coarsest(content),
    )
