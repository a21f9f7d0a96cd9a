from __future__ import annotations

import io
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from PIL import Image

from studio.bases.identity import identify_base
from studio.bases.loading import load_base
from studio.bases.skeleton import skeleton_base
from studio.curation.manifest import CuratedSet
from studio.errors import UserError
from studio.examples.buckets import Bucket
from studio.planning import Plan, Proposal, Stage, make_plan, plan_line, planned_base, planner
from studio.planning.workload import workload
from studio.recipe import load_recipe

from .conftest import MIB, RecipeOf

RECIPES = Path(__file__).resolve().parents[3] / "recipes"


def test_a_skeleton_has_the_names_and_shapes_of_the_loaded_base() -> None:
    skeleton, loaded = skeleton_base(identify_base("pocket")), load_base("pocket")
    for empty, full in zip(skeleton.modules, loaded.modules, strict=True):
        assert all(t.is_meta for t in (*empty.parameters(), *empty.buffers()))
        shapes = [{n: (t.shape, t.dtype) for n, t in m.state_dict().items()} for m in (empty, full)]
        assert shapes[0] == shapes[1]
    assert skeleton.noise_scheduler.config == loaded.noise_scheduler.config
    assert skeleton.tokenizer("a fox").input_ids == loaded.tokenizer("a fox").input_ids


@pytest.mark.usefixtures("no_rehearsal")
def test_the_smallest_change_that_fits_is_proposed(
    recipe_of: RecipeOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    told_early: list[Plan] = []

    def plan_within(available: int) -> Plan:
        monkeypatch.setattr(planner, "available_bytes", lambda _: available)
        return make_plan(recipe, on_too_much=told_early.append)

    recipe = recipe_of("optimizer.train_batch_size=4", "dataset.source=hf:owner/name")
    fits = plan_within(300 * MIB)
    assert fits.fits
    assert not fits.proposals
    assert not told_early
    assert fits.seconds is None  # of pictures that nobody has counted
    assert fits.step_seconds == pytest.approx(1)

    one_change = plan_within(100 * MIB).smallest_change
    assert [plan.proposals for plan in told_early] == [()], "before any change was tried"
    assert one_change is not None
    assert one_change.changes == ("precision.gradient_checkpointing=true",)
    both = plan_within(20 * MIB)
    assert both.smallest_change is not None
    assert both.smallest_change.changes == (
        "precision.gradient_checkpointing=true",
        "optimizer.train_batch_size=1",
        "optimizer.gradient_accumulation_steps=4",
    )
    hopeless = plan_within(1)
    assert hopeless.smallest_change is None
    assert "no change is enough" in hopeless.line()


def test_pictures_decide_bucket_and_steps(recipe_of: RecipeOf, tmp_path: Path) -> None:
    for number, size in enumerate([(80, 40), (64, 64), (64, 64), (64, 64)]):
        pixels = np.zeros((size[1], size[0], 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
    recipe = recipe_of(budget={"steps_per_image": 5})
    found = workload(recipe, 64)
    assert (found.steps, found.encoded) == (20, 4)
    assert found.bucket.width_px * found.bucket.height_px >= 64 * 64
    elsewhere = workload(
        recipe_of("dataset.source=hf:owner/name", budget={"steps_per_image": 5}), 64
    )
    assert (elsewhere.steps, elsewhere.encoded, elsewhere.bucket) == (None, None, Bucket(64, 64))


def test_the_pictures_of_an_archive_are_known(
    recipe_of: RecipeOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    picture = io.BytesIO()
    Image.fromarray(np.zeros((40, 80, 3), dtype=np.uint8)).save(picture, "PNG")
    with zipfile.ZipFile(tmp_path / "packed.zip", "w") as archive:
        for number in range(3):
            archive.writestr(f"pictures/{number}.png", picture.getvalue())
    budget = {"steps_per_image": 5}
    found = workload(recipe_of(f"dataset.source={tmp_path}/packed.zip", budget=budget), 64)
    assert (found.steps, found.encoded) == (15, 3)
    assert found.bucket.width_px > found.bucket.height_px
    (tmp_path / "broken.zip").write_bytes(b"no archive")
    found = workload(recipe_of(f"dataset.source={tmp_path}/broken.zip", budget=budget), 64)
    assert (found.steps, found.encoded) == (None, None)


def test_where_no_time_is_known_the_table_has_none() -> None:
    stages = (Stage("encoding pictures", 2 << 30, None), Stage("training step", 4 << 30, None))
    elsewhere = Plan(stages, 1 << 30, 0, 8 << 30, "cuda", 100, None)
    assert elsewhere.rows() == [
        *(["stage", "peak"], ["process", "1.0 GiB"]),
        *(["encoding pictures", "3.0 GiB"], ["training step", "5.0 GiB"]),
    ]
    here = replace(elsewhere, stages=(stages[0], replace(stages[1], seconds=60.0)))
    assert [row[2] for row in here.rows()] == ["time", "", "?", "60 s"]


def test_a_plan_is_told_in_one_line() -> None:
    stages = (Stage("encoding pictures", 2 << 30, 60.0), Stage("training step", 4 << 30, 660.0))
    plan = Plan(stages, 1 << 30, 0, 8 << 30, "cpu", 100, 6.6)
    assert plan.line() == "peak 5.0 GiB of 8.0 GiB in training step; about 12 minutes"
    change = Proposal(("precision.gradient_checkpointing=true",), 3 << 30, True)
    full = Plan(stages, 1 << 30, 0, 4 << 30, "cpu", 100, 6.6, (change,))
    assert full.line() == (
        "will not fit: peak 5.0 GiB of 4.0 GiB in training step; smallest change: "
        "--set precision.gradient_checkpointing=true (peak 3.0 GiB)"
    )
    assert full.to_json()["proposals"][0]["changes"] == ["precision.gradient_checkpointing=true"]


def test_a_family_that_is_not_drawn_from_text_is_refused(
    recipe_of: RecipeOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Video:
        family, name = "svd", "clips"

    with pytest.raises(UserError, match="family svd, whose runs cannot be predicted"):
        make_plan(recipe_of(), identity=Video())  # type: ignore[arg-type]


def test_no_run_fails_by_its_plan(recipe_of: RecipeOf, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> Plan:
        raise RuntimeError("a trainer of\nothers")

    monkeypatch.setattr("studio.planning.told.make_plan", fail)
    curated = cast("CuratedSet", None)
    line = plan_line(recipe_of(), identify_base("pocket"), curated)
    assert line == "memory and time are not predicted: a trainer of others"


def test_a_recipe_fits_the_gpu_it_is_named_for() -> None:
    """The others too: benchmarks/recipe_memory.py, which takes minutes."""
    recipe = load_recipe(RECIPES / "sd15_lora_style_4gb.yaml")
    base = planned_base(recipe)
    assert base.form == "published"  # without weights, a GPU or a network
    plan = make_plan(recipe, base, gpu_bytes=4 << 30)
    assert plan.fits, plan.line()
    assert plan.step_seconds is None  # nothing is known of a GPU that is not here
    stages = {stage.name: stage.bytes for stage in plan.stages}
    unet_in_4_bits = 859_520_964 * 4.13 / 8
    assert unet_in_4_bits < stages["training step"] < plan.available_bytes - plan.process_bytes
