"""The models that a picture is drawn by: one, or SDXL's two, the base first and then its refiner.

The refiner was trained on the last fifth of the noise alone (Podell et al., 2023, arXiv 2307.01952,
section 2.5), so it cannot begin a picture; it is handed latents that are still that noisy. Both stages
count one noise schedule, as diffusers' ``denoising_end`` and ``denoising_start`` do.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from studio.bases.architectures import architecture_of
from studio.bases.base_model import BaseModel
from studio.errors import BaseModelError
from studio.preview.conditioning import PromptReader
from studio.preview.schedulers import scheduler_for
from studio.preview.settings import SamplingSettings


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
    pipe = architecture_of(base).pipeline(base, scheduler_for(base, scheduler))
    pipe.set_progress_bar_config(disable=True)
    return pipe


def models_of(base: BaseModel) -> tuple[BaseModel, ...]:
    """Those that draw, in the order in which they do.

    Raises:
        BaseModelError: a refiner without a base that begins the picture.
    """
    if base.family != "sdxl_refiner":
        return (base,) if base.partner is None else (base, base.partner)
    if base.partner is None:
        raise BaseModelError(
            f"base model {base.name} is SDXL's refiner, which only finishes pictures; name the SDXL "
            "base that begins them: sampling.refiner_base, or --refiner-base"
        )
    return base.partner, base


class Stages:
    """Everything that draws one batch after another.

    Args:
        literal: every sign of a prompt is text: for captions.
    """

    def __init__(self, base: BaseModel, settings: SamplingSettings, *, literal: bool) -> None:
        self._settings = settings
        self._models = models_of(base)
        self.pipes = [pipeline(model, settings.scheduler) for model in self._models]
        self._readers = [
            PromptReader(pipe, model, settings, literal=literal)
            for pipe, model in zip(self.pipes, self._models, strict=True)
        ]

    def num_chunks(self, prompt: str) -> tuple[int, ...]:
        """Prompts of equal numbers can be drawn together."""
        return tuple(reader.num_chunks(prompt) for reader in self._readers)

    def draw(self, prompts: Sequence[str], seeds: Sequence[int]) -> list[Image.Image]:
        """A picture for each prompt with the seed beside it.

        The generators go on from the first noise: to what a stochastic scheduler adds, in both stages.
        """
        generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        first, side_px = self.pipes[0], self._models[0].resolution_px
        channels: int = first.unet.config.in_channels
        latents = torch.cat(
            [
                starting_noise(g, side_px, side_px, channels, first.vae_scale_factor)
                for g in generators
            ]
        ).to(first.unet.device, first.unet.dtype)
        size = {"height": side_px, "width": side_px, "latents": latents}
        if len(self.pipes) == 1:
            alone: list[Image.Image] = self._run(0, prompts, generators, output_type="pil", **size)
            return alone
        switch_at = self._settings.refiner_switch_at
        begun = self._run(
            0, prompts, generators, output_type="latent", denoising_end=switch_at, **size
        )
        second = self.pipes[1].unet
        finished: list[Image.Image] = self._run(
            1,
            prompts,
            generators,
            output_type="pil",
            denoising_start=switch_at,
            image=begun.to(second.device, second.dtype),
        )
        return finished

    def _run(
        self, stage: int, prompts: Sequence[str], generators: list[torch.Generator], **more: Any
    ) -> Any:
        return self.pipes[stage](
            **self._readers[stage].arguments(prompts),
            generator=generators,
            num_inference_steps=self._settings.num_inference_steps,
            guidance_scale=self._settings.guidance_scale,
            **more,
        ).images


def starting_noise(
    generator: torch.Generator, height: int, width: int, channels: int, vae_scale_factor: int
) -> Tensor:
    """Standard normal, fp32: (1, channels, height / vae_scale_factor, width / vae_scale_factor)."""
    shape = (1, channels, height // vae_scale_factor, width // vae_scale_factor)
    return torch.randn(shape, generator=generator)
