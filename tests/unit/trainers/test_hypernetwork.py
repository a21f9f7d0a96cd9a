"""What the contract does not ask of hypernetworks: the formula, where they meet the base, settings."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from studio.adapters.adapter import Adapter
from studio.adapters.export import export
from studio.adapters.files import read_adapter
from studio.adapters.hypernetwork_network import ACTIVATIONS, ContextNetwork, Structure
from studio.bases.base_model import BaseModel
from studio.errors import AdapterError, RecipeError
from studio.examples.batch import Batch
from studio.examples.captions import encode_captions
from studio.training.randomness import RandomStreams
from studio.training.trainer import TrainingContext
from trainers.hypernetwork.context_hooks import context_widths, reshaped
from trainers.hypernetwork.settings import ActivationFunc, HypernetworkSettings
from trainers.hypernetwork.trainer import HypernetworkTrainer

STREAMS = RandomStreams(3)
CAPTIONS = ["a cat", "a dog"]


def new_trainer(base: BaseModel, **settings: Any) -> HypernetworkTrainer:
    context = TrainingContext(resolution_px=64, seed=3)
    return HypernetworkTrainer(HypernetworkSettings(**settings), base, context)


def batch_for(base: BaseModel) -> Batch:
    with torch.no_grad():
        conditioning = encode_captions(base, CAPTIONS)
    return Batch(
        latents=STREAMS.normal((2, 4, 8, 8), "latents", 0),
        conditioning=conditioning,
        captions=CAPTIONS,
        items=[0, 1],
        views=[0, 0],
        weights=torch.ones(2),
        time_ids=torch.tensor([[64.0, 64, 0, 0, 64, 64]] * 2) if base.family == "sdxl" else None,
    )


@torch.no_grad()
def loss_of(trainer: HypernetworkTrainer) -> float:
    """Of a fixed batch: a number for everything that the U-Net does with it."""
    return trainer.loss(batch_for(trainer.base), STREAMS).item()


def step(trainer: HypernetworkTrainer, groups: Any, times: int) -> list[float]:
    optimizer = torch.optim.AdamW(groups[0].parameters.values(), lr=1e-2)
    batch, losses = batch_for(trainer.base), []
    for _ in range(times):
        loss = trainer.loss(batch, STREAMS)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    return losses


@torch.no_grad()
def shake(trainer: HypernetworkTrainer) -> Adapter:
    """Every trained parameter moved, as training would."""
    generator = torch.Generator().manual_seed(0)
    for parameter in trainer.attach()[0].parameters.values():
        parameter.add_(0.3 * torch.randn(parameter.shape, generator=generator))
    return trainer.adapter()


def test_a_network_by_hand() -> None:
    """x + strength * (W2 relu(W1 x + b1) + b2), and with layer norms and an activated output."""
    generator = np.random.default_rng(0)
    width, strength = 3, 0.7
    w1, b1 = generator.normal(size=(6, 3)), generator.normal(size=6)
    w2, b2 = generator.normal(size=(3, 6)), generator.normal(size=3)
    g1, c1, g2, c2 = (generator.normal(size=n) for n in (6, 6, 3, 3))
    x = generator.normal(size=(2, 4, 3))

    def norm(v: Any, gain: Any, offset: Any) -> Any:
        centred = v - v.mean(-1, keepdims=True)
        return centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5) * gain + offset

    hidden = np.maximum(x @ w1.T + b1, 0)
    normed = norm(np.maximum(norm(hidden, g1, c1) @ w2.T + b2, 0), g2, c2)
    cases: list[tuple[dict[str, bool], dict[str, Any], Any]] = [
        ({}, {"0": (w1, b1), "2": (w2, b2)}, hidden @ w2.T + b2),
        (
            {"add_layer_norm": True, "activate_output": True},
            {"0": (w1, b1), "2": (g1, c1), "3": (w2, b2), "5": (g2, c2)},
            normed,
        ),
    ]
    for extra, members, added in cases:
        network = ContextNetwork(width, Structure((1, 2, 1), "relu", **extra)).eval()
        network.load_state_dict(
            {
                f"linear.{number}.{name}": torch.tensor(value)
                for number, values in members.items()
                for name, value in zip(("weight", "bias"), values, strict=True)
            }
        )
        got = reshaped(torch.tensor(x, dtype=torch.float32), network, strength)
        np.testing.assert_allclose(got.detach(), x + strength * added, atol=1e-5)


def test_what_swish_and_the_other_names_mean() -> None:
    x = torch.linspace(-4, 4, 33)
    assert torch.equal(ACTIVATIONS["swish"]()(x), x * (x + 3).clamp(0, 6) / 6)
    assert set(get_args(ActivationFunc)) == set(ACTIVATIONS)
    for name, activation in ACTIVATIONS.items():
        one_by_one = torch.stack([activation().eval()(number) for number in x])
        torch.testing.assert_close(activation().eval()(x), one_by_one, msg=name)


def test_keys_and_values_of_every_context_are_reshaped_and_queries_are_not(
    tiny_base: BaseModel,
) -> None:
    assert context_widths(tiny_base.unet) == [8, 16, 32]
    adapter = shake(trainer := new_trainer(tiny_base))
    assert {name.split(".")[0] for name in adapter.tensors} == {"8", "16", "32"}
    attention = tiny_base.unet.get_submodule("mid_block.attentions.0.transformer_blocks.0.attn2")
    hidden, text = torch.randn(1, 4, 16), torch.randn(1, 5, 32)
    networks = {side: ContextNetwork(32, Structure((1, 2, 1), "relu")).eval() for side in (0, 1)}
    for side, network in networks.items():
        prefix = f"32.{side}."
        network.load_state_dict(
            {k.removeprefix(prefix): t for k, t in adapter.tensors.items() if k.startswith(prefix)}
        )
    got = attention(hidden, encoder_hidden_states=text)
    with trainer.detached():
        query = attention.to_q(hidden)
        key, value = (
            attention.to_k(text + networks[0](text)),
            attention.to_v(text + networks[1](text)),
        )
        heads = [
            t.unflatten(-1, (attention.heads, -1)).transpose(1, 2) for t in (query, key, value)
        ]
        mixed = torch.nn.functional.scaled_dot_product_attention(*heads)
        expected = attention.to_out[0](mixed.transpose(1, 2).flatten(2))
    torch.testing.assert_close(got, expected)


def test_only_the_widths_asked_for_are_trained(tiny_base: BaseModel) -> None:
    trainer = new_trainer(tiny_base, widths=(32,))
    (group,) = trainer.attach()
    assert {name.split(".")[0] for name in group.parameters} == {"32"}
    assert list(group.parameters) == list(trainer.adapter().tensors)


def test_the_start(tiny_base: BaseModel) -> None:
    """Zero at the end is the base itself; A1111's start is near it, with its own spread."""
    clean = loss_of(new_trainer(tiny_base))
    for settings in (
        {"layer_structure": (1, 1)},
        {"add_layer_norm": True, "activation_func": "sigmoid", "activate_output": True},
        {"activation_func": "tanh", "activate_output": True, "weight_init": "xavier_uniform"},
        {"use_dropout": True, "last_layer_dropout": True, "layer_structure": (1, 2, 2, 1)},
    ):
        trainer = new_trainer(tiny_base, **settings)
        assert list(HypernetworkTrainer.check(trainer.settings, "sd1")) == []
        adapter = attached(trainer)
        assert loss_of(trainer) == clean, settings
        with trainer.detached(), HypernetworkTrainer.apply(adapter, tiny_base):
            assert loss_of(trainer) == clean, settings
    trainer = new_trainer(
        tiny_base, zero_last_layer=False, weight_init="normal", add_layer_norm=True
    )
    tensors = {n: t for n, t in attached(trainer).tensors.items() if n.endswith("weight")}
    weights = torch.cat([tensor.flatten() for tensor in tensors.values()])
    assert weights.std() == pytest.approx(0.01, rel=0.1)
    assert 0 < abs(loss_of(trainer) - clean) < 0.05 * clean


