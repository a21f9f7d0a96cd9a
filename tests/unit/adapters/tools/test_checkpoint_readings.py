"""Whole models as each tool reads them: every tensor in its place, none missing, none another's."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from studio.adapters.adapter import Adapter
from studio.adapters.formats import format_named
from studio.adapters.tensor_bytes import Dtype
from studio.adapters.tools.original_layout import layout_of
from studio.adapters.tools.verdicts import TOOLS, tool_verdicts
from studio.bases.base_model import BaseModel
from studio.errors import VerificationError

BASES = {"sd1": "tiny_base", "sd2": "tiny_sd2", "sdxl": "tiny_sdxl"}
EVERYBODY = set(TOOLS)
ENCODERS = {
    "sd1": "cond_stage_model.transformer.text_model.",
    "sd2": "cond_stage_model.model.",
    "sdxl": "conditioner.embedders.1.model.",
}
LAST_NORM = {"sd1": "final_layer_norm.bias", "sd2": "ln_final.bias", "sdxl": "ln_final.bias"}
UNET, VAE = "model.diffusion_model.", "first_stage_model."
Spoil = Callable[[dict[str, Tensor]], object]


@pytest.fixture(params=BASES)
def base(request: pytest.FixtureRequest) -> BaseModel:
    found: BaseModel = request.getfixturevalue(BASES[request.param])
    return found


def written(
    adapter: Adapter, base: BaseModel, folder: Path, name: str = "checkpoint", dtype: Dtype = "fp32"
) -> Path:
    path = folder / name
    known = format_named("full", name)
    if not known.extension:
        path.mkdir()
    known.load().write(adapter, path, dtype, base)
    return path


def refusals(
    path: Path, adapter: Adapter, base: BaseModel, name: str = "checkpoint"
) -> dict[str, str]:
    found = tool_verdicts(path, format_named("full", name), adapter, base)
    assert [v.tool for v in found] == list(TOOLS)
    return {v.tool: v.because for v in found if not v.works}


def spoiled(path: Path, spoil: Spoil) -> Path:
    tensors = load_file(path)
    spoil(tensors)
    save_file({key: t.contiguous() for key, t in tensors.items()}, path)
    return path


def test_what_we_write_is_read_by_all(base: BaseModel, whole: Any, tmp_path: Path) -> None:
    adapter = whole(base, train_text_encoder=True)
    path = written(adapter, base, tmp_path, dtype="fp16")
    assert refusals(path, adapter, base) == {}


def test_each_kind_of_fault_is_told_by_name(base: BaseModel, whole: Any, tmp_path: Path) -> None:
    adapter = whole(base)
    good = load_file(written(adapter, base, tmp_path))
    path = tmp_path / "spoiled.safetensors"

    def told(key: str, **instead: Tensor) -> dict[str, str]:
        save_file({name: t for name, t in good.items() if name != key} | instead, path)
        said = refusals(path, adapter, base)
        assert said.keys() == EVERYBODY
        return said

    key = UNET + "middle_block.1.proj_in.weight"
    said = told(key)
    missing = f"1 tensors that it needs are missing, the first is {key}"
    assert said["A1111"] == said["kohya"] == missing
    assert "mid_block.attentions.0.proj_in.weight" in said["diffusers"]

    key = VAE + "quant_conv.bias"
    said = told(key, **{f"{key}s": good[key]})
    assert said["ComfyUI"] == f"it leaves 1 tensors unused, the first is {key}s"

    key = ENCODERS[base.family] + LAST_NORM[base.family]
    said = told(key, **{key: good[key] + 1e-3})
    assert said["Forge"] == f"1 tensors are not what was trained, the first is {key}"
    assert "1 tensors are not what was trained" in said["diffusers"]


def test_the_base_without_what_was_trained_is_refused(
    tiny_base: BaseModel, whole: Any, tmp_path: Path
) -> None:
    trained = whole(tiny_base)
    path = written(Adapter(trained.header, {}), tiny_base, tmp_path)
    assert refusals(path, trained, tiny_base).keys() == EVERYBODY


def transpose(tensors: dict[str, Tensor]) -> None:
    key = "conditioner.embedders.1.model.text_projection"
    tensors[key] = tensors[key].T


def swap_rows(tensors: dict[str, Tensor]) -> None:
    key = "conditioner.embedders.1.model.transformer.resblocks.0.attn.in_proj_weight"
    query, keys, values = tensors[key].chunk(3)
    tensors[key] = torch.cat([keys, query, values])


def turn_levels(tensors: dict[str, Tensor]) -> None:
    ends = ("1.block.0.conv1.bias", "2.block.0.conv1.bias")
    first, second = (f"{VAE}decoder.up.{end}" for end in ends)
    tensors[first], tensors[second] = tensors[second] + 1, tensors[first] + 1


def by_diffusers_names(tensors: dict[str, Tensor]) -> None:
    key = f"{UNET}input_blocks.4.1.proj_in.weight"
    tensors[f"{UNET}down_blocks.1.attentions.0.proj_in.weight"] = tensors.pop(key)


@pytest.mark.parametrize("spoil", [transpose, swap_rows, turn_levels, by_diffusers_names])
def test_faults_that_no_name_shows(
    spoil: Spoil, tiny_sdxl: BaseModel, whole: Any, tmp_path: Path
) -> None:
    adapter = whole(tiny_sdxl)
    path = spoiled(written(adapter, tiny_sdxl, tmp_path), spoil)
    assert refusals(path, adapter, tiny_sdxl).keys() == EVERYBODY


def test_the_vae_attends_by_convolutions_but_diffusers_takes_both(
    tiny_base: BaseModel, whole: Any, tmp_path: Path
) -> None:
    def flatten(tensors: dict[str, Tensor]) -> None:
        key = f"{VAE}encoder.mid.attn_1.q.weight"
        tensors[key] = tensors[key][:, :, 0, 0]

    adapter = whole(tiny_base)
    path = spoiled(written(adapter, tiny_base, tmp_path), flatten)
    assert refusals(path, adapter, tiny_base).keys() == EVERYBODY - {"diffusers"}


def test_an_old_text_encoder_is_known_to_all_but_diffusers(
    tiny_base: BaseModel, whole: Any, tmp_path: Path
) -> None:
    def without_outer_name(tensors: dict[str, Tensor]) -> None:
        for key in [key for key in tensors if key.startswith(ENCODERS["sd1"])]:
            tensors[key.replace("text_model.", "")] = tensors.pop(key)

    adapter = whole(tiny_base)
    path = spoiled(written(adapter, tiny_base, tmp_path), without_outer_name)
    said = refusals(path, adapter, tiny_base)
    assert said == {"diffusers": "it cannot convert the file: it finds no text_encoder in it"}


def test_what_all_tools_pass_over(base: BaseModel, whole: Any, tmp_path: Path) -> None:
    def add(tensors: dict[str, Tensor]) -> None:
        encoder = ENCODERS[base.family]
        for schedule in ("betas", "alphas_cumprod", "sqrt_one_minus_alphas_cumprod"):
            tensors[schedule] = torch.ones(10)
        tensors["model_ema.decay"] = torch.ones(1)
        if base.family == "sd1":
            tensors[f"{encoder}embeddings.position_ids"] = torch.ones(1, 4)
        else:
            tensors[f"{encoder}logit_scale"] = torch.tensor(4.6)

    adapter = whole(base)
    path = spoiled(written(adapter, base, tmp_path), add)
    assert refusals(path, adapter, base) == {}


def test_a_broken_checkpoint_is_nobodys_verdict(
    tiny_base: BaseModel, whole: Any, tmp_path: Path
) -> None:
    adapter = whole(tiny_base)
    path = written(adapter, tiny_base, tmp_path)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(VerificationError):
        refusals(path, adapter, tiny_base)


def test_no_two_parameters_share_a_place(base: BaseModel) -> None:
    layout = layout_of(base)
    places = [name for names in layout.values() for name in names]
    assert len(set(places)) == len(places)
    parts = {"unet": base.unet, "vae": base.vae, **base.named_text_encoders}
    assert len(places) == sum(len(list(module.parameters())) for module in parts.values())


PROJECTION = "text_projection.weight"


def project_as(path: Path, key: str) -> None:
    """SDXL's projection under another name; the published one is `PROJECTION`."""

    def rename(tensors: dict[str, Tensor]) -> None:
        (old,) = [name for name in tensors if name.endswith(PROJECTION)]
        tensors[key] = tensors.pop(old)

    spoiled(path / "text_encoder_2/model.safetensors", rename)


