"""Hostile and broken files through every command that takes an adapter file.

Each is refused in one line that names it and says what is wrong; nothing in it is run, nothing is
written, and it stays as it was. What only the base can tell (another family, another width) is refused
by the commands that know it. ``inspect`` describes what the others refuse, where it can be told.
"""

from __future__ import annotations

import json
import os
import re
import stat
import struct
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from safetensors.torch import load_file, save_file

from studio.bases.loading import load_base
from studio.bases.source import POCKET_FOLDER

LAYER = "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn2_to_q"
SDXL_LAYER = "lora_unet_middle_block_1_transformer_blocks_0_attn2_to_q"
MARKER = "executed"
Maker = Callable[[Path], object]


class Attack:
    """Pickles as a call of a shell, which would leave a file behind."""

    def __reduce__(self) -> Any:
        return os.system, (f"touch {MARKER}",)


@cache
def width_of_pocket() -> int:
    weights = load_file(POCKET_FOLDER / "unet" / "diffusion_pytorch_model.safetensors")
    return len(weights["mid_block.attentions.0.transformer_blocks.0.attn2.to_q.weight"])


def lora(layer: str = LAYER, width: int = 0) -> dict[str, torch.Tensor]:
    """What a whole file of one layer holds."""
    width = width or width_of_pocket()
    return {
        f"{layer}.lora_down.weight": torch.ones(2, width),
        f"{layer}.lora_up.weight": torch.ones(width, 2),
        f"{layer}.alpha": torch.tensor(1.0),
    }


def holding_value(value: float) -> Maker:
    def make(path: Path) -> None:
        tensors = lora()
        tensors[f"{LAYER}.lora_up.weight"][1, 1] = value
        save_file(tensors, path)

    return make


def of_another_rank_below(path: Path) -> None:
    save_file(lora() | {f"{LAYER}.lora_down.weight": torch.ones(3, width_of_pocket())}, path)


def of_sdxl(path: Path) -> None:
    metadata = {"ss_base_model_version": "sdxl_base_v1-0"}
    save_file(lora(SDXL_LAYER, width=1280), path, metadata)


def pickled(*, zipped: bool) -> Maker:
    content = {"*": Attack()}
    return lambda path: torch.save(content, path, _use_new_zipfile_serialization=zipped)


def of_bytes(content: bytes) -> Maker:
    return lambda path: path.write_bytes(content)


def overlapping() -> bytes:
    header = {
        f"{LAYER}.{part}.weight": {
            "dtype": "F32",
            "shape": [4],
            "data_offsets": [start, start + 16],
        }
        for part, start in (("lora_down", 0), ("lora_up", 8))
    }
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + bytes(24)


def truncated(path: Path) -> None:
    save_file(lora(), path)
    path.write_bytes(path.read_bytes()[:-8])


