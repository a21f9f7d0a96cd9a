"""``studio adapter merge|resize|extract|convert`` as a user types them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from studio.adapters.adapter import Adapter, AdapterHeader
from studio.adapters.files import read_adapter
from studio.adapters.formats import format_named
from studio.adapters.layer_change import added
from studio.adapters.lora_layers import layers_of
from studio.adapters.rework.writing import write_adapter
from studio.bases.source import POCKET_FOLDER

PATH = "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q"
UNET = Path("unet/diffusion_pytorch_model.safetensors")


@pytest.fixture
def tool(studio: Callable[..., Any]) -> Callable[..., Any]:
    """``studio adapter``, in a folder of its own."""
    return lambda *arguments: studio("adapter", *arguments)


def width_of_pocket() -> int:
    key = PATH.removeprefix("unet.") + ".weight"
    return len(load_file(POCKET_FOLDER / UNET)[key])


def lora(seed: int, rank: int = 4) -> Adapter:
    width = width_of_pocket()
    generator = torch.Generator().manual_seed(seed)
    header = AdapterHeader("lora", "sd1", "pocket", "", "{}", title=f"lora{seed}", trigger="x")
    tensors = {
        f"{PATH}.lora_A.weight": torch.randn(rank, width, generator=generator),
        f"{PATH}.lora_B.weight": torch.randn(width, rank, generator=generator),
        f"{PATH}.alpha": torch.tensor([2.0]),
    }
    return Adapter(header, tensors)


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Two LoRAs of rank 4 on one of pocket's layers."""
    known = format_named("lora", "kohya")
    return [
        write_adapter(lora(n), tmp_path / f"{n}.safetensors", known, "fp32").path for n in (1, 2)
    ]


def change_in(path: Path) -> torch.Tensor:
    return added(layers_of(read_adapter(path))[PATH])


def test_merging(tool: Callable[..., Any], files: list[Path]) -> None:
    outcome = tool("merge", "1.safetensors:0.5", "2.safetensors", "--out", "m.safetensors",
                   "--dtype", "fp32")  # fmt: skip
    assert outcome.code == 0, outcome.err
    assert outcome.out == "adapter  m.safetensors  1 layers, rank 8; keeps 100.00%\n"
    expected = 0.5 * change_in(files[0]) + change_in(files[1])
    torch.testing.assert_close(change_in(Path("m.safetensors")), expected, atol=1e-5, rtol=1e-5)
    settings = json.loads(read_adapter(Path("m.safetensors")).header.settings)
    origins = settings["merged"]["from"]
    assert [(o["title"], o["weight"]) for o in origins] == [("lora1", 0.5), ("lora2", 1.0)]
    assert all(len(o["digest"]) == 64 for o in origins)


def test_a_colon_in_a_name(tool: Callable[..., Any], files: list[Path], tmp_path: Path) -> None:
    files[0].rename(tmp_path / "a:1.safetensors")
    (tmp_path / "2.safetensors").rename(tmp_path / "b:2.safetensors")
    outcome = tool("merge", "a:1.safetensors:-2", "b:2.safetensors", "--out", "m.safetensors")
    assert outcome.code == 0, outcome.err
    settings = json.loads(read_adapter(Path("m.safetensors")).header.settings)
    assert [origin["weight"] for origin in settings["merged"]["from"]] == [-2.0, 1.0]


def test_into_the_shipped_base_and_out_again(tool: Callable[..., Any], files: list[Path]) -> None:
    merged = tool("merge", "1.safetensors:0.5", "--into", "pocket", "--out", "tuned", "--json")
    assert merged.code == 0, merged.err
    assert json.loads(merged.out) == {"model": "tuned", "family": "sd1", "layers": 1}
    old, new = load_file(POCKET_FOLDER / UNET), load_file(Path("tuned") / UNET)
    changed = [name for name, tensor in old.items() if not torch.equal(tensor, new[name])]
    assert [f"unet.{name}" for name in changed] == [f"{PATH}.weight"]

    outcome = tool("extract", "tuned", "--base", "pocket", "--rank", 4, "--out", "x.safetensors",
                   "--dtype", "fp32", "--json")  # fmt: skip
    assert outcome.code == 0, outcome.err
    content = json.loads(outcome.out)
    assert content["layers"].keys() == {PATH}
    assert content["kept_share"] > 0.9999  # of what the base's fp16 has left of it
    expected = 0.5 * change_in(files[0])
    limit = 2e-3 * expected.abs().max().item()
    torch.testing.assert_close(change_in(Path("x.safetensors")), expected, atol=limit, rtol=0)


