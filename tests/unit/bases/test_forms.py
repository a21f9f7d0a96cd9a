"""One base model in every form that people have it in: the same weights, the same picture."""

from __future__ import annotations

import json
import os
import shutil
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from studio.bases.base_model import BaseModel
from studio.bases.identity import identify_base
from studio.bases.loading import load_base
from studio.bases.single_file import PICKLED_REMARK
from studio.errors import BaseModelError
from studio.preview.sampler import sample
from studio.preview.settings import SamplingSettings

SETTINGS = SamplingSettings(num_inference_steps=2)
COMMIT = "0123456789" * 4
Naming = Callable[[BaseModel], dict[str, Tensor]]


def picture(name: str) -> bytes:
    return sample(load_base(name), ["a a"], [7], SETTINGS)[0].tobytes()


@pytest.fixture(scope="module")
def tensors(saved_base: Path, in_original_naming: Naming) -> dict[str, Tensor]:
    return {k: v.contiguous() for k, v in in_original_naming(load_base(str(saved_base))).items()}


@pytest.fixture(scope="module")
def expected(saved_base: Path) -> bytes:
    return picture(str(saved_base))


@pytest.fixture
def beside(saved_base: Path, tmp_path: Path) -> Path:
    """The configuration folder that a file called model.* is read with."""
    folder = tmp_path / "model"
    shutil.copytree(saved_base, folder, ignore=shutil.ignore_patterns("*.safetensors"))
    return folder


