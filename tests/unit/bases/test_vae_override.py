"""Another VAE in the place of the base's own, in every form, and the ones that do not fit."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKL
from safetensors.torch import save_file
from torch import Tensor

from studio.bases.base_model import BaseModel
from studio.bases.identity import identify_base
from studio.bases.loading import load_base
from studio.bases.settings import BaseSettings
from studio.errors import BaseModelError

PREFIX = "first_stage_model."
Naming = Callable[[BaseModel], dict[str, Tensor]]


@pytest.fixture(scope="module")
def other(saved_base: Path) -> AutoencoderKL:
    """A VAE of the base's tree with other weights and another scaling factor."""
    torch.manual_seed(9)
    vae: AutoencoderKL = AutoencoderKL.from_config(
        AutoencoderKL.load_config(saved_base / "vae"), scaling_factor=0.5
    )
    return vae.requires_grad_(False).eval()


@pytest.fixture(scope="module")
def original(
    saved_base: Path, other: AutoencoderKL, in_original_naming: Naming
) -> dict[str, Tensor]:
    """Its tensors as VAEs are shared: in the original naming, without the checkpoint's prefix."""
    base = load_base(str(saved_base))
    base.vae = other
    tensors = in_original_naming(base)
    return {
        k.removeprefix(PREFIX): v.contiguous() for k, v in tensors.items() if k.startswith(PREFIX)
    }


def assert_is(found: AutoencoderKL, expected: AutoencoderKL) -> None:
    weights = found.state_dict()
    assert set(weights) == set(expected.state_dict())
    assert all(torch.equal(weights[k], v) for k, v in expected.state_dict().items())


def test_folders_count_with_their_scaling_factor(
    saved_base: Path, other: AutoencoderKL, tmp_path: Path
) -> None:
    other.save_pretrained(tmp_path / "plain")
    other.save_pretrained(tmp_path / "model" / "vae", variant="fp16")
    clean = load_base(str(saved_base))
    for name in ("plain", "model"):
        settings = BaseSettings(vae=str(tmp_path / name))
        base = load_base(str(saved_base), settings)
        assert_is(base.vae, other)
        assert base.vae.config["scaling_factor"] == 0.5
        assert base.digest == clean.digest
        identity = identify_base(str(saved_base), vae=settings.vae)
        assert identity.digest == clean.digest
        assert len(identity.vae_digest) == 64
    assert identify_base(str(saved_base)).vae_digest == ""


@pytest.mark.parametrize("form", ["plain", "in a checkpoint", "ckpt", "diffusers"])
def test_files_are_read_by_the_bases_own_configuration(
    saved_base: Path,
    other: AutoencoderKL,
    original: dict[str, Tensor],
    tmp_path: Path,
    form: str,
) -> None:
    file = tmp_path / ("vae.pt" if form == "ckpt" else "vae.safetensors")
    if form == "ckpt":
        torch.save({"state_dict": original, "global_step": 840_000}, file)
    elif form == "diffusers":
        save_file(other.state_dict(), file)
    else:
        prefix = PREFIX if form == "in a checkpoint" else ""
        save_file({prefix + k: v for k, v in original.items()}, file)
    base = load_base(str(saved_base), BaseSettings(vae=str(file)))
    assert_is(base.vae, other)
    own = json.loads((saved_base / "vae/config.json").read_text())["scaling_factor"]
    assert base.vae.config["scaling_factor"] == own
    remarks = identify_base(str(saved_base), vae=str(file)).remarks
    assert remarks == (
        ("base.vae: pickled: read without running its code; prefer .safetensors",)
        if form == "ckpt"
        else ()
    )


def test_a_file_without_a_vae_loads_with_one(
    saved_base: Path,
    original: dict[str, Tensor],
    other: AutoencoderKL,
    in_original_naming: Naming,
    tmp_path: Path,
) -> None:
    whole = in_original_naming(load_base(str(saved_base)))
    file = tmp_path / "model.safetensors"
    save_file({k: v.contiguous() for k, v in whole.items() if not k.startswith(PREFIX)}, file)
    shutil.copytree(saved_base, tmp_path / "model", ignore=shutil.ignore_patterns("*.safetensors"))
    save_file(original, tmp_path / "vae.safetensors")
    with pytest.raises(BaseModelError, match="holds no VAE"):
        load_base(str(file))
    base = load_base(str(file), BaseSettings(vae=str(tmp_path / "vae.safetensors")))
    assert_is(base.vae, other)


def narrow(folder: Path) -> str:
    kinds = {
        "down_block_types": ("DownEncoderBlock2D",) * 4,
        "up_block_types": ("UpDecoderBlock2D",) * 4,
    }
    AutoencoderKL(
        block_out_channels=(8, 8, 8, 8), latent_channels=16, norm_num_groups=4, **kinds
    ).save_pretrained(folder / "flux")
    return str(folder / "flux")


def shallow(folder: Path) -> str:
    kinds = {
        "down_block_types": ("DownEncoderBlock2D",) * 2,
        "up_block_types": ("UpDecoderBlock2D",) * 2,
    }
    AutoencoderKL(block_out_channels=(8, 8), norm_num_groups=4, **kinds).save_pretrained(
        folder / "s"
    )
    return str(folder / "s")


def of_other_shapes(folder: Path) -> str:
    shapes = {"encoder.conv_in": (128, 3), "decoder.conv_in": (512, 16), "encoder.down.0.x": (8, 8)}
    save_file(
        {f"{k}.weight": torch.zeros(*v, 3, 3) for k, v in shapes.items()}, folder / "v.safetensors"
    )
    return str(folder / "v.safetensors")


def no_vae(folder: Path) -> str:
    save_file({"a": torch.zeros(1)}, folder / "a.safetensors")
    return str(folder / "a.safetensors")


def another_class(folder: Path) -> str:
    (folder / "tiny").mkdir()
    (folder / "tiny/config.json").write_text('{"_class_name": "AutoencoderTiny"}')
    return str(folder / "tiny")


REFUSED: dict[str, tuple[Callable[[Path], str], str]] = {
    "latents of 16 channels": (narrow, "latents of 16 channels, 1/8 .* reads 4 channels, 1/8"),
    "another factor": (shallow, "4 channels, 1/2 as wide .* 4 channels, 1/8 as wide"),
    "a file of other shapes": (of_other_shapes, "has width 128, 16 latent channels and 1 levels"),
    "no VAE": (no_vae, "holds no VAE"),
    "another class": (another_class, "is no VAE but a AutoencoderTiny"),
    "nothing": (lambda folder: str(folder / "nowhere"), "is no file or folder"),
    "not in the cache": (lambda _: "owner/vae", "is not in this machine's hub cache"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_does_not_fit_is_refused_in_one_line(
    saved_base: Path, tmp_path: Path, case: str
) -> None:
    make, message = REFUSED[case]
    name = make(tmp_path)
    with pytest.raises(BaseModelError, match=message) as caught:
        identify_base(str(saved_base), vae=name)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(f"base.vae {name!r}")
