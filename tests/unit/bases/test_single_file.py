"""What a single file is, by its header alone: family, variant, prediction type, and what it is not."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest

from studio.bases.identity import BaseIdentity, identify_base
from studio.bases.published import PUBLISHED
from studio.bases.single_file import SingleFile
from studio.bases.tokenizer_files import read_tokenizer
from studio.errors import BaseModelError

Shapes = dict[str, tuple[int, ...]]
UNET, VAE = "model.diffusion_model.", "first_stage_model.decoder.conv_in.weight"
FIRST = f"{UNET}input_blocks.0.0.weight"
TEXT = {
    "sd1": "cond_stage_model.transformer.text_model.embeddings.position_embedding.weight",
    "sd2": "cond_stage_model.model.positional_embedding",
    "sdxl": "conditioner.embedders.0.transformer.text_model.final_layer_norm.bias",
    "sdxl_refiner": "conditioner.embedders.0.model.text_projection",
    "svd": "conditioner.embedders.0.open_clip.model.visual.proj",
}
WIDTH = {"sdxl_refiner": 384}
CHANNELS = {"svd": 8}


def shapes_of(family: str) -> Shapes:
    """As few tensors as tell the family: none of them has any numbers, see `write`."""
    first = (WIDTH.get(family, 320), CHANNELS.get(family, 4), 3, 3)
    return {FIRST: first, VAE: (512, 4, 3, 3), TEXT[family]: (77, 768)}


def write(path: Path, shapes: Shapes, **metadata: str) -> Path:
    """A file with a header of that many numbers and a hole where they would be."""
    header: dict[str, object] = {"__metadata__": metadata} if metadata else {}
    end = 0
    for name, shape in shapes.items():
        size = 2
        for side in shape:
            size *= side
        header[name] = {"dtype": "F16", "shape": shape, "data_offsets": [end, end + size]}
        end += size
    text = json.dumps(header).encode()
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        file.truncate(8 + len(text) + end)
    return path


def found(identity: BaseIdentity) -> tuple[str, int, str]:
    assert isinstance(identity.content, SingleFile)
    folder = identity.content.config_folder
    scheduler = json.loads((folder / "scheduler/scheduler_config.json").read_text())
    scheduler |= identity.content.scheduler
    return folder.name, identity.resolution_px, scheduler["prediction_type"]


@pytest.mark.parametrize("family", TEXT)
def test_the_family_is_told_by_names_and_the_published_configuration_found(
    tmp_path: Path, family: str
) -> None:
    identity = identify_base(str(write(tmp_path / "any 512.safetensors", shapes_of(family))))
    assert identity.family == family
    assert isinstance(identity.content, SingleFile)
    assert identity.content.config_folder.is_relative_to(PUBLISHED)
    if family in ("sd1", "sd2", "sdxl"):
        tokenizer = read_tokenizer(identity)
        assert tokenizer is not None
        assert tokenizer.max_tokens == 75
        assert len(tokenizer.tokens("a photo of a cat")) == 5


V, EPSILON = ("sd2_768", 768, "v_prediction"), ("sd2_512", 512, "epsilon")
SD2: dict[str, tuple[str, Shapes, dict[str, str], tuple[str, int, str], str]] = {
    "architecture": (
        "x-512",
        {},
        {"modelspec.architecture": "stable-diffusion-v2-768-v"},
        V,
        "",
    ),
    "architecture of 512": (
        "x-768",
        {},
        {"modelspec.architecture": "stable-diffusion-v2-512"},
        EPSILON,
        "",
    ),
    "prediction type": ("x-512", {}, {"modelspec.prediction_type": "v"}, V, ""),
    "prediction key": ("x-768", {}, {"modelspec.prediction_key": "epsilon"}, EPSILON, ""),
    "the type before the architecture": (
        "x",
        {},
        {
            "modelspec.prediction_type": "epsilon",
            "modelspec.architecture": "stable-diffusion-v2-768-v",
        },
        EPSILON,
        "",
    ),
    "marker": ("x-512", {"v_pred": (0,)}, {}, V, ""),
    "name of 768": ("v2-1_768-ema-pruned", {}, {}, V, "its name says so"),
    "name of 512": ("512-base-ema", {}, {}, EPSILON, "its name says so"),
    "a number that only holds it": ("x1768", {}, {}, V, "nothing in the file"),
    "both": ("768-from-512", {}, {}, V, "nothing in the file"),
    "nothing": ("mine", {}, {}, V, "nothing in the file says which"),
}


@pytest.mark.parametrize("case", SD2)
def test_what_sd2_predicts_is_judged_by_the_best_evidence(tmp_path: Path, case: str) -> None:
    name, more, metadata, expected, remark = SD2[case]
    file = write(tmp_path / f"{name}.safetensors", shapes_of("sd2") | more, **metadata)
    identity = identify_base(str(file))
    assert found(identity) == expected
    assert len(identity.remarks) == bool(remark)
    if remark:
        assert remark in identity.remarks[0]
        assert "loss.prediction_type" in identity.remarks[0]


def test_the_step_tells_the_epsilon_model_of_sd2_as_diffusers_has_it(tmp_path: Path) -> None:
    import torch

    weights = {name: torch.zeros(1).expand(shape) for name, shape in shapes_of("sd2").items()}
    weights = {name: w.clone() for name, w in weights.items()}
    for step, expected in ((875_000, EPSILON), (140_000, V)):
        torch.save({"state_dict": weights, "global_step": step}, tmp_path / "x.ckpt")
        identity = identify_base(str(tmp_path / "x.ckpt"))
        assert found(identity) == expected
        assert len(identity.remarks) == (1 if expected == EPSILON else 2)


@pytest.mark.parametrize("family", ["sd1", "sdxl"])
def test_others_predict_epsilon_unless_they_say_v(tmp_path: Path, family: str) -> None:
    plain = identify_base(str(write(tmp_path / "768.safetensors", shapes_of(family))))
    assert found(plain)[2] == "epsilon"
    assert plain.remarks == ()
    marked = shapes_of(family) | {"v_pred": (0,), "ztsnr": (0,)}
    identity = identify_base(str(write(tmp_path / "noob.safetensors", marked)))
    assert found(identity)[2] == "v_prediction"
    assert isinstance(identity.content, SingleFile)
    assert identity.content.scheduler["rescale_betas_zero_snr"] is True
    said = write(
        tmp_path / "a.safetensors", shapes_of(family), **{"modelspec.prediction_type": "v"}
    )
    assert found(identify_base(str(said)))[2] == "v_prediction"


@pytest.mark.parametrize(("name", "frames"), [("svd", 14), ("svd_xt_1_1", 25)])
def test_the_frames_of_svd_are_told_by_the_name_and_said(
    tmp_path: Path, name: str, frames: int
) -> None:
    identity = identify_base(str(write(tmp_path / f"{name}.safetensors", shapes_of("svd"))))
    (remark,) = identity.remarks
    assert f"{frames} frames" in remark
    assert isinstance(identity.content, SingleFile)
    unet = json.loads((identity.content.config_folder / "unet/config.json").read_text())
    assert unet["num_frames"] == frames


def without(family: str, name: str, **more: tuple[int, ...]) -> Shapes:
    return {k: v for k, v in shapes_of(family).items() if k != name} | more


def inpainting() -> Shapes:
    return shapes_of("sd1") | {FIRST: (320, 9, 3, 3)}


def only(*names: str) -> Shapes:
    return dict.fromkeys(names, (8, 4, 3, 3))


REFUSED: dict[str, tuple[Shapes, str]] = {
    "inpainting": (inpainting(), "reads 9 channels, not 4: it is made for inpainting"),
    "no VAE": (without("sd1", VAE), "holds no VAE .* name one as base.vae"),
    "no text encoder": (without("sdxl", TEXT["sdxl"]), "without its text encoder; give the whole"),
    "other widths": (
        shapes_of("sd1") | {FIRST: (64, 4, 3, 3)},
        "U-Net of width 64, not 320 as the published Stable Diffusion 1.x; put",
    ),
    "U-Net of diffusers": (
        only("conv_in.weight", "down_blocks.0.resnets.0.norm1.weight"),
        "a U-Net alone, in diffusers' naming",
    ),
    "VAE": (
        only("encoder.conv_in.weight", "decoder.conv_in.weight"),
        "a VAE alone; .* as base.vae",
    ),
    "Flux": (
        only("double_blocks.0.img_attn.qkv.weight"),
        "a Flux model or kin, which is not supported",
    ),
    "Flux, whole": (only(f"{UNET}double_blocks.0.img_attn.qkv.weight"), "a Flux model"),
    "SD 3": (only(f"{UNET}joint_blocks.0.x_block.mlp.fc1.weight"), "a Stable Diffusion 3 model"),
    "ControlNet": (only("control_model.time_embed.0.weight"), "a ControlNet, no base"),
    "adapter": (only("lora_unet_mid_block.lora_down.weight"), "an adapter, no base model"),
    "Playground": (shapes_of("sdxl") | {"edm_mean": (4,)}, "Playground 2.5 .*not supported"),
    "anything": (only("classifier.weight"), "not a whole Stable Diffusion checkpoint"),
    "two families": (
        shapes_of("sd1") | shapes_of("sd2"),
        "not a whole Stable Diffusion checkpoint",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_such_model_is_told_in_one_line(tmp_path: Path, case: str) -> None:
    shapes, message = REFUSED[case]
    file = write(tmp_path / "x.safetensors", shapes)
    with pytest.raises(BaseModelError, match=message) as caught:
        identify_base(str(file))
    assert "\n" not in str(caught.value)
    assert str(file) in str(caught.value)
