from __future__ import annotations

from pathlib import Path

import pytest
import torch
from diffusers import EulerDiscreteScheduler, StableDiffusionXLPipeline
from diffusers.loaders import TextualInversionLoaderMixin
from transformers import CLIPTokenizer

from studio.bases.architectures.text import expand_placeholders
from studio.bases.base_model import BaseModel
from studio.bases.conditioning import Conditioning
from studio.examples.captions import encode_captions
from studio.examples.text_cache import TextCache

CAPTIONS = ["a red thing", "", "a caption that is far longer than the tokenizer's sixteen tokens"]


@pytest.fixture
def tokenizer(tiny_base: BaseModel) -> CLIPTokenizer:
    """With a placeholder of three vectors, one of one vector, and one whose name begins alike."""
    chosen = tiny_base.tokenizer
    chosen.add_tokens(["<t>", "<t>_1", "<t>_2", "<one>", "<tt>", "<tt>_1"])
    return chosen


def pipeline(base: BaseModel) -> StableDiffusionXLPipeline:
    return StableDiffusionXLPipeline(
        vae=base.vae,
        text_encoder=base.text_encoders[0],
        text_encoder_2=base.text_encoders[1],
        tokenizer=base.tokenizers[0],
        tokenizer_2=base.tokenizers[1],
        unet=base.unet,
        scheduler=EulerDiscreteScheduler(),
        add_watermarker=False,
    )


@torch.no_grad()
@pytest.mark.parametrize("caption", CAPTIONS)
def test_sdxl_captions_are_encoded_as_by_its_pipeline(tiny_sdxl: BaseModel, caption: str) -> None:
    ours = encode_captions(tiny_sdxl, [caption])
    hidden_states, _, pooled, _ = pipeline(tiny_sdxl).encode_prompt(
        caption, device=torch.device("cpu"), do_classifier_free_guidance=False
    )
    assert ours.hidden_states.equal(hidden_states)
    assert ours.pooled is not None
    assert ours.pooled.equal(pooled)


def test_gradients_reach_both_encoders_of_sdxl(tiny_sdxl: BaseModel) -> None:
    weights = [
        encoder.get_submodule("encoder.layers.0.self_attn.q_proj").weight.requires_grad_(True)
        for encoder in (tiny_sdxl.text_encoders[0], tiny_sdxl.text_encoders[1].text_model)
    ]
    encode_captions(tiny_sdxl, ["a cat"]).hidden_states.square().sum().backward()
    assert all(w.grad is not None and w.grad.any() for w in weights)


def test_a_placeholder_of_several_vectors_is_written_out(tokenizer: CLIPTokenizer) -> None:
    def expanded(text: str) -> str:
        return expand_placeholders(text, tokenizer)

    assert expanded("a <t>, and <t>.") == "a <t> <t>_1 <t>_2, and <t> <t>_1 <t>_2."
    assert expanded("<tt> on <t>") == "<tt> <tt>_1 on <t> <t>_1 <t>_2"
    assert expanded("<one> and none") == "<one> and none"
    assert expanded(expanded("a <t>")) == expanded("a <t>")


def test_placeholders_are_written_out_as_diffusers_does(tokenizer: CLIPTokenizer) -> None:
    loader = TextualInversionLoaderMixin()
    for text in ("a <t> in the rain", "<t> and <one>", "nothing of it"):
        assert expand_placeholders(text, tokenizer) == loader.maybe_convert_prompt(text, tokenizer)


@torch.no_grad()
def test_every_vector_of_a_placeholder_is_read(
    tiny_base: BaseModel, tokenizer: CLIPTokenizer
) -> None:
    tiny_base.text_encoder.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    short = encode_captions(tiny_base, ["a <t>"])
    written_out = encode_captions(tiny_base, ["a <t> <t>_1 <t>_2"])
    assert short.hidden_states.equal(written_out.hidden_states)


def test_the_cache_keeps_all_that_was_encoded(tiny_sdxl: BaseModel, tmp_path: Path) -> None:
    with torch.no_grad():
        expected = encode_captions(tiny_sdxl, ["a cat"])
    first = TextCache(tiny_sdxl, tmp_path).conditioning("a cat")
    tiny_sdxl.text_encoders[0].forward = None  # from here on nothing can be encoded
    second = TextCache(tiny_sdxl, tmp_path).conditioning("a cat")
    for cached in (first, second):
        assert cached.hidden_states.equal(expected.hidden_states)
        assert cached.pooled is not None
        assert expected.pooled is not None
        assert cached.pooled.equal(expected.pooled)


def test_the_cache_tells_either_encoder_of_sdxl(tiny_sdxl: BaseModel, tmp_path: Path) -> None:
    TextCache(tiny_sdxl, tmp_path).conditioning("a cat")
    with torch.no_grad():
        next(tiny_sdxl.text_encoders[1].parameters()).add_(0.1)
    TextCache(tiny_sdxl, tmp_path).conditioning("a cat")
    assert len(list(tmp_path.iterdir())) == 2


def test_conditionings_join_in_order() -> None:
    parts = [
        Conditioning(torch.full((1, 2, 3), float(i)), torch.full((1, 4), float(i))) for i in (1, 2)
    ]
    joined = Conditioning.joined(parts)
    assert joined.hidden_states[:, 0, 0].tolist() == [1, 2]
    assert joined.pooled is not None
    assert joined.pooled[:, 0].tolist() == [1, 2]
    assert Conditioning.joined([Conditioning(torch.ones(1, 2, 3))]).pooled is None
