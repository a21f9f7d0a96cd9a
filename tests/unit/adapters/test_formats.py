from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

from studio.adapters.export import export
from studio.adapters.files import format_of
from studio.adapters.formats import Format, default_format, format_named, formats, register
from studio.bases.base_model import BaseModel
from studio.errors import AdapterError


def test_the_first_format_of_a_kind_is_its_default() -> None:
    assert default_format("lora").name == "kohya"
    assert default_format("full").name == "checkpoint"
    assert [known.name for known in formats("full")] == ["checkpoint", "diffusers", "extracted"]
    assert {known.kind for known in formats("lora", "full")} == {"lora", "full"}
    with pytest.raises(AdapterError, match="no file format for adapters of kind 'song'"):
        default_format("song")


def test_no_formats_asked_for_means_the_default(
    tiny_base: BaseModel, lora: Any, tmp_path: Path
) -> None:
    (file,) = export(lora(tiny_base), tiny_base, tmp_path, "x", formats=(), dtype="fp16")
    assert (file.format, file.path.name) == ("kohya", "x.safetensors")


def test_two_packages_cannot_claim_one_format() -> None:
    register(format_named("lora", "kohya"))  # once more is no harm
    with pytest.raises(AdapterError, match="two packages provide the format 'kohya'"):
        register(Format("lora", "kohya", "", "elsewhere", "elsewhere.too"))


def test_a_folder_is_one_export(tiny_base: BaseModel, whole: Any, tmp_path: Path) -> None:
    (file,) = export(
        whole(tiny_base), tiny_base, tmp_path, "dog", formats=["diffusers"], dtype="fp16"
    )
    assert file.path.is_dir()
    assert [path.name for path in tmp_path.iterdir()] == ["dog-diffusers"]
    inside = sorted(path for path in file.path.rglob("*") if path.is_file())
    assert file.size_bytes == sum(path.stat().st_size for path in inside)
    lines = "".join(
        f"{hashlib.sha256(p.read_bytes()).hexdigest()} {p.relative_to(file.path).as_posix()}\n"
        for p in inside
    )
    assert file.digest == hashlib.sha256(lines.encode()).hexdigest()
    assert format_of(file.path) == format_named("full", "diffusers")
    assert load_file(file.path / "unet" / "diffusion_pytorch_model.safetensors")