@pytest.mark.parametrize("name", ["tiny_base", "tiny_sdxl"])
def test_a_folder_is_read_by_diffusers_and_kohya(
    name: str, request: pytest.FixtureRequest, whole: Any, tmp_path: Path
) -> None:
    base: BaseModel = request.getfixturevalue(name)
    adapter = whole(base, train_text_encoder=True)
    path = written(adapter, base, tmp_path, "diffusers", "fp16")
    assert refusals(path, adapter, base, "diffusers") == dict.fromkeys(
        ("A1111", "Forge", "ComfyUI"), "it loads checkpoints of one file; export as checkpoint"
    )


@pytest.fixture
def model(tiny_sdxl: BaseModel, whole: Any, tmp_path: Path) -> tuple[Path, Adapter]:
    adapter = whole(tiny_sdxl, train_text_encoder=True)
    return written(adapter, tiny_sdxl, tmp_path, "diffusers"), adapter


def test_spoiled_folders(model: tuple[Path, Adapter], tiny_sdxl: BaseModel) -> None:
    path, adapter = model
    unet = path / "unet/diffusion_pytorch_model.safetensors"

    def told(file: Path, spoil: Spoil) -> dict[str, str]:
        good = file.read_bytes()
        spoil_file = spoiled(file, spoil)
        said = refusals(path, adapter, tiny_sdxl, "diffusers")
        spoil_file.write_bytes(good)
        assert said.keys() == EVERYBODY
        assert said["diffusers"] == said["kohya"]
        return said

    said = told(unet, lambda t: t.pop("conv_in.bias"))
    assert said["kohya"] == "1 tensors that it needs are missing, the first is unet.conv_in.bias"
    said = told(unet, lambda t: t.update(more=torch.ones(1)))
    assert said["kohya"] == "it leaves 1 tensors unused, the first is unet.more"
    said = told(unet, lambda t: t.update({"conv_in.bias": t["conv_in.bias"] + 1}))
    assert said["kohya"] == "1 tensors are not what was trained, the first is unet.conv_in.bias"
    second = path / "text_encoder_2/model.safetensors"
    said = told(second, lambda t: t.pop("text_projection.weight"))
    assert "text_encoder_2.text_projection.weight" in said["kohya"]
    assert refusals(path, adapter, tiny_sdxl, "diffusers").keys() == {"A1111", "Forge", "ComfyUI"}


