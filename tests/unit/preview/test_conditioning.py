from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from studio.bases.base_model import BaseModel
from studio.bases.loading import load_base
from studio.errors import BaseModelError, UserError
from studio.preview.conditioning import PromptReader, weighted
from studio.preview.sampler import sample
from studio.preview.settings import SamplingSettings
from studio.preview.stages import pipeline

FAST = SamplingSettings(num_inference_steps=2, guidance_scale=3.0)
LONG = "red heart " * 25  # 50 tokens; pocket's chunks hold 30, as SD's hold 75


@pytest.fixture(scope="module")
def pocket() -> BaseModel:
    return load_base("pocket")


def reader(base: BaseModel, literal: bool = False, **settings: Any) -> PromptReader:
    return PromptReader(pipeline(base), base, SamplingSettings(**settings), literal=literal)


@torch.no_grad()
def embeds(base: BaseModel, prompt: str, num_chunks: int = 1, **settings: Any) -> Tensor:
    return reader(base, **settings).encode(prompt, num_chunks).hidden_states


@torch.no_grad()
def theirs(base: BaseModel, prompt: str) -> tuple[Tensor, ...]:
    """What diffusers' own pipeline encodes."""
    pipe = pipeline(base)
    found: tuple[Tensor, ...] = pipe.encode_prompt(
        prompt, device=base.device, num_images_per_prompt=1, do_classifier_free_guidance=True
    )
    return found


def drawn(base: BaseModel, prompt: str, **more: Any) -> np.ndarray:
    settings = FAST.model_copy(update=more)
    return np.asarray(sample(base, [prompt], [0], settings)[0], np.int16)


@pytest.mark.parametrize("prompt", ["(red:1.0) heart", "red heart", r"red\ heart", "(red heart:1)"])
def test_weight_one_is_what_diffusers_encodes(pocket: BaseModel, prompt: str) -> None:
    expected = theirs(pocket, "red heart")[0]
    torch.testing.assert_close(embeds(pocket, prompt), expected, rtol=0, atol=1e-5)


def test_a_weight_scales_its_tokens_and_keeps_the_mean(pocket: BaseModel) -> None:
    plain, strong = embeds(pocket, "a red heart"), embeds(pocket, "a (red:1.5) heart")
    assert float(strong.mean()) == pytest.approx(float(plain.mean()), rel=1e-4)
    factors = (strong / plain)[0].median(-1).values  # (tokens,)
    torch.testing.assert_close(factors[2] / factors[1], torch.tensor(1.5), rtol=1e-4, atol=0)
    others = torch.cat([factors[:2], factors[3:]])
    torch.testing.assert_close(others, others[:1].expand_as(others), rtol=1e-4, atol=0)


def test_each_chunk_keeps_its_own_mean() -> None:
    hidden = torch.rand(2, 3, 4)
    weights = torch.tensor([[1.0, 1.5, 1.0], [1.0, 0.5, 1.0]])
    means = weighted(hidden, weights).mean((1, 2))
    torch.testing.assert_close(means, hidden.mean((1, 2)))
    by_hand = hidden[0] * weights[0][:, None]
    by_hand *= hidden[0].mean() / by_hand.mean()
    torch.testing.assert_close(weighted(hidden, weights)[0], by_hand)


def test_a_weight_is_seen_in_the_picture(pocket: BaseModel) -> None:
    plain, strong = drawn(pocket, "red heart"), drawn(pocket, "(red:1.5) heart")
    assert np.abs(plain - strong).max() > 8
    assert np.abs(plain - drawn(pocket, "(red:1.0) heart")).max() <= 1


def test_a_plain_prompt_goes_to_the_pipeline_as_text(pocket: BaseModel) -> None:
    assert reader(pocket).arguments(["a heart", "a dog"]) == {
        "prompt": ["a heart", "a dog"],
        "negative_prompt": None,
    }
    negated = reader(pocket, negative_prompt="blue").arguments(["a heart"])
    assert negated["negative_prompt"] == ["blue"]
    assert reader(pocket, negative_prompt="(blue)").num_chunks("a heart") == 1


def test_captions_are_literal(pocket: BaseModel) -> None:
    caption = "heart (red) [2]"
    assert reader(pocket, literal=True).num_chunks(caption) == 0
    assert reader(pocket).num_chunks(caption) == 1
    literal = sample(pocket, [caption], [0], FAST, literal=True)[0]
    escaped = drawn(pocket, r"heart \(red\) \[2\]")
    assert np.abs(np.asarray(literal, np.int16) - escaped).max() <= 1
    assert np.abs(np.asarray(literal, np.int16) - drawn(pocket, caption)).max() > 1


def test_a_long_prompt_goes_on_in_the_next_chunk(pocket: BaseModel) -> None:
    ended, gone_on = LONG + "blue", LONG + "green"
    assert reader(pocket).num_chunks(ended) == 2
    one, other = embeds(pocket, ended, 2), embeds(pocket, gone_on, 2)
    assert one.shape[1] == 2 * 32
    torch.testing.assert_close(one[:, :32], other[:, :32])
    assert (one[:, 32:] - other[:, 32:]).abs().max() > 0.1
    assert np.abs(drawn(pocket, ended) - drawn(pocket, gone_on)).max() > 1


def test_a_chunk_is_encoded_as_if_it_stood_alone(pocket: BaseModel) -> None:
    both = embeds(pocket, "red heart BREAK blue book", 2)
    for half, text in zip(both.split(32, dim=1), ("red heart", "blue book"), strict=True):
        torch.testing.assert_close(half, theirs(pocket, text)[0], rtol=0, atol=1e-5)