def attached(trainer: HypernetworkTrainer) -> Adapter:
    trainer.attach()
    return trainer.adapter()


@pytest.mark.parametrize(
    ("weight_init", "spread"),
    [("normal", 0.01), ("kaiming_normal", (2 / 32) ** 0.5), ("kaiming_uniform", (2 / 32) ** 0.5),
     ("xavier_normal", (2 / 96) ** 0.5), ("xavier_uniform", (2 / 96) ** 0.5)],
)  # fmt: skip
def test_weight_inits(tiny_base: BaseModel, weight_init: str, spread: float) -> None:
    tensors = attached(new_trainer(tiny_base, widths=(32,), weight_init=weight_init)).tensors
    assert tensors["32.0.linear.0.weight"].std().item() == pytest.approx(spread, rel=0.06)
    assert not torch.equal(tensors["32.0.linear.0.weight"], tensors["32.1.linear.0.weight"])
    assert not tensors["32.0.linear.0.bias"].any()
    assert not tensors["32.0.linear.2.weight"].any()


@pytest.mark.parametrize("activation_func", ["relu", "relu6", "hardshrink", "sigmoid", "softplus"])
def test_a_start_that_is_no_identity_or_stays_one_is_pointed_out(activation_func: Any) -> None:
    settings = HypernetworkSettings(activation_func=activation_func, activate_output=True)
    (problem,) = HypernetworkTrainer.check(settings, "sd1")
    assert "zero_last_layer" in problem
    for way_out in ({"zero_last_layer": False}, {"add_layer_norm": True}):
        mended = HypernetworkSettings(**{**settings.model_dump(), **way_out})
        assert list(HypernetworkTrainer.check(mended, "sd1")) == []


