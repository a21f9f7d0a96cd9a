"""One picture drawn twice: by the studio's own way and by another reader's, for every kind of file."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from studio.adapters.adapter import Adapter, AdapterHeader
from studio.adapters.export import export_file
from studio.adapters.files import read_adapter
from studio.adapters.formats import Format, format_named
from studio.adapters.hypernetwork_network import ContextNetwork, structure_of
from studio.adapters.tools.verdicts import ToolVerdict
from studio.adapters.whole_weights import named_parameters
from studio.bases.base_model import BaseModel
from studio.preview.parity.picture import compare_picture
from studio.training.lora.layers import LoraLayers
from studio.training.lora.settings import LoraWeights

WORD = "<m>"
Maker = Callable[[BaseModel], Adapter]


@pytest.fixture(autouse=True)
def _few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("studio.preview.parity.picture.NUM_INFERENCE_STEPS", 3)


def header(base: BaseModel, kind: str, settings: str, method: str = "") -> AdapterHeader:
    return AdapterHeader(
        kind=kind,
        family=base.family,
        base_name=base.name,
        base_digest=base.digest,
        settings=settings,
        trigger="a red heart",
        method=method,
    )


def low_rank(variant: str = "lora", **settings: object) -> Maker:
    """Random weights of the variant, from the very layers that training puts in."""

    def make(base: BaseModel) -> Adapter:
        weights = LoraWeights(variant=variant, rank=4, **settings)
        own = replace(base, unet=copy.deepcopy(base.unet))
        layers = LoraLayers(weights, own, ["unet"], seed=1)
        generator = torch.Generator().manual_seed(0)
        for group in layers.param_groups():
            for parameter in group.parameters.values():
                parameter.data += 0.3 * torch.randn(parameter.shape, generator=generator)
        stated = weights.model_dump_json()
        return Adapter(header(base, variant, stated, method="lora"), layers.tensors())

    return make


def word(base: BaseModel) -> Adapter:
    width = base.text_encoder.config.hidden_size
    vectors = torch.randn(3, width, generator=torch.Generator().manual_seed(4))
    made = header(base, "textual_inversion", json.dumps({"kind": "textual_inversion"}))
    made = replace(made, trigger=WORD, method="textual_inversion")
    return Adapter(made, {f"text_encoder.{WORD}": vectors})


def pivotal(base: BaseModel) -> Adapter:
    words, weights = word(base), low_rank()(base)
    made = replace(words.header, kind="pivotal", settings=weights.header.settings)
    return Adapter(made, {**words.tensors, **weights.tensors})


def hypernetwork(base: BaseModel) -> Adapter:
    stated: dict[str, Any] = {"kind": "hypernetwork", "layer_structure": [1, 2, 1]}
    stated |= {"activation_func": "relu", "add_layer_norm": False, "activate_output": False}
    width = base.unet.config["cross_attention_dim"]
    generator = torch.Generator().manual_seed(1)
    states = ContextNetwork(width, structure_of(json.dumps(stated))).state_dict()
    tensors = {
        f"{width}.{side}.{key}": torch.randn(tensor.shape, generator=generator)
        for side in (0, 1)
        for key, tensor in states.items()
    }
    return Adapter(header(base, "hypernetwork", json.dumps(stated), method="hypernetwork"), tensors)


def whole(base: BaseModel) -> Adapter:
    generator = torch.Generator().manual_seed(4)
    tensors = {
        name: parameter.detach() + 0.05 * torch.randn(parameter.shape, generator=generator)
        for name, parameter in named_parameters(base).items()
        if name.startswith("unet.")
    }
    stated = json.dumps({"kind": "dreambooth", "weights": "full"})
    return Adapter(header(base, "full", stated, method="dreambooth"), tensors)


CASES: dict[str, tuple[Maker, str, str]] = {
    "lora kohya": (low_rank(), "kohya", "diffusers"),
    "lora diffusers": (low_rank(conv_rank=2), "diffusers", "diffusers"),
    "dora kohya": (low_rank(use_dora=True), "kohya", "a second reader"),
    "dora diffusers": (low_rank(use_dora=True), "diffusers", "diffusers"),
    "loha": (low_rank("loha", conv_rank=2), "kohya", "a second reader"),
    "lokr": (low_rank("lokr"), "kohya", "a second reader"),
    "oft": (low_rank("oft"), "peft", "a second reader"),
    "diag_oft": (low_rank("diag_oft", conv_rank=4), "kohya", "a second reader"),
    "word": (word, "a1111", "diffusers"),
    "word of diffusers": (word, "diffusers", "diffusers"),
    "pivotal folder": (pivotal, "kohya", "diffusers"),
    "hypernetwork": (hypernetwork, "a1111", "a second reader"),
    "hypernetwork twin": (hypernetwork, "safetensors", "a second reader"),
    "model folder": (whole, "diffusers", "diffusers"),
    "checkpoint": (whole, "checkpoint", "diffusers"),
}


def exported(
    name: str, base: BaseModel, folder: Path
) -> tuple[Path, Format, tuple[ToolVerdict, ...]]:
    make, format_name, _ = CASES[name]
    adapter = make(base)
    known = format_named(adapter.header.kind, format_name)
    path = folder / known.file_name("x")
    return path, known, export_file(adapter, base, path, known, "fp32").tools


@pytest.mark.parametrize("name", CASES)
def test_another_reader_draws_the_same_picture_and_leaves_no_trace(
    small_base: BaseModel, tmp_path: Path, name: str
) -> None:
    path, known, tools = exported(name, small_base, tmp_path)
    modules = {"unet": small_base.unet, "text_encoder": small_base.text_encoder}
    before = {part: copy.deepcopy(module.state_dict()) for part, module in modules.items()}
    tokens, config = len(small_base.tokenizer), small_base.text_encoder.config.to_dict()
    found = compare_picture(path, known, read_adapter(path), small_base, tools)
    assert found is not None
    assert found.by == CASES[name][2]
    assert found.effect > 2
    assert found.same
    assert found.difference < 0.05
    assert len(small_base.tokenizer) == tokens
    assert small_base.text_encoder.config.to_dict() == config
    for part, module in modules.items():
        after = module.state_dict()
        assert after.keys() == before[part].keys()
        assert all(torch.equal(after[key], value) for key, value in before[part].items())


@pytest.mark.parametrize("name", ["lora kohya", "loha"])
def test_a_file_that_others_read_otherwise_draws_another_picture(
    small_base: BaseModel, tmp_path: Path, name: str
) -> None:
    """What the studio read stays; the file is changed behind its back."""
    path, known, tools = exported(name, small_base, tmp_path)
    adapter = read_adapter(path)
    with safe_open(path, "pt") as opened:
        metadata = opened.metadata()
    weaker = {k: t * (0.5 if k.endswith("alpha") else 1) for k, t in load_file(path).items()}
    save_file(weaker, path, metadata=metadata)
    found = compare_picture(path, known, adapter, small_base, tools)
    assert found is not None
    assert not found.same
    assert found.sentence().startswith("another picture by ")


def test_a_kind_that_nobody_else_reads_is_not_drawn(small_base: BaseModel, tmp_path: Path) -> None:
    known = replace(format_named("lora", "kohya"), kind="mine", name="own")
    adapter = low_rank()(small_base)
    assert compare_picture(tmp_path / "x", known, adapter, small_base, ()) is None
