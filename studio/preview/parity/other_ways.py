"""Other ways to put an adapter file on a base than the studio's own: diffusers' loaders, second readers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from studio.adapters import (
    pivotal_folder,
    readback_diffusers,
    readback_hypernetwork,
    readback_kohya,
    readback_peft,
)
from studio.adapters.adapter import Adapter
from studio.adapters.embedding_vectors import KIND as WORD
from studio.adapters.embedding_vectors import PIVOTAL, words_of
from studio.adapters.formats import LOW_RANK, Format
from studio.adapters.readback import Change, live_layers, load_content
from studio.adapters.tools.verdicts import DIFFUSERS, ToolVerdict
from studio.adapters.weight_changes import Reader
from studio.bases.base_model import BaseModel
from studio.bases.library_words import no_warnings_of_diffusers
from studio.preview.parity.whole_models import loaded_by_diffusers
from studio.preview.stages import pipeline

SECOND_READER = "a second reader"
_READERS: Mapping[str, Reader] = {
    "kohya": readback_kohya.read_back,
    "diffusers": readback_diffusers.read_back,
    "peft": readback_peft.read_back,
}


@dataclass(frozen=True)
class Way:
    """Another way to put a file on a base.

    Attributes:
        by: whose.
        put_on: gives the base to draw with, for the length of a ``with`` block.
    """

    by: str
    put_on: AbstractContextManager[BaseModel]


def other_way(
    path: Path, known: Format, adapter: Adapter, base: BaseModel, tools: Sequence[ToolVerdict]
) -> Way | None:
    """By diffusers where it reads the file, else by a second reader of the format; None without either."""
    by_diffusers = any(each.works for each in tools if each.tool == DIFFUSERS)
    if known.kind == "full" and known.name != "extracted":
        return Way(DIFFUSERS, loaded_by_diffusers(path, base))
    if known.kind in ("lora", WORD, PIVOTAL) and by_diffusers:
        return Way(DIFFUSERS, _loaded_by_diffusers(path, known, adapter, base))
    if known.kind in LOW_RANK and known.name in _READERS:
        return Way(SECOND_READER, _changed(path, _READERS[known.name], base))
    if known.kind == "hypernetwork":
        return Way(SECOND_READER, _with_contexts_changed(path, base))
    return None


@contextmanager
def _loaded_by_diffusers(
    path: Path, known: Format, adapter: Adapter, base: BaseModel
) -> Iterator[BaseModel]:
    pipe = pipeline(base)
    sizes = [encoder.config.vocab_size for encoder in base.text_encoders]
    try:
        with no_warnings_of_diffusers():
            _load(pipe, path, known, adapter)
        yield base
    finally:
        pipe.unload_lora_weights()
        pipe.unload_textual_inversion()
        for encoder, size in zip(base.text_encoders, sizes, strict=True):
            encoder.config.vocab_size = (
                size  # it takes its words back, but not that it counted them
            )


def _load(pipe: Any, path: Path, known: Format, adapter: Adapter) -> None:
    if known.kind == WORD:
        _load_word(pipe, path, next(iter(words_of(adapter))))
    elif known.kind == PIVOTAL:
        _load_lora(pipe, path / pivotal_folder.LORA)
        files = pivotal_folder.word_files(path)
        for file, placeholder in zip(files, words_of(adapter), strict=True):
            _load_word(pipe, file, placeholder)
    else:
        _load_lora(pipe, path)


def _load_lora(pipe: Any, file: Path) -> None:
    pipe.load_lora_weights(str(file.parent), weight_name=file.name, local_files_only=True)


def _load_word(pipe: Any, file: Path, placeholder: str) -> None:
    pipe.load_textual_inversion(
        str(file.parent), weight_name=file.name, token=placeholder, local_files_only=True
    )


@contextmanager
def _changed(path: Path, reader: Reader, base: BaseModel) -> Iterator[BaseModel]:
    """Every weight that the reader changes, changed; the very same tensors are put back."""
    changes = reader(load_content(path), base).changes
    before = {
        name: (weight, weight.data)
        for part, module, weight in live_layers(base)
        if (name := f"{part}.{module.removeprefix('text_model.')}") in changes
    }
    try:
        for name, (weight, data) in before.items():
            weight.data = _plus(data, changes[name])
        yield base
    finally:
        for weight, data in before.values():
            weight.data = data


def _plus(weight: Tensor, change: Change) -> Tensor:
    return (weight.float() + change(weight).to(weight.device)).to(weight.dtype)


@contextmanager
def _with_contexts_changed(path: Path, base: BaseModel) -> Iterator[BaseModel]:
    """A hypernetwork's networks before the keys and values of every attention, by hooks on these."""
    networks = readback_hypernetwork.networks_in(path)
    hooks = [
        layer.register_forward_pre_hook(_adding(networks[layer.in_features, side].to(base.device)))
        for name, attention in base.unet.named_modules()
        if name.endswith((".attn1", ".attn2"))
        for side, layer in enumerate((attention.to_k, attention.to_v))
        if (layer.in_features, side) in networks
    ]
    try:
        yield base
    finally:
        for hook in hooks:
            hook.remove()


def _adding(network: nn.Module) -> Any:
    def hook(_: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        context = inputs[0]
        with torch.no_grad():
            added = network(context.float()).to(context.dtype)
        return (context + added, *inputs[1:])

    return hook