def bomb(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", bytes(16 << 20))


class Hostile(NamedTuple):
    """How a file is made, what is said of it, and what where a model is wanted, not an adapter."""

    make: Maker
    reason: str
    reason_as_model: str = ""


PAGE = b"<!DOCTYPE html>\n<html><body>Please log in to download this file.</body></html>\n"
HUGE_HEADER = struct.pack("<Q", 100_000_000) + b'{"'
NO_MODEL = "is an adapter, no base model"
PICKLE = "is pickled, but weights are compared and merged as .safetensors alone"
FILES: dict[str, Hostile] = {
    "code-zip.pt": Hostile(pickled(zipped=True), r"wants to run 'posix\.system'", PICKLE),
    "code-legacy.pt": Hostile(pickled(zipped=False), r"wants to run 'posix\.system'", PICKLE),
    "code.safetensors": Hostile(pickled(zipped=True), "pickled file, which can run code"),
    "header.safetensors": Hostile(of_bytes(HUGE_HEADER), "header claims 100,000,000", "truncated"),
    "overlap.safetensors": Hostile(of_bytes(overlapping()), "tensors overlap"),
    "nan.safetensors": Hostile(holding_value(float("nan")), "not finite", NO_MODEL),
    "inf.safetensors": Hostile(holding_value(float("inf")), "not finite", NO_MODEL),
    "ranks.safetensors": Hostile(of_another_rank_below, r"lacks a lora_B\.weight", NO_MODEL),
    "page.safetensors": Hostile(of_bytes(PAGE), "web page"),
    "empty.safetensors": Hostile(of_bytes(b""), "it is empty"),
    "empty.pt": Hostile(of_bytes(b""), "no whole file", PICKLE),
    "truncated.safetensors": Hostile(truncated, "truncated"),
    "folder.safetensors": Hostile(
        Path.mkdir, "holds no|is a folder", "not a diffusers model|holds no"
    ),
    "fifo.safetensors": Hostile(os.mkfifo, "is no file"),
    "fifo.pt": Hostile(os.mkfifo, "is no file"),
    "loop.safetensors": Hostile(
        lambda path: path.symlink_to(path.name), "leads nowhere|is no file", "is no file"
    ),
    "bomb.pt": Hostile(bomb, "archive is compressed", PICKLE),
}
OF_ANOTHER_BASE: dict[str, Hostile] = {
    "width.safetensors": Hostile(
        lambda path: save_file(lora(width=8), path), "does not fit|made for another base"
    ),
    "sdxl.safetensors": Hostile(of_sdxl, "family sdxl.* does not fit"),
}


def adapter(*arguments: object) -> Callable[[Path], tuple[object, ...]]:
    """``studio adapter`` with the file where it says FILE."""
    return lambda path: ("adapter", *(path if word == "FILE" else word for word in arguments))


def by_tag(path: Path) -> tuple[object, ...]:
    prompt = f"a cat <lora:{path.stem}>"
    return "preview", "--adapter-folder", path.parent, "--prompt", prompt, *SMALL


OUT = ("--out", "out.safetensors")
SMALL = ("--base", "pocket", "--steps", 1, "--guidance", 1, "--seed", 0, "--out", "out.png")
KNOWING_THE_BASE: dict[str, Callable[[Path], tuple[object, ...]]] = {
    "verify": adapter("verify", "FILE", "--base", "pocket"),
    "merge-into": adapter("merge", "FILE", "--into", "pocket", "--out", "out"),
    "preview": lambda path: ("preview", path, "--prompt", "a cat", *SMALL),
    "preview-by-tag": by_tag,
    "preview-of-a-run": lambda path: ("preview", path.parents[1].name, "--prompt", "a cat", *SMALL),
    "export": lambda path: ("export", path, "--to", "diffusers", "--base", "pocket", *OUT),
}
COMMANDS: dict[str, Callable[[Path], tuple[object, ...]]] = {
    **KNOWING_THE_BASE,
    "inspect": adapter("inspect", "FILE"),
    "inspect-plot": adapter("inspect", "FILE", "--plot", "out.png"),
    "convert": adapter("convert", "FILE", "--to", "diffusers", *OUT),
    "merge": adapter("merge", "FILE", *OUT),
    "resize": adapter("resize", "FILE", "--rank", 1, *OUT),
    "extract": adapter("extract", "FILE", "--base", "pocket", *OUT),
    "extract-base": adapter("extract", "pocket", "--base", "FILE", *OUT),
    "share": lambda path: ("adapter", "share", path.parents[1].name),
    "share-push": lambda path: ("adapter", "share", path.parents[1].name, "--push", "me/icons"),
}
DESCRIBED = ("nan.safetensors", "inf.safetensors", "ranks.safetensors")
"""What ``inspect`` can tell of, and does not refuse."""


@pytest.fixture(scope="module")
def _pocket() -> Any:
    return load_base("pocket")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, _pocket: Any) -> Path:
    """Where a finished run's adapter lies; the base is loaded once for all tests."""
    monkeypatch.setattr("studio.cli.base.load_base", lambda *_: _pocket)
    run = tmp_path / "runs" / "icons"
    (run / "adapter").mkdir(parents=True)
    (run / "recipe.yaml").write_text("dataset: {source: pictures}\n")
    return run / "adapter"