def test_older_transformers_want_the_published_names(
    model: tuple[Path, Adapter], tiny_sdxl: BaseModel
) -> None:
    def without_outer_name(tensors: dict[str, Tensor]) -> None:
        for key in list(tensors):
            tensors[key.removeprefix("text_model.")] = tensors.pop(key)

    path, adapter = model
    project_as(path, f"text_model.{PROJECTION}")
    said = refusals(path, adapter, tiny_sdxl, "diffusers")
    assert said.keys() == EVERYBODY - {"diffusers"}
    assert said["kohya"].endswith(f"the first is text_encoder_2.text_model.{PROJECTION}")
    project_as(path, PROJECTION)
    spoiled(path / "text_encoder/model.safetensors", without_outer_name)
    said = refusals(path, adapter, tiny_sdxl, "diffusers")
    assert said.keys() == EVERYBODY - {"diffusers"}
    assert "text_encoder.embeddings" in said["kohya"]


def test_a_folders_configuration_counts(model: tuple[Path, Adapter], tiny_sdxl: BaseModel) -> None:
    path, adapter = model
    config = json.loads((path / "unet/config.json").read_text())
    narrow = {**config, "cross_attention_dim": 48}
    (path / "unet/config.json").write_text(json.dumps(narrow))
    said = refusals(path, adapter, tiny_sdxl, "diffusers")
    assert "are not what was trained, the first is unet." in said["diffusers"]
    (path / "unet/config.json").unlink()
    said = refusals(path, adapter, tiny_sdxl, "diffusers")
    assert "cannot make the models" in said["kohya"]


def test_a_folders_other_parts(model: tuple[Path, Adapter], tiny_sdxl: BaseModel) -> None:
    path, adapter = model
    shutil.rmtree(path / "tokenizer_2")
    said = refusals(path, adapter, tiny_sdxl, "diffusers")
    assert said.keys() == EVERYBODY - {"kohya"}  # which brings its own
    assert said["diffusers"] == "the folder lacks tokenizer_2"
    (path / "vae/diffusion_pytorch_model.safetensors").unlink()
    said = refusals(path, adapter, tiny_sdxl, "diffusers")
    assert "are missing, the first is vae." in said["kohya"]
    (path / "model_index.json").write_text("no JSON")
    assert refusals(path, adapter, tiny_sdxl, "diffusers").keys() == EVERYBODY


def test_an_extracted_lora_is_read_as_one(tiny_base: BaseModel, whole: Any, tmp_path: Path) -> None:
    adapter = whole(tiny_base, extraction_rank=4)
    path = written(adapter, tiny_base, tmp_path, "extracted")
    # It reaches outside of the blocks, where kohya's own network does not; so it names LyCORIS.
    assert refusals(path, adapter, tiny_base, "extracted") == {}

    def misspell(tensors: dict[str, Tensor]) -> None:
        for key in [key for key in tensors if "attn2_to_q" in key][:3]:
            tensors[key.replace("attn2_to_q", "attn2_to_p")] = tensors.pop(key)

    with safe_open(path, "pt") as opened:
        metadata = opened.metadata()
    tensors = load_file(path)
    misspell(tensors)
    save_file(tensors, path, metadata=metadata)
    assert refusals(path, adapter, tiny_base, "extracted").keys() == EVERYBODY