def test_resizing(tool: Callable[..., Any], files: list[Path]) -> None:
    outcome = tool("resize", "1.safetensors", "--rank", 2, "--out", "r.safetensors")
    assert outcome.code == 0, outcome.err
    values = torch.linalg.svdvals(change_in(files[0])).square()
    kept = (values[:2].sum() / values.sum()).item()
    assert outcome.out == f"adapter  r.safetensors  1 layers, rank 2; keeps {kept:.2%}\n"
    outcome = tool("resize", "1.safetensors", "--keep", kept - 0.01, "--out", "k.safetensors",
                   "--to", "diffusers", "--json")  # fmt: skip
    content = json.loads(outcome.out)
    assert (content["format"], content["layers"][PATH]["rank"]) == ("diffusers", 2)


def test_converting_a_file_and_a_folder(
    tool: Callable[..., Any], files: list[Path], tmp_path: Path
) -> None:
    outcome = tool("convert", "1.safetensors", "--to", "diffusers")
    assert (outcome.code, outcome.out) == (0, "adapter  1-diffusers.safetensors  diffusers, fp32\n")
    folder = tmp_path / "some"
    folder.mkdir()
    files[1].rename(folder / "2.safetensors")
    (folder / "bad.safetensors").write_bytes(b"\n")
    outcome = tool("convert", "some", "--to", "diffusers", "--out", "done", "--dtype", "bf16")
    assert outcome.code == 2
    assert outcome.err == "error: 1 of 2 files were not converted; see above\n"
    first, second = outcome.out.splitlines()
    assert first == "adapter  done/2-diffusers.safetensors  diffusers, bf16"
    assert second.startswith("failed   some/bad.safetensors  some/bad.safetensors is no adapter")
    assert [file.name for file in (tmp_path / "done").iterdir()] == ["2-diffusers.safetensors"]
    outcome = tool("convert", "some", "--to", "diffusers", "--out", "again", "--json")
    assert [list(entry)[1] for entry in json.loads(outcome.out)] == ["adapter", "error"]


MISTAKES = {
    "1.safetensors 2.safetensors --out 1.safetensors": "1.safetensors is there already",
    "1.safetensors:0 --out m.safetensors": "'lora1' has the weight 0",
    "1.safetensors:x --out m.safetensors": "there is no adapter file 1.safetensors:x",
    "1.safetensors --out m.safetensors --into pocket --rank 4": "leave them out",
    "1.safetensors --out m.safetensors --into nowhere": "is no file or folder",
    "1.safetensors --out m": "give one that ends with .safetensors",
    "none.safetensors --out m.safetensors": "there is no adapter file none.safetensors",
}


@pytest.mark.parametrize("arguments", MISTAKES)
def test_mistakes_in_merging_are_one_line(
    tool: Callable[..., Any], files: list[Path], tmp_path: Path, arguments: str
) -> None:
    outcome = tool("merge", *arguments.split())
    assert (outcome.code, outcome.out) == (2, "")
    assert MISTAKES[arguments] in outcome.err
    assert outcome.err.count("\n") == 1
    assert {file.name for file in tmp_path.iterdir()} == {"1.safetensors", "2.safetensors"}


def test_other_mistakes_are_one_line(tool: Callable[..., Any], files: list[Path]) -> None:
    cases = {
        "resize 1.safetensors --out r.safetensors": "give --rank or --keep",
        "resize 1.safetensors --rank 4 --out r.safetensors": "give a --rank below 4",
        "resize 1.safetensors --keep 2 --out r.safetensors": "no share to keep",
        "resize 1.safetensors --rank 2 --out 2.safetensors": "is there already",
        "extract pocket --base pocket --out x.safetensors": "no layer of pocket differs",
        "extract pocket --base 1.safetensors --out x.safetensors": "not a whole Stable Diffusion",
        "convert . --to kohya": "say with --out",
        "convert 1.safetensors --to a1111": "have no format 'a1111'",
    }
    for arguments, expected in cases.items():
        outcome = tool(*arguments.split())
        assert outcome.code == 2, arguments
        assert expected in outcome.err
        assert outcome.err.splitlines()[-1].startswith("error: ")
