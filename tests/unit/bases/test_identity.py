from __future__ import annotations

import json
import pickle
import shutil
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from studio.bases import digests
from studio.bases.identity import identify_base
from studio.errors import BaseModelError

UNET = "unet/diffusion_pytorch_model.safetensors"


@pytest.fixture
def base(saved_base: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(saved_base, tmp_path / "copy"))


def edit(path: Path, **changes: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_a_diffusers_folder_is_named(saved_base: Path) -> None:
    identity = identify_base(str(saved_base))
    assert (identity.form, identity.family, identity.resolution_px) == ("folder", "sd1", 64)
    assert identity.path == saved_base


def test_the_digest_is_of_the_weights_alone(base: Path, saved_base: Path) -> None:
    digest = identify_base(str(saved_base)).digest
    (base / "README.md").write_text("new")
    assert identify_base(str(base)).digest == digest
    data = bytearray((base / UNET).read_bytes())
    data[-1] ^= 1
    (base / UNET).write_bytes(data)
    assert identify_base(str(base)).digest != digest


def test_a_digest_is_computed_once(saved_base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = identify_base(str(saved_base)).digest
    monkeypatch.setattr(digests, "_hash", pytest.fail)
    assert identify_base(str(saved_base)).digest == first


def test_a_spoiled_or_unwritable_cache_costs_time_only(saved_base: Path, cache_home: Path) -> None:
    first = identify_base(str(saved_base)).digest
    for remembered in (cache_home / "adapter-studio" / "digests").iterdir():
        remembered.write_bytes(b"\xff")
    assert identify_base(str(saved_base)).digest == first
    shutil.rmtree(cache_home)
    cache_home.write_text("in the way")
    assert identify_base(str(saved_base)).digest == first


def test_sd2_by_its_width_and_pocket_by_its_marker(base: Path) -> None:
    edit(base / "unet/config.json", cross_attention_dim=1024)
    assert identify_base(str(base)).family == "sd2"
    edit(base / "unet/config.json", cross_attention_dim=128)
    (base / "pocket.json").write_text('{"family": "sd1"}')
    assert identify_base(str(base)).family == "sd1"


def test_sharded_and_fp16_named_weights_are_found(base: Path) -> None:
    (base / UNET).rename(base / "unet/diffusion_pytorch_model-00001-of-00001.safetensors")
    index = {"weight_map": {"x": "diffusion_pytorch_model-00001-of-00001.safetensors"}}
    (base / "unet/diffusion_pytorch_model.safetensors.index.json").write_text(json.dumps(index))
    names = {file.name for file in identify_base(str(base)).content.weight_files}  # type: ignore[union-attr]
    assert "diffusion_pytorch_model-00001-of-00001.safetensors" in names
    (base / "unet/diffusion_pytorch_model-00001-of-00001.safetensors").unlink()
    with pytest.raises(BaseModelError, match=r"shard unet/.*00001.safetensors is missing"):
        identify_base(str(base))


def truncate(base: Path) -> None:
    data = (base / UNET).read_bytes()
    (base / UNET).write_bytes(data[:-100])


BROKEN: dict[str, tuple[Callable[[Path], object], str]] = {
    "no index": (lambda b: (b / "model_index.json").unlink(), "model_index.json is missing"),
    "index is not JSON": (lambda b: (b / "model_index.json").write_text("{"), "is broken"),
    "no unet configuration": (lambda b: (b / "unet/config.json").unlink(), "unet/config.json"),
    "unknown width": (
        lambda b: edit(b / "unet/config.json", cross_attention_dim=7),
        "unknown family: .* is 7",
    ),
    "no sample size": (lambda b: edit(b / "unet/config.json", sample_size=None), "sample_size"),
    "several widths": (
        lambda b: edit(b / "unet/config.json", cross_attention_dim=[768, 768]),
        "unknown family",
    ),
    "inpainting": (lambda b: edit(b / "unet/config.json", in_channels=9), "reads 9 channels"),
    "svd with the channels of text-to-image": (
        lambda b: edit(b / "unet/config.json", _class_name="UNetSpatioTemporalConditionModel"),
        "reads 4 channels, not 8",
    ),
    "svd without its image encoder": (
        lambda b: edit(
            b / "unet/config.json", _class_name="UNetSpatioTemporalConditionModel", in_channels=8
        ),
        "no safetensors weights in image_encoder",
    ),
    "a Git LFS pointer": (
        lambda b: (b / UNET).write_text(
            "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"
        ),
        r"is a Git LFS pointer, 63 bytes; run: git lfs pull$",
    ),
    "no weights": (lambda b: (b / UNET).unlink(), "no safetensors weights in unet"),
    "truncated": (truncate, f"{UNET} cannot be used: it is truncated"),
    "empty": (lambda b: (b / UNET).write_bytes(b""), "it is empty"),
    "pickled": (lambda b: (b / UNET).write_bytes(pickle.dumps({"a": 1})), "pickled file"),
    "header bomb": (
        lambda b: (b / UNET).write_bytes(struct.pack("<Q", 2**62) + b"{}"),
        "header claims",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_folder_is_refused_in_one_line(base: Path, case: str) -> None:
    spoil, expected = BROKEN[case]
    spoil(base)
    with pytest.raises(BaseModelError, match=expected) as caught:
        identify_base(str(base))
    assert "\n" not in str(caught.value)
    assert str(base) in str(caught.value)


def test_missing_things_are_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(BaseModelError, match=r"no file or folder.*'pocket'"):
        identify_base(str(tmp_path / "nowhere"))
    with pytest.raises(BaseModelError, match=r"not in this machine's hub cache.*hf download"):
        identify_base("nobody/has-this")
    (tmp_path / "model.onnx").write_bytes(b"x")
    with pytest.raises(BaseModelError, match=r"not a .safetensors file"):
        identify_base(str(tmp_path / "model.onnx"))


def test_a_cached_hub_snapshot_is_found_offline(saved_base: Path, tmp_path: Path) -> None:
    commit = "0" * 40
    repo = tmp_path / "hub/models--owner--model"
    (repo / "refs").mkdir(parents=True)
    (repo / "refs/main").write_text(commit)
    shutil.copytree(saved_base, repo / "snapshots" / commit)
    identity = identify_base("owner/model")
    assert (identity.form, identity.family) == ("hub", "sd1")


def test_identifying_imports_no_torch(saved_base: Path) -> None:
    code = (
        "import sys; from studio.bases.identity import identify_base; "
        "print(identify_base(sys.argv[1]).digest); "
        "sys.exit('torch' in sys.modules or 'diffusers' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(saved_base)], check=False, capture_output=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.decode().strip() == identify_base(str(saved_base)).digest
