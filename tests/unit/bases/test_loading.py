from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from studio.bases.base_model import BaseModel
from studio.bases.identity import identify_base
from studio.bases.loading import load_base
from studio.errors import BaseModelError

UNET_PREFIX = "model.diffusion_model."


def test_a_folder_loads_frozen_in_fp32(saved_base: Path, capfd: pytest.CaptureFixture[str]) -> None:
    base = load_base(str(saved_base))
    assert base.digest == identify_base(str(saved_base)).digest
    assert (base.family, base.resolution_px, base.name) == ("sd1", 64, str(saved_base))
    for module in (base.unet, base.vae, base.text_encoder):
        assert not module.training
        assert all(p.dtype == torch.float32 for p in module.parameters())
        assert not any(p.requires_grad for p in module.parameters())
    assert base.noise_scheduler.config["prediction_type"] == "v_prediction"
    assert base.noise_scheduler.config["rescale_betas_zero_snr"] is True
    assert base.tokenizer("a a").input_ids == [0, 3, 3, 1]
    printed = capfd.readouterr()
    assert (printed.out, printed.err) == ("", "")


def test_the_weights_are_those_of_the_files(saved_base: Path) -> None:
    base = load_base(str(saved_base))
    stored = load_file(saved_base / "text_encoder/model.safetensors")
    for name, value in base.text_encoder.state_dict().items():
        assert torch.equal(value, stored[name].float())


def test_another_dtype(saved_base: Path) -> None:
    base = load_base(str(saved_base), dtype=torch.bfloat16)
    assert {p.dtype for p in base.unet.parameters()} == {torch.bfloat16}
    assert base.text_encoder.dtype == torch.bfloat16


def test_the_old_nesting_of_text_encoders_loads(saved_base: Path, tmp_path: Path) -> None:
    base = Path(shutil.copytree(saved_base, tmp_path / "old"))
    file = base / "text_encoder/model.safetensors"
    tensors = load_file(file)
    nested = {f"text_model.{name}": value for name, value in tensors.items()}
    nested["text_model.embeddings.position_ids"] = torch.arange(16)[None]
    save_file(nested, file, metadata={"format": "pt"})
    loaded = load_base(str(base)).text_encoder.state_dict()
    assert all(torch.equal(loaded[name], value.float()) for name, value in tensors.items())


@pytest.mark.parametrize("part", ["unet/diffusion_pytorch_model", "text_encoder/model"])
def test_absent_weights_are_refused(saved_base: Path, tmp_path: Path, part: str) -> None:
    base = Path(shutil.copytree(saved_base, tmp_path / "short"))
    file = base / f"{part}.safetensors"
    tensors = load_file(file)
    tensors.pop(sorted(tensors)[0])
    save_file(tensors, file, metadata={"format": "pt"})
    with pytest.raises(BaseModelError, match="lacks 1 weights") as caught:
        load_base(str(base))
    assert "\n" not in str(caught.value)


def test_an_unknown_scheduler_is_refused(saved_base: Path, tmp_path: Path) -> None:
    base = Path(shutil.copytree(saved_base, tmp_path / "strange"))
    (base / "scheduler/scheduler_config.json").write_text('{"_class_name": "Unheard"}')
    with pytest.raises(BaseModelError, match="unknown class 'Unheard'"):
        load_base(str(base))


def test_a_single_file_equals_its_folder(saved_base: Path, tmp_path: Path) -> None:
    folder = load_base(str(saved_base))
    file = tmp_path / "model.safetensors"
    save_file(in_original_naming(folder), file)
    with pytest.raises(BaseModelError, match="no configuration and no tokenizer"):
        load_base(str(file))
    shutil.copytree(saved_base, tmp_path / "model", ignore=shutil.ignore_patterns("*.safetensors"))
    single = load_base(str(file))
    for part in ("unet", "vae", "text_encoder"):
        expected, found = (getattr(b, part).state_dict() for b in (folder, single))
        assert set(expected) == set(found)
        assert all(torch.equal(found[name], value) for name, value in expected.items())
    index = json.loads((tmp_path / "model/unet/config.json").read_text())
    (tmp_path / "model/unet/config.json").write_text(
        json.dumps(index | {"cross_attention_dim": 1024})
    )
    with pytest.raises(BaseModelError, match=r"family sd1, but .* family sd2"):
        identify_base(str(file))


