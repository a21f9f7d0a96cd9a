"""Every kind of low-rank weights: an identity at first, learns, and a file does what training did."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from studio.adapters.export import export
from studio.adapters.files import read_adapter
from studio.adapters.formats import default_format
from studio.bases.base_model import BaseModel
from studio.examples.captions import encode_captions
from studio.registry import producer
from studio.training.trainer import TrainingContext
from trainers.lora.settings import LoraSettings
from trainers.lora.trainer import LoraTrainer

CASES: dict[str, dict[str, Any]] = {
    "locon": {"conv_rank": 2, "conv_alpha": 1.0, "train_text_encoder": True},
    "dora-convolutions": {"conv_rank": 2, "use_dora": True, "target_modules": ("proj_in",)},
    "loha": {"variant": "loha", "rank": 3, "alpha": 2.0, "conv_rank": 2},
    "lokr-thin": {"variant": "lokr", "rank": 1, "alpha": 0.5, "conv_rank": 1},
    "lokr-whole": {"variant": "lokr", "rank": 8, "alpha": 2.0, "lokr_factor": 2, "conv_rank": 32},
    "oft": {"variant": "oft", "rank": 4, "train_text_encoder": True},
    "diag-oft": {"variant": "diag_oft", "rank": 5, "conv_rank": 4, "train_text_encoder": True},
    "blocks": {
        "alpha": 2.0,
        "blocks": {
            "mid_block": {"rank": 2},
            "up_blocks.1": {"rank": 0},
            "up_blocks.2": {"alpha": 5},
        },
    },
}


@pytest.fixture(params=CASES)
def trainer(request: pytest.FixtureRequest, tiny_base: BaseModel) -> LoraTrainer:
    settings = LoraSettings(**CASES[request.param])
    return LoraTrainer(settings, tiny_base, TrainingContext(resolution_px=64, seed=3))


def predict(base: BaseModel) -> torch.Tensor:
    latents = torch.linspace(-1, 1, 4 * 8 * 8).view(1, 4, 8, 8)
    states = encode_captions(base, ["a cat"]).hidden_states
    prediction: torch.Tensor = base.unet(latents, torch.tensor(300), states).sample
    return prediction


@torch.no_grad()
def shake(trainer: LoraTrainer) -> None:
    generator = torch.Generator().manual_seed(0)
    for group in trainer.attach():
        for parameter in group.parameters.values():
            parameter.add_(0.2 * torch.randn(parameter.shape, generator=generator))


def test_it_starts_as_an_identity_and_learns(trainer: LoraTrainer) -> None:
    with torch.no_grad():
        clean = predict(trainer.base)
    parameters = [p for group in trainer.attach() for p in group.parameters.values()]
    optimizer = torch.optim.AdamW(parameters, lr=1e-2)
    losses = []
    for _ in range(3):
        prediction = predict(trainer.base)
        loss = (prediction - clean - 1).square().mean()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    assert losses[0] == pytest.approx(1.0, abs=1e-4)
    assert losses[2] < losses[1] < losses[0]


def test_a_file_does_what_training_did(trainer: LoraTrainer, tmp_path: Path) -> None:
    """By memory and by file; export itself compares every layer with an independent reading."""
    shake(trainer)
    base, kind = trainer.base, trainer.settings.variant
    with torch.no_grad():
        trained = predict(base)
    adapter = trainer.adapter()
    assert (adapter.header.kind, adapter.header.method) == (kind, "lora")
    with trainer.detached(), torch.no_grad():
        clean = predict(base)
        (file,) = export(adapter, base, tmp_path, "x", formats=[], dtype="fp32")
        again = read_adapter(file.path)
        assert again.tensors.keys() == adapter.tensors.keys()
        assert again.header == adapter.header
        for made in (adapter, again):
            with LoraTrainer.apply(made, base):
                torch.testing.assert_close(predict(base), trained, atol=1e-4, rtol=1e-3)
    assert file.format == default_format(kind).name
    assert not torch.allclose(trained, clean, atol=1e-2)


@pytest.mark.parametrize("kind", ["lora", "loha", "lokr", "oft", "diag_oft"])
def test_files_without_a_maker_are_applied_by_this_plugin(kind: str) -> None:
    assert producer(kind).kind == "lora"
    assert LoraSettings(variant=kind).adapter_kinds == (kind,)
