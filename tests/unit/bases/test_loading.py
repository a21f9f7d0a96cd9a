from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from studio.bases.base_model import BaseModel
from studio.bases.identity import identify_base
from studio.bases.loading import load_base
from studio.errors import BaseModelError


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


def test_a_single_file_equals_its_folder(
    saved_base: Path,
    tmp_path: Path,
    in_original_naming: Callable[[BaseModel], dict[str, torch.Tensor]],
) -> None:
    folder = load_base(str(saved_base))
    file = tmp_path / "model.safetensors"
    save_file(in_original_naming(folder), file)
    with pytest.raises(
        BaseModelError, match=r"U-Net of width 8, not 320 .* folder model/ beside it"
    ):
        load_base(str(file))
    shutil.copytree(saved_base, tmp_path / "model", ignore=shutil.ignore_patterns("*.safetensors"))
    single = load_base(str(file))
    for part in ("unet", "vae", "text_encoder"):
        expected, found = (getattr(b, part).state_dict() for b in (folder, single))
        assert set(expected) == set(found)
        assert all(torch.equal(found[name], value) for name, value in expected.items())
    config = json.loads((tmp_path / "model/unet/config.json").read_text())
    (tmp_path / "model/unet/config.json").write_text(
        json.dumps(config | {"cross_attention_dim": 1024})
    )
    with pytest.raises(BaseModelError, match=r"family sd1, but .* family sd2"):
        identify_base(str(file))


def test_an_adapter_is_no_base(tmp_path: Path) -> None:
    file = tmp_path / "adapter.safetensors"
    save_file({"lora_unet_x.alpha": torch.tensor(1.0)}, file)
    with pytest.raises(BaseModelError, match="is an adapter, no base model"):
        identify_base(str(file))
