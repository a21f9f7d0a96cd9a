"""LoRAs of random values, as a trainer hands them over for export."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from diffusers import UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel

from studio.adapters.adapter import Adapter, AdapterHeader
from studio.adapters.whole_weights import named_parameters
from studio.bases.base_model import BaseModel

UNET_TARGETS = ("to_q", "to_k", "to_v", "to_out.0")
TEXT_TARGETS = ("q_proj", "k_proj", "v_proj", "out_proj")
AdapterMaker = Callable[..., Adapter]


def header_for(base: BaseModel, **settings: Any) -> AdapterHeader:
    return AdapterHeader(
        kind="lora",
        family=base.family,
        base_name=base.name,
        base_digest=base.digest,
        settings=json.dumps({"kind": "lora", **settings}),
        recipe_digest="1" * 64,
        dataset_digest="2" * 64,
        dataset_verdict="ready: 60 of 64 kept; one material; dropped: 4 near duplicate",
        steps=120,
        seed=7,
        trigger="flat icon",
        title="icons",
        resolution_px=64,
        num_pictures=60,
    )


def random_lora(
    base: BaseModel,
    *,
    rank: int = 4,
    alpha: float | None = 6.0,
    use_rslora: bool = False,
    use_dora: bool = False,
    unet_targets: tuple[str, ...] = UNET_TARGETS,
    text_targets: tuple[str, ...] = TEXT_TARGETS,
    spread: float = 0.1,
) -> Adapter:
    """A LoRA on every layer of ``base`` that ends as one of the targets."""
    generator = torch.Generator().manual_seed(3)
    tensors: dict[str, torch.Tensor] = {}
    scale = (rank if alpha is None else alpha) / (rank**0.5 if use_rslora else rank)
    parts = [(part, model, text_targets) for part, model in base.named_text_encoders.items()]
    for part, model, targets in [("unet", base.unet, unet_targets), *parts]:
        for name, module in model.named_modules():
            if not name.endswith(tuple(f".{target}" for target in targets)):
                continue
            weight = module.weight
            ones = [1] * (weight.dim() - 2)
            path = f"{part}.{name.removeprefix('text_model.')}"
            shapes = {"A": (rank, *weight.shape[1:]), "B": (weight.shape[0], rank, *ones)}
            for letter, shape in shapes.items():
                values = spread * torch.randn(shape, generator=generator)
                tensors[f"{path}.lora_{letter}.weight"] = values
            tensors[f"{path}.alpha"] = torch.tensor([scale * rank])
            if use_dora:
                lengths = weight.detach().float().flatten(1).norm(dim=1)
                factors = 0.8 + 0.4 * torch.rand(lengths.shape, generator=generator)
                tensors[f"{path}.lora_magnitude_vector"] = lengths * factors
    settings = {"rank": rank, "alpha": alpha, "use_rslora": use_rslora, "use_dora": use_dora}
    return Adapter(header_for(base, **settings), tensors)


@pytest.fixture
def lora() -> AdapterMaker:
    return random_lora


def random_whole(
    base: BaseModel,
    *,
    train_text_encoder: bool = False,
    spread: float = 0.05,
    **settings: Any,
) -> Adapter:
    """Whole weights of the U-Net, and of the text encoders where they train, a little off the base's."""
    generator = torch.Generator().manual_seed(4)
    header = replace(header_for(base), kind="full", method="dreambooth")
    stated = {"kind": "dreambooth", "weights": "full", **settings}
    return Adapter(
        replace(header, settings=json.dumps(stated)),
        {
            name: parameter.detach().float()
            + spread * torch.randn(parameter.shape, generator=generator)
            for name, parameter in named_parameters(base).items()
            if train_text_encoder or name.startswith("unet.")
        },
    )


@pytest.fixture
def whole() -> AdapterMaker:
    return random_whole


@pytest.fixture
def tiny_sd2(tiny_base: BaseModel) -> BaseModel:
    """SD 2.x as far as files show it: linear projections, and a text encoder of 23 layers."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(2)
        # Not by from_config, which takes its own defaults for whatever was a default once.
        plain = {k: v for k, v in tiny_base.unet.config.items() if not k.startswith("_")}
        text = copy.deepcopy(tiny_base.text_encoder.config)
        text.num_hidden_layers = 23
        unet = UNet2DConditionModel(**{**plain, "use_linear_projection": True})
        text_encoder = CLIPTextModel(CLIPTextConfig(**text.to_dict()))
    for module in (unet, text_encoder):
        module.requires_grad_(False).eval()
    return replace(tiny_base, family="sd2", unet=unet, text_encoders=[text_encoder])


@pytest.fixture
def no_tool_verdicts(monkeypatch: pytest.MonkeyPatch) -> None:
    """They take most of an export's time, and are tested for themselves."""
    monkeypatch.setattr("studio.adapters.export.tool_verdicts", lambda *_: ())
