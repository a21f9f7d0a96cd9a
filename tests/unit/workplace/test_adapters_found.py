"""Adapters of runs and in files, known by their headers alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from studio.errors import AdapterError, RootsError, RunError
from studio.run_folder import RunFolder
from studio.workplace.adapters_found import adapter_in_file, adapter_of_run, adapters_of_runs
from studio.workplace.comparing import common_prompts, figures, recipe_rows
from studio.workplace.roots import Roots

RECIPE = """\
name: {name}
base_model: pocket
base: {{clip_skip: 2}}
dataset: {{source: pictures, trigger: zorp}}
trainer: {{kind: lora, rank: {rank}}}
"""
TENSOR = "lora_unet_down_blocks_0_attentions_0_proj_in.lora_down.weight"


def run(
    runs: Path, name: str, *, rank: int = 4, exported: bool = True, steps: int = 0
) -> RunFolder:
    folder = runs / name
    folder.mkdir(parents=True)
    (folder / "recipe.yaml").write_text(RECIPE.format(name=name, rank=rank))
    for step in range(10, steps + 1, 10):
        (folder / "checkpoints" / f"step-{step:06d}").mkdir(parents=True)
    if exported:
        file = folder / "adapter" / f"{name}.safetensors"
        file.parent.mkdir()
        save_file({TENSOR: np.zeros((4, 8), np.float16)}, file)
        opened = RunFolder(folder)
        opened.events.append("training_started", first_step=0, total_steps=30)
        opened.events.append("training_ended", 30, peak_memory_bytes=700 << 20)
        opened.events.append("exported", 30, file=file.name, format="kohya")
    return RunFolder(folder)


def test_a_runs_adapter_has_its_base_its_trigger_and_its_checkpoints(tmp_path: Path) -> None:
    found = adapter_of_run(run(tmp_path, "icons", steps=20))
    assert found.title == "icons · lora · pocket"
    assert (found.trigger, found.base.clip_skip, found.checkpoints) == ("zorp", 2, (10, 20))
    applied = found.applied(0.5)
    assert applied.files == (tmp_path / "icons" / "adapter" / "icons.safetensors",)
    assert (applied.strength, applied.checkpoint) == (0.5, None)


def test_at_a_checkpoint_it_is_another_adapter(tmp_path: Path) -> None:
    early = adapter_of_run(run(tmp_path, "icons", steps=20)).at(10)
    applied = early.applied()
    assert applied.name == "icons step 10"
    assert (applied.run, applied.checkpoint, applied.files) == (tmp_path / "icons", 10, ())


def test_a_run_that_goes_on_is_drawn_with_from_its_newest_checkpoint(tmp_path: Path) -> None:
    run(tmp_path, "begun", exported=False)
    run(tmp_path, "going", exported=False, steps=20)
    (going,) = adapters_of_runs(tmp_path)
    assert going.applied().checkpoint == 20
    with pytest.raises(RunError, match="neither an adapter nor a checkpoint"):
        adapter_of_run(RunFolder(tmp_path / "begun")).applied()


def test_a_run_is_looked_at_anew_when_its_files_change(tmp_path: Path) -> None:
    folder = run(tmp_path, "icons", steps=10)
    before = adapter_of_run(folder)
    (folder.checkpoints / "step-000030").mkdir()
    after = adapter_of_run(folder)
    assert (before.checkpoints, after.checkpoints) == ((10,), (10, 30))
    assert before.written != after.written


def test_a_recipe_that_was_broken_by_hand_hides_no_file(tmp_path: Path) -> None:
    folder = run(tmp_path, "icons")
    folder.recipe_path.write_text("name: [")
    found = adapter_of_run(folder)
    assert found.files
    assert found.title == "icons"


def test_a_file_is_found_within_the_roots_only(tmp_path: Path) -> None:
    inside, outside = tmp_path / "in", tmp_path / "out"
    for folder in (inside, outside):
        folder.mkdir()
        header = {"modelspec.trigger_phrase": "blorp", "ss_sd_model_name": "sd15"}
        save_file({TENSOR: np.zeros((4, 8), np.float16)}, folder / "a.safetensors", header)
    roots = Roots.of([inside])
    found = adapter_in_file(str(inside / "a.safetensors"), roots)
    assert (found.name, found.kind, found.trigger) == ("a", "lora", "blorp")
    (inside / "link.safetensors").symlink_to(outside / "a.safetensors")
    for path in (outside / "a.safetensors", inside / "link.safetensors", inside / "../out"):
        with pytest.raises(RootsError):
            adapter_in_file(str(path), roots)


def test_a_pickle_is_not_opened_here(tmp_path: Path) -> None:
    path = tmp_path / "network.pt"
    path.write_bytes(b"never read")
    found = adapter_in_file(str(path), Roots.of([tmp_path]))
    assert (found.name, found.kind) == ("network", "")
    for missing in ("none.pt", "none.txt"):
        with pytest.raises(AdapterError):
            adapter_in_file(str(tmp_path / missing), Roots.of([tmp_path]))


def test_figures_of_what_was_not_measured_are_dashes(tmp_path: Path) -> None:
    ended = adapter_of_run(run(tmp_path, "icons", steps=10))
    table = figures([ended, ended.at(10)])
    assert table["method"] == ["lora", "lora"]
    assert table["steps"] == ["30", "10"]
    assert table["peak memory"] == ["700 MiB", "-"]
    assert table["style"] == ["-", "-"]
    assert common_prompts([ended]) == ["a red heart", "a cat"]


def test_recipes_differ_in_what_differs(tmp_path: Path) -> None:
    found = [
        adapter_of_run(run(tmp_path, name, rank=rank))
        for name, rank in (("one", 4), ("two", 4), ("three", 8))
    ]
    rows = recipe_rows(found)
    assert rows["trainer.rank"] == ["4", "4", "8"]
    assert "dataset.trigger" not in rows
    assert recipe_rows([found[0], found[0]]) == {}
