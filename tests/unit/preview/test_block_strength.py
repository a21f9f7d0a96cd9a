"""Strength per block, and stacks whose adapters have a strength each: judged by pictures."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from studio.adapters import kohya
from studio.adapters.adapter import Adapter, AdapterHeader
from studio.adapters.blocks import block_of
from studio.bases.base_model import BaseModel
from studio.bases.loading import load_base
from studio.errors import AdapterError, UserError
from studio.preview.block_strength import (
    BLOCKS,
    require_blocks,
    strength_of,
    with_block_strengths,
)
from studio.preview.pairs import sample_pairs
from studio.preview.prompt import without_tags
from studio.preview.sampler import sample
from studio.preview.settings import SamplingSettings
from studio.preview.stack import Stack, applied
from studio.training.lora.merging import find_layer, merge_weight

DOWN = "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q"
UP = "unet.up_blocks.1.attentions.0.transformer_blocks.0.attn2.to_v"
TEXT = "text_encoder.encoder.layers.0.self_attn.v_proj"
FAST = SamplingSettings(num_inference_steps=2, guidance_scale=1.0)


@pytest.fixture(scope="module")
def pocket() -> BaseModel:
    return load_base("pocket")


def header(base: BaseModel, kind: str) -> AdapterHeader:
    return AdapterHeader(kind, base.family, base.name, base.digest, "{}", method="lora")


def lora(base: BaseModel, alpha: float | None = 4.0, seed: int = 0) -> Adapter:
    generator = torch.Generator().manual_seed(seed)
    tensors: dict[str, Tensor] = {}
    for path in (DOWN, UP, TEXT):
        out, into = find_layer(base, path).weight.shape[:2]
        tensors[f"{path}.lora_A.weight"] = 0.3 * torch.randn(2, into, generator=generator)
        tensors[f"{path}.lora_B.weight"] = 0.3 * torch.randn(out, 2, generator=generator)
        if alpha is not None:
            tensors[f"{path}.alpha"] = torch.tensor([alpha])
    return Adapter(header(base, "lora"), tensors)


def other_kinds(base: BaseModel) -> list[Adapter]:
    """A LoHa, and LoKrs with a factor in two parts and with both whole."""
    out, into = find_layer(base, UP).weight.shape[:2]
    rand = torch.Generator().manual_seed(1)

    def random(*shape: int) -> Tensor:
        return torch.randn(shape, generator=rand)

    loha = {f"hada_w{n}_a": random(out, 2) for n in (1, 2)} | {
        f"hada_w{n}_b": random(2, into) for n in (1, 2)
    }
    parted = {"lokr_w1": random(2, 2), "lokr_w2_a": random(out // 2, 2), "alpha": torch.ones(1)}
    parted |= {"lokr_w2_b": random(2, into // 2)}
    whole = {"lokr_w1": random(2, 2), "lokr_w2": random(out // 2, into // 2)}
    return [
        Adapter(header(base, kind), {f"{UP}.{name}": t for name, t in parts.items()})
        for kind, parts in (("loha", loha), ("lokr", parted), ("lokr", whole))
    ]


def drawn(base: BaseModel, adapter: Adapter, strength: float = 1.0) -> np.ndarray:
    with applied(adapter, base, strength):
        return np.asarray(sample(base, ["red heart"], [0], FAST)[0], np.int16)


def change(base: BaseModel, adapter: Adapter, path: str) -> Tensor:
    weight = find_layer(base, path).weight
    parts = {
        name.removeprefix(f"{path}."): tensor
        for name, tensor in adapter.tensors.items()
        if name.startswith(f"{path}.")
    }
    return merge_weight(weight, parts, 1.0) - weight


EVERYWHERE = ("unet", "text_encoder")


def test_nowhere_is_the_bare_base(pocket: BaseModel) -> None:
    bare = np.asarray(sample(pocket, ["red heart"], [0], FAST)[0], np.int16)
    assert np.abs(drawn(pocket, lora(pocket)) - bare).max() > 8
    nowhere = with_block_strengths(lora(pocket), dict.fromkeys(EVERYWHERE, 0.0))
    assert np.array_equal(drawn(pocket, nowhere), bare)


@pytest.mark.parametrize("alpha", [4.0, None])
def test_everywhere_alike_is_the_strength_as_a_whole(pocket: BaseModel, alpha: float) -> None:
    adapter = lora(pocket, alpha)
    halved = with_block_strengths(adapter, dict.fromkeys(EVERYWHERE, 0.5))
    assert np.abs(drawn(pocket, halved) - drawn(pocket, adapter, 0.5)).max() <= 1


def test_a_block_is_scaled_and_the_others_stay(pocket: BaseModel) -> None:
    adapter = lora(pocket)
    before = {name: tensor.clone() for name, tensor in adapter.tensors.items()}
    scaled = with_block_strengths(adapter, {"unet.up.1": 0.25})
    assert block_of(UP) == "unet.up.1"
    expected = 0.25 * change(pocket, adapter, UP)
    torch.testing.assert_close(change(pocket, scaled, UP), expected, rtol=1e-4, atol=1e-6)
    for path in (DOWN, TEXT):
        assert torch.equal(change(pocket, scaled, path), change(pocket, adapter, path))
    assert all(torch.equal(adapter.tensors[name], before[name]) for name in before)


@pytest.mark.parametrize("number", range(3))
@pytest.mark.parametrize("strength", [0.5, 0.0, -1.0])
def test_loha_and_lokr_scale_likewise(pocket: BaseModel, number: int, strength: float) -> None:
    adapter = other_kinds(pocket)[number]
    scaled = change(pocket, with_block_strengths(adapter, {"unet.up": strength}), UP)
    expected = strength * change(pocket, adapter, UP)
    torch.testing.assert_close(scaled, expected, rtol=1e-4, atol=1e-5)


def test_the_longest_name_decides() -> None:
    strengths = {"unet": 0.0, "unet.up": 0.5, "unet.up.1": 0.7, "text_encoder": 0.2}
    blocks = ("unet.mid", "unet.up.0", "unet.up.1", "text_encoder", "text_encoder_2")
    assert [strength_of(block, strengths) for block in blocks] == [0.0, 0.5, 0.7, 0.2, 1.0]


def test_every_block_of_a_base_has_a_known_name(pocket: BaseModel) -> None:
    parts = {"unet": pocket.unet, **pocket.named_text_encoders}
    paths = [f"{part}.{name}" for part, m in parts.items() for name, _ in m.named_parameters()]
    assert {block_of(path) for path in paths} <= set(BLOCKS)


def test_an_unknown_block_is_refused_with_the_nearest() -> None:
    with pytest.raises(UserError, match=r'"unet.upp" is no block .* did you mean unet\.up\?'):
        require_blocks(["unet", "unet.upp"])
    with pytest.raises(UserError, match="there are: text_encoder, "):
        require_blocks(["42"])


@pytest.mark.parametrize("kind", ["hypernetwork", "textual_inversion", "oft", "full"])
def test_kinds_that_are_not_linear_are_refused(pocket: BaseModel, kind: str) -> None:
    adapter = replace(lora(pocket), header=header(pocket, kind))
    with pytest.raises(AdapterError, match=f"this is a {kind} adapter"):
        with_block_strengths(adapter, {"unet": 0.5})
    assert with_block_strengths(adapter, {}) is adapter


def test_a_dora_is_refused(pocket: BaseModel) -> None:
    adapter = lora(pocket)
    dora = replace(
        adapter, tensors=adapter.tensors | {f"{UP}.lora_magnitude_vector": torch.ones(4)}
    )
    with pytest.raises(AdapterError, match="this is a DoRA adapter"):
        with_block_strengths(dora, {"unet": 0.5})


def test_a_pivotal_adapters_words_stay(pocket: BaseModel) -> None:
    adapter = lora(pocket)
    word = {"text_encoder.<a>": torch.ones(1, 128)}
    pivotal = Adapter(header(pocket, "pivotal"), word | adapter.tensors)
    scaled = with_block_strengths(pivotal, {"text_encoder": 0.5, "unet": 0.5})
    assert torch.equal(scaled.tensors["text_encoder.<a>"], word["text_encoder.<a>"])
    assert float(scaled.tensors[f"{UP}.alpha"]) == 2.0
    assert list(scaled.tensors) == list(pivotal.tensors)


@pytest.fixture
def files(pocket: BaseModel, tmp_path: Path) -> tuple[Path, Path]:
    paths = tmp_path / "one.safetensors", tmp_path / "two.safetensors"
    for seed, path in enumerate(paths):
        kohya.write(lora(pocket, seed=seed), path, "fp32", pocket)
    return paths


def stacked(base: BaseModel, stack: Stack, strength: float = 1.0) -> np.ndarray:
    with stack.applied(base, strength):
        return np.asarray(sample(base, ["red heart"], [0], FAST)[0], np.int16)


def test_each_adapter_of_a_stack_has_its_share(pocket: BaseModel, files: tuple[Path, Path]) -> None:
    one, two = files
    stack = Stack.joined([Stack.read(one, 0.5), Stack.read(two, 0.0)])
    assert stack.each_share == (0.5, 0.0)
    assert stack.heading == "one 0.5 + two 0"
    assert np.array_equal(stacked(pocket, stack), stacked(pocket, Stack.read(one), 0.5))
    assert np.array_equal(stacked(pocket, stack, 0.5), stacked(pocket, Stack.read(one, 0.25)))


def called(tag: str, path: Path) -> Stack:
    return Stack.called(without_tags(tag)[1][0], path)


def test_a_tag_may_be_stronger_in_the_unet_than_in_the_text_encoder(
    pocket: BaseModel, files: tuple[Path, Path]
) -> None:
    path, blocks = files[0], {"text_encoder": 0.2, "unet": 0.6, "unet.up": 0.3}
    found = called("<lora:one:0.2:0.6:unet.up=0.5>", path)
    assert np.array_equal(stacked(pocket, found), stacked(pocket, Stack.read(path, 1.0, blocks)))
    whole = called("<lora:one:0.5>", path)
    assert np.array_equal(stacked(pocket, whole), stacked(pocket, Stack.read(path), 0.5))


def test_a_tag_says_what_it_calls(files: tuple[Path, Path]) -> None:
    with pytest.raises(AdapterError, match=r"<hypernet:one> calls .* which is a lora adapter"):
        called("<hypernet:one:1>", files[0])


def test_prompts_that_call_differently_are_one_series(
    pocket: BaseModel, files: tuple[Path, Path]
) -> None:
    one, nothing = Stack.read(files[0], 0.5), Stack.joined([])
    prompts = ["red heart", "a cat", "red heart"]
    rows = [one, nothing, nothing]
    seen: list[int] = []
    comparison = sample_pairs(
        pocket, [], prompts, [0], FAST, called=rows, progress=lambda done, _: seen.append(done)
    )
    base, together = ([np.asarray(p) for p in s.pictures] for s in comparison.series)
    assert [s.heading for s in comparison.series] == ["base", "as called"]
    assert comparison.series[1].strength == 0.5
    assert seen == [3, 4, 6]
    assert np.array_equal(together[0], stacked(pocket, one))
    for number in (1, 2):
        levels = together[number].astype(int) - base[number]
        assert np.abs(levels).max() <= 1  # of 255: sums in a batch of another size
