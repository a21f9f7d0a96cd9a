"""SD 1.5's U-Net at its full width: two steps of a LoRA, whose file has the names that the field has."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
from diffusers import DDIMScheduler, UNet2DConditionModel
from safetensors import safe_open

from studio.adapters.export import export
from studio.bases.base_model import BaseModel
from studio.bases.conditioning import Conditioning
from studio.bases.published import published_folder
from studio.examples.batch import Batch
from studio.training.randomness import RandomStreams
from studio.training.trainer import TrainingContext
from trainers.lora.settings import LoraSettings
from trainers.lora.trainer import LoraTrainer

NEEDED_BYTES = 8 << 30


@pytest.fixture
def sd15() -> BaseModel:
    """The published U-Net with random weights, and nothing around it."""
    if psutil.virtual_memory().available < NEEDED_BYTES:
        pytest.skip("not enough memory")
    config: Any = UNet2DConditionModel.load_config(published_folder("sd1") / "unet")
    with torch.device("meta"):
        unet: Any = UNet2DConditionModel.from_config(config)
    unet.to_empty(device="cpu").requires_grad_(False)
    values = 0.02 * torch.randn(1 << 20, generator=torch.Generator().manual_seed(0))
    for parameter in unet.parameters():
        repeats = parameter.numel() // len(values) + 1
        parameter.data.copy_(values.repeat(repeats)[: parameter.numel()].view_as(parameter))
    absent: Any = torch.nn.Module()
    return BaseModel(
        name="random SD 1.5",
        family="sd1",
        digest="",
        resolution_px=512,
        unet=unet,
        vae=absent,
        text_encoders=[absent],
        tokenizers=[],
        noise_scheduler=DDIMScheduler(beta_schedule="scaled_linear"),
    )


def test_a_lora_trains_and_its_file_is_verified(sd15: BaseModel, tmp_path: Path) -> None:
    context = TrainingContext(resolution_px=512, seed=0)
    trainer = LoraTrainer(LoraSettings(rank=4, alpha=4), sd15, context)
    groups = trainer.attach()
    parameters = [p for group in groups for p in group.parameters.values()]
    assert sum(p.numel() for p in parameters) == 797_184, "kohya's rank 4 on attention"
    optimizer = torch.optim.AdamW(parameters, lr=1e-2)
    text = Conditioning(torch.randn(1, 77, 768, generator=torch.Generator().manual_seed(1)))
    batch = Batch(torch.zeros(1, 4, 8, 8), text, ["a cat"], [0], [0], torch.ones(1))
    losses = []
    for _ in range(2):
        loss = trainer.loss(batch, RandomStreams(0))
        losses.append(loss.item())
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        optimizer.zero_grad()
    with torch.no_grad():
        assert trainer.loss(batch, RandomStreams(0)).item() < losses[0]

    adapter = trainer.adapter()
    with trainer.detached():
        (file,) = export(adapter, sd15, tmp_path, "cat", formats=["kohya"], dtype="fp16")
    assert file.verdict.ok
    with safe_open(file.path, "pt") as tensors:
        layers = {name.partition(".")[0] for name in tensors.keys()}  # noqa: SIM118 - no mapping
    assert len(layers) == 128
    assert "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn1_to_q" in layers
