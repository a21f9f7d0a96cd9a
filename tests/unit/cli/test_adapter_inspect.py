"""``studio adapter inspect`` as people and programs see it."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor

from studio.run_folder import RunFolder

Studio = Callable[..., Any]
METADATA = {
    "ss_base_model_version": "sd_v1",
    "ss_sd_model_name": "v1-5.safetensors",
    "ss_steps": "1500",
    "ss_num_train_images": "20",
    "ss_resolution": "512",
    "ss_tag_frequency": json.dumps({"cat": {"sofa": 7, "window": 3}}),
    "modelspec.trigger_phrase": "mycat",
    "studio.strength": "0.8",
}


def lora(num_layers: int = 6, rank: int = 4) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(1)
    tensors: dict[str, Tensor] = {}
    for n in range(num_layers):
        block = "mid_block" if n == 0 else f"down_blocks_{n % 2}"
        name = f"lora_unet_{block}_attentions_{n}_proj_in"
        tensors[f"{name}.lora_down.weight"] = torch.randn(rank, 8, generator=generator)
        tensors[f"{name}.lora_up.weight"] = torch.randn(8, rank, generator=generator)
        tensors[f"{name}.alpha"] = torch.tensor(2.0)
    return tensors


@pytest.fixture
def cat(tmp_path: Path) -> Path:
    path = tmp_path / "cat.safetensors"
    save_file(lora(), path, METADATA)
    return path


def test_one_screen_with_the_key_facts_first(studio: Studio, cat: Path) -> None:
    outcome = studio("adapter", "inspect", "cat.safetensors")
    assert (outcome.code, outcome.err) == (0, "")
    lines = outcome.out.splitlines()
    assert lines[:4] == [
        "file      cat.safetensors",
        "kind      lora (LoRA), kohya format",
        "family    sd1",
        "trigger   mycat",
    ]
    for line in (
        "tags      sofa, window",
        "rank      4 (6 layers)",
        "alpha     2 (6 layers)",
        "changes   unet (6)",
        "strength  0.8 recommended",
        "base      v1-5.safetensors",
        "trained   1,500 steps, 20 pictures, 512x512 px",
        "numbers   fp32 (18)",
        "No dead, exploded or broken layer among 6.",
        "Norm by block, of the change at strength 1:",
    ):
        assert line in lines
    assert [line.split()[0] for line in lines[-3:]] == ["unet.down.0", "unet.down.1", "unet.mid"]
    assert len(lines) <= 30
    assert max(map(len, lines)) <= 120


def test_every_layer_on_request_and_everything_as_json(studio: Studio, cat: Path) -> None:
    lines = studio("adapter", "inspect", "cat.safetensors", "--layers").out.splitlines()
    assert lines[-7].split() == ["LAYER", "RANK", "ALPHA", "NORM", "STATE"]
    assert lines[-1].split()[:3] == ["unet.mid_block.attentions.0.proj_in", "4", "2"]
    content = json.loads(studio("adapter", "inspect", "cat.safetensors", "--json").out)
    assert (content["kind"], content["family"], content["steps"]) == ("lora", "sd1", 1500)
    assert content["strength"] == 0.8
    assert len(content["layers"]) == 6
    total = math.hypot(*(layer["norm"] for layer in content["layers"]))
    assert total == pytest.approx(math.hypot(*(b["norm"] for b in content["blocks"])))


def test_dead_and_exploded_layers_are_named_and_the_many_are_counted(
    studio: Studio, tmp_path: Path
) -> None:
    tensors = lora(num_layers=40)
    for n in range(1, 8):
        tensors[f"lora_unet_down_blocks_{n % 2}_attentions_{n}_proj_in.lora_up.weight"].zero_()
    tensors["lora_unet_mid_block_attentions_0_proj_in.lora_up.weight"] *= 1000
    tensors["lora_unet_down_blocks_0_attentions_8_proj_in.lora_up.weight"][0] = math.nan
    save_file(tensors, tmp_path / "x.safetensors")
    outcome = studio("adapter", "inspect", "x.safetensors")
    assert outcome.code == 0
    assert (
        "2 of 40 layers exploded:\n  unet.down_blocks.0.attentions.8.proj_in: values" in outcome.out
    )
    assert "unet.mid_block.attentions.0.proj_in: its norm" in outcome.out
    assert "7 of 40 layers dead (no change):\n" in outcome.out
    assert "  and 2 more; --layers lists them\n" in outcome.out
    content = json.loads(studio("adapter", "inspect", "x.safetensors", "--json").out)
    assert (content["num_dead"], content["num_exploded"]) == (7, 2)


def test_the_plot_is_written_and_told_on_stderr(studio: Studio, cat: Path, tmp_path: Path) -> None:
    outcome = studio("adapter", "inspect", "cat.safetensors", "--plot", "norms.png", "--json")
    assert (outcome.code, outcome.err) == (0, "drawn: norms.png\n")
    json.loads(outcome.out)
    with Image.open(tmp_path / "norms.png") as chart:
        assert chart.format == "PNG"
    refused = studio("adapter", "inspect", "cat.safetensors", "--plot", "norms.pdf")
    assert refused.code == 2
    assert refused.err == "error: --plot draws a .png file, norms.pdf was given\n"


def test_a_hostile_file_is_one_line_and_exit_code_2(studio: Studio, tmp_path: Path) -> None:
    (tmp_path / "x.safetensors").write_bytes(struct.pack("<Q", 10**8) + b"{}")
    outcome = studio("adapter", "inspect", "x.safetensors")
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err == (
        "error: x.safetensors cannot be read: its header claims 100,000,000 bytes, "
        "more than 16,777,216\n"
    )


def test_what_a_file_says_cannot_steer_the_terminal(studio: Studio, tmp_path: Path) -> None:
    said = {"modelspec.trigger_phrase": "a\x1b[2Jb\nkind: x\u202e", "ss_sd_model_name": "n" * 5000}
    tensors = lora() | {"lora_unet_\x1b[31m_x.lora_down.weight": torch.zeros(1, 1)}
    save_file(tensors, tmp_path / "x.safetensors", said)
    outcome = studio("adapter", "inspect", "x.safetensors", "--layers")
    assert outcome.code == 0
    assert "\x1b" not in outcome.out
    assert "\u202e" not in outcome.out
    assert "trigger  a [2Jb kind: x\n" in outcome.out
    assert max(map(len, outcome.out.splitlines())) < 300


def test_a_folder_is_a_line_for_each_file(studio: Studio, tmp_path: Path) -> None:
    folder = tmp_path / "loras.v1"
    (folder / "deep").mkdir(parents=True)
    save_file(lora(), folder / "deep" / "cat.safetensors", METADATA)
    save_file({"emb_params": torch.zeros(2, 1024)}, folder / "word.safetensors")
    save_file(
        lora(rank=2),
        folder / "plain.safetensors",
        {"ss_tag_frequency": METADATA["ss_tag_frequency"]},
    )
    (folder / "page.safetensors").write_text("<html>not found</html>")
    (folder / "bad.pt").write_bytes(b"nothing")
    outcome = studio("adapter", "inspect", "loras.v1")
    assert (outcome.code, outcome.err) == (0, "")
    heading, *rows = outcome.out.splitlines()
    assert heading.split() == ["NAME", "KIND", "FAMILY", "RANK", "SIZE", "TRIGGER"]
    assert rows[0].startswith("bad.pt  cannot be read: it is no whole file of torch.save")
    assert rows[1].split() == ["deep/cat.safetensors", "lora", "sd1", "4", "3.89", "kB", "mycat"]
    assert rows[2].startswith("page.safetensors  cannot be read: it is a web page")
    assert rows[3].split()[:4] == ["plain.safetensors", "lora", "?", "2"]
    assert rows[3].endswith("sofa, window")
    assert rows[4].split()[:4] == ["word.safetensors", "textual_inversion", "sd2", "-"]
    content = json.loads(studio("adapter", "inspect", folder, "--json").out)
    assert [one["file"] for one in content] == [row.split()[0] for row in rows]
    assert "web page" in content[2]["problem"]
    assert content[1]["trigger"] == "mycat"


def test_a_folder_with_nothing_to_read_is_a_mistake(studio: Studio, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    outcome = studio("adapter", "inspect", "empty")
    assert outcome.code == 2
    assert outcome.err == (
        "error: empty holds no .safetensors or .pt file; give a folder that does\n"
    )
    (tmp_path / "empty" / "x.safetensors").write_bytes(b"")
    outcome = studio("adapter", "inspect", "empty")
    assert outcome.code == 2
    assert outcome.out == "x.safetensors  cannot be read: it is empty\n"
    assert outcome.err == "error: none of the 1 files in empty can be read\n"
    for option in (["--layers"], ["--plot", "x.png"]):
        refused = studio("adapter", "inspect", "empty", *option)
        assert refused.code == 2
        assert "--plot and --layers are for one adapter, empty is a folder" in refused.err


def test_a_run_goes_by_its_name_or_its_folder(studio: Studio, cat: Path, tmp_path: Path) -> None:
    run = RunFolder.create(tmp_path / "runs", "cats")
    run.recipe_path.write_text("name: cats\n")
    run.adapter.mkdir()
    save_file(lora(), run.adapter / "cats.safetensors", METADATA)
    for given in ("cats", "runs/cats"):
        outcome = studio("adapter", "inspect", given)
        assert outcome.code == 0, outcome.err
        assert outcome.out.startswith("file      runs/cats/adapter/cats.safetensors\n")
    assert (
        studio("adapter", "inspect", "runs").out.splitlines()[1].startswith("cats/adapter/cats.s")
    )
