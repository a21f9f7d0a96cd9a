"""What leaves with an adapter: all that others need, nothing that is private."""

from __future__ import annotations

import getpass
import json
import socket
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from PIL import Image

from studio.adapters.adapter import Adapter
from studio.adapters.export import export
from studio.adapters.files import read_adapter
from studio.bases.base_model import BaseModel
from studio.cli.entry import exit_code
from studio.errors import RunError, UserError
from studio.run_folder import RunFolder
from studio.sharing.card import model_card
from studio.sharing.hub import push
from studio.sharing.shared_folder import write_shared_folder

LAYER = "unet.mid_block.attentions.0.transformer_blocks.0.attn2.to_q"


@pytest.fixture
def run(tmp_path: Path, tiny_base: BaseModel, small_lora: Adapter) -> RunFolder:
    """A run that has trained, exported, drawn and measured."""
    path = tmp_path / "runs" / "icons"
    for folder in ("adapter", "samples"):
        (path / folder).mkdir(parents=True)
    (path / "recipe.yaml").write_text("dataset: {source: /home/somebody/pictures}\n")
    run = RunFolder(path)
    base_name = f"{tmp_path}/bases/tiny"
    adapter = replace(small_lora, header=replace(small_lora.header, base_name=base_name))
    (file,) = export(adapter, tiny_base, run.adapter, "icons", formats=["kohya"], dtype="fp16")
    shown = file.verdict.to_json() | {"tools": [tool.to_json() for tool in file.tools]}
    run.events.append("exported", 120, file=file.path.name, **shown)
    Image.new("RGB", (8, 8)).save(run.preview_path)
    run.report_path.write_text(json.dumps({"verdict": "It moves pictures 38% of the way."}))
    return run


def test_the_folder_has_files_card_and_preview(run: RunFolder, tmp_path: Path) -> None:
    folder = write_shared_folder(run, tmp_path / "out", "cc-by-4.0")
    names = {path.name for path in folder.iterdir()}
    assert names == {"README.md", "icons.safetensors", "preview.png"}
    assert (folder / "icons.safetensors").read_bytes() == run.adapter_files()[0].read_bytes()


def test_the_card_says_how_to_use_it_and_how_good_it_is(run: RunFolder) -> None:
    card = model_card(run, "cc-by-4.0")
    _, front, body = card.split("---\n", 2)
    matter = yaml.safe_load(front)
    assert matter["license"] == "cc-by-4.0"
    assert matter["instance_prompt"] == "flat icon"
    assert "lora" in matter["tags"]
    assert "base_model" not in matter, "a folder's name is no hub id"
    for said in ("**`flat icon`**", "strength: 1.", "38% of the way", "works in diffusers, A1111"):
        assert said in body
    assert "60 of 64 kept" in body
    assert "A LoRA for Stable Diffusion 1.x, trained on 60 pictures" in body
    assert matter["library_name"] == "diffusers"


def test_diffusers_and_the_base_are_named_only_where_it_is_so(
    run: RunFolder, tiny_base: BaseModel
) -> None:
    adapter = read_adapter(run.adapter_files()[0])
    shipped = replace(adapter, header=replace(adapter.header, base_name="pocket"))
    export(shipped, tiny_base, run.adapter, "icons", formats=[], dtype="fp16")
    refused = [{"tool": "diffusers", "works": False, "because": "of dora_scale"}]
    shown = {"file": "icons.safetensors", "format": "kohya", "tools": refused}
    run.events.append("exported", 121, **shown)
    _, front, body = model_card(run).split("---\n", 2)
    assert "library_name" not in yaml.safe_load(front)
    assert "will not work in diffusers: of dora" in body
    assert "A LoRA for pocket, which is built as Stable Diffusion 1.x is, trained" in body


def test_nothing_private_leaves(run: RunFolder, tmp_path: Path) -> None:
    card = model_card(run)
    for private in (str(tmp_path), "/home", getpass.getuser() + "@", socket.gethostname()):
        assert private not in card


def test_words_cannot_break_out_of_the_card(run: RunFolder, tiny_base: BaseModel) -> None:
    (path,) = run.adapter_files()
    adapter = read_adapter(path)
    evil = replace(adapter.header, trigger="a`b|c\n# heading", title="t\n---\nx: y")
    export(replace(adapter, header=evil), tiny_base, run.adapter, "icons", formats=[], dtype="fp16")
    card = model_card(run)
    assert "\n# heading" not in card
    assert card.count("\n---\n") == 1
    assert yaml.safe_load(card.split("---\n")[1])["instance_prompt"] == "a`b|c\n# heading"


def test_a_run_without_an_adapter_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "empty"
    path.mkdir()
    with pytest.raises(RunError, match="has exported no adapter"):
        model_card(RunFolder(path))


def test_a_folder_that_is_there_is_left_alone(run: RunFolder, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with pytest.raises(RunError, match="there already"):
        write_shared_folder(run, tmp_path / "out")


@pytest.mark.parametrize("name", ["no/such/name", "-x/y", "a b/c"])
def test_what_is_no_repository_is_one_line(name: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="write owner/name") as caught:
        push(tmp_path, name)
    assert "\n" not in str(caught.value)


def test_no_hub_is_one_line_and_the_folder_stays(
    run: RunFolder,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_TOKEN", "hf_none")
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    code = exit_code(
        ["adapter", "share", str(run.path), "--out", "out", "--push", "somebody/icons"]
    )
    told = capsys.readouterr().err.strip().splitlines()
    assert code == 2
    assert len(told) == 1
    assert "was not pushed" in told[0]
    assert (tmp_path / "out" / "README.md").is_file()
