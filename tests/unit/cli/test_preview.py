"""``studio preview``: what is drawn with what, and which mistakes are told in one line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from studio.adapters import kohya
from studio.adapters.adapter import Adapter, AdapterHeader
from studio.bases.loading import load_base
from studio.preview import pairs
from studio.preview.comparison import Comparison
from studio.training.lora.merging import find_layer

LAYER = "unet.up_blocks.1.attentions.0.transformer_blocks.0.attn2.to_v"
FAST = ("--steps", 2, "--guidance", 1, "--seed", 0, "--json")
HEART = ("--prompt", "red heart")

# diffusers reads tensors with numpy in a way that numpy 2 finds old.
pytestmark = pytest.mark.filterwarnings("ignore:__array:DeprecationWarning")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two LoRAs of pocket, ``one`` and, a folder deeper, ``two``."""
    base = load_base("pocket")
    out, into = find_layer(base, LAYER).weight.shape
    top = tmp_path_factory.mktemp("adapters")
    for seed, name in enumerate(("one", "deeper/two")):
        generator = torch.Generator().manual_seed(seed)
        tensors = {
            f"{LAYER}.lora_A.weight": torch.randn(2, into, generator=generator),
            f"{LAYER}.lora_B.weight": 0.2 * torch.randn(out, 2, generator=generator),
            f"{LAYER}.alpha": torch.tensor([2.0]),
        }
        header = AdapterHeader("lora", "sd1", "pocket", base.digest, "{}")
        path = top / f"{name}.safetensors"
        path.parent.mkdir(exist_ok=True)
        kohya.write(Adapter(header, tensors), path, "fp32", base)
    return top


@pytest.fixture
def one(folder: Path) -> Path:
    return folder / "one.safetensors"


@pytest.fixture
def two(folder: Path) -> Path:
    return folder / "deeper" / "two.safetensors"


@pytest.fixture
def drawn(studio: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Comparison]:
    """Run the command on the small steps and give what it drew."""
    found: list[Comparison] = []
    for name in ("sample_pairs", "strength_sweep"):
        original = getattr(pairs, name)

        def remembered(*args: Any, _original: Any = original, **kwargs: Any) -> Comparison:
            found.append(_original(*args, **kwargs))
            return found[-1]

        monkeypatch.setattr(pairs, name, remembered)

    def draw(*arguments: object) -> Comparison:
        outcome = studio("preview", *arguments, *FAST)
        assert outcome.code == 0, outcome.err
        assert json.loads(outcome.out)["sampler"] == found[-1].sampling.scheduler
        return found.pop()

    return draw


def pictures(comparison: Comparison, series: int) -> list[np.ndarray]:
    return [np.asarray(picture) for picture in comparison.series[series].pictures]


def same(first: list[np.ndarray], second: list[np.ndarray]) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


def test_a_tag_is_the_argument_at_that_strength(
    drawn: Callable[..., Comparison], folder: Path, one: Path
) -> None:
    argued = drawn(one, "--strength", 0.5, *HEART)
    tagged = drawn("--adapter-folder", folder, "--prompt", "red heart <lora:one:0.5>")
    assert tagged.prompts == ("red heart",)
    assert [(s.heading, s.strength) for s in tagged.series] == [("base", 0.0), ("one", 0.5)]
    assert same(pictures(argued, 0), pictures(tagged, 0))
    assert same(pictures(argued, 1), pictures(tagged, 1))
    assert not same(pictures(argued, 0), pictures(argued, 1))


def test_a_tag_may_call_an_argument_which_then_has_no_series_of_its_own(
    drawn: Callable[..., Comparison], one: Path, two: Path
) -> None:
    found = drawn(one, two, "--prompt", "red heart <lora:two:0.7><lora:one:0.2>")
    assert [s.heading for s in found.series] == ["base", "two 0.7 + one 0.2"]
    alone = drawn(one, two, "--strength", 0.3, "--prompt", "red heart <lora:two:0.7>")
    assert [(s.heading, s.strength) for s in alone.series[1:]] == [("one", 0.3), ("two", 0.7)]


