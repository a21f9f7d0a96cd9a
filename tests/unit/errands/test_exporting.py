"""An adapter on its way to a tool: verified, kept, and used again."""

from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path
from typing import Any

import pytest

from studio.adapters.files import read_adapter
from studio.bases.base_model import BaseModel
from studio.errands import exporting
from studio.errands.exporting import export


@pytest.fixture(autouse=True)
def loaded(tiny_base: BaseModel, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Which bases were loaded."""
    names: list[str] = []

    def base_at_hand(name: str, *_: object) -> BaseModel:
        names.append(name)
        return tiny_base

    monkeypatch.setattr(exporting, "base_at_hand", base_at_hand)
    return names


def exported(lora: Path, tmp_path: Path, target: str, **changes: Any) -> dict[str, Any]:
    arguments = {
        "adapter": {"name": "loud", "files": [str(lora)], "written": "1"},
        "base_model": "tiny",
        "folder": str(tmp_path / "exports"),
        "target": target,
    }
    return export(arguments | changes, tmp_path, lambda *_: None)


def test_a_file_is_written_for_the_tool_and_reads_back(lora_file: Path, tmp_path: Path) -> None:
    result = exported(lora_file, tmp_path, "comfyui")
    (file,) = result["files"]
    assert read_adapter(Path(file["path"])).header.trigger == "zorp"
    assert Path(file["path"]).is_relative_to(tmp_path / "exports")
    assert file["size_bytes"] == Path(file["path"]).stat().st_size
    assert result["verdict"]["ok"]
    assert {"tool": "ComfyUI", "works": True, "because": ""} in result["tools"]
    assert result["kind"] == "lora"


def test_what_was_written_is_used_again_by_every_tool(
    lora_file: Path, tmp_path: Path, loaded: list[str]
) -> None:
    first = exported(lora_file, tmp_path, "comfyui")
    second = exported(lora_file, tmp_path, "webui")
    assert loaded == ["tiny"]
    assert first["files"] == second["files"]


def test_what_was_asked_for_longest_ago_goes_and_is_written_again(
    lora_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, loaded: list[str]
) -> None:
    monkeypatch.setattr(exporting, "KEPT", 2)
    adapters = [
        {"name": "loud", "files": [str(lora_file)], "written": str(number)} for number in range(3)
    ]
    paths = []
    for number, adapter in enumerate(adapters):
        (file,) = exported(lora_file, tmp_path, "comfyui", adapter=adapter)["files"]
        paths.append(Path(file["path"]))
        os.utime(paths[-1].parents[1], (number, number))
    assert [path.exists() for path in paths] == [False, True, True]
    exported(lora_file, tmp_path, "comfyui", adapter=adapters[1])  # there still, and used just now
    exported(lora_file, tmp_path, "comfyui", adapter=adapters[0])
    assert [path.exists() for path in paths] == [True, True, False]
    assert len(loaded) == 4


def test_files_written_anew_are_exported_anew(
    lora_file: Path, tmp_path: Path, loaded: list[str]
) -> None:
    first = exported(lora_file, tmp_path, "comfyui")
    changed = {"name": "loud", "files": [str(lora_file)], "written": "2"}
    second = exported(lora_file, tmp_path, "comfyui", adapter=changed)
    assert loaded == ["tiny", "tiny"]
    assert first["files"] != second["files"]


def test_a_runs_own_files_serve_where_they_work(
    lora_file: Path, tmp_path: Path, loaded: list[str]
) -> None:
    run = run_with(lora_file, tmp_path, works=True)
    result = exported(lora_file, tmp_path, "comfyui", run=str(run))
    assert [file["path"] for file in result["files"]] == [str(run / "adapter" / lora_file.name)]
    assert loaded == []


def test_where_a_runs_own_will_not_do_the_other_formats_are_tried(
    lora_file: Path, tmp_path: Path
) -> None:
    run = run_with(lora_file, tmp_path, works=False)
    result = exported(lora_file, tmp_path, "diffusers", run=str(run))
    assert result["refusals"] == {"kohya": {"diffusers": "of the stars"}, "diffusers": {}}
    assert result["format"] == "diffusers"


def test_where_no_format_works_each_says_why(lora_file: Path, tmp_path: Path) -> None:
    run = run_with(lora_file, tmp_path, works=False)
    result = exported(lora_file, tmp_path, "comfyui", run=str(run))
    assert (result["format"], result["files"]) == ("", [])
    assert all(told["ComfyUI"] for told in result["refusals"].values())


def test_a_checkpoint_never_takes_the_runs_own_files(
    lora_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = run_with(lora_file, tmp_path, works=True)
    monkeypatch.setattr(exporting, "checkpoint_files", lambda *_: (lora_file,))
    early = {"name": "demo step 5", "run": str(run), "checkpoint": 5}
    result = exported(lora_file, tmp_path, "comfyui", run=str(run), adapter=early)
    assert Path(result["files"][0]["path"]).is_relative_to(tmp_path / "exports")


def test_a_folder_is_handed_over_as_an_archive(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    (folder / "unet").mkdir(parents=True)
    (folder / "unet" / "weights").write_text("x")
    with zipfile.ZipFile(exporting._archived(folder, tmp_path / "exports")) as archive:
        assert archive.namelist() == ["model/unet/weights"]


def run_with(lora: Path, tmp_path: Path, *, works: bool) -> Path:
    """A run that has exported the file, and what its export found of the tools."""
    run = tmp_path / "runs" / "demo"
    (run / "adapter").mkdir(parents=True)
    (run / "recipe.yaml").write_text("name: demo\n")
    (run / "adapter" / lora.name).write_bytes(lora.read_bytes())
    because = "" if works else "of the stars"
    tools = [
        {"tool": tool, "works": works, "because": because} for tool in ("ComfyUI", "diffusers")
    ]
    event = {"event": "exported", "file": lora.name, "format": "kohya", "dtype": "fp16"}
    (run / "events.jsonl").write_text(json.dumps({**event, "ok": True, "tools": tools}) + "\n")
    return run
