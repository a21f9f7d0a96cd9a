"""Many runs of one recipe and the pictures that their adapters draw, a process a run, two at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import torch
from PIL import Image

from studio.adapters.exported import AdapterFiles
from studio.bases.base_model import BaseModel
from studio.bases.loading import load_base
from studio.preview.sampler import sample
from studio.preview.stack import Stack
from studio.preview.stages import pipeline
from studio.recipe import Recipe
from studio.run import run

BASE = "base"
PROCESSES = 2
Pictures = list[Image.Image]


@dataclass(frozen=True)
class Drawing:
    """What every adapter is asked to draw: each prompt from each of the noises, in this order."""

    prompts: Sequence[str]
    noises: Sequence[int]


def train_and_draw_all(
    recipes: Mapping[str, Recipe], drawing: Drawing, runs: Path, done: Callable[[str], None]
) -> dict[str, Pictures]:
    """The pictures of every run, by the recipes' keys, and those of the bare base, under `BASE`.

    Every process has one thread.

    Args:
        recipes: of one base model.
        runs: where the run folders go.
        done: told the key of each run that has ended.

    Raises:
        UserError: a recipe, its pictures or the base model will not do.
    """
    workers = ProcessPoolExecutor(
        PROCESSES, get_context("spawn"), initializer=torch.set_num_threads, initargs=(1,)
    )
    with workers as pool:
        keys = {pool.submit(_train_and_draw, r, drawing, runs): key for key, r in recipes.items()}
        keys[pool.submit(draw, next(iter(recipes.values())), drawing)] = BASE
        pictures = {}
        for finished in as_completed(keys):
            pictures[keys[finished]] = finished.result()
            done(keys[finished])
    return pictures


def draw(recipe: Recipe, drawing: Drawing, files: AdapterFiles = ()) -> Pictures:
    """Pictures of the recipe's base model, bare or with an adapter on it."""
    base = load_base(recipe.base_model)
    with Stack.read(files).applied(base, recipe.sampling.strength):
        return sample(base, drawing.prompts, drawing.noises, recipe.sampling)


@torch.no_grad()
def as_drawable(base: BaseModel, pictures: Pictures) -> Pictures:
    """Pictures as the base's autoencoder gives them back: what it loses, no adapter could bring."""
    processor = pipeline(base).image_processor
    latents = (base.vae.encode(processor.preprocess(p)).latent_dist.mean for p in pictures)
    return [processor.postprocess(base.vae.decode(of_one).sample)[0] for of_one in latents]


def _train_and_draw(recipe: Recipe, drawing: Drawing, runs: Path) -> Pictures:
    return draw(recipe, drawing, run(recipe, runs=runs).adapters()[0])
