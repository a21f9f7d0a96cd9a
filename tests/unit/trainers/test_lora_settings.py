"""What the settings of low-rank weights do: who trains how wide and how fast, and what is refused."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import nn

from studio.adapters.export import export
from studio.adapters.files import read_adapter
from studio.adapters.layer_change import added
from studio.adapters.lora_layers import parts_by_path
from studio.bases.base_model import BaseModel
from studio.errors import AdapterError, RecipeError
from studio.training.lora.dropouts import dropping_modules, dropping_ranks
from studio.training.lora.layers import LoraLayers
from studio.training.lora.settings import LoraWeights
from studio.training.optimizer_settings import OptimizerSettings
from studio.training.optimizers import make_optimizer
from studio.training.trainer import TrainingContext
from trainers.lora.settings import LoraSettings
from trainers.lora.trainer import LoraTrainer


def new_layers(base: BaseModel, **settings: Any) -> LoraLayers:
    return LoraLayers(LoraWeights(**settings), base, ["unet", "text_encoder"], seed=3)


@torch.no_grad()
def shake(layers: LoraLayers, spread: float = 0.5) -> None:
    generator = torch.Generator().manual_seed(0)
    for group in layers.param_groups():
        for parameter in group.parameters.values():
            parameter.add_(spread * torch.randn(parameter.shape, generator=generator))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"variant": "loha", "use_dora": True}, "use_dora: true is for variant: lora alone"),
        ({"variant": "oft", "dropout": 0.1}, "dropout: 0.1 is for variant: lora alone"),
        ({"variant": "lokr", "lora_plus_ratio": 4}, "lora_plus_ratio: 4.0 is for variant: lora"),
        ({"lokr_factor": 8}, "lokr_factor: 8 is for variant: lokr alone"),
        ({"variant": "oft", "alpha": 4}, "alpha: 4.0 means nothing with an oft"),
        ({"variant": "diag_oft", "max_norm": 1}, "max_norm: 1.0 means nothing with an oft"),
        ({"variant": "oft", "conv_rank": 4}, "conv_rank: 4 does not go with variant: oft"),
        ({"variant": "oft", "module_dropout": 0.1}, "an oft, which has no dropout"),
        ({"variant": "oft", "blocks": {"mid_block": {"alpha": 1}}}, "blocks: an alpha means"),
        ({"use_dora": True, "rank_dropout": 0.1}, "rank_dropout: 0.1 does not go with use_dora"),
        ({"use_dora": True, "max_norm": 1}, "max_norm: 1.0 does not go with use_dora"),
        ({"conv_alpha": 1}, "conv_alpha: 1.0 needs conv_rank"),
    ],
)
def test_settings_that_mean_nothing_together_are_refused(
    settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValidationError, match=message):
        LoraWeights(**settings)


def test_blocks_have_ranks_of_their_own(tiny_base: BaseModel) -> None:
    blocks = {
        "mid_block": {"rank": 2},
        "up_blocks": {"rank": 0},
        "up_blocks.1": {"rank": 5, "alpha": 1},
        "text_encoder.encoder.layers.1": {"rank": 0},
    }
    layers = new_layers(tiny_base, rank=3, conv_rank=1, alpha=6, blocks=blocks)
    found = parts_by_path(layers.tensors())

    def width(path: str) -> tuple[int, float]:
        return found[path]["lora_A.weight"].shape[0], found[path]["alpha"].item()

    attention = "attentions.0.transformer_blocks.0.attn1.to_q"
    assert width(f"unet.down_blocks.1.{attention}") == (3, 6)
    assert width(f"unet.mid_block.{attention}") == (2, 6)
    assert width(f"unet.up_blocks.1.{attention}") == (5, 1)
    assert width("unet.down_blocks.1.resnets.0.conv1") == (1, 6)
    assert width("unet.mid_block.resnets.0.conv1") == (2, 6)
    assert not any(path.startswith(("unet.up_blocks.2", "unet.up_blocks.0")) for path in found)
    assert "text_encoder.encoder.layers.1.self_attn.q_proj" not in found
    assert width("text_encoder.encoder.layers.11.self_attn.q_proj") == (3, 6)


def test_learning_rates_of_blocks_sides_and_the_text_encoder(tiny_base: BaseModel) -> None:
    layers = new_layers(
        tiny_base, lora_plus_ratio=16, blocks={"mid_block": {"learning_rate": 5e-5}}
    )
    groups = layers.param_groups(text_encoder_learning_rate=1e-5, text_encoder_stop_after=0.4)
    rates = {g.name: (g.learning_rate, g.learning_rate_ratio, g.stop_after) for g in groups}
    assert rates == {
        "unet": (None, 1, None),
        "unet/lora_B": (None, 16, None),
        "unet/mid_block": (5e-5, 1, None),
        "unet/mid_block/lora_B": (5e-5, 16, None),
        "text_encoder": (1e-5, 1, 0.4),
        "text_encoder/lora_B": (1e-5, 16, 0.4),
    }
    for group in groups:
        assert all(("lora_B" in name) == ("lora_B" in group.name) for name in group.parameters)
    optimizer = make_optimizer(groups, OptimizerSettings(learning_rate=1e-4))
    assert [g["lr"] for g in optimizer.param_groups] == pytest.approx(
        [1e-4, 16e-4, 5e-5, 80e-5, 1e-5, 16e-5]
    )
    names = [name for group in groups for name in group.parameters]
    assert len(names) == len(set(names)) == 2 * (16 * 2 * 4 + 12 * 4)


def test_what_is_nowhere_in_the_base_is_named_with_a_hint(tiny_base: BaseModel) -> None:
    before = set(dict(tiny_base.unet.named_modules()))
    with pytest.raises(RecipeError) as caught:
        new_layers(
            tiny_base, text_target_modules=("fc3",), blocks={"mid_blok": {"rank": 1}, "vae": {}}
        )
    target, block, other = caught.value.problems
    assert "text_target_modules: 'fc3' is no layer of the text encoder" in target
    assert "'mid_blok' is no block of tiny" in block
    assert "did you mean 'mid_block'?" in block
    assert "'vae'" in other
    with pytest.raises(RecipeError, match="nothing trains"):
        LoraLayers(LoraWeights(blocks={"unet": {"rank": 0}}), tiny_base, ["unet"], 0)
    assert set(dict(tiny_base.unet.named_modules())) == before


@pytest.mark.parametrize("variant", ["lora", "loha", "lokr"])
def test_max_norm_caps_the_change_and_nothing_else(tiny_base: BaseModel, variant: Any) -> None:
    layers = new_layers(tiny_base, variant=variant, rank=2, alpha=3, max_norm=0.5)
    shake(layers)
    before = {p: added(parts) for p, parts in parts_by_path(layers.tensors()).items()}
    layers.after_step()
    capped = 0
    for path, parts in parts_by_path(layers.tensors()).items():
        norm = before[path].norm()
        capped += int(norm > 0.5)
        wanted = before[path] * min(1.0, (0.5 / norm).item())
        torch.testing.assert_close(added(parts), wanted, atol=1e-6, rtol=1e-4)
    assert capped > 0


def test_rank_dropout_silences_whole_ranks_while_training() -> None:
    linear, conv = nn.Linear(3, 400), nn.Conv2d(3, 400, 1)
    torch.manual_seed(0)
    for module, shape in ((linear, (2, 5, 400)), (conv, (2, 400, 5, 5))):
        hidden = torch.ones(shape)
        dropped = dropping_ranks(0.25)(module, (), hidden)
        assert sorted(set(dropped.flatten().tolist())) == [0.0, pytest.approx(4 / 3)]
        ranks = dropped if module is linear else dropped.flatten(2).transpose(1, 2)
        assert torch.equal(ranks, ranks[:, :1].expand_as(ranks))  # alike at every place
        assert not torch.equal(ranks[0], ranks[1])  # other ranks for each example
        assert (dropped == 0).float().mean().item() == pytest.approx(0.25, abs=0.06)
        assert dropping_ranks(0.25)(module.eval(), (), hidden) is hidden


def test_module_dropout_silences_the_layer_with_its_chance() -> None:
    module, change = nn.Linear(3, 3), torch.ones(2, 3)
    torch.manual_seed(0)
    kept = [dropping_modules(0.3)(module, (), change).mean().item() for _ in range(300)]
    assert set(kept) == {0.0, 1.0}
    assert sum(kept) / 300 == pytest.approx(0.7, abs=0.08)
    assert dropping_modules(0.3)(module.eval(), (), change) is change


@pytest.mark.parametrize("setting", ["rank_dropout", "module_dropout"])
def test_dropouts_act_on_the_unet_in_training_alone(tiny_base: BaseModel, setting: str) -> None:
    layers = new_layers(tiny_base, rank=4, **{setting: 0.5})
    shake(layers)
    latents, states = torch.ones(1, 4, 8, 8), torch.ones(1, 4, 32)

    @torch.no_grad()
    def predict(seed: int) -> torch.Tensor:
        torch.manual_seed(seed)
        prediction: torch.Tensor = tiny_base.unet(latents, torch.tensor(3), states).sample
        return prediction

    assert torch.equal(predict(0), predict(1))
    tiny_base.unet.train()
    assert not torch.equal(predict(0), predict(1))
    assert torch.equal(predict(1), predict(1))


class TestInitFrom:
    @pytest.fixture
    def file(self, tiny_base: BaseModel, tmp_path: Path) -> Path:
        """A small LoRA of rank 2, alpha 4, of some of the attention; its base clean again."""
        trainer = self.trainer(tiny_base, target_modules=("to_q",), rank=2, alpha=4)
        trainer.attach()
        shake(trainer._layers)
        with trainer.detached():
            adapter = trainer.adapter()
            (file,) = export(adapter, tiny_base, tmp_path, "x", formats=["kohya"], dtype="fp32")
        for name, module in list(tiny_base.unet.named_modules()):
            if name.endswith("to_q"):
                tiny_base.unet.set_submodule(name, module.get_submodule("base_layer"))
        return file.path

    def trainer(self, base: BaseModel, **settings: Any) -> LoraTrainer:
        context = TrainingContext(resolution_px=64, seed=9)
        return LoraTrainer(LoraSettings(**settings), base, context)

    def test_it_goes_on_where_the_file_ended(self, tiny_base: BaseModel, file: Path) -> None:
        """With another alpha and more layers; what the file lacks stays an identity."""
        trainer = self.trainer(
            tiny_base, target_modules=("to_q", "to_v"), rank=2, alpha=1, init_from=file
        )
        assert list(trainer.check(trainer.settings, "sd1")) == []
        trainer.attach()
        stored = parts_by_path(read_adapter(file).tensors)
        now = parts_by_path(trainer.adapter().tensors)
        assert len(now) == 2 * len(stored) == 64
        for path, parts in now.items():
            wanted = added(stored[path]) if path in stored else torch.zeros(1)
            torch.testing.assert_close(added(parts), wanted.expand_as(added(parts)))

    @pytest.mark.parametrize(
        ("settings", "family", "message"),
        [
            ({"rank": 3}, "sd1", "has rank 2 at unet.*, the recipe 3"),
            ({"rank": 2}, "sd2", "is for the family sd1, the base of sd2"),
            ({"variant": "loha", "rank": 2}, "sd1", "holds a lora, but trainer.variant is loha"),
            ({"init_from": "nowhere.safetensors"}, "sd1", "nowhere.safetensors is no file"),
        ],
    )
    def test_what_does_not_fit_is_told_before_the_base_loads(
        self, file: Path, settings: dict[str, Any], family: str, message: str
    ) -> None:
        given = LoraSettings(**{"init_from": file, **settings})
        (problem,) = LoraTrainer.check(given, family)
        assert problem.startswith("trainer.init_from: ")
        assert re.search(message, problem)

    def test_a_layer_that_does_not_train_is_refused(self, tiny_base: BaseModel, file: Path) -> None:
        trainer = self.trainer(tiny_base, target_modules=("to_v",), rank=2, init_from=file)
        with pytest.raises(AdapterError, match="to_q, which does not train here"):
            trainer.attach()

    def test_the_header_tells_no_folder(self, tiny_base: BaseModel, file: Path) -> None:
        trainer = self.trainer(tiny_base, rank=2, init_from=file)
        trainer.attach()
        with trainer.detached():
            adapter = trainer.adapter()
            other = replace(adapter, header=replace(adapter.header, title="y"))
            (made,) = export(other, tiny_base, file.parent, "y", formats=[], dtype="fp16")
        assert str(file.parent).encode() not in made.path.read_bytes()
