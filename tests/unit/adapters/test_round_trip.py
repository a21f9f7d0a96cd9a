from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from studio.adapters.adapter import Adapter
from studio.adapters.export import export
from studio.adapters.files import read_adapter
from studio.adapters.formats import format_named
from studio.adapters.lora_layers import trained_changes
from studio.adapters.names import nested
from studio.adapters.readback import live_layers
from studio.adapters.tensor_bytes import TORCH_DTYPES, Dtype
from studio.adapters.verify import verify
from studio.bases.base_model import BaseModel
from studio.errors import AdapterError

FORMATS = ["kohya", "diffusers"]


def change_of_all(adapter: Adapter, base: BaseModel) -> dict[str, torch.Tensor]:
    trained = trained_changes(adapter)
    weights = {f"{part}.{name}": weight for part, name, weight in live_layers(base)}
    return {path: change(weights[path]) for path, change in trained.items()}


@pytest.mark.parametrize("use_dora", [False, True])
@pytest.mark.parametrize("dtype", ["fp32", "fp16", "bf16"])
def test_what_is_written_is_read(
    tiny_base: BaseModel, lora: Any, tmp_path: Path, dtype: Dtype, use_dora: bool
) -> None:
    adapter: Adapter = lora(tiny_base, use_dora=use_dora)
    files = export(adapter, tiny_base, tmp_path, "icons", formats=FORMATS, dtype=dtype)
    assert len(files) == 2
    for file in files:
        again = read_adapter(file.path)
        assert again.header == adapter.header
        assert set(again.tensors) == set(adapter.tensors)
        for key, value in adapter.tensors.items():
            assert torch.equal(again.tensors[key], value.to(TORCH_DTYPES[dtype]).float()), key


@pytest.mark.parametrize("name", FORMATS)
def test_rslora_keeps_its_scale(tiny_base: BaseModel, lora: Any, tmp_path: Path, name: str) -> None:
    adapter: Adapter = lora(tiny_base, use_rslora=True, rank=9, alpha=6.0)
    (file,) = export(adapter, tiny_base, tmp_path, "x", formats=[name], dtype="fp32")
    if name == "kohya":
        alphas = {float(t) for key, t in load_file(file.path).items() if key.endswith(".alpha")}
        assert alphas == {18.0}  # 6 / sqrt(9) = 18 / 9
    again = change_of_all(read_adapter(file.path), tiny_base)
    for path, change in change_of_all(adapter, tiny_base).items():
        torch.testing.assert_close(again[path], change)


def test_untrained_siblings_in_the_text_encoder_are_zeros(
    tiny_base: BaseModel, lora: Any, tmp_path: Path
) -> None:
    adapter: Adapter = lora(tiny_base, text_targets=("q_proj", "v_proj"))
    (file,) = export(adapter, tiny_base, tmp_path, "x", formats=["kohya"], dtype="fp32")
    silent = "lora_te_text_model_encoder_layers_0_self_attn_k_proj"
    assert not load_file(file.path)[f"{silent}.lora_up.weight"].any()
    assert set(read_adapter(file.path).tensors) == set(adapter.tensors)


def test_the_same_adapter_gives_the_same_bytes(
    tiny_base: BaseModel, lora: Any, tmp_path: Path
) -> None:
    adapter: Adapter = lora(tiny_base)
    shuffled = replace(adapter, tensors=dict(reversed(adapter.tensors.items())))
    (one,) = export(adapter, tiny_base, tmp_path, "one", formats=["kohya"], dtype="fp16")
    (two,) = export(shuffled, tiny_base, tmp_path, "two", formats=["kohya"], dtype="fp16")
    assert one.path.read_bytes() == two.path.read_bytes()


def test_another_tools_kohya_file_is_read(tiny_base: BaseModel, lora: Any, tmp_path: Path) -> None:
    """No studio keys, flat text encoder names, one alpha missing, ranks and alphas of their own."""
    adapter: Adapter = lora(tiny_base, alpha=4.0)
    export(adapter, tiny_base, tmp_path, "x", formats=["kohya"], dtype="fp32")
    tensors = {
        key.replace("lora_te_text_model_", "lora_te_"): value
        for key, value in load_file(tmp_path / "x.safetensors").items()
    }
    name = "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn1_to_q"
    del tensors[f"{name}.alpha"]  # alpha equals rank then: what it was
    tensors[f"{name.removesuffix('q')}k.alpha"] = torch.tensor(12.0)
    save_file(tensors, tmp_path / "y.safetensors", metadata={"ss_base_model_version": "sd_v1"})
    again = read_adapter(tmp_path / "y.safetensors")
    assert (again.header.family, again.header.base_digest) == ("sd1", "")
    path = "unet.mid_block.attentions.0.transformer_blocks.0.attn1.to_k"
    changes = change_of_all(again, tiny_base)
    for layer, change in change_of_all(adapter, tiny_base).items():
        torch.testing.assert_close(changes[layer], change * (3 if layer == path else 1))