def test_several_work_one_after_the_other(tiny_base: BaseModel) -> None:
    """The second reshapes what the first has made of the context, as in A1111."""
    trainer = new_trainer(tiny_base, widths=(32,))
    first = shake(trainer)
    second = replace(first, tensors={name: -0.5 * t for name, t in first.tensors.items()})
    layer = tiny_base.unet.get_submodule("mid_block.attentions.0.transformer_blocks.0.attn2.to_k")
    text = torch.randn(1, 5, 32)
    expected = text
    with trainer.detached(), ExitStack() as stack:
        for adapter, strength in ((first, 1.0), (second, 0.5)):
            stack.enter_context(HypernetworkTrainer.apply(adapter, tiny_base, strength))
            network = ContextNetwork(32, Structure((1, 2, 1), "relu")).eval()
            network.load_state_dict(
                {k[5:]: t for k, t in adapter.tensors.items() if k.startswith("32.0.")}
            )
            expected = expected + strength * network(expected)
        got = layer(text)
        stack.close()
        torch.testing.assert_close(got, layer(expected))


def test_dropout_is_on_only_while_training(tiny_base: BaseModel) -> None:
    trainer = new_trainer(tiny_base, dropout_structure=(0, 0.5, 0))
    shake(trainer)
    first = loss_of(trainer)
    assert loss_of(trainer) == first
    tiny_base.unet.train()
    torch.manual_seed(0)
    dropped = loss_of(trainer)
    assert dropped != first
    torch.manual_seed(0)
    assert loss_of(trainer) == dropped
    tiny_base.unet.eval()
    assert loss_of(trainer) == first


def test_dropout_leaves_out_its_share_behind_its_layer() -> None:
    network = ContextNetwork(4, Structure((1, 500, 1)), (0, 0.3, 0)).train()
    torch.nn.init.zeros_(network.linear[0].weight)  # type: ignore[arg-type]
    torch.nn.init.ones_(network.linear[0].bias)  # type: ignore[arg-type]
    seen: list[Tensor] = []
    network.linear[1].register_forward_pre_hook(lambda _, arguments: seen.append(arguments[0]))
    network(torch.zeros(1, 4))
    assert (seen[0] == 0).float().mean().item() == pytest.approx(0.3, abs=0.05)
    assert seen[0].max().item() == pytest.approx(1 / 0.7)


def test_a_half_precision_base_is_reshaped_in_fp32(tiny_base: BaseModel) -> None:
    network = ContextNetwork(8, Structure((1, 2, 1), "tanh"))
    context = torch.randn(1, 3, 8).bfloat16()
    got = reshaped(context, network, 1.0)
    assert got.dtype == torch.bfloat16
    assert torch.equal(got, (context.float() + network(context.float())).bfloat16())


def test_gradient_checkpointing_gives_the_same_gradients(tiny_base: BaseModel) -> None:
    trainer = new_trainer(tiny_base, use_dropout=True, layer_structure=(1, 2, 2, 1))
    (group,) = trainer.attach()
    step(trainer, [group], 1)
    parameters = list(group.parameters.values())
    tiny_base.unet.train()
    gradients = []
    for checkpointing in (False, True):
        if checkpointing:
            tiny_base.unet.enable_gradient_checkpointing()
        torch.manual_seed(0)
        loss = trainer.loss(batch_for(tiny_base), STREAMS)
        gradients.append(torch.autograd.grad(loss, parameters))
    torch.testing.assert_close(gradients[0], gradients[1])


