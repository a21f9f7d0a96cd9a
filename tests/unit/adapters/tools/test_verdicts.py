"""Will it work there? A verdict for each tool, with the reason in a sentence."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from studio.adapters.adapter import Adapter
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


def with_words(plain: Adapter, base: BaseModel, *words: str) -> Adapter:
    """A LoRA that was trained together with new words."""
    vectors = {
        f"{part}.{word}": torch.randn(2, encoder.config.hidden_size)
        for word in words
        for part, encoder in base.named_text_encoders.items()
    }
    header = replace(plain.header, kind="pivotal", method="textual_inversion", trigger=words[0])
    return Adapter(header, {**vectors, **plain.tensors})


def change(path: Path, spoil: Callable[[dict[str, torch.Tensor]], object]) -> None:
    tensors = load_file(path)
    spoil(tensors)
    save_file(tensors, path)


WORDS_STAY_OUT = "it reads the LoRA of a bundle and leaves its words out; export as kohya"


@pytest.mark.parametrize("name", ["tiny_base", "tiny_sdxl"])
def test_a_bundle_is_a1111s_alone(
    name: str, request: pytest.FixtureRequest, lora: Any, tmp_path: Path
) -> None:
    base: BaseModel = request.getfixturevalue(name)
    adapter = with_words(lora(base), base, "hat", "coat")
    (file,) = export(adapter, base, tmp_path, "x", formats=["bundle"], dtype="fp16")
    assert refusals(file.tools) == {
        "diffusers": "it takes a file with words in it for none of its own; export as kohya",
        "Forge": WORDS_STAY_OUT,
        "ComfyUI": WORDS_STAY_OUT,
        "kohya": WORDS_STAY_OUT,
    }

    def misspell(tensors: dict[str, torch.Tensor]) -> None:
        key = next(key for key in tensors if key.startswith("bundle_emb.hat."))
        tensors[key.replace(".hat.", ".cap.")] = tensors.pop(key)

    change(file.path, misspell)
    known = format_named("pivotal", "bundle")
    assert "the word" in refusals(tool_verdicts(file.path, known, adapter, base))["A1111"]


def test_a_bundles_words_and_layers_count(tiny_base: BaseModel, lora: Any, tmp_path: Path) -> None:
    adapter, known = (
        with_words(lora(tiny_base), tiny_base, "hat"),
        format_named("pivotal", "bundle"),
    )
    path = tmp_path / "x.safetensors"

    def told(spoil: Callable[[dict[str, torch.Tensor]], object]) -> dict[str, str]:
        known.load().write(adapter, path, "fp32", tiny_base)
        change(path, spoil)
        return refusals(tool_verdicts(path, known, adapter, tiny_base))

    key = "bundle_emb.hat.string_to_param.*"
    said = told(lambda tensors: tensors.update({key: tensors[key] * 1.1}))
    assert said["A1111"].startswith("of the word hat, it reads other vectors than were trained")
    said = told(lambda tensors: tensors.update({"bundle_emb.new.x": torch.ones(1, 32)}))
    assert said["A1111"] == "it finds the word new, which was not trained"
    layer = "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn1_to_q.lora_up.weight"
    said = told(lambda tensors: tensors.update({layer: tensors[layer] * 2}))
    assert said.keys() == set(TOOLS)
    assert "mid_block.attentions.0" in said["A1111"]


def test_forge_gives_up_on_many_words(tiny_base: BaseModel, lora: Any, tmp_path: Path) -> None:
    adapter = with_words(lora(tiny_base), tiny_base, *(f"word{n}" for n in range(13)))
    (file,) = export(adapter, tiny_base, tmp_path, "x", formats=["bundle"], dtype="fp16")
    said = refusals(file.tools)
    assert "more than 12 tensors of words" in said["Forge"]
    assert said["ComfyUI"] == WORDS_STAY_OUT
    assert "A1111" not in said


@pytest.mark.parametrize("name", ["tiny_base", "tiny_sdxl"])
def test_words_beside_a_lora_are_for_everybody(
    name: str, request: pytest.FixtureRequest, lora: Any, tmp_path: Path
) -> None:
    base: BaseModel = request.getfixturevalue(name)
    adapter = with_words(lora(base), base, "hat", "coat")
    (file,) = export(adapter, base, tmp_path, "x", formats=["kohya"], dtype="fp16")
    assert refusals(file.tools) == {}

    def told() -> dict[str, str]:
        known = format_named("pivotal", "kohya")
        return refusals(tool_verdicts(file.path, known, adapter, base))

    hat, lora_file = file.path / "embeddings/hat.safetensors", file.path / "lora.safetensors"
    good = hat.read_bytes()
    change(hat, lambda tensors: tensors.update({k: 1 - t for k, t in tensors.items()}))
    said = told()
    assert said.keys() == set(TOOLS)
    assert all(because.startswith("of the word hat, ") for because in said.values())
    hat.unlink()
    assert told() == dict.fromkeys(TOOLS, "there is no file for the word hat")
    hat.write_bytes(good)
    change(lora_file, lambda tensors: tensors.pop(next(iter(tensors))))
    assert told().keys() == set(TOOLS)


def test_of_a_plugins_own_format_nothing_is_said(tiny_base: BaseModel, lora: Any) -> None:
    own = Format("puppet", "own", "", "nowhere", "nowhere")
    assert tool_verdicts(Path("x"), own, lora(tiny_base), tiny_base) == ()
    assert told(()) == []


def test_the_command_says_it_and_may_insist(
    lora: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pocket = load_base("pocket")
    (file,) = export(lora(pocket), pocket, tmp_path, "x", formats=["diffusers"], dtype="fp16")
    asked = ["adapter", "verify", str(file.path), "--base", "pocket"]
    assert exit_code(asked) == 0
    told = capsys.readouterr().out
    assert "will not work in ComfyUI: it uses none" in told
    assert "the same picture by diffusers" in told
    insisting = [*asked, "--no-picture", "--tool", "comfyui"]
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
