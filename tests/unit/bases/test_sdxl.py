"""SDXL on disk: two text encoders, as a folder and as one file."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from diffusers import StableDiffusionXLPipeline, UNet2DConditionModel
from safetensors.torch import load_file, save_file
from transformers import CLIPTextModel, CLIPTextModelWithProjection

from studio.bases.base_model import BaseModel
from studio.bases.identity import identify_base
from studio.bases.loading import load_base
from studio.errors import BaseModelError

MODULES = ("unet", "vae", "text_encoder", "text_encoder_2")
Naming = Callable[[BaseModel], dict[str, torch.Tensor]]


@pytest.fixture
def copied(tiny_sdxl_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_sdxl_folder, tmp_path / "copy"))


def modules(base: BaseModel) -> dict[str, torch.nn.Module]:
    return {"unet": base.unet, "vae": base.vae, **base.named_text_encoders}


def assert_same_weights(one: BaseModel, other: BaseModel) -> None:
    for part, expected in modules(one).items():
        found = modules(other)[part].state_dict()
        assert set(found) == set(expected.state_dict())
        assert all(torch.equal(found[k], v) for k, v in expected.state_dict().items()), part


def edit(path: Path, **changes: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_a_folder_loads_whole(tiny_sdxl_folder: Path, tiny_sdxl: BaseModel) -> None:
    base = load_base(str(tiny_sdxl_folder))
    assert (base.family, base.resolution_px, base.digest) == (
        "sdxl",
        64,
        identify_base(str(tiny_sdxl_folder)).digest,
    )
    assert [type(t) for t in base.text_encoders] == [CLIPTextModel, CLIPTextModelWithProjection]
    assert_same_weights(tiny_sdxl, base)
    assert [t.pad_token for t in base.tokenizers] == ["<|endoftext|>", "!"]
    assert base.force_zeros_for_empty_prompt is True
    assert list(base.named_text_encoders) == ["text_encoder", "text_encoder_2"]
    for module in modules(base).values():
        assert not module.training
        assert not any(p.requires_grad for p in module.parameters())


def test_its_scheduler_trains(tiny_sdxl_folder: Path) -> None:
    noise_scheduler = load_base(str(tiny_sdxl_folder)).noise_scheduler
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2
    expected = torch.cumprod(1 - betas, dim=0)
    assert torch.allclose(noise_scheduler.alphas_cumprod.double(), expected, rtol=1e-4)
    assert noise_scheduler.config.prediction_type == "epsilon"


def test_guidance_away_from_zeros_is_as_the_folder_says(copied: Path) -> None:
    edit(copied / "model_index.json", force_zeros_for_empty_prompt=False)
    assert load_base(str(copied)).force_zeros_for_empty_prompt is False


def test_fp16_files_and_shards_load(tiny_sdxl: BaseModel, tmp_path: Path) -> None:
    base = tiny_sdxl
    pipe = StableDiffusionXLPipeline(
        vae=base.vae.half(),
        unet=base.unet.half(),
        text_encoder=base.text_encoders[0].half(),
        text_encoder_2=base.text_encoders[1].half(),
        tokenizer=base.tokenizers[0],
        tokenizer_2=base.tokenizers[1],
        scheduler=base.noise_scheduler,
        add_watermarker=False,
    )
    pipe.save_pretrained(tmp_path, variant="fp16", max_shard_size="100KB")
    assert len(list((tmp_path / "unet").glob("*.safetensors"))) > 1
    loaded = load_base(str(tmp_path))
    assert {p.dtype for p in loaded.text_encoders[1].parameters()} == {torch.float32}
    for module in modules(base).values():
        module.float()
    assert_same_weights(base, loaded)


def test_the_digest_covers_the_second_text_encoder(copied: Path) -> None:
    before = identify_base(str(copied)).digest
    file = copied / "text_encoder_2/model.safetensors"
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    assert identify_base(str(copied)).digest != before


def test_the_pooled_vector_is_of_the_texts_end_whatever_words_are_added(copied: Path) -> None:
    """Published configurations say eos_token_id 2, for which transformers takes the highest id."""
    edit(copied / "text_encoder_2/config.json", eos_token_id=2)
    base = load_base(str(copied))
    tokenizer, text_encoder = base.tokenizers[1], base.text_encoders[1]
    tokenizer.add_tokens("<new>")
    text_encoder.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    ids = tokenizer("a <new> b", padding="max_length", return_tensors="pt").input_ids
    end = ids[0].tolist().index(tokenizer.eos_token_id)
    assert int(ids.argmax()) < end
    with torch.no_grad():
        output = text_encoder(ids)
    expected = text_encoder.text_projection(output.last_hidden_state[:, end])
    assert torch.allclose(output.text_embeds, expected, atol=1e-6)


REFUSED: dict[str, tuple[Callable[[Path], object], str]] = {
    "inpainting": (lambda b: edit(b / "unet/config.json", in_channels=9), "reads 9 channels"),
    "one text encoder": (
        lambda b: shutil.rmtree(b / "text_encoder_2"),
        "no safetensors weights in text_encoder_2",
    ),
    "one tokenizer": (lambda b: shutil.rmtree(b / "tokenizer_2"), "cannot be loaded"),
    "flow matching": (
        lambda b: edit(
            b / "scheduler/scheduler_config.json", _class_name="FlowMatchEulerDiscreteScheduler"
        ),
        "FlowMatchEulerDiscreteScheduler, which has no alphas_cumprod",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_trained_on_is_refused_in_one_line(copied: Path, case: str) -> None:
    spoil, expected = REFUSED[case]
    spoil(copied)
    with pytest.raises(BaseModelError, match=expected) as caught:
        load_base(str(copied))
    assert "\n" not in str(caught.value)


@pytest.fixture
def single_file(tiny_sdxl: BaseModel, copied: Path, in_original_naming: Naming) -> Path:
    for weights in copied.rglob("*.safetensors"):
        weights.unlink()
    file = copied.with_suffix(".safetensors")
    save_file(in_original_naming(tiny_sdxl), file)
    return file


def test_a_single_file_equals_its_folder(
    single_file: Path, tiny_sdxl: BaseModel, capfd: pytest.CaptureFixture[str]
) -> None:
    base = load_base(str(single_file))
    printed = capfd.readouterr()
    assert (printed.out, printed.err) == ("", "")
    assert (base.family, base.resolution_px) == ("sdxl", 64)
    assert_same_weights(tiny_sdxl, base)
    assert [t.pad_token for t in base.tokenizers] == ["<|endoftext|>", "!"]
    assert type(base.noise_scheduler).__name__ == "EulerDiscreteScheduler"


@pytest.mark.parametrize(
    ("absent", "message"),
    [
        (
            "conditioner.embedders.1.model.transformer.resblocks.3.ln_2.bias",
            "text_encoder_2 lacks 1 weights",
        ),
        ("model.diffusion_model.label_emb.0.0.bias", "unet lacks the weight .*label_emb.0.0.bias"),
        ("first_stage_model.decoder.conv_out.bias", "vae lacks weights"),
    ],
)
def test_a_single_file_that_lacks_a_weight_is_refused(
    single_file: Path, absent: str, message: str
) -> None:
    tensors = load_file(single_file)
    del tensors[absent]
    save_file(tensors, single_file)
    with pytest.raises(BaseModelError, match=message) as caught:
        load_base(str(single_file))
    assert "\n" not in str(caught.value)


def test_the_full_size_unet_is_the_published_one(meta_sdxl_unet: UNet2DConditionModel) -> None:
    parameters = list(meta_sdxl_unet.parameters())
    assert all(p.is_meta for p in parameters)
    assert sum(p.numel() for p in parameters) == 2_567_463_684
    names = [name for name, _ in meta_sdxl_unet.named_modules()]
    attention = [name for name in names if name.endswith(("attn1", "attn2"))]
    assert len(attention) == 140
    assert sum(name.endswith(("to_q", "to_k", "to_v", "to_out.0")) for name in names) == 560


def test_the_tiny_unet_is_the_published_one_but_for_repetitions(
    meta_sdxl_unet: UNet2DConditionModel, tiny_sdxl: BaseModel
) -> None:
    full, tiny = (dict(unet.named_modules()) for unet in (meta_sdxl_unet, tiny_sdxl.unet))
    assert set(tiny) < set(full)
    assert all(".transformer_blocks." in name for name in set(full) - set(tiny))
    assert all(type(full[name]) is type(module) for name, module in tiny.items())
