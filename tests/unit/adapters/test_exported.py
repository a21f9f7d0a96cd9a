from __future__ import annotations

from pathlib import Path

import pytest

from studio.adapters.exported import exported_adapters


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("b.safetensors", "long-word.safetensors", "b-diffusers.safetensors", "notes.txt"):
        (tmp_path / name).write_text("")
    (tmp_path / "whole-diffusers").mkdir()
    return tmp_path


def names(folder: Path, format_of: dict[str, str]) -> list[list[str]]:
    return [[path.name for path in files] for files in exported_adapters(folder, format_of)]


def test_files_of_one_format_make_one_adapter_in_the_order_of_their_export(folder: Path) -> None:
    format_of = {
        "long-word.safetensors": "a1111",
        "b.safetensors": "a1111",
        "b-diffusers.safetensors": "diffusers",
        "whole-diffusers": "folder",
    }
    assert names(folder, format_of) == [
        ["long-word.safetensors", "b.safetensors"],
        ["b-diffusers.safetensors"],
        ["whole-diffusers"],
    ]


def test_a_file_that_no_export_names_stands_alone_behind_the_others(folder: Path) -> None:
    format_of = {"long-word.safetensors": "a1111", "gone.safetensors": "a1111"}
    assert names(folder, format_of) == [
        ["long-word.safetensors"],
        ["b.safetensors"],
        ["b-diffusers.safetensors"],
        ["whole-diffusers"],
    ]


def test_nothing_exported_is_no_adapter(tmp_path: Path) -> None:
    assert exported_adapters(tmp_path / "none", {}) == []
