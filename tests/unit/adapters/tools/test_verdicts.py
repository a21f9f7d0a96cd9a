"""Will it work there? A verdict for each tool, with the reason in a sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file

from studio.adapters.export import export
from studio.adapters.files import format_of, read_adapter
from studio.adapters.formats import Format, format_named
from studio.adapters.tools.verdicts import TOOLS, told, tool_verdicts
from studio.bases.base_model import BaseModel
from studio.bases.loading import load_base
from studio.cli.entry import exit_code


def refusals(verdicts: Any) -> dict[str, str]:
    return {v.tool: v.because for v in verdicts if not v.works}


def test_what_we_write_for_everybody_works_everywhere(
    tiny_base: BaseModel, lora: Any, tmp_path: Path
) -> None:
    (file,) = export(lora(tiny_base), tiny_base, tmp_path, "x", formats=["kohya"], dtype="fp16")
    assert told(file.tools) == ["works in diffusers, A1111, Forge, ComfyUI, kohya"]
    assert [tool["works"] for tool in file.to_json()["tools"]] == [True] * len(TOOLS)


def test_what_diffusers_alone_reads_is_said_of_each(
    tiny_base: BaseModel, lora: Any, tmp_path: Path
) -> None:
    (file,) = export(lora(tiny_base), tiny_base, tmp_path, "x", formats=["diffusers"], dtype="fp16")
    said = refusals(file.tools)
    assert said.keys() == {"A1111", "Forge", "ComfyUI", "kohya"}
    assert all("uses none of the" in because for because in said.values())


def test_dora_says_who_reads_it_otherwise(tiny_base: BaseModel, lora: Any, tmp_path: Path) -> None:
    adapter = lora(tiny_base, use_dora=True)
    (file,) = export(adapter, tiny_base, tmp_path, "x", formats=["kohya"], dtype="fp32")
    said = refusals(file.tools)
    assert "reads these tensors otherwise" in said["ComfyUI"]
    assert said["Forge"] == said["ComfyUI"]
    assert "dora_scale" in said["diffusers"]
    assert "kohya" not in said


@pytest.mark.parametrize(
    ("known", "works"),
    [
        (format_named("hypernetwork", "a1111"), {"A1111", "ComfyUI"}),
        (format_named("hypernetwork", "safetensors"), set()),
        (format_named("full", "checkpoint"), set(TOOLS)),
        (format_named("full", "diffusers"), {"diffusers", "kohya"}),
        (format_named("textual_inversion", "a1111"), set(TOOLS)),
        (format_named("pivotal", "bundle"), {"A1111", "Forge"}),
    ],
)
def test_other_kinds_by_what_the_tools_know(
    known: Format, works: set[str], tiny_base: BaseModel, lora: Any, tmp_path: Path
) -> None:
    verdicts = tool_verdicts(tmp_path / "x", known, lora(tiny_base), tiny_base)
    assert {v.tool for v in verdicts if v.works} == works
    assert all(v.because for v in verdicts if not v.works)


def test_the_command_says_it_and_may_insist(
    lora: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pocket = load_base("pocket")
    (file,) = export(lora(pocket), pocket, tmp_path, "x", formats=["diffusers"], dtype="fp16")
    assert exit_code(["adapter", "verify", str(file.path), "--base", "pocket"]) == 0
    assert "will not work in ComfyUI: it uses none" in capsys.readouterr().out
    insisting = ["adapter", "verify", str(file.path), "--base", "pocket", "--tool", "comfyui"]
    assert exit_code(insisting) == 2
    assert "will not work in ComfyUI" in capsys.readouterr().err
    assert exit_code([*insisting, "--tool", "paint"]) == 2
    assert "'paint' is not known; give one of diffusers" in capsys.readouterr().err


def test_a_misspelled_file_is_named_by_each_tool(
    tiny_base: BaseModel, lora: Any, tmp_path: Path
) -> None:
    (file,) = export(lora(tiny_base), tiny_base, tmp_path, "x", formats=["kohya"], dtype="fp32")
    tensors = load_file(file.path)
    for key in [k for k in tensors if "mid_block_attentions_0_proj" in k or "attn2_to_v" in k][:3]:
        tensors[key.replace("attn2_to_v", "attn2_to_w")] = tensors.pop(key)
    save_file(tensors, file.path)
    adapter = read_adapter(file.path)
    said = refusals(tool_verdicts(file.path, format_of(file.path), adapter, tiny_base))
    assert said.keys() == set(TOOLS)
    assert "to_w" in said["A1111"]


def test_a_file_that_is_wrong_in_itself_is_the_users_to_mend(
    lora: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pocket = load_base("pocket")
    (file,) = export(lora(pocket), pocket, tmp_path, "x", formats=["kohya"], dtype="fp16")
    tensors = load_file(file.path)
    for key in [k for k in tensors if k.startswith("lora_unet_mid_block")][:3]:
        tensors[key.replace("mid_block", "mid_blocks")] = tensors.pop(key)
    save_file(tensors, file.path)
    assert exit_code(["adapter", "verify", str(file.path), "--base", "pocket"]) == 2
    told = capsys.readouterr().err.strip().splitlines()
    assert told[-1].startswith("error: ")
    assert "mid_blocks" in told[-1]