def test_sdxl_is_trained_exported_and_applied(tiny_sdxl: BaseModel, tmp_path: Path) -> None:
    """The text's context is both encoders' side by side: 2048 at full width, 72 here."""
    trainer = new_trainer(tiny_sdxl)
    groups = trainer.attach()
    widths = {int(name.split(".")[0]) for name in groups[0].parameters}
    assert widths == set(context_widths(tiny_sdxl.unet))
    assert sum(encoder.config.hidden_size for encoder in tiny_sdxl.text_encoders) == max(widths)
    losses = step(trainer, groups, 6)
    assert losses[-1] < losses[0]
    trained = loss_of(trainer)
    adapter = trainer.adapter()
    with trainer.detached():
        clean = loss_of(trainer)
        files = export(
            adapter, tiny_sdxl, tmp_path, "x", formats=["a1111", "safetensors"], dtype="fp32"
        )
        for file in files:
            with HypernetworkTrainer.apply(read_adapter(file.path), tiny_sdxl):
                assert loss_of(trainer) == pytest.approx(trained, rel=1e-5)
    assert trained < 0.99 * clean


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"layer_structure": (1, 2)}, "must start and end with 1"),
        ({"layer_structure": (2, 1)}, "must start and end with 1"),
        ({"layer_structure": (1,)}, "at least 2"),
        ({"layer_structure": (1, 0, 1)}, "greater than 0"),
        ({"dropout_structure": (0, 0.3)}, "must have 3 numbers"),
        ({"dropout_structure": (0, 0.3, 0.3)}, "the first and the last 0"),
        ({"dropout_structure": (0, 1, 0)}, "less than 1"),
        ({"last_layer_dropout": True}, "no effect"),
        (
            {"dropout_structure": (0, 0.3, 0), "use_dropout": True, "last_layer_dropout": True},
            "both",
        ),
        ({"activation_func": "softmax"}, "Input should be"),
        ({"widths": ()}, "at least 1"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        HypernetworkSettings(**settings)


@pytest.mark.parametrize(
    ("settings", "shares"),
    [
        ({}, (0, 0, 0)),
        ({"use_dropout": True}, (0, 0, 0)),
        ({"use_dropout": True, "last_layer_dropout": True}, (0, 0.3, 0)),
        ({"use_dropout": True, "layer_structure": (1, 2, 2, 1)}, (0, 0.3, 0, 0)),
        ({"use_dropout": True, "layer_structure": (1, 1)}, (0, 0)),
        ({"dropout_structure": (0, 0.1, 0)}, (0, 0.1, 0)),
    ],
)
def test_what_dropout_settings_mean(settings: dict[str, Any], shares: tuple[float, ...]) -> None:
    assert HypernetworkSettings(**settings).dropouts == shares


def test_widths_that_the_base_lacks_are_named(tiny_base: BaseModel) -> None:
    with pytest.raises(RecipeError, match=r"768 is no context's width of tiny; it has 8, 16, 32"):
        new_trainer(tiny_base, widths=(32, 768)).attach()
    with pytest.raises(RecipeError, match=r"8 x 0.1 leaves a layer of no width"):
        new_trainer(tiny_base, layer_structure=(1, 0.1, 1)).attach()


def test_an_adapter_for_other_contexts_is_refused_and_extra_widths_are_passed_over(
    tiny_base: BaseModel,
) -> None:
    trainer = new_trainer(tiny_base, widths=(32,))
    adapter = shake(trainer)
    trained = loss_of(trainer)
    strange = {
        f"7.{side}.linear.{layer}.{name}": torch.zeros(shape)
        for side in (0, 1)
        for layer, shapes in ((0, ((14, 7), (14,))), (2, ((7, 14), (7,))))
        for name, shape in zip(("weight", "bias"), shapes, strict=True)
    }
    with trainer.detached():
        both = Adapter(adapter.header, adapter.tensors | strange)
        with HypernetworkTrainer.apply(both, tiny_base):
            assert loss_of(trainer) == pytest.approx(trained)
        with (
            pytest.raises(AdapterError, match="contexts of width 7, but tiny has 8, 16, 32"),
            HypernetworkTrainer.apply(Adapter(adapter.header, strange), tiny_base),
        ):
            pytest.fail("applied")
