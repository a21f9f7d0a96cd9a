"""What every trainer plugin must do, installed from wherever: one class, run over the registry."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import load_file, save_file
from torch import Tensor

from studio.adapters.adapter import Adapter
from studio.bases.base_model import BaseModel
from studio.errors import AdapterError
from studio.examples.batch import Batch
from studio.examples.captions import encode_captions
from studio.examples.tensor_store import content_digest
from studio.registry import TrainerPlugin, plugins
from studio.training.randomness import RandomStreams
from studio.training.trainer import ParamGroup, Trainer, TrainingContext

SEED = 5
STREAMS = RandomStreams(SEED)
CAPTIONS = ["a red thing", "a blue thing"]
WITH_TRIGGER = ["a red trig", "trig, blue"]  # what a method that learns a word is asked with
# A word's vector moves a base of random weights little; nothing is drawn anew, so each step must help.
FEW_NUMBERS = 1000


def contract_settings(plugin: TrainerPlugin) -> dict[str, Any]:
    """Settings to hold a plugin to: its defaults, for those are what users get."""
    return {"kind": plugin.kind}


@pytest.fixture(params=sorted(plugins()))
def plugin(request: pytest.FixtureRequest) -> TrainerPlugin:
    return plugins()[request.param]


@pytest.fixture
def trainer(plugin: TrainerPlugin, tiny_base: BaseModel) -> Trainer[Any]:
    return new_trainer(plugin, tiny_base)


def new_trainer(plugin: TrainerPlugin, base: BaseModel, seed: int = SEED) -> Trainer[Any]:
    settings = plugin.settings(**contract_settings(plugin))
    context = TrainingContext(resolution_px=base.resolution_px, seed=seed, trigger="trig")
    return plugin.load()(settings, base, context)


def fixed_batch(trainer: Trainer[Any]) -> Batch:
    """Of a side that leaves several tokens in the middle of the U-Net: attention to one has no gradient."""
    base = trainer.base
    with torch.no_grad():
        conditioning = None if trainer.trains_text_encoder else encode_captions(base, CAPTIONS)
    return Batch(
        latents=STREAMS.normal((len(CAPTIONS), 4, 16, 16), "latents", 0),
        conditioning=conditioning,
        captions=CAPTIONS,
        items=[0, 1],
        views=[0, 0],
        weights=torch.ones(len(CAPTIONS)),
    )


@torch.no_grad()
def predict(base: BaseModel, captions: Sequence[str] = CAPTIONS) -> Tensor:
    """What the base says of a fixed input, text encoder included."""
    latents = STREAMS.normal((len(CAPTIONS), 4, 8, 8), "prediction", 0)
    prediction: Tensor = base.unet(
        latents, torch.tensor(500), encode_captions(base, captions).hidden_states
    ).sample
    return prediction


def base_digest(base: BaseModel) -> str:
    """Every bit of the base, and its module tree."""
    parts = [base.unet, base.vae, *base.text_encoders]
    tree = [
        f"{name} {type(module)} {sorted(vars(module))}"
        for p in parts
        for name, module in p.named_modules()
    ]
    return "\n".join([*(content_digest(p.state_dict()) for p in parts), *tree])


def train(trainer: Trainer[Any], groups: list[ParamGroup], steps: int) -> list[float]:
    """Steps on one fixed batch; returns the loss before each."""
    parameters = [p for group in groups for p in group.parameters.values()]
    optimizer = torch.optim.AdamW(parameters, lr=1e-2, weight_decay=0)
    batch = fixed_batch(trainer)
    losses = []
    streams = RandomStreams(trainer.context.seed)  # a method may draw nothing but noise
    for _ in range(steps):
        loss = trainer.loss(batch, streams)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        trainer.after_step()
        losses.append(loss.item())
    return losses


@pytest.fixture
def trained(trainer: Trainer[Any]) -> Iterator[Adapter]:
    """An adapter after a few steps, its base clean again."""
    groups = trainer.attach()
    train(trainer, groups, 3)
    adapter = trainer.adapter()
    with trainer.detached():
        yield adapter


class TestTrainerContract:
    def test_starts_as_an_identity(self, trainer: Trainer[Any]) -> None:
        clean = predict(trainer.base)
        trainer.attach()
        torch.testing.assert_close(predict(trainer.base), clean, atol=1e-5, rtol=1e-5)
        adapter = trainer.adapter()
        with trainer.detached(), trainer.apply(adapter, trainer.base):
            torch.testing.assert_close(predict(trainer.base), clean, atol=1e-5, rtol=1e-5)

    def test_only_its_parameters_get_gradients(self, trainer: Trainer[Any]) -> None:
        groups = trainer.attach()
        own = {id(p): name for group in groups for name, p in group.parameters.items()}
        assert own
        assert len({group.name for group in groups}) == len(groups)
        train(trainer, groups, 1)
        trainer.loss(fixed_batch(trainer), STREAMS).backward()
        base = trainer.base
        for part in (base.unet, base.vae, *base.text_encoders):
            for name, parameter in part.named_parameters():
                if id(parameter) not in own:
                    assert parameter.grad is None, f"{name} of the base got a gradient"
                    assert not parameter.requires_grad, f"{name} of the base is not frozen"
        unmoved = [
            name
            for g in groups
            for name, p in g.parameters.items()
            if p.grad is None or not p.grad.any()
        ]
        assert not unmoved, "these train, but no gradient reaches them"

    def test_parameters_are_fp32_on_a_half_precision_base(
        self, plugin: TrainerPlugin, tiny_base: BaseModel
    ) -> None:
        for part in (tiny_base.unet, *tiny_base.text_encoders):
            part.to(torch.bfloat16)
        groups = new_trainer(plugin, tiny_base).attach()
        assert {p.dtype for g in groups for p in g.parameters.values()} == {torch.float32}

    def test_detached_is_the_base_as_it_was(self, trainer: Trainer[Any]) -> None:
        before = base_digest(trainer.base)
        groups = trainer.attach()
        train(trainer, groups, 2)
        attached = predict(trainer.base, WITH_TRIGGER)
        with trainer.detached():
            assert base_digest(trainer.base) == before
        assert torch.equal(predict(trainer.base, WITH_TRIGGER), attached)

    def test_a_file_does_what_training_did(self, trainer: Trainer[Any]) -> None:
        groups = trainer.attach()
        train(trainer, groups, 5)
        attached = predict(trainer.base, WITH_TRIGGER)
        adapter = trainer.adapter()
        with trainer.detached():
            clean = predict(trainer.base, WITH_TRIGGER)
            with trainer.apply(adapter, trainer.base):
                torch.testing.assert_close(
                    predict(trainer.base, WITH_TRIGGER), attached, atol=1e-4, rtol=1e-4
                )
        assert not torch.allclose(attached, clean, atol=1e-3)

    @pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
    def test_apply_leaves_no_trace(
        self, trainer: Trainer[Any], trained: Adapter, dtype: torch.dtype
    ) -> None:
        base = trainer.base
        for part in (base.unet, *base.text_encoders):
            part.to(dtype)
        before = base_digest(base)
        with trainer.apply(trained, base), trainer.apply(trained, base, 0.5):
            assert {p.dtype for p in base.unet.parameters()} == {dtype}
        assert base_digest(base) == before
        with pytest.raises(KeyError), trainer.apply(trained, base):
            raise KeyError
        assert base_digest(base) == before

    def test_strength_counts(self, trainer: Trainer[Any], trained: Adapter) -> None:
        clean = predict(trainer.base, WITH_TRIGGER)
        with trainer.apply(trained, trainer.base, 0.0):
            torch.testing.assert_close(
                predict(trainer.base, WITH_TRIGGER), clean, atol=1e-5, rtol=1e-5
            )
        with trainer.apply(trained, trainer.base, 0.5):
            half = (predict(trainer.base, WITH_TRIGGER) - clean).norm()
        with trainer.apply(trained, trainer.base, 1.0):
            full = (predict(trainer.base, WITH_TRIGGER) - clean).norm()
        assert 0 < half < full

    def test_the_loss_falls_on_a_fixed_batch(self, trainer: Trainer[Any]) -> None:
        groups = trainer.attach()
        losses = train(trainer, groups, 8)
        numbers = sum(p.numel() for group in groups for p in group.parameters.values())
        if numbers < FEW_NUMBERS:
            assert losses == sorted(losses, reverse=True)
        else:
            assert losses[-1] < 0.97 * losses[0]

    def test_same_seed_same_bytes(self, plugin: TrainerPlugin, tiny_base: BaseModel) -> None:
        digests = []
        with ExitStack() as stack:
            for seed, disturbance in ((SEED, 1), (SEED, 2), (SEED + 1, 1)):
                torch.manual_seed(disturbance)
                trainer = new_trainer(plugin, tiny_base, seed)
                train(trainer, trainer.attach(), 2)
                digests.append(content_digest(trainer.adapter().tensors))
                # Until the end: the next trainer gets a clean base.
                stack.enter_context(trainer.detached())
        assert digests[0] == digests[1]
        assert digests[0] != digests[2]

    def test_attaching_leaves_the_global_generator_alone(self, trainer: Trainer[Any]) -> None:
        before = torch.get_rng_state()
        trainer.attach()
        assert torch.equal(torch.get_rng_state(), before)

    def test_save_and_load_round_trip(
        self, trainer: Trainer[Any], trained: Adapter, tmp_path: Path
    ) -> None:
        save_file(trained.tensors, tmp_path / "adapter.safetensors")
        loaded = replace(trained, tensors=load_file(tmp_path / "adapter.safetensors"))
        with trainer.apply(trained, trainer.base):
            expected = predict(trainer.base, WITH_TRIGGER)
        with trainer.apply(loaded, trainer.base):
            assert torch.equal(predict(trainer.base, WITH_TRIGGER), expected)

    def test_the_header_tells_what_it_is(self, trainer: Trainer[Any], trained: Adapter) -> None:
        header = trained.header
        assert header.plugin_kind == trainer.kind
        assert header.kind in plugins()[trainer.kind].produces
        assert (header.family, header.base_name) == (trainer.base.family, trainer.base.name)
        assert header.base_digest == trainer.base.digest
        assert (header.seed, header.trigger) == (SEED, "trig")
        assert header.resolution_px == trainer.base.resolution_px
        assert type(trainer).Settings(**json.loads(header.settings)) == trainer.settings
        assert all(
            t.dtype == torch.float32 and t.device.type == "cpu" for t in trained.tensors.values()
        )

    def test_an_adapter_is_a_copy(self, trainer: Trainer[Any]) -> None:
        groups = trainer.attach()
        adapter = trainer.adapter()
        before = content_digest(adapter.tensors)
        train(trainer, groups, 1)
        assert content_digest(adapter.tensors) == before

    def test_a_wrong_base_is_refused(self, trainer: Trainer[Any], trained: Adapter) -> None:
        base = trainer.base
        before = base_digest(base)
        wrong_shape = {
            n: torch.zeros(*t.shape[:-1], t.shape[-1] + 3) for n, t in trained.tensors.items()
        }
        for adapter in (
            replace(trained, header=replace(trained.header, family="sdxl")),
            replace(trained, header=replace(trained.header, kind="other")),
            replace(trained, header=replace(trained.header, settings="no JSON")),
            replace(trained, tensors=wrong_shape),
        ):
            with pytest.raises(AdapterError), trainer.apply(adapter, base):
                pytest.fail("applied to a base that it does not fit")
            assert base_digest(base) == before

    def test_every_setting_is_described(self, plugin: TrainerPlugin) -> None:
        for name, field in plugin.settings.model_fields.items():
            assert field.description, f"{plugin.kind}: the setting {name} has no docstring"
            assert field.description.strip().endswith("."), f"{plugin.kind}.{name}: no sentence"

    def test_an_unknown_setting_is_refused(self, plugin: TrainerPlugin) -> None:
        with pytest.raises(ValidationError, match="rnak"):
            plugin.settings(**contract_settings(plugin), rnak=4)

    def test_it_is_what_it_says(self, plugin: TrainerPlugin) -> None:
        loaded = plugin.load()
        assert loaded.kind == plugin.kind
        assert loaded.Settings is plugin.settings
        assert plugin.settings(**contract_settings(plugin)).kind == plugin.kind
        assert plugin.summary.endswith(".")

    def test_the_defaults_have_no_problem(self, plugin: TrainerPlugin) -> None:
        settings = plugin.settings(**contract_settings(plugin))
        assert list(plugin.load().check(settings, "sd1")) == []
