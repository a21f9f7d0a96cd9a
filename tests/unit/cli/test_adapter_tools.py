"""``studio adapter merge|resize|extract|convert`` as a user types them."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from studio.adapters.adapter import Adapter, AdapterHeader
from studio.adapters.files import read_adapter
from studio.adapters.formats import format_named
from studio.adapters.layer_change import added, changed_weight
from studio.adapters.lora_layers import layers_of
from studio.adapters.rework.writing import write_adapter
from studio.bases.source import POCKET_FOLDER
from studio.cli.terminal import TerminalReporter

PATH = "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q"
UNET = Path("unet/diffusion_pytorch_model.safetensors")


@pytest.fixture
def tool(studio: Callable[..., Any]) -> Callable[..., Any]:
    """``studio adapter``, in a folder of its own."""
    return lambda *arguments: studio("adapter", *arguments)


def weight_in_pocket() -> torch.Tensor:
    return load_file(POCKET_FOLDER / UNET)[PATH.removeprefix("unet.") + ".weight"].float()


def width_of_pocket() -> int:
    return len(weight_in_pocket())


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
    assert outcome.err == "error: nothing was made of 1 of 2 files; see above\n"
    first, second = outcome.out.splitlines()
    assert first == "adapter  done/2-diffusers.safetensors  diffusers, bf16"
    assert second.startswith("failed   some/bad.safetensors  some/bad.safetensors is no adapter")
    assert [file.name for file in (tmp_path / "done").iterdir()] == ["2-diffusers.safetensors"]
    outcome = tool("convert", "some", "--to", "diffusers", "--out", "again", "--json")
    assert [list(entry)[1] for entry in json.loads(outcome.out)] == ["adapter", "error"]


def test_resizing_a_folder(tool: Callable[..., Any], files: list[Path], tmp_path: Path) -> None:
    folder, known = tmp_path / "some", format_named("lora", "diffusers")
    folder.mkdir()
    files[0].rename(folder / "1.safetensors")
    write_adapter(lora(2), folder / "2-diffusers.safetensors", known, "fp32")
    before = change_in(folder / "1.safetensors")
    outcome = tool("resize", "some", "--rank", 2, "--out", "done", "--dtype", "fp32")
    assert (outcome.code, outcome.err) == (0, "")
    first, second = outcome.out.splitlines()
    assert first.startswith("adapter  done/1.safetensors  1 layers, rank 2; keeps ")
    assert second.startswith("adapter  done/2.safetensors  1 layers, rank 2; keeps ")
    values = torch.linalg.svdvals(before)
    error = torch.linalg.vector_norm(change_in(Path("done/1.safetensors")) - before)
    torch.testing.assert_close(error, torch.linalg.vector_norm(values[2:]), rtol=1e-3, atol=0)

    (folder / "bad.safetensors").write_bytes(b"\n")
    write_adapter(
        lora(3, rank=1), folder / "thin.safetensors", format_named("lora", "kohya"), "fp32"
    )
    outcome = tool("resize", "some", "--rank", 2, "--out", "again", "--to", "diffusers", "--json")
    assert outcome.code == 2
    assert outcome.err == "error: nothing was made of 2 of 4 files; see above\n"
    told = {entry.pop("source"): entry for entry in json.loads(outcome.out)}
    assert [next(iter(entry)) for entry in told.values()] == [
        "adapter",
        "adapter",
        "error",
        "error",
    ]
    assert told["some/1.safetensors"]["adapter"] == "again/1-diffusers.safetensors"
    assert told["some/1.safetensors"]["layers"][PATH]["rank"] == 2
    assert "give a --rank below 1" in told["some/thin.safetensors"]["error"]
    assert {f.name for f in Path("again").iterdir()} == {
        "1-diffusers.safetensors",
        "2-diffusers.safetensors",
    }


def test_extracting_from_a_folder_of_models(tool: Callable[..., Any], files: list[Path]) -> None:
    models = Path("models")
    models.mkdir()
    for name in ("base", "tuned"):
        done = tool("merge", "1.safetensors:0.5", "--into", "pocket", "--out", models / name)
        assert done.code == 0, done.err
    # The base lies among them, and another's configuration beside its file.
    tool("merge", "2.safetensors", "--into", "pocket", "--out", "other")
    (models / "bad").mkdir()
    (models / "bad" / "model_index.json").write_text("{}")
    (models / "bad.safetensors").write_bytes(b"\n")
    (models / "notes").mkdir()
    Path("other").rename(models / "other")
    outcome = tool("extract", "models", "--base", "models/base", "--rank", 4, "--out", "loras",
                   "--dtype", "fp32")  # fmt: skip
    assert outcome.code == 2
    assert outcome.err == "error: nothing was made of 2 of 3 files; see above\n"
    bad, other, tuned = outcome.out.splitlines()
    assert bad.startswith("failed   models/bad.safetensors  base model ")
    assert other.startswith("adapter  loras/other.safetensors  1 layers, rank 4; keeps ")
    assert tuned.startswith("failed   models/tuned  no layer of models/tuned differs")
    expected = change_in(files[1]) - 0.5 * change_in(files[0])
    # Of rank 8, so the four largest values are what is there.
    values = torch.linalg.svdvals(expected)
    found = torch.linalg.svdvals(change_in(Path("loras/other.safetensors")))
    torch.testing.assert_close(found[:4], values[:4], rtol=1e-2, atol=0)
    assert [file.name for file in Path("loras").iterdir()] == ["other.safetensors"]
    outcome = tool("extract", "models", "--base", "nowhere", "--out", "none")
    assert (outcome.code, outcome.out) == (2, "")
    assert "is no file or folder" in outcome.err


def dora() -> Adapter:
    plain = lora(5)
    lengths = weight_in_pocket().norm(dim=1) * torch.linspace(0.8, 1.2, width_of_pocket())
    return Adapter(plain.header, {**plain.tensors, f"{PATH}.lora_magnitude_vector": lengths})


def test_a_dora_becomes_a_lora_on_its_base(tool: Callable[..., Any], tmp_path: Path) -> None:
    known = format_named("lora", "kohya")
    write_adapter(dora(), tmp_path / "dora.safetensors", known, "fp32")
    outcome = tool("convert", "dora.safetensors", "--to", "kohya", "--rank", 999, "--base", "pocket",
                   "--out", "plain.safetensors")  # fmt: skip
    assert outcome.code == 0, outcome.err
    assert outcome.out == "adapter  plain.safetensors  kohya, fp32; keeps 100.00%\n"
    weight = weight_in_pocket()
    expected = changed_weight(weight, layers_of(dora())[PATH]) - weight
    limit = 1e-4 * expected.abs().max().item()
    torch.testing.assert_close(change_in(Path("plain.safetensors")), expected, atol=limit, rtol=0)


def test_a_base_other_than_the_adapters_own_is_told(
    tool: Callable[..., Any], tmp_path: Path
) -> None:
    adapter = dora()
    stated = replace(adapter.header, base_name="another", base_digest="5" * 64)
    known = format_named("lora", "kohya")
    for name in ("a", "b"):
        path = tmp_path / "in" / f"{name}.safetensors"
        write_adapter(Adapter(stated, adapter.tensors), path, known, "fp32")
    options = ("--to", "kohya", "--rank", 2, "--base", "pocket", "--out")
    for source, out in (("in/a.safetensors", "a.safetensors"), ("in", "folder")):
        outcome = tool("convert", source, *options, out)
        assert outcome.code == 0
        (warning,) = outcome.err.splitlines()
        assert warning.startswith("warning: the adapter was trained on another (555555555555), not")


class Watched(TerminalReporter):
    """Remembers what it was told."""

    told: list[Any]

    @contextmanager
    def stage(self, title: str) -> Iterator[Callable[[int, int], None]]:
        self.told.append(title)
        yield lambda *step: self.told.append(step)


LONG_WORK = {
    "merge 1.safetensors --into pocket --out new": "merging into pocket",
    "extract tuned --base pocket --rank 1 --out x.safetensors": "comparing tuned with pocket",
    "convert dora.safetensors --to kohya --rank 1 --base pocket --out x.safetensors": (
        "converting dora.safetensors"
    ),
}


@pytest.mark.parametrize("arguments", LONG_WORK)
def test_progress_is_for_whoever_watches(
    tool: Callable[..., Any],
    files: list[Path],
    tmp_path: Path,
    arguments: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write_adapter(dora(), tmp_path / "dora.safetensors", format_named("lora", "kohya"), "fp32")
    tool("merge", "2.safetensors", "--into", "pocket", "--out", "tuned")
    *command, out = arguments.split()
    monkeypatch.setattr("studio.cli.terminal.TerminalReporter", Watched)
    monkeypatch.setattr(Watched, "told", [], raising=False)
    outcome = tool(*command, f"1-{out}")
    assert (outcome.code, outcome.err, Watched.told) == (0, "", [])
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert tool(*command, f"2-{out}", "--json").code == 0
    assert Watched.told == []
    assert tool(*command, f"3-{out}").code == 0
    title, *steps = Watched.told
    total = len(steps)
    assert title == LONG_WORK[arguments]
    assert steps == [(done, total) for done in range(1, total + 1)]
    assert total > 0


MISTAKES = {
    "1.safetensors 2.safetensors --out 1.safetensors": "1.safetensors is there already",
    "1.safetensors:0 --out m.safetensors": "1.safetensors has the weight 0",
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
    write_adapter(dora(), Path("dora.safetensors"), format_named("lora", "kohya"), "fp32")
    Path("empty").mkdir()
    cases = {
        "resize 1.safetensors --out r.safetensors": "give --rank or --keep",
        "resize 1.safetensors --rank 4 --out r.safetensors": "give a --rank below 4",
        "resize 1.safetensors --keep 2 --out r.safetensors": "no share to keep",
        "resize 1.safetensors --rank 2 --out 2.safetensors": "is there already",
        "extract pocket --base pocket --out x.safetensors": "no layer of pocket differs",
        "extract pocket --base 1.safetensors --out x.safetensors": "is an adapter, no base model",
        "convert . --to kohya": "say with --out",
        "convert . --to kohya --out 1.safetensors": "1.safetensors is a file; give a folder",
        "convert 1.safetensors --to kohya --base pocket": "give its rank with --rank",
        "convert dora.safetensors --to diffusers --rank 2": "name the base with --base",
        "resize dora.safetensors --rank 2 --out x.safetensors": "--rank N --base MODEL",
        "resize . --out x": "give --rank or --keep",
        "extract . --base pocket --out 1.safetensors": "1.safetensors is a file; give a folder",
        "extract empty --base pocket --out x": "empty holds no models",
        "resize empty --rank 2 --out x": "empty holds no adapter files",
        "convert 1.safetensors --to a1111": "have no format 'a1111'",
    }
    for arguments, expected in cases.items():
        outcome = tool(*arguments.split())
        assert outcome.code == 2, arguments
        assert expected in outcome.err
        assert outcome.err.splitlines()[-1].startswith("error: ")
