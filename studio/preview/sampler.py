"""Pictures from a base model, bare or with an adapter file on it; the same every time.

A picture depends on the base, the prompt, the seed and the settings, and on nothing else: not on
the other pictures of its batch, not on global random state. The drawing itself is diffusers' own
`StableDiffusionPipeline` or `StableDiffusionXLPipeline`, with DDIM (Song et al., 2020, arXiv
2010.02502) unless the settings name another of `studio.preview.schedulers`. A prompt without the
webuis' syntax (`studio.preview.prompt`) is passed on as it is. `initial_latents` and `pipeline` are
public so that anyone can draw the same picture without the studio::

    pipe = StableDiffusionPipeline.from_pretrained(...); pipe.load_lora_weights(file)
    pipe(prompt, latents=initial_latents(seed, 512, 512), ...)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby, product
from typing import Any

import torch
from diffusers import StableDiffusionPipeline, StableDiffusionXLPipeline
from PIL import Image
from torch import Tensor

from studio.bases.base_model import BaseModel
from studio.errors import BaseModelError
from studio.preview.conditioning import PromptReader
from studio.preview.schedulers import scheduler_for
from studio.preview.settings import SamplingSettings

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
    return _noise(generator, height, width, channels, vae_scale_factor)


def _noise(
    generator: torch.Generator, height: int, width: int, channels: int, vae_scale_factor: int
) -> Tensor:
    shape = (1, channels, height // vae_scale_factor, width // vae_scale_factor)
    return torch.randn(shape, generator=generator)


def pipeline(base: BaseModel, scheduler: str = "DDIM") -> Any:
    """The pipeline of diffusers around the base's modules (shared, not copied).

    The scheduler is built from the base's configuration, so prediction type, betas and zero terminal
    SNR are the base's, and for DDIM timestep spacing too.

    Args:
        scheduler: by its name in the webuis; see `studio.preview.schedulers`.

    Raises:
        BaseModelError: a family that is not drawn from text.
        ValueError: there is no scheduler of that name.
    """
    if base.family == "svd":
        raise BaseModelError(
            f"base model {base.name} is of family svd; previews are drawn for sd1, sd2 and sdxl"
        )
    build = _xl_pipeline if base.family == "sdxl" else _plain_pipeline
    pipe = build(base, scheduler_for(base, scheduler))
    pipe.set_progress_bar_config(disable=True)
    return pipe


def _plain_pipeline(base: BaseModel, scheduler: Any) -> Any:
    return StableDiffusionPipeline(  # type: ignore[no-untyped-call]
        vae=base.vae,
        text_encoder=base.text_encoder,
        tokenizer=base.tokenizer,
        unet=base.unet,
        scheduler=scheduler,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def _xl_pipeline(base: BaseModel, scheduler: Any) -> Any:
    text_encoder, text_encoder_2 = base.text_encoders
    tokenizer, tokenizer_2 = base.tokenizers
    return StableDiffusionXLPipeline(  # type: ignore[no-untyped-call]
        vae=base.vae,
        text_encoder=text_encoder,
        text_encoder_2=text_encoder_2,
        tokenizer=tokenizer,
        tokenizer_2=tokenizer_2,
        unet=base.unet,
        scheduler=scheduler,
        force_zeros_for_empty_prompt=base.force_zeros_for_empty_prompt,
        add_watermarker=False,
    )


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
        BaseModelError: a family that is not drawn from text, or fewer layers than clip skip asks for.
        UserError: a prompt calls an adapter by name.
    """
    pipe = pipeline(base, settings.scheduler)
    jobs = list(product(prompts, seeds))
    pictures: list[Image.Image] = []
    with evaluating(base.unet, base.vae, *base.text_encoders):
        reader = PromptReader(pipe, base, settings, literal=literal)
        for batch in _batches(jobs, batch_size(base), lambda job: reader.num_chunks(job[0])):
            text = reader.arguments([prompt for prompt, _ in batch])
            seeds_of_batch = [seed for _, seed in batch]
            pictures += _draw(pipe, base.resolution_px, text, seeds_of_batch, settings)
            if progress is not None:
                progress(len(pictures), len(jobs))
    return pictures


def batch_size(base: BaseModel) -> int:
    """Pictures drawn at once: bounded by their pixels, for those are the memory."""
    budget_px = CPU_BATCH_PX if base.device.type == "cpu" else GPU_BATCH_PX
    return max(1, budget_px // base.resolution_px**2)


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


def _batches(jobs: Sequence[Job], size: int, kind: Callable[[Job], int]) -> Iterator[list[Job]]:
    """Neighbouring jobs of one kind, ``size`` at most: prompts of equal length, that is."""
    for _, alike in groupby(jobs, kind):
        group = list(alike)
        for start in range(0, len(group), size):
            yield group[start : start + size]


def _draw(
    pipe: Any, side_px: int, text: dict[str, Any], seeds: Sequence[int], settings: SamplingSettings
) -> list[Image.Image]:
    channels = pipe.unet.config.in_channels
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    latents = torch.cat(
        [_noise(g, side_px, side_px, channels, pipe.vae_scale_factor) for g in generators]
    )
    pictures: list[Image.Image] = pipe(
        **text,
        height=side_px,
        width=side_px,
        latents=latents.to(pipe.unet.device, pipe.unet.dtype),
        generator=generators,  # gone on from the first noise: what a stochastic scheduler adds
        num_inference_steps=settings.num_inference_steps,
        guidance_scale=settings.guidance_scale,
        output_type="pil",
    ).images
    return pictures
