from __future__ import annotations

import json

import pytest
import torch

from studio.adapters.adapter import Adapter, AdapterHeader
from studio.bases.base_model import BaseModel

LAYER = "unet.mid_block.attentions.0.transformer_blocks.0.attn2.to_q"


@pytest.fixture
def small_lora(tiny_base: BaseModel) -> Adapter:
    """One layer, with a header as a run writes it."""
    weight = tiny_base.unet.get_submodule(LAYER.removeprefix("unet.")).weight
    header = AdapterHeader(
        kind="lora",
        family="sd1",
        base_name=tiny_base.name,
        base_digest=tiny_base.digest,
        settings=json.dumps({"kind": "lora", "rank": 2}),
        dataset_verdict="ready: 60 of 64 kept; one material",
        steps=120,
        trigger="flat icon",
        title="icons",
        num_pictures=60,
    )
    generator = torch.Generator().manual_seed(0)
    out, into = weight.shape
    return Adapter(
        header,
        {
            f"{LAYER}.lora_A.weight": torch.randn(2, into, generator=generator),
            f"{LAYER}.lora_B.weight": torch.randn(out, 2, generator=generator),
            f"{LAYER}.alpha": torch.tensor([2.0]),
        },
    )
