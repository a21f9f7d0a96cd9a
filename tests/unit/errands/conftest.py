"""A LoRA in a file, for errands that draw with one or hand one on."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from studio.adapters.adapter import Adapter, AdapterHeader
from studio.adapters.export import export
from studio.bases.base_model import BaseModel

LAYER = "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_out.0"


@pytest.fixture
def lora_file(tiny_base: BaseModel, tmp_path: Path) -> Path:
    """Of one layer, strong enough to be seen."""
    weight = tiny_base.unet.get_submodule(LAYER.removeprefix("unet.")).weight
    generator = torch.Generator().manual_seed(1)
    tensors = {
        f"{LAYER}.lora_A.weight": torch.randn(2, weight.shape[1], generator=generator),
        f"{LAYER}.lora_B.weight": torch.randn(weight.shape[0], 2, generator=generator),
        f"{LAYER}.alpha": torch.tensor([200.0]),
    }
    header = AdapterHeader(
        "lora",
        "sd1",
        tiny_base.name,
        tiny_base.digest,
        '{"kind": "lora"}',
        trigger="zorp",
        title="loud",
        method="lora",
    )
    folder = tmp_path / "files"
    (file,) = export(
        Adapter(header, tensors), tiny_base, folder, "loud", formats=["kohya"], dtype="fp16"
    )
    return file.path