def test_strength_for_all_or_for_each(
    drawn: Callable[..., Comparison], one: Path, two: Path
) -> None:
    for_all = drawn(one, two, "--strength", 0.5, *HEART)
    for_each = drawn(one, two, "--strength", 0.5, "--strength", 0, *HEART)
    assert [s.strength for s in for_all.series] == [0.0, 0.5, 0.5]
    assert [s.strength for s in for_each.series] == [0.0, 0.5, 0.0]
    assert same(pictures(for_all, 1), pictures(for_each, 1))
    assert same(pictures(for_each, 2), pictures(for_each, 0))


def test_blocks(drawn: Callable[..., Comparison], one: Path) -> None:
    nowhere = drawn(one, "--block", "unet.up=0", *HEART)
    elsewhere = drawn(one, "--block", "unet.up=1", "--block", "unet=0", *HEART)
    assert same(pictures(nowhere, 1), pictures(nowhere, 0))
    assert same(pictures(elsewhere, 1), pictures(drawn(one, *HEART), 1))


def test_how_it_is_drawn(drawn: Callable[..., Comparison], one: Path) -> None:
    found = drawn(one, "--scheduler", "euler a", "--clip-skip", 2, *HEART)
    sampling = found.sampling
    assert (sampling.scheduler, sampling.clip_skip) == ("Euler a", 2)
    assert (sampling.num_inference_steps, sampling.guidance_scale) == (2, 1.0)
    assert not same(pictures(found, 0), pictures(drawn(one, *HEART), 0))


def test_in_half_precision_pictures_are_nearly_the_same(
    drawn: Callable[..., Comparison], one: Path
) -> None:
    exact, half = (
        np.stack(pictures(drawn(one, "--dtype", dtype, *HEART), 1)).astype(float)
        for dtype in ("fp32", "bf16")
    )
    assert 0 < np.abs(exact - half).mean() < 5


def test_without_a_prompt_the_usual_subjects_are_drawn(
    drawn: Callable[..., Comparison], one: Path
) -> None:
    assert drawn(one).prompts == ("a red heart", "a smiling face", "a blue book", "a cat")


def test_a_sweep_still_draws_one_adapter(
    drawn: Callable[..., Comparison], one: Path, tmp_path: Path
) -> None:
    found = drawn(one, "--sweep", "--out", tmp_path / "sweep.png", *HEART)
    assert [s.heading for s in found.series][:3] == ["0", "0.25", "0.5"]
    with Image.open(tmp_path / "sweep.png") as sheet:
        assert "studio.comparison" in sheet.text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "no adapter was given; name a file or a run, or call one: --adapter-folder"),
        (["--prompt", "a cat"], "no adapter was given"),
        (["--prompt", "<lora:one> cat"], 'calls "one", but there are no adapters to call; say'),
        (["FOLDER", "--prompt", "<lora:onne> cat"], "no adapter is called so; near are: one"),
        (["FOLDER", "--prompt", "<lora:zebra> cat"], "there are: one, two"),
        (["FOLDER", "--prompt", "<hypernet:one> cat"], "which is a lora adapter"),
        (["--adapter-folder", "nowhere"], "--adapter-folder nowhere is no folder"),
        (["ONE", "--strength", "1", "--strength", "2"], "--strength was given 2 times for 1"),
        (["ONE", "--strength", "9"], "strength: 9.0 is more than 4"),
        (["ONE", "--block", "unet.up"], '--block "unet.up" cannot be read; write it as unet.up='),
        (["ONE", "--block", "unet.pu=1"], "is no block of a base model; did you mean unet.up"),
        (["ONE", "--scheduler", "eulr"], 'did you mean "Euler"?'),
        (["ONE", "--clip-skip", "0"], "clip_skip: 0 is less than 1"),
        (["ONE", "--sweep", "--strength", "1"], "--sweep has strengths of its own"),
        (["ONE", "ONE", "--sweep"], "--sweep draws one adapter, 2 were given"),
    ],
)
def test_mistakes_are_one_line(
    studio: Callable[..., Any], folder: Path, one: Path, arguments: list[str], message: str
) -> None:
    known = {"ONE": [one], "FOLDER": ["--adapter-folder", folder]}
    outcome = studio("preview", *(x for a in arguments for x in known.get(a, [a])))
    assert outcome.code == 2
    assert outcome.err.startswith("error: ")
    assert outcome.err.count("\n") == 1
    assert message in outcome.err
