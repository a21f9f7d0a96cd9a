"""Writes "Curation pays" in docs/results.md: a clean set, one with strangers, and what curation leaves.

make curation-pays                                           # as committed
python benchmarks/curation_pays.py --steps 10 --seeds 1      # soon, and without meaning
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from curation_pays_section import section
from results_page import IMAGES, write_section
from strangers import ARMS, Trial, divided, make_trial
from strangers_cost import Scale, style_and_film
from train_and_draw import BASE, Drawing, Pictures, as_drawable, train_and_draw_all

from sample_sets.film import filmed
from sample_sets.flat_icons import SIDE_PX
from studio.bases.loading import load_base
from studio.cli.terminal import TerminalReporter
from studio.curation.check_names import BY_CHECKS
from studio.curation.trigger import with_trigger
from studio.evaluation.square import read_squares
from studio.evaluation.style_features import Floats, style_features
from studio.machine import idle_cores
from studio.preview.comparison import Comparison, Series
from studio.preview.grid import save_grid
from studio.recipe import Recipe, load_recipe

ROOT = Path(__file__).resolve().parents[1]
RECIPE = ROOT / "recipes" / "pocket_lora_flat-icons.yaml"
SET = ROOT / "datasets" / "flat-icons"
GRID = IMAGES / "curation-pays.png"
GRID_PROMPTS = 4
HELD_OUT = 32
NOISES = (0,)
FILM_SEED = 1_000  # another film than that of any set
AS_GIVEN = (  # the sets are judged by then, and the adapters are measured afterwards
    f"dataset.curation.severity={{{', '.join(f'{name}: off' for name in BY_CHECKS)}}}",
    "dataset.validation_share=0",
    "evaluation.enabled=false",
    "precision.num_threads=1",
    "sampling.num_inference_steps=20",
    "sampling.prompts=[flat icon]",
    "sampling.seeds=[0]",
)


def main() -> None:
    """Train and draw everything, then write the section and its picture."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=300, help="optimizer steps of each run")
    parser.add_argument("--seeds", type=int, default=3, help="runs of each set")
    given, cores, note = parser.parse_args(), idle_cores(), TerminalReporter().note
    held_out, training = divided([path.name for path in SET.glob("*.png")], HELD_OUT)
    drawing = Drawing([_prompt_of(name) for name in held_out], NOISES)
    with TemporaryDirectory() as temporary:
        folder = Path(temporary)
        trials = [
            make_trial(SET, training, seed, folder / f"sets-{seed}", SIDE_PX)
            for seed in range(given.seeds)
        ]
        recipes = _recipes(trials, given.steps)
        drawn = train_and_draw_all(recipes, drawing, folder / "runs", note)
    costs = style_and_film(_arms(drawn, given.seeds), _scale(drawn[BASE], held_out))
    facts = {"prompts": HELD_OUT, "steps": given.steps, "cores": cores}
    write_section("curation-pays", section(trials, *costs, **facts))
    save_grid(_comparison(drawn, drawing), GRID)


def _prompt_of(name: str) -> str:
    caption = (SET / name).with_suffix(".txt").read_text("utf-8").strip()
    return with_trigger(caption, load_recipe(RECIPE).trigger)


def _recipes(trials: Sequence[Trial], steps: int) -> dict[str, Recipe]:
    """Every arm of every seed, alike but for the pictures."""
    return {
        _key(arm, seed): load_recipe(
            RECIPE,
            [
                f"name={_key(arm, seed)}",
                f"seed={seed}",
                f"budget.steps={steps}",
                f"dataset.source={trial.folders[arm]}",
                *AS_GIVEN,
            ],
        )
        for seed, trial in enumerate(trials)
        for arm in ARMS
    }


def _key(arm: str, seed: int) -> str:
    return f"{arm.replace(' ', '-')}-{seed}"


def _arms(drawn: Mapping[str, Pictures], seeds: int) -> dict[str, Floats]:
    """Features of every arm's pictures: (seeds, prompts, noises, features)."""
    return {
        arm: np.stack([_by_prompt(drawn[_key(arm, seed)]) for seed in range(seeds)]) for arm in ARMS
    }


def _scale(base: Pictures, held_out: Sequence[str]) -> Scale:
    clean = read_squares([SET / name for name in held_out], SIDE_PX)
    on_film = [filmed(p, np.random.default_rng([FILM_SEED, n])) for n, p in enumerate(clean)]
    pocket = load_base(load_recipe(RECIPE).base_model)
    held_out_features, filmed_features = (
        _features(as_drawable(pocket, pictures)) for pictures in (clean, on_film)
    )
    return Scale(_by_prompt(base), held_out_features, filmed_features)


def _by_prompt(pictures: Pictures) -> Floats:
    features = _features(pictures)
    return features.reshape(-1, len(NOISES), features.shape[-1])


def _features(pictures: Pictures) -> Floats:
    """Seen at half size, as in the studio's own reports."""
    return style_features(pictures, SIDE_PX // 2)


def _comparison(drawn: Mapping[str, Pictures], drawing: Drawing) -> Comparison:
    """The first prompts and noise with every arm's first seed."""
    shown = slice(0, GRID_PROMPTS * len(NOISES), len(NOISES))
    series = [Series("base", 0.0, tuple(drawn[BASE][shown]))]
    series += [Series(arm, 1.0, tuple(drawn[_key(arm, 0)][shown])) for arm in ARMS]
    return Comparison(
        title="The same training on three sets",
        base_name="pocket",
        prompts=tuple(drawing.prompts[:GRID_PROMPTS]),
        seeds=NOISES[:1],
        series=tuple(series),
        sampling=load_recipe(RECIPE, AS_GIVEN).sampling,
    )


if __name__ == "__main__":
    main()
