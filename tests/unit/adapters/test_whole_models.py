"""Whole weights into files that other tools load as a model, and back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from diffusers.loaders.single_file_utils import create_diffusers_clip_model_from_ldm
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from transformers import CLIPTextModel, CLIPTextModelWithProjection

from studio.adapters import checkpoint
from studio.adapters.adapter import Adapter
from studio.adapters.export import export
from studio.adapters.files import read_adapter
from studio.adapters.formats import format_named
from studio.adapters.tensor_bytes import TORCH_DTYPES, Dtype
from studio.adapters.verify import verify
from studio.adapters.whole_weights import named_parameters, swapped
from studio.bases.base_model import BaseModel
from studio.bases.library_words import no_progress_bars
from studio.bases.loading import load_base
from studio.errors import AdapterError
from studio.preview.sampler import sample
from studio.preview.settings import SamplingSettings

pytestmark = pytest.mark.usefixtures("no_tool_verdicts")

BASES = ["tiny_base", "tiny_sd2", "tiny_sdxl"]
SCHEDULER = DDIMScheduler(beta_schedule="scaled_linear", clip_sample=False, steps_offset=1)
FULL = format_named("full", "checkpoint")


@pytest.fixture(params=BASES)
def base(request: pytest.FixtureRequest) -> BaseModel:
    chosen: BaseModel = request.getfixturevalue(request.param)
    return chosen


def as_neutral(module: torch.nn.Module, part: str) -> dict[str, torch.Tensor]:
    return {
        f"{part}.{name.removeprefix('text_model.')}": p.detach()
        for name, p in module.named_parameters()
    }


def loaded_by_diffusers(path: Path, configs: Path, base: BaseModel) -> dict[str, torch.Tensor]:
    """A single file through diffusers' own loader, offline."""
    content = load_file(path)
    options = {"config": str(configs), "local_files_only": True}
    unet = UNet2DConditionModel.from_single_file(content, subfolder="unet", **options)
    vae = AutoencoderKL.from_single_file(content, subfolder="vae", **options)
    found = as_neutral(unet, "unet") | as_neutral(vae, "vae")
    for part, text_encoder in base.named_text_encoders.items():
        is_plain = isinstance(text_encoder, CLIPTextModel)
        kind = CLIPTextModel if is_plain else CLIPTextModelWithProjection
        convert: Any = create_diffusers_clip_model_from_ldm
        loaded = convert(kind, load_file(path), subfolder=part, **options)
        found |= as_neutral(loaded, part)
    return found


def test_diffusers_reads_what_was_trained(base: BaseModel, whole: Any, tmp_path: Path) -> None:
    adapter: Adapter = whole(base, train_text_encoder=True)
    files = export(
        adapter, base, tmp_path, "dog", formats=["checkpoint", "diffusers"], dtype="fp32"
    )
    assert [file.path.name for file in files] == ["dog.safetensors", "dog-diffusers"]
    found = loaded_by_diffusers(files[0].path, files[1].path, base)
    wanted = {**as_neutral(base.vae, "vae"), **adapter.tensors}
    assert found.keys() == wanted.keys()
    for name, tensor in wanted.items():
        assert torch.equal(found[name], tensor), name


@pytest.mark.parametrize(("name", "dtype"), [("checkpoint", "fp16"), ("diffusers", "bf16")])
def test_what_is_written_is_read(
    tiny_base: BaseModel, whole: Any, tmp_path: Path, name: str, dtype: Dtype
) -> None:
    adapter: Adapter = whole(tiny_base, train_text_encoder=name == "checkpoint")
    (file,) = export(adapter, tiny_base, tmp_path, "dog", formats=[name], dtype=dtype)
    again = read_adapter(file.path)
    assert again.header == adapter.header
    assert again.tensors.keys() == adapter.tensors.keys()
    for key, value in adapter.tensors.items():
        assert torch.equal(again.tensors[key], value.to(TORCH_DTYPES[dtype]).float()), key
    assert file.verdict.max_relative_difference == 0
    kept = file.verdict.kept_share
    assert kept is not None
    assert 0.99 < kept < 1