def test_an_adapter_is_no_base(tmp_path: Path) -> None:
    file = tmp_path / "adapter.safetensors"
    save_file({"lora_unet_x.alpha": torch.tensor(1.0)}, file)
    with pytest.raises(BaseModelError, match="is it an adapter"):
        identify_base(str(file))


def in_original_naming(base: BaseModel) -> dict[str, torch.Tensor]:
    """The CompVis names of a model with four levels of two layers, as its readers document them."""
    tensors = {_unet_name(k): v for k, v in base.unet.state_dict().items()}
    for name, value in base.vae.state_dict().items():
        original = _vae_name(name)
        projection = re.search(r"attn_1\.(q|k|v|proj_out)\.weight", original)
        tensors[original] = value[:, :, None, None].clone() if projection else value
    prefix = "cond_stage_model.transformer.text_model."
    return tensors | {prefix + k: v for k, v in base.text_encoder.state_dict().items()}


def _unet_name(name: str) -> str:
    def block(m: re.Match[str]) -> str:
        level, inner, layer = int(m[2]), 0 if m[3] == "resnets" else 1, int(m[4])
        if m[1] == "down":
            return f"input_blocks.{3 * level + layer + 1}.{inner}"
        return f"output_blocks.{3 * level + layer}.{inner}"

    def upsampler(m: re.Match[str]) -> str:
        return f"output_blocks.{3 * int(m[1]) + 2}.{1 if m[1] == '0' else 2}"

    name = re.sub(
        r"^time_embedding\.linear_(\d)", lambda m: f"time_embed.{2 * int(m[1]) - 2}", name
    )
    name = re.sub(r"^(down|up)_blocks\.(\d)\.(resnets|attentions)\.(\d)", block, name)
    name = re.sub(
        r"^down_blocks\.(\d)\.downsamplers\.0\.conv",
        lambda m: f"input_blocks.{3 * int(m[1]) + 3}.0.op",
        name,
    )
    name = re.sub(r"^up_blocks\.(\d)\.upsamplers\.0", upsampler, name)
    name = re.sub(r"^mid_block\.resnets\.(\d)", lambda m: f"middle_block.{2 * int(m[1])}", name)
    name = name.replace("mid_block.attentions.0", "middle_block.1")
    if name.startswith(("input_blocks", "middle_block", "output_blocks")):
        for ours, original in (
            ("norm1", "in_layers.0"),
            ("conv1", "in_layers.2"),
            ("time_emb_proj", "emb_layers.1"),
            ("norm2", "out_layers.0"),
            ("conv2", "out_layers.3"),
            ("conv_shortcut", "skip_connection"),
        ):
            name = name if "transformer_blocks" in name else name.replace(ours, original)
    for ours, original in (
        ("conv_in.", "input_blocks.0.0."),
        ("conv_norm_out.", "out.0."),
        ("conv_out.", "out.2."),
    ):
        name = original + name.removeprefix(ours) if name.startswith(ours) else name
    return UNET_PREFIX + name


def _vae_name(name: str) -> str:
    for pattern, original in (
        (r"mid_block\.resnets\.0", "mid.block_1"),
        (r"mid_block\.resnets\.1", "mid.block_2"),
        (r"mid_block\.attentions\.0", "mid.attn_1"),
        (r"encoder\.down_blocks\.(\d)\.resnets\.(\d)", r"encoder.down.\1.block.\2"),
        (r"down_blocks\.(\d)\.downsamplers\.0", r"down.\1.downsample"),
        (r"conv_norm_out", "norm_out"),
        (r"conv_shortcut", "nin_shortcut"),
        (r"attn_1\.group_norm", "attn_1.norm"),
        (r"attn_1\.to_([qkv])", r"attn_1.\1"),
        (r"attn_1\.to_out\.0", "attn_1.proj_out"),
    ):
        name = re.sub(pattern, original, name)
    name = re.sub(
        r"up_blocks\.(\d)\.resnets\.(\d)", lambda m: f"up.{3 - int(m[1])}.block.{m[2]}", name
    )
    name = re.sub(r"up_blocks\.(\d)\.upsamplers\.0", lambda m: f"up.{3 - int(m[1])}.upsample", name)
    return "first_stage_model." + name
