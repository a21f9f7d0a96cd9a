"""The demo learns a style that one can see and measure, and its file works in another tool."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from diffusers import UNet2DConditionModel
from PIL import Image
from safetensors import safe_open

from studio.bases.loading import load_base
from studio.bases.source import locate
from studio.cli.entry import exit_code
from studio.preview.pairs import sample_pairs
from studio.preview.sampler import initial_latents
from studio.preview.settings import SamplingSettings
from studio.run_folder import RunFolder

pytestmark = pytest.mark.slow

PROMPTS = ["red apple", "cat face"]
SAMPLING = SamplingSettings(num_inference_steps=10)


def test_pictures_move_at_least_30_percent_towards_held_out_pictures(demo) -> None:
    style = demo.report["style"]
    assert style["relative_fall"] >= 0.30, style


def test_prompt_following_falls_by_less_than_10_points(demo) -> None:
    following = demo.report["following"]
    assert following["top1_change_points"] > -10, following


def test_base_follows_prompts_well_above_chance_so_that_a_fall_could_show(demo) -> None:
    following = demo.report["following"]
    assert following["base"]["top1"] > 2 * following["chance"]["top1"]


def test_every_stage_left_its_papers(demo) -> None:
    names = {p.relative_to(demo.folder).as_posix() for p in demo.folder.rglob("*") if p.is_file()}
    assert {
        "recipe.yaml",
        "recipe.lock.yaml",
        "curation/manifest.json",
        "curation/report.html",
        "events.jsonl",
        "adapter/demo.safetensors",
        "samples/preview.png",
        "report.json",
        "report.html",
    } <= names


def test_the_exported_file_was_verified(demo) -> None:
    lines = (demo.folder / "events.jsonl").read_text("utf-8").splitlines()
    events = [json.loads(line) for line in lines]
    exported = [e for e in events if e["event"] == "exported"]
    assert exported
    assert all(e["ok"] and not e["unmatched"] and not e["missing"] for e in exported)


def test_the_header_says_where_the_file_comes_from_and_nothing_private(demo) -> None:
    with safe_open(demo.adapter, "pt") as file:
        metadata = file.metadata()
    assert metadata["ss_network_dim"]
    assert metadata["modelspec.architecture"] == "stable-diffusion-v1/lora"
    assert str(demo.folder.parent) not in json.dumps(metadata)


def test_key_names_are_exactly_those_that_sd_1_5_would_have(demo) -> None:
    """From SD 1.5's configuration on the meta device, by kohya's rule: dots become underscores."""
    with torch.device("meta"):
        unet = UNet2DConditionModel(cross_attention_dim=768, attention_head_dim=8)
    targets = (".to_q", ".to_k", ".to_v", ".to_out.0")
    layers = [n.replace(".", "_") for n, _ in unet.named_modules() if n.endswith(targets)]
    parts = ("lora_down.weight", "lora_up.weight", "alpha")
    with safe_open(demo.adapter, "pt") as file:
        assert set(file.keys()) == {f"lora_unet_{n}.{part}" for n in layers for part in parts}
    assert len(layers) == 128


def test_diffusers_draws_the_same_pictures_from_the_file(demo) -> None:
    """Another tool, its own loader: kohya's names into peft's layers rather than merged weights."""
    from diffusers import DDIMScheduler, StableDiffusionPipeline

    ours = sample_pairs(load_base("pocket"), [demo.adapter], PROMPTS, (0,), SAMPLING).series[1]
    pipe = StableDiffusionPipeline.from_pretrained(
        locate("pocket").path, safety_checker=None, dtype=torch.float32
    )
    pipe.scheduler = DDIMScheduler.from_config(pipe.scheduler.config, clip_sample=False)
    pipe.load_lora_weights(demo.adapter)
    pipe.set_progress_bar_config(disable=True)
    theirs = pipe(
        PROMPTS,
        height=128,
        width=128,
        latents=torch.cat([initial_latents(0, 128, 128)] * len(PROMPTS)),
        num_inference_steps=SAMPLING.num_inference_steps,
        guidance_scale=SAMPLING.guidance_scale,
    ).images
    for a, b in zip(ours.pictures, theirs, strict=True):
        difference = np.abs(np.asarray(a, np.int16) - np.asarray(b, np.int16))
        assert difference.mean() < 0.5, "mean difference in 8-bit levels"


def test_the_preview_is_a_readable_picture(demo) -> None:
    with Image.open(demo.folder / "samples" / "preview.png") as grid:
        grid.load()
        assert grid.width > 1000


def test_an_adapter_of_the_last_checkpoint_is_what_was_exported(demo, tmp_path) -> None:
    *_, last = RunFolder(demo.folder).checkpoint_steps()
    words = ["--checkpoint", str(last), "--to", "kohya", "--out", str(tmp_path / "out")]
    assert exit_code(["export", "demo", *words, "--runs", str(demo.folder.parent)]) == 0
    assert (tmp_path / "out" / demo.adapter.name).read_bytes() == demo.adapter.read_bytes()


def test_a_step_without_a_checkpoint_is_refused_and_those_there_are_named(
    demo, tmp_path, capsys
) -> None:
    words = ["--checkpoint", "1", "--to", "kohya", "--out", str(tmp_path / "out")]
    assert exit_code(["export", "demo", *words, "--runs", str(demo.folder.parent)]) == 2
    assert "keeps no checkpoint of step 1; there are:" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