def leftovers(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What training with Lightning leaves in a checkpoint: classes that are not installed here."""
    found: dict[str, Any] = {}
    for full_name, name in (
        ("pytorch_lightning.callbacks.model_checkpoint", "ModelCheckpoint"),
        ("omegaconf.listconfig", "ListConfig"),
    ):
        module = full_name
        strange = types.ModuleType(module)
        found[name] = type(name, (), {"__module__": module})
        setattr(strange, name, found[name])
        monkeypatch.setitem(sys.modules, module, strange)
        while module := module.rpartition(".")[0]:  # pickling imports the packages around it
            monkeypatch.setitem(sys.modules, module, types.ModuleType(module))
    options = found["ListConfig"]()
    options.content, options.parent = [1, 2], {"of": options}
    return {
        "epoch": 3,
        "global_step": 470_000,
        "pytorch-lightning_version": "1.4.2",
        "callbacks": {found["ModelCheckpoint"]: {"monitor": "val", "best": np.float64(0.5)}},
        "lr_schedulers": [{"base_lrs": options}],
        "optimizer_states": [{"state": {0: torch.ones(2)}}],
    }


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
def test_a_ckpt_with_leftovers_of_training_draws_the_same(
    beside: Path,
    tensors: dict[str, Tensor],
    expected: bytes,
    zipped: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    extra = {
        "model_ema.decay": torch.tensor(0.9999),
        "alphas_cumprod": torch.ones(1000),
        "denoiser.sigmas": torch.ones(1000),
    }
    file = beside.with_suffix(".ckpt")
    with monkeypatch.context() as patch:
        content = {**leftovers(patch), "state_dict": {**tensors, **extra}}
        torch.save(content, file, _use_new_zipfile_serialization=zipped)
    identity = identify_base(str(file))
    assert (identity.form, identity.family, identity.resolution_px) == ("file", "sd1", 64)
    assert identity.remarks == (PICKLED_REMARK,)
    assert picture(str(file)) == expected
    assert load_base(str(file)).digest == identity.digest


def test_a_single_file_draws_the_same(
    beside: Path, tensors: dict[str, Tensor], expected: bytes
) -> None:
    file = beside.with_suffix(".safetensors")
    old = {k.replace(".transformer.text_model.", ".transformer."): v for k, v in tensors.items()}
    for form in (tensors, old):  # SD 1.x's text encoder was once called so
        save_file(form, file)
        assert picture(str(file)) == expected
        assert identify_base(str(file)).remarks == ()


def test_weights_do_not_lie_in_the_file(beside: Path, tensors: dict[str, Tensor]) -> None:
    """There they begin anywhere, and some processors round otherwise; a picture shows it only on those."""
    file = beside.with_suffix(".safetensors")
    save_file(tensors, file)
    loaded = load_base(str(file))
    before = [p.clone() for module in loaded.modules for p in module.parameters()]
    assert all(p.data_ptr() % 64 == 0 for module in loaded.modules for p in module.parameters())
    with file.open("r+b") as changed:
        size = changed.seek(0, 2)
        changed.seek(size // 2)
        changed.write(bytes(size - size // 2))
    after = [p for module in loaded.modules for p in module.parameters()]
    assert all(map(torch.equal, before, after))


def hub_snapshot(hub: Path, owner: str, name: str) -> Path:
    """An empty snapshot as huggingface_hub lays it out; files are added by `publish`."""
    repo = hub / f"models--{owner}--{name}"
    (repo / "refs").mkdir(parents=True)
    (repo / "refs" / "main").write_text(COMMIT)
    (repo / "blobs").mkdir()
    snapshot = repo / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    return snapshot


def publish(snapshot: Path, source: Path, name: str) -> None:
    blob = snapshot.parents[1] / "blobs" / name.replace("/", "-")
    shutil.copy(source, blob)
    (snapshot / name).parent.mkdir(parents=True, exist_ok=True)
    (snapshot / name).symlink_to(os.path.relpath(blob, (snapshot / name).parent))


@pytest.mark.parametrize("infix", ["", ".fp16"])
def test_a_snapshot_of_the_hub_draws_the_same(
    saved_base: Path, expected: bytes, tmp_path: Path, infix: str
) -> None:
    snapshot = hub_snapshot(tmp_path / "hub", "owner", "model")
    for file in saved_base.rglob("*"):
        if file.is_file():
            name = file.relative_to(saved_base).as_posix()
            publish(snapshot, file, name.replace(".safetensors", f"{infix}.safetensors"))
    assert identify_base("owner/model").form == "hub"
    assert picture("owner/model") == expected


def test_a_repository_of_one_checkpoint_draws_the_same(
    beside: Path, tensors: dict[str, Tensor], expected: bytes, tmp_path: Path
) -> None:
    snapshot = hub_snapshot(tmp_path / "hub", "owner", "single")
    save_file(tensors, tmp_path / "whole.safetensors")
    publish(snapshot, tmp_path / "whole.safetensors", "model.safetensors")
    (snapshot / "model.ckpt").write_bytes(b"its pickled twin, which is not looked at")
    for file in beside.rglob("*"):
        if file.is_file():
            publish(snapshot, file, f"model/{file.relative_to(beside).as_posix()}")
    identity = identify_base("owner/single")
    assert (identity.form, identity.path.name) == ("hub", "model.safetensors")
    assert picture("owner/single") == expected
    (snapshot / "other.safetensors").write_bytes(b"")
    with pytest.raises(
        BaseModelError, match=r"has 2 checkpoints in .*: model.*, other.*; give the path"
    ):
        identify_base("owner/single")


def test_an_empty_snapshot_is_no_model(tmp_path: Path) -> None:
    hub_snapshot(tmp_path / "hub", "owner", "empty")
    with pytest.raises(BaseModelError, match=r"model_index.json is missing"):
        identify_base("owner/empty")


class Bomb:
    def __reduce__(self) -> Any:
        return (exec, ("open('ran', 'w').close()",))


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
def test_a_ckpt_with_code_is_refused_and_nothing_runs(
    tmp_path: Path, zipped: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "evil.ckpt"
    content = {"state_dict": {}, "callbacks": Bomb()}
    torch.save(content, file, _use_new_zipfile_serialization=zipped)
    with pytest.raises(BaseModelError, match=r"nothing in it was run: it wants to run .*exec"):
        identify_base(str(file))
    assert not Path("ran").exists()


@pytest.mark.parametrize(
    ("pickled", "refused"),
    [
        (b"cpytorch_lightning.x\nrun\n(tR", "wants to run 'pytorch_lightning.x.run'"),
        (b"cposix\nsystem\n", "wants to run 'posix.system'"),
        (b"cpytorch_lightning.x\nA\n)\x81}b", ""),
        (b"comegaconf.x\nA\n)\x81(K\x01e", ""),
        (b"c__builtin__\neval\n", "__builtin__.eval"),
        (b"c__builtin__\ndict\n", ""),
        (b"(iposix\nsystem\n", "opcode INST"),
    ],
)
def test_what_a_checkpoint_may_name_and_what_not(
    tmp_path: Path, pickled: bytes, refused: str
) -> None:
    import zipfile

    file = tmp_path / "a.ckpt"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a/data.pkl", b"\x80\x02}U\x01x" + pickled + b"s.")
    with pytest.raises(BaseModelError, match=refused or "not a whole Stable Diffusion"):
        identify_base(str(file))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no whole file of torch.save"),
        (b"<!DOCTYPE html><html>", "is a web page"),
        (
            b"version https://git-lfs.github.com/spec/v1\n",
            "Git LFS pointer, 43 bytes; run: git lfs pull$",
        ),
        (b"PK\x03\x04" + bytes(99), "no whole file of torch.save"),
        (b"x", "no whole file"),
    ],
)
def test_what_is_no_pickled_checkpoint_is_told(
    tmp_path: Path, content: bytes, message: str
) -> None:
    file = tmp_path / "a.ckpt"
    file.write_bytes(content)
    with pytest.raises(BaseModelError, match=message) as caught:
        identify_base(str(file))
    assert "\n" not in str(caught.value)
    assert str(file) in str(caught.value)


def test_a_checkpoints_numbers_stay_in_the_file_until_used(
    beside: Path, tensors: dict[str, Tensor]
) -> None:
    from studio.bases.checkpoint_tensors import load_checkpoint

    file = beside.with_suffix(".ckpt")
    torch.save(tensors, file)
    loaded = load_checkpoint(file)
    assert all(torch.equal(loaded[name], tensor) for name, tensor in tensors.items())
    name = "model.diffusion_model.out.2.bias"
    loaded[name].add_(1)  # a copy of the page: the file stays as it is
    assert torch.equal(load_checkpoint(file)[name], tensors[name])


def test_no_torch_is_imported_to_name_a_ckpt(beside: Path, tensors: dict[str, Tensor]) -> None:
    import subprocess

    file = beside.with_suffix(".ckpt")
    torch.save(tensors, file)
    code = (
        "import sys; from studio.bases.identity import identify_base; "
        "print(identify_base(sys.argv[1]).family); sys.exit('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code, file], check=False, capture_output=True)
    assert (done.returncode, done.stdout.decode().strip()) == (0, "sd1"), done.stderr


def test_the_scheduler_of_the_folder_beside_counts(
    beside: Path, tensors: dict[str, Tensor]
) -> None:
    file = beside.with_suffix(".safetensors")
    save_file({**tensors, "v_pred": torch.empty(0)}, file)
    scheduler = beside / "scheduler/scheduler_config.json"
    config = json.loads(scheduler.read_text()) | {"prediction_type": "epsilon"}
    scheduler.write_text(json.dumps(config))
    assert load_base(str(file)).noise_scheduler.config["prediction_type"] == "epsilon"