def test_the_checkpoint_has_the_names_of_the_original(
    tiny_base: BaseModel, tiny_sdxl: BaseModel, tiny_sd2: BaseModel, whole: Any, tmp_path: Path
) -> None:
    """Spelled out, for converters could be wrong in the same way in both directions."""
    expected = {
        "sd1": (
            "model.diffusion_model.input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight",
            "model.diffusion_model.input_blocks.3.0.op.weight",
            "model.diffusion_model.output_blocks.2.1.conv.bias",
            "model.diffusion_model.output_blocks.5.2.conv.weight",
            "model.diffusion_model.output_blocks.11.0.skip_connection.weight",
            "model.diffusion_model.time_embed.2.bias",
            "cond_stage_model.transformer.text_model.encoder.layers.0.self_attn.q_proj.weight",
            "first_stage_model.decoder.up.3.block.0.conv1.weight",
            "first_stage_model.encoder.mid.attn_1.proj_out.weight",
            "first_stage_model.encoder.down.1.block.0.nin_shortcut.weight",
        ),
        "sd2": (
            "cond_stage_model.model.transformer.resblocks.23.attn.in_proj_weight",
            "cond_stage_model.model.transformer.resblocks.0.mlp.c_fc.weight",
            "cond_stage_model.model.positional_embedding",
            "cond_stage_model.model.logit_scale",
        ),
        "sdxl": (
            "model.diffusion_model.input_blocks.4.1.transformer_blocks.0.attn2.to_k.weight",
            "model.diffusion_model.label_emb.0.2.weight",
            "model.diffusion_model.output_blocks.2.2.conv.weight",
            "conditioner.embedders.0.transformer.text_model.final_layer_norm.bias",
            "conditioner.embedders.1.model.text_projection",
            "conditioner.embedders.1.model.ln_final.weight",
        ),
    }
    for base in (tiny_base, tiny_sd2, tiny_sdxl):
        (file,) = export(
            whole(base), base, tmp_path, base.family, formats=["checkpoint"], dtype="fp16"
        )
        with safe_open(file.path, "pt") as opened:
            names, metadata = set(opened.keys()), opened.metadata()
        assert not set(expected[base.family]) - names
        assert not any(name.startswith("unet") for name in names)
        assert metadata["modelspec.architecture"].count("/") == 0
        assert "ss_network_dim" not in metadata
    attention = load_file(tmp_path / "sd1.safetensors")[expected["sd1"][8]]
    assert attention.dim() == 4


@pytest.fixture
def folder(tiny_base: BaseModel, whole: Any, tmp_path: Path) -> Path:
    adapter: Adapter = whole(tiny_base, train_text_encoder=True)
    (file,) = export(adapter, tiny_base, tmp_path, "dog", formats=["diffusers"], dtype="fp32")
    return file.path


def test_a_pipeline_loaded_from_the_folder_draws_the_same_picture(
    tiny_base: BaseModel, folder: Path
) -> None:
    settings = SamplingSettings(num_inference_steps=2)
    tiny_base = replace(tiny_base, noise_scheduler=SCHEDULER)
    adapter = read_adapter(folder)
    with swapped(adapter.tensors, tiny_base):
        (wanted,) = sample(tiny_base, ["a dog"], [3], settings)
    (bare,) = sample(tiny_base, ["a dog"], [3], settings)
    with no_progress_bars():
        pipe = StableDiffusionPipeline.from_pretrained(
            folder, scheduler=SCHEDULER, local_files_only=True
        )
    loaded = replace(
        tiny_base,
        unet=pipe.unet,
        vae=pipe.vae,
        text_encoders=[pipe.text_encoder],
        tokenizers=[pipe.tokenizer],
        noise_scheduler=pipe.scheduler,
    )
    (picture,) = sample(loaded, ["a dog"], [3], settings)
    assert np.array_equal(np.asarray(picture), np.asarray(wanted))
    assert not np.array_equal(np.asarray(picture), np.asarray(bare))