def everything_below(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Every name with what it is, and what is in it."""
    return {
        str(path.relative_to(folder)): (mode, path.read_bytes() if stat.S_ISREG(mode) else b"")
        for path in folder.rglob("*")
        for mode in [path.lstat().st_mode]
    }


def refused_cells() -> list[Any]:
    return [
        pytest.param(command, name, id=f"{command}-{name}")
        for command in COMMANDS
        for name in FILES
        if not (command.startswith("inspect") and name in DESCRIBED)
    ]


def assert_refused(outcome: Any, name: str, reason: str, remarks: int = 0) -> None:
    """One line; ``remarks`` are the lines before it that say what is being done."""
    assert outcome.code == 2, outcome.err
    assert outcome.out == ""
    *before, line = outcome.err.splitlines()
    assert len(before) == remarks
    assert not any(remark.startswith("error") for remark in before)
    assert line.startswith("error: ")
    assert name in line
    assert re.search(reason, line)
    assert len(line) < 500


@pytest.mark.timeout(20)  # whoever opens a FIFO waits
@pytest.mark.parametrize(("command", "name"), refused_cells())
def test_it_is_refused(
    studio: Callable[..., Any], folder: Path, tmp_path: Path, command: str, name: str
) -> None:
    hostile = FILES[name]
    hostile.make(folder / name)
    before = everything_below(tmp_path)
    outcome = studio(*COMMANDS[command](folder / name))
    wants_model = command.startswith("extract")
    reason = (wants_model and hostile.reason_as_model) or hostile.reason
    assert_refused(outcome, name, reason)
    assert everything_below(tmp_path) == before


@pytest.mark.parametrize(
    ("command", "name"),
    [
        pytest.param(command, name, id=f"{command}-{name}")
        for command in KNOWING_THE_BASE
        for name in OF_ANOTHER_BASE
    ],
)
def test_what_is_for_another_base_is_refused(
    studio: Callable[..., Any], folder: Path, tmp_path: Path, command: str, name: str
) -> None:
    hostile = OF_ANOTHER_BASE[name]
    hostile.make(folder / name)
    before = everything_below(tmp_path)
    outcome = studio(*KNOWING_THE_BASE[command](folder / name))
    # Another family is told before the base is loaded, another layer or size only after it.
    is_drawing = command.startswith("preview") and name != "sdxl.safetensors"
    assert_refused(outcome, name, hostile.reason, remarks=int(is_drawing))
    assert everything_below(tmp_path) == before


@pytest.mark.parametrize("name", DESCRIBED)
def test_inspect_tells_what_the_others_refuse(
    studio: Callable[..., Any], folder: Path, tmp_path: Path, name: str
) -> None:
    FILES[name].make(folder / name)
    before = everything_below(tmp_path)
    outcome = studio("adapter", "inspect", folder / name)
    assert (outcome.code, outcome.err) == (0, "")
    assert re.search(r"1 of 1 layers (exploded|broken):", outcome.out)
    assert everything_below(tmp_path) == before


def test_one_bad_file_in_a_merge_stops_it(
    studio: Callable[..., Any], folder: Path, tmp_path: Path
) -> None:
    save_file(lora(), folder / "good.safetensors")
    pickled(zipped=True)(folder / "code.pt")
    before = everything_below(tmp_path)
    outcome = studio("adapter", "merge", folder / "good.safetensors", folder / "code.pt", *OUT)
    assert_refused(outcome, "code.pt", "wants to run")
    assert everything_below(tmp_path) == before


def test_a_folder_of_them_is_told_file_by_file(
    studio: Callable[..., Any], folder: Path, tmp_path: Path
) -> None:
    for name, hostile in FILES.items():
        hostile.make(folder / name)
    before = everything_below(tmp_path)
    converted = studio("adapter", "convert", folder, "--to", "diffusers", "--out", "out")
    listed = studio("adapter", "inspect", folder)
    assert (converted.code, converted.err.count("\n")) == (2, 1)
    assert listed.code == 0
    regular = [name for name in FILES if (folder / name).is_file()]
    for name in regular:
        assert re.search(rf"^failed +\S*/{name}  .+", converted.out, re.MULTILINE)
        assert len(re.findall(rf"^{name}  .+", listed.out, re.MULTILINE)) == 1
    assert len(converted.out.splitlines()) == len(regular)
    assert everything_below(tmp_path) == before


@pytest.mark.timeout(20)
@pytest.mark.parametrize("command", ["convert", "inspect"])
def test_a_fifo_in_an_adapters_folder_is_refused(
    studio: Callable[..., Any], folder: Path, command: str
) -> None:
    whole = folder / "whole"
    if command == "convert":  # a LoRA with its words
        (whole / "embeddings").mkdir(parents=True)
        os.mkfifo(whole / "lora.safetensors")
    else:  # a model
        (whole / "unet").mkdir(parents=True)
        (whole / "model_index.json").write_text("{}")
        os.mkfifo(whole / "unet" / "diffusion_pytorch_model.safetensors")
    extra = ("--to", "bundle", *OUT) if command == "convert" else ()
    assert_refused(studio("adapter", command, whole, *extra), "whole", "is no file")