def test_a_peft_file_without_configuration_has_scale_one(
    tiny_base: BaseModel, lora: Any, tmp_path: Path
) -> None:
    adapter: Adapter = lora(tiny_base, rank=4, alpha=4.0)
    save_file(
        {nested(k): v for k, v in adapter.tensors.items() if not k.endswith(".alpha")},
        tmp_path / "y.safetensors",
    )
    assert verify(tmp_path / "y.safetensors", adapter, tiny_base).ok
    changes = change_of_all(read_adapter(tmp_path / "y.safetensors"), tiny_base)
    for layer, change in change_of_all(adapter, tiny_base).items():
        torch.testing.assert_close(changes[layer], change)


@pytest.mark.parametrize(("width", "family"), [(1024, "sd2"), (2048, "sdxl"), (768, "sd1")])
def test_an_unnamed_family_is_told_by_the_width_of_its_text(
    tmp_path: Path, width: int, family: str
) -> None:
    path = "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k"
    tensors = {
        f"{path}.lora_A.weight": torch.ones(2, width),
        f"{path}.lora_B.weight": torch.ones(8, 2),
    }
    save_file(tensors, tmp_path / "x.safetensors")
    assert read_adapter(tmp_path / "x.safetensors").header.family == family


def test_values_too_large_for_fp16_are_refused(
    tiny_base: BaseModel, lora: Any, tmp_path: Path
) -> None:
    adapter: Adapter = lora(tiny_base, spread=1e5)
    with pytest.raises(AdapterError, match="too large for fp16; export as fp32"):
        export(adapter, tiny_base, tmp_path, "x", formats=["kohya"], dtype="fp16")
    next(iter(adapter.tensors.values()))[0, 0] = float("nan")
    with pytest.raises(AdapterError, match="not finite"):
        export(adapter, tiny_base, tmp_path, "x", formats=["kohya"], dtype="fp32")
    assert list(tmp_path.iterdir()) == []


def test_unknown_formats_and_families_are_refused(
    tiny_base: BaseModel, lora: Any, tmp_path: Path
) -> None:
    adapter: Adapter = lora(tiny_base)
    with pytest.raises(AdapterError, match="no format 'koyha'; there are: kohya, diffusers"):
        format_named("lora", "koyha")
    with pytest.raises(AdapterError, match="cannot be a file's name"):
        export(adapter, tiny_base, tmp_path, "../x", formats=["kohya"], dtype="fp16")
    svd = replace(adapter, header=replace(adapter.header, family="svd"))
    with pytest.raises(AdapterError, match=r"no place for .* of a base of family 'svd'"):
        export(svd, tiny_base, tmp_path, "x", formats=["kohya"], dtype="fp16")


def test_the_header_names_what_tools_look_for(
    tiny_base: BaseModel, lora: Any, tmp_path: Path
) -> None:
    adapter: Adapter = lora(tiny_base)
    secret = replace(adapter.header, base_name="/home/someone/models/mine.safetensors")
    adapter = replace(adapter, header=secret)
    files = export(adapter, tiny_base, tmp_path, "icons", formats=FORMATS, dtype="fp16")
    assert [file.path.name for file in files] == [
        "icons.safetensors",
        "icons-diffusers.safetensors",
    ]
    raw = files[0].path.read_bytes()
    assert raw[8:10] == b'{"'  # A1111 insists
    with safe_open(files[0].path, "pt") as opened:
        metadata = opened.metadata()
    expected = {
        "ss_network_module": "networks.lora",
        "ss_network_dim": "4",
        "ss_network_alpha": "6",
        "ss_base_model_version": "sd_v1",
        "ss_sd_model_name": "mine.safetensors",
        "ss_steps": "120",
        "ss_seed": "7",
        "ss_num_train_images": "60",
        "ss_tag_frequency": '{"icons": {"flat icon": 60}}',
        "modelspec.sai_model_spec": "1.0.0",
        "modelspec.architecture": "stable-diffusion-v1/lora",
        "modelspec.implementation": "diffusers",
        "modelspec.title": "icons",
        "modelspec.resolution": "64x64",
        "modelspec.trigger_phrase": "flat icon",
        "studio.kind": "lora",
        "studio.base_digest": tiny_base.digest,
    }
    assert metadata.items() >= expected.items()
    assert b"someone" not in raw
    assert not any(value.startswith("/") for value in metadata.values())


def test_the_hashes_are_of_the_tensors(tiny_base: BaseModel, lora: Any, tmp_path: Path) -> None:
    import hashlib

    (file,) = export(lora(tiny_base), tiny_base, tmp_path, "x", formats=["kohya"], dtype="fp16")
    raw = file.path.read_bytes()
    length = int.from_bytes(raw[:8], "little")
    metadata = json.loads(raw[8 : 8 + length])["__metadata__"]
    digest = hashlib.sha256(raw[8 + length :]).hexdigest()
    assert metadata["modelspec.hash_sha256"] == f"0x{digest}"
    assert metadata["sshs_model_hash"] == digest
    assert file.digest == hashlib.sha256(raw).hexdigest()
