"""Clip skip in training: the layer that diffusers and the webuis read, and files say which it was."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from studio.adapters.header import from_metadata, to_metadata
from studio.bases.architectures import architecture_of
from studio.bases.base_model import BaseModel
from studio.bases.loading import load_base
from studio.bases.settings import BaseSettings
from studio.errors import BaseModelError
from studio.examples.captions import encode_captions
from studio.training.trainer import TrainingContext
from trainers.lora.settings import LoraSettings
from trainers.lora.trainer import LoraTrainer

CAPTION = "a cat"


@torch.no_grad()
@pytest.mark.parametrize("skip", [1, 2, 3])
def test_sd_reads_a_text_encoder_as_if_it_ended_there(tiny_base: BaseModel, skip: int) -> None:
    ours = encode_captions(replace(tiny_base, clip_skip=skip), [CAPTION])
    layers = tiny_base.text_encoder.encoder.layers
    tiny_base.text_encoder.encoder.layers = layers[: len(layers) - skip + 1]
    shorter = encode_captions(tiny_base, [CAPTION])
    torch.testing.assert_close(ours.hidden_states, shorter.hidden_states)


@torch.no_grad()
@pytest.mark.parametrize(("skip", "theirs"), [(1, None), (2, None), (3, 1), (4, 2)])
def test_sdxl_reads_what_diffusers_reads(
    tiny_sdxl: BaseModel, skip: int, theirs: int | None
) -> None:
    """It was trained on the last layer but one, from which diffusers counts."""
    pipe: Any = architecture_of(tiny_sdxl).pipeline(tiny_sdxl, tiny_sdxl.noise_scheduler)
    states, _, pooled, _ = pipe.encode_prompt(
        CAPTION, device="cpu", do_classifier_free_guidance=False, clip_skip=theirs
    )
    ours = encode_captions(replace(tiny_sdxl, clip_skip=skip), [CAPTION])
    torch.testing.assert_close(ours.hidden_states, states)
    torch.testing.assert_close(ours.pooled, pooled)


def test_more_than_there_are_is_refused(tiny_sdxl: BaseModel) -> None:
    with pytest.raises(BaseModelError, match="clip skip 5 is more than the 4 layers"):
        encode_captions(replace(tiny_sdxl, clip_skip=5), [CAPTION])


def test_the_recipe_s_setting_reaches_base_and_file() -> None:
    base = load_base("pocket", BaseSettings(clip_skip=2))
    assert base.clip_skip == 2
    trainer = LoraTrainer(LoraSettings(), base, TrainingContext(128, 0, trigger="zqx"))
    metadata = to_metadata(trainer.header())
    assert metadata["ss_clip_skip"] == "2"
    assert "clip skip 2" in metadata["modelspec.usage_hint"]
    assert from_metadata(metadata, "lora").clip_skip == 2
    del metadata["studio.clip_skip"]
    assert from_metadata(metadata, "lora").clip_skip == 1, "a file of before"