def test_breaks_make_chunks_even_empty_ones(pocket: BaseModel) -> None:
    read = reader(pocket)
    assert [read.num_chunks(text) for text in ("a BREAK b", "BREAK a", "a BREAK")] == [2, 2, 1]


def test_a_phrase_behind_a_comma_is_not_torn_apart(pocket: BaseModel) -> None:
    """28 tokens and a comma leave room for one more; the phrase behind it takes two."""
    torn, whole = "heart " * 29 + "red book", "heart " * 28 + ", red book"
    alone = theirs(pocket, "red book")[0]
    behind = embeds(pocket, whole, 2)[:, 32:]
    torch.testing.assert_close(behind, alone, rtol=0, atol=1e-5)
    assert (embeds(pocket, torn, 2)[:, 32:] - alone).abs().max() > 0.01


def test_prompt_and_negative_have_as_many_chunks(pocket: BaseModel) -> None:
    for prompt, negative in ((LONG, "blue"), ("red", LONG), (LONG, "")):
        arguments = reader(pocket, negative_prompt=negative).arguments([prompt])
        wanted, unwanted = arguments["prompt_embeds"], arguments["negative_prompt_embeds"]
        assert wanted.shape == unwanted.shape == (1, 64, wanted.shape[-1])
    empty = theirs(pocket, "")[0]
    torch.testing.assert_close(unwanted[:, 32:], empty, rtol=0, atol=1e-5)


def test_prompts_of_any_length_are_drawn_in_one_go(pocket: BaseModel) -> None:
    prompts = ["red heart", LONG, "(red) heart"]
    together = sample(pocket, prompts, [3], FAST)
    for prompt, picture in zip(prompts, together, strict=True):
        alone = np.asarray(sample(pocket, [prompt], [3], FAST)[0], np.int16)
        assert np.abs(alone - np.asarray(picture, np.int16)).max() <= 1


@torch.no_grad()
def test_clip_skip_reads_an_earlier_layer_through_the_final_norm(pocket: BaseModel) -> None:
    ids = pocket.tokenizer("red heart", padding="max_length", return_tensors="pt").input_ids
    output = pocket.text_encoder(ids, output_hidden_states=True)
    for skip in (2, 3):
        expected = pocket.text_encoder.final_layer_norm(output.hidden_states[-skip])
        found = embeds(pocket, "red heart", clip_skip=skip)
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)
    assert np.abs(drawn(pocket, "red heart") - drawn(pocket, "red heart", clip_skip=2)).max() > 1


def test_more_layers_than_there_are_cannot_be_skipped(small_base: BaseModel) -> None:
    with pytest.raises(BaseModelError, match="clip skip 3 is more than the 2 layers"):
        drawn(small_base, "a", clip_skip=3)


def test_an_adapter_called_by_name_is_refused(pocket: BaseModel) -> None:
    with pytest.raises(UserError, match="<lora:x:1> is called in a prompt that is drawn here"):
        drawn(pocket, "cat <lora:x:1>")


@pytest.fixture
def xl(tiny_sdxl: BaseModel) -> BaseModel:
    return tiny_sdxl


def test_sdxl_reads_both_encoders_and_pools_the_first_chunk(xl: BaseModel) -> None:
    expected, _, pooled, _ = theirs(xl, "a dog")
    with torch.no_grad():
        found = reader(xl).encode("(a dog:1.0)", 1)
        longer = reader(xl).encode("a dog BREAK a cat", 2)
    torch.testing.assert_close(found.hidden_states, expected, rtol=0, atol=1e-5)
    assert found.pooled is not None
    assert longer.pooled is not None
    torch.testing.assert_close(found.pooled, pooled, rtol=0, atol=1e-5)
    torch.testing.assert_close(longer.pooled, pooled, rtol=0, atol=1e-5)


@torch.no_grad()
def test_sdxl_reads_its_second_layer_from_the_end_until_more_is_skipped(xl: BaseModel) -> None:
    pipe = pipeline(xl)
    expected = pipe.encode_prompt("a dog", device=xl.device, clip_skip=1)[0]
    torch.testing.assert_close(embeds(xl, "a dog", clip_skip=3), expected, rtol=0, atol=1e-5)
    for skip in (1, 2):
        assert reader(xl, clip_skip=skip).num_chunks("a dog") == 0
    assert reader(xl, clip_skip=3).num_chunks("a dog") == 1


def test_sdxl_moves_away_from_zeros_where_there_is_no_negative_prompt(xl: BaseModel) -> None:
    arguments = reader(xl).arguments(["(a) dog"])
    for name in ("negative_prompt_embeds", "negative_pooled_prompt_embeds"):
        assert not arguments[name].any()
    encoded = reader(replace(xl, force_zeros_for_empty_prompt=False)).arguments(["(a) dog"])
    assert encoded["negative_prompt_embeds"].any()


def test_sdxl_draws_weights_and_long_prompts(xl: BaseModel) -> None:
    with torch.no_grad():
        for name, parameter in xl.unet.named_parameters():
            if "attn2.to_v" in name or "add_embedding" in name:
                parameter.mul_(6.0)
    plain, weighed = drawn(xl, "a dog"), drawn(xl, "a (dog:1.6)")
    longer = drawn(xl, "a dog BREAK a cat")
    assert min(np.abs(plain - other).max() for other in (weighed, longer)) > 1
    assert np.abs(plain - drawn(xl, "a (dog:1.0)")).max() <= 1
