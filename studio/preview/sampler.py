"""Pictures from a base model, bare or with an adapter file on it; the same every time.

A picture depends on the base, the prompt, the seed and the settings, and on nothing else: not on
the other pictures of its batch, not on global random state. The drawing itself is done by diffusers'
own pipelines, with DDIM (Song et al., 2020, arXiv 2010.02502) unless the settings name another of
`studio.preview.schedulers`. A prompt without the webuis' syntax (`studio.preview.prompt`) is passed on
as it is. `initial_latents` and `studio.preview.stages.pipeline` are public so that anyone can draw the
same picture without the studio::

    pipe = StableDiffusionPipeline.from_pretrained(...); pipe.load_lora_weights(file)
    pipe(prompt, latents=initial_latents(seed, 512, 512), ...)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby, product
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from studio.bases.base_model import BaseModel
from studio.bases.placement import visiting
from studio.preview.decoding import sparing
from studio.preview.settings import SamplingSettings
from studio.preview.stages import Stages, models_of, starting_noise

Progress = Callable[[int, int], None]
"""Called after every batch with the pictures finished and the pictures in all."""

Job = tuple[str, int]
"""A prompt and a seed: one picture."""

CPU_BATCH_PX = 16 * 128 * 128  # beyond this a batch gains no speed on a processor, only memory
GPU_BATCH_PX = 16 * 512 * 512


def initial_latents(
    seed: int, height: int, width: int, channels: int = 4, vae_scale_factor: int = 8
) -> Tensor:
    """The noise that a picture starts from: standard normal, fp32, from a CPU generator seeded with
    ``seed`` alone, so that it is the same on every device and in every batch.

    Args:
        height, width: of the picture, in pixels.

    Returns:
        (1, channels, height / vae_scale_factor, width / vae_scale_factor)
    """
    generator = torch.Generator("cpu").manual_seed(seed)
    return starting_noise(generator, height, width, channels, vae_scale_factor)


@torch.no_grad()
def sample(
    base: BaseModel,
    prompts: Sequence[str],
    seeds: Sequence[int],
    settings: SamplingSettings,
    progress: Progress | None = None,
    *,
    literal: bool = False,
) -> list[Image.Image]:
    """Draw every prompt with every seed, prompt by prompt: [p0 s0, p0 s1, ..., p1 s0, ...].

    Pictures are squares of the base's own resolution. ``settings`` gives scheduler, steps, guidance,
    clip skip and negative prompt. Whatever is on the base at the moment (an adapter, a training
    run's weights) is drawn with; modules are put into eval mode for the drawing and then back.

    Args:
        literal: every sign of a prompt is text, as it was to training: for captions.

    Raises:
        BaseModelError: a family that is not drawn from text, a refiner alone, or fewer layers than
            clip skip asks for.
        UserError: a prompt calls an adapter by name.
    """
    models, stages = models_of(base), Stages(base, settings, literal=literal)
    jobs = list(product(prompts, seeds))
    size = pictures_at_once(base)
    pictures: list[Image.Image] = []
    with (
        evaluating(*(module for model in models for module in model.modules)),
        visiting(stages.pipes, models, settings.offload),
        sparing(models[-1], models[0].resolution_px),
    ):
        for batch in _batches(jobs, size, lambda job: stages.num_chunks(job[0])):
            texts, seeds_of_batch = zip(*batch, strict=True)
            pictures += stages.draw(texts, seeds_of_batch)
            if progress is not None:
                progress(len(pictures), len(jobs))
    return pictures


def pictures_at_once(base: BaseModel) -> int:
    """How many pictures a base draws in one batch; one where its parts visit a GPU that has no room for
    them all, for then it has none for many pictures either.
    """
    return 1 if base.offload_to else batch_size(base.resolution_px, base.device)


def batch_size(resolution_px: int, device: torch.device) -> int:
    """Pictures of a side that are drawn at once on a device: bounded by their pixels, for those are the
    memory.
    """
    budget_px = CPU_BATCH_PX if device.type == "cpu" else GPU_BATCH_PX
    return max(1, budget_px // resolution_px**2)


@contextmanager
def evaluating(*modules: Any) -> Iterator[None]:
    """Eval mode (no dropout) within the block; then every submodule is in the mode it was in."""
    modes = [(m, m.training) for module in modules for m in module.modules()]
    for module in modules:
        module.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


def _batches(
    jobs: Sequence[Job], size: int, kind: Callable[[Job], tuple[int, ...]]
) -> Iterator[list[Job]]:
    """Neighbouring jobs of one kind, ``size`` at most: prompts of equal length, that is."""
    for _, alike in groupby(jobs, kind):
        group = list(alike)
        for start in range(0, len(group), size):
            yield group[start : start + size]