def test_the_folder_is_a_base_model_and_names_no_other_folder(
    tiny_base: BaseModel, folder: Path
) -> None:
    base = load_base(str(folder))
    assert base.family == "sd1"
    tensors = read_adapter(folder).tensors
    for name, parameter in named_parameters(base).items():
        assert torch.equal(parameter, tensors[name])
    texts = [file.read_text("utf-8") for file in folder.rglob("*.json")]
    assert not any("_name_or_path" in text for text in texts)
    merges = (folder / "tokenizer" / "merges.txt").read_text("utf-8")
    assert merges.startswith("#version")
    vocab = json.loads((folder / "tokenizer" / "vocab.json").read_text("utf-8"))
    assert vocab["a</w>"] == tiny_base.tokenizer.convert_tokens_to_ids("a</w>")


WRONG = {
    "a weight of the base in a trained one's place": "attn2.to_k.weight",
    "a weight that the base lacks": "nowhere.weight",
    "a weight that is absent": "conv_in.bias",
    "a weight of another shape": "out.2.bias",
}


@pytest.mark.parametrize("fault", WRONG)
def test_silent_faults_are_found(
    tiny_base: BaseModel, whole: Any, tmp_path: Path, fault: str
) -> None:
    """The change is less than fp16's rounding of the weight would allow: still it is noticed."""
    adapter: Adapter = whole(tiny_base, spread=1e-4)
    (file,) = export(adapter, tiny_base, tmp_path, "dog", formats=["checkpoint"], dtype="fp16")
    tensors = load_file(file.path)
    name = "model.diffusion_model.input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight"
    if fault.startswith("a weight of the base"):
        live = "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k.weight"
        tensors[name] = named_parameters(tiny_base)[live].half()
    elif fault == "a weight that the base lacks":
        tensors["model.diffusion_model.nowhere.weight"] = torch.ones(1).half()
    elif fault == "a weight that is absent":
        del tensors["model.diffusion_model.input_blocks.0.0.bias"]
    else:
        tensors["model.diffusion_model.out.2.bias"] = torch.ones(9).half()
    save_file(tensors, file.path, metadata={"studio.kind": "full"})
    verdict = verify(file.path, adapter, tiny_base, FULL)
    assert not verdict.ok
    assert verdict.problem()


@pytest.fixture
def no_bytes_left(tmp_path: Path) -> Iterator[None]:
    yield
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("no_bytes_left")
def test_whole_weights_of_another_base_are_refused(
    tiny_base: BaseModel, whole: Any, tmp_path: Path
) -> None:
    adapter: Adapter = whole(tiny_base)
    name = "unet.conv_in.weight"
    for tensors in (
        {**adapter.tensors, "unet.nowhere.weight": torch.ones(1)},
        {**adapter.tensors, name: torch.ones(2, 2)},
        {**adapter.tensors, name: adapter.tensors[name] * float("nan")},
    ):
        wrong = replace(adapter, tensors=tensors)
        with pytest.raises(AdapterError):
            export(wrong, tiny_base, tmp_path, "x", formats=["diffusers"], dtype="fp16")
        with pytest.raises(AdapterError), swapped(tensors, tiny_base):
            pytest.fail("put on a base that it does not fit")


def test_another_tools_model_is_no_adapter(tmp_path: Path) -> None:
    key = "model.diffusion_model.out.2.bias"
    save_file({key: torch.ones(4)}, tmp_path / "x.safetensors")
    with pytest.raises(AdapterError, match="name it as the base model"):
        read_adapter(tmp_path / "x.safetensors")
    with pytest.raises(AdapterError, match="none of the parts"):
        checkpoint.read({key: torch.ones(4)}, {"studio.kind": "full", "studio.family": "sd1"})


def test_a_folder_whose_description_is_broken_is_refused(folder: Path) -> None:
    (folder / "adapter.json").write_text("{}")
    with pytest.raises(AdapterError, match=r"adapter\.json"):
        read_adapter(folder)
    (folder / "adapter.json").unlink()
    with pytest.raises(AdapterError, match="holds no adapter"):
        read_adapter(folder)
