"""What the contract does not ask of LoRA: its settings' effect, and peft's numbers in the merge."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from studio.bases.base_model import BaseModel
from studio.errors import AdapterError, RecipeError
from studio.examples.captions import encode_captions
from studio.training.lora.merging import merge_weight, merged
from studio.training.trainer import TrainingContext
from trainers.lora.settings import LoraSettings
from trainers.lora.trainer import LoraTrainer


def new_trainer(base: BaseModel, **settings: Any) -> LoraTrainer:
    return LoraTrainer(LoraSettings(**settings), base, TrainingContext(resolution_px=64, seed=3))


@torch.no_grad()
def predict(base: BaseModel) -> torch.Tensor:
    latents = torch.linspace(-1, 1, 4 * 8 * 8).view(1, 4, 8, 8)
    prediction: torch.Tensor = base.unet(
        latents, torch.tensor(300), encode_captions(base, ["a cat"]).hidden_states
    ).sample
    return prediction


@torch.no_grad()
def shake(trainer: LoraTrainer) -> None:
    """Give every trained parameter a value of its own, as training would."""
    generator = torch.Generator().manual_seed(0)
    for group in trainer.attach():
        for parameter in group.parameters.values():
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=generator))


@pytest.mark.parametrize(
    "settings",
    [
        {"rank": 3, "alpha": 7.5},
        {"rank": 4, "use_rslora": True, "alpha": 2},
        {"use_dora": True, "train_text_encoder": True},
        {"target_modules": ("conv1", "proj_in", "ff.net.2"), "use_dora": True},
    ],
)
def test_the_merge_is_what_peft_computes(tiny_base: BaseModel, settings: dict[str, Any]) -> None:
    trainer = new_trainer(tiny_base, **settings)
    shake(trainer)
    by_peft = predict(tiny_base)
    adapter = trainer.adapter()
    with trainer.detached():
        clean = predict(tiny_base)
        with LoraTrainer.apply(adapter, tiny_base):
            torch.testing.assert_close(predict(tiny_base), by_peft, atol=1e-4, rtol=1e-3)
    assert not torch.allclose(by_peft, clean, atol=1e-2)


def test_merge_by_hand() -> None:
    """W = [[3, 0]], B A = [[0, 4]]: plain LoRA is [[3, 4]], DoRA of length 10 is [[6, 8]]."""
    weight = torch.tensor([[3.0, 0.0]])
    parts = {"lora_A.weight": torch.tensor([[0.0, 2.0]]), "lora_B.weight": torch.tensor([[1.0]])}
    parts["alpha"] = torch.tensor([2.0])
    assert merge_weight(weight, parts, strength=1.0).tolist() == [[3, 4]]
    assert merge_weight(weight, parts, strength=0.5).tolist() == [[3, 2]]
    parts["lora_magnitude_vector"] = torch.tensor([10.0])
    assert merge_weight(weight, parts, strength=1.0).tolist() == [[6, 8]]
    assert merge_weight(weight, parts, strength=0.0).tolist() == [[3, 0]]


def test_neutral_names(tiny_base: BaseModel) -> None:
    trainer = new_trainer(tiny_base, rank=2, use_dora=True, train_text_encoder=True)
    trainer.attach()
    tensors = trainer.adapter().tensors
    unet = "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q"
    text = "text_encoder.encoder.layers.11.self_attn.out_proj"
    for path in (unet, text):
        parts = {name for name in tensors if name.startswith(f"{path}.")}
        assert parts == {
            f"{path}.lora_A.weight",
            f"{path}.lora_B.weight",
            f"{path}.lora_magnitude_vector",
            f"{path}.alpha",
        }
    # SD 1.5: 16 transformer blocks with 2 attentions of 4 layers; 12 text layers of 4.
    assert len(tensors) == 4 * (16 * 2 * 4 + 12 * 4)


def test_the_text_encoder_may_have_a_learning_rate_of_its_own(tiny_base: BaseModel) -> None:
    trainer = new_trainer(tiny_base, train_text_encoder=True, text_encoder_learning_rate=1e-5)
    rates = {group.name: group.learning_rate for group in trainer.attach()}
    assert rates == {"unet": None, "text_encoder": 1e-5}


def test_targets_that_are_nowhere_are_named_before_anything_is_changed(
    tiny_base: BaseModel,
) -> None:
    trainer = new_trainer(tiny_base, target_modules=("to_q", "to_qq", "o_k"))
    with pytest.raises(RecipeError) as caught:
        trainer.attach()
    assert [problem.split("'")[1] for problem in caught.value.problems] == ["to_qq", "o_k"]
    assert not any(parameter.requires_grad for parameter in tiny_base.unet.parameters())


def test_settings_that_do_nothing_are_pointed_out() -> None:
    lonely = LoraSettings(text_encoder_learning_rate=1e-5)
    assert "train_text_encoder" in next(iter(LoraTrainer.check(lonely, "sd1")))
    impossible = LoraSettings(train_text_encoder=True)
    assert "reads no text" in next(iter(LoraTrainer.check(impossible, "svd")))
    assert list(LoraTrainer.check(impossible, "sd1")) == []


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("unet.nowhere.to_q.lora_A.weight", "does not have"),
        ("unet.conv_norm_out.lora_A.weight", "GroupNorm"),
        ("emb_params", "no tensor of a LoRA"),
        ("unet.conv_in.lora_A.weight", "do not make up"),
    ],
)
def test_strange_tensors_are_refused(tiny_base: BaseModel, name: str, message: str) -> None:
    with (
        pytest.raises(AdapterError, match=message),
        merged({name: torch.ones(2, 2)}, tiny_base),
    ):
        pytest.fail("merged")
