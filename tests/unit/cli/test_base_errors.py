"""Base models that cannot be used, through the real command: one line, exit code 2, nothing loaded."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from studio.bases import loading
from studio.bases.source import POCKET_FOLDER

Studio = Callable[..., Any]
FIRST = "model.diffusion_model.input_blocks.0.0.weight"
TEXT = "cond_stage_model.transformer.text_model.embeddings.position_embedding.weight"
VAE = "first_stage_model.decoder.conv_in.weight"
POINTER = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 4265146304\n"


class Bomb:
    def __reduce__(self) -> Any:
        return (exec, ("open('ran', 'w').close()",))


def single_file(folder: Path, **changes: Any) -> str:
    """A file with the fewest tensors that name a family; ``changes`` by the constants' names."""
    tensors = {
        FIRST: torch.zeros(320, changes.get("channels", 4), 3, 3),
        TEXT: torch.zeros(77, 8),
        VAE: torch.zeros(8, 4, 3, 3),
    }
    for name in changes.get("without", ()):
        del tensors[name]
    save_file(changes.get("tensors", tensors), folder / "model.safetensors")
    return "model.safetensors"


def written(folder: Path, name: str, content: str | bytes) -> str:
    data = content.encode() if isinstance(content, str) else content
    (folder / name).write_bytes(data)
    return name


def hostile(folder: Path) -> str:
    torch.save({"state_dict": Bomb()}, folder / "evil.ckpt")
    return "evil.ckpt"


def diffusers_folder(folder: Path) -> Path:
    """Pocket's configurations, with weights of one tensor each."""
    copy = folder / "model"
    shutil.copytree(POCKET_FOLDER, copy, ignore=shutil.ignore_patterns("*.safetensors", "clip"))
    for part, stem in (
        ("unet", "diffusion_pytorch_model"),
        ("vae", "diffusion_pytorch_model"),
        ("text_encoder", "model"),
    ):
        save_file({"a": torch.zeros(9)}, copy / part / f"{stem}.safetensors")
    return copy


def truncated(folder: Path) -> str:
    file = diffusers_folder(folder) / "unet/diffusion_pytorch_model.safetensors"
    file.write_bytes(file.read_bytes()[:-4])
    return "model"


def lacking_a_shard(folder: Path) -> str:
    model = diffusers_folder(folder)
    (model / "unet/diffusion_pytorch_model.safetensors").unlink()
    index = {"weight_map": {"a": "diffusion_pytorch_model-00002-of-00002.safetensors"}}
    file = model / "unet/diffusion_pytorch_model.safetensors.index.json"
    file.write_text(json.dumps(index))
    return "model"


def no_model(folder: Path) -> str:
    (folder / "holiday").mkdir()
    return "holiday"


TABLE: dict[str, tuple[Callable[[Path], str], str]] = {
    "truncated weights": (
        truncated,
        "error: base model 'model': unet/diffusion_pytorch_model.safetensors cannot be used: it is "
        "truncated: {n} of {m} bytes; fetch it anew",
    ),
    "a .ckpt with code in it": (
        hostile,
        "error: base model 'evil.ckpt' was not opened, and nothing in it was run: it wants to run "
        "'__builtin__.exec', which no tensors need; get it from elsewhere, as .safetensors",
    ),
    "no VAE": (
        lambda folder: single_file(folder, without=[VAE]),
        "error: base model 'model.safetensors' holds no VAE (no tensors called first_stage_model); "
        "name one as base.vae, or give a file that has one",
    ),
    "no text encoder": (
        lambda folder: single_file(folder, without=[TEXT]),
        "error: base model 'model.safetensors' holds a U-Net without its text encoder; give the whole "
        "checkpoint",
    ),
    "a Git LFS pointer": (
        lambda folder: written(folder, "model.safetensors", POINTER),
        "error: base model 'model.safetensors' cannot be read: it is a Git LFS pointer, 135 bytes; "
        "run: git lfs pull",
    ),
    "an inpainting model": (
        lambda folder: single_file(folder, channels=9),
        "error: base model 'model.safetensors' reads 9 channels, not 4: it is made for inpainting, "
        "editing or upscaling; give the plain text-to-image model",
    ),
    "a Flux model": (
        lambda folder: single_file(
            folder, tensors={"double_blocks.0.img_attn.norm.key_norm.scale": torch.zeros(1)}
        ),
        "error: base model 'model.safetensors' is a Flux model or kin, which is not supported; give one "
        "of Stable Diffusion 1.x, 2.x or XL",
    ),
    "a web page": (
        lambda folder: written(folder, "model.safetensors", "<!DOCTYPE html><title>Log in</title>"),
        "error: base model 'model.safetensors' cannot be read: it is a web page; log in where it came "
        "from, and download it again",
    ),
    "a missing shard": (
        lacking_a_shard,
        "error: base model 'model': the shard "
        "unet/diffusion_pytorch_model-00002-of-00002.safetensors is missing; fetch it",
    ),
    "a folder that is no model": (
        no_model,
        "error: base model 'holiday' is not a diffusers model: holiday/model_index.json is missing",
    ),
    "an unknown name": (
        lambda _: "pockt",
        "error: base model 'pockt' is no file or folder; give 'pocket', a diffusers folder, a "
        ".safetensors file or a hub id such as owner/model",
    ),
    "another VAE that is not there": (
        lambda _: "pocket --set base.vae=vae.safetensors",
        "error: base.vae 'vae.safetensors' is no file or folder; give 'pocket', a diffusers folder, a "
        ".safetensors file or a hub id such as owner/model",
    ),
}


@pytest.fixture
def nothing_loaded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def fail(*_: object, **__: object) -> None:
        pytest.fail("a model was loaded")

    monkeypatch.setattr(loading, "load_modules", fail)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))


def files(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if "cache" not in path.parts}


@pytest.mark.usefixtures("nothing_loaded")
@pytest.mark.parametrize("case", TABLE)
def test_each_is_one_line_before_anything_is_loaded_or_written(
    studio: Studio, recipe: Path, tmp_path: Path, case: str
) -> None:
    make, message = TABLE[case]
    name, *options = make(tmp_path).split(" ")
    before = files(tmp_path)
    outcome = studio("train", recipe, "--set", f"base_model={name}", *options)
    assert (outcome.code, outcome.out) == (2, "")
    start, _, end = message.partition("{n} of {m}")
    assert outcome.err.startswith(start)
    assert outcome.err.endswith(f"{end}\n")
    assert outcome.err.count("\n") == 1
    assert files(tmp_path) == before


@pytest.mark.usefixtures("nothing_loaded")
def test_an_adapter_of_another_family_is_refused(studio: Studio, tmp_path: Path) -> None:
    up, down = torch.zeros(640, 4), torch.zeros(4, 2048)
    name = "lora_te2_text_model_encoder_layers_0_self_attn_q_proj"
    layers = {f"{name}.lora_up.weight": torch.zeros(1280, 4)}
    layers |= {f"{name}.lora_down.weight": torch.zeros(4, 1280), f"{name}.alpha": torch.tensor(4.0)}
    unet = "lora_unet_input_blocks_4_1_transformer_blocks_0_attn2_to_k"
    layers |= {f"{unet}.lora_up.weight": up, f"{unet}.lora_down.weight": down}
    layers |= {f"{unet}.alpha": torch.tensor(4.0)}
    save_file(
        layers, tmp_path / "xl.safetensors", metadata={"ss_base_model_version": "sdxl_base_v1-0"}
    )
    before = files(tmp_path)
    outcome = studio("preview", "xl.safetensors", "--base", "pocket", "--prompt", "a cat")
    assert outcome.code == 2
    assert outcome.err.startswith("error: xl.safetensors: the adapter was trained on")
    assert outcome.err.endswith("of family sd1; choose a base of family sdxl\n")
    assert outcome.err.count("\n") == 1
    assert files(tmp_path) == before
