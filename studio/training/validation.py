"""The loss on held-out pictures: is what is learned still common to the pictures, or by heart?

Training's own loss says little: from step to step its timesteps and noise change, and it goes on falling
while a set is learned by heart. Here both are fixed, so two measurements differ by the weights alone.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from studio.bases.base_model import BaseModel
from studio.bases.conditioning import Conditioning
from studio.curation.manifest import CuratedSet
from studio.curation.settings import DatasetSettings
from studio.examples.batch import Batch
from studio.examples.encoding import EncodedExamples, Progress, encode_examples
from studio.examples.loader import ExampleLoader
from studio.training.diffusion import Noised, conditioning_of, denoising_target, predict
from studio.training.listeners import ValidationReport
from studio.training.noise_schedule import add_noise, noise_levels
from studio.training.objective import Objective
from studio.training.randomness import RandomStreams
from studio.training.settings import ValidationSettings
from studio.training.trainer import Trainer

Validate = Callable[[int], ValidationReport]
"""Measures the weights as they stand in the base model; called with the steps behind them."""


class Validation:
    """Plain mean squared errors of the base as it is now, adapter attached, on encoded examples.

    Masks, loss weighting, offset noise and the like shape what is learned; none of them is in the
    measure, so recipes that differ in them can be compared.

    Args:
        base: the model that trains.
        encoded: the held-out examples, encoded with `held_out_settings`.
        objective: says what the U-Net predicts and by which noise schedule.
    """

    def __init__(
        self,
        base: BaseModel,
        encoded: EncodedExamples,
        settings: ValidationSettings,
        objective: Objective,
        streams: RandomStreams,
    ) -> None:
        self._base = base
        self._objective = objective
        self._streams = streams
        self._encoded = encoded
        # The refiner knows the least noisy timesteps alone; they are spread over those.
        noise_scheduler: Any = base.noise_scheduler
        share = base.num_trained_timesteps / noise_scheduler.config.num_train_timesteps
        self._timesteps = tuple(int(timestep * share) for timestep in settings.timesteps)

    @cached_property
    def _loader(self) -> ExampleLoader:
        """With one example to a batch, the first batches show every example once.

        Made when the base is where it trains; while examples are encoded, its U-Net may be elsewhere.
        """
        return ExampleLoader(self._encoded, 1, self._streams, self._base.device)

    @torch.no_grad()
    def __call__(self, step: int) -> ValidationReport:
        batches = range(self._loader.num_examples)
        errors = torch.stack([self._errors(self._loader.batch(number)) for number in batches])
        of_timesteps = errors.double().mean(dim=0)
        return ValidationReport(
            step=step,
            loss=of_timesteps.mean().item(),
            by_timestep=dict(zip(self._timesteps, of_timesteps.tolist(), strict=True)),
        )

    def _errors(self, batch: Batch) -> Tensor:
        """Mean squared error of one example at each timestep, (timesteps,), in one forward pass."""
        noised = self._noised(batch)
        count = len(self._timesteps)
        conditioning = Conditioning.joined([conditioning_of(self._base, batch)] * count)
        time_ids = None if batch.time_ids is None else batch.time_ids.expand(count, -1)
        model_pred = predict(self._base, noised, conditioning, time_ids)
        target = denoising_target(
            batch.latents,
            noised.noise,
            noised.alphas_cumprod,
            self._objective.prediction_type_for(self._base),
        )
        return (model_pred - target).square().flatten(1).mean(dim=1).cpu()

    def _noised(self, batch: Batch) -> Noised:
        """The one example at every timestep, each with noise of its own."""
        device, item = batch.latents.device, batch.items[0]
        noise_scheduler: Any = self._base.noise_scheduler
        places = torch.tensor(self._timesteps, dtype=torch.float64) + 0.5
        levels = noise_levels(noise_scheduler, places, self._objective.zero_terminal_snr)
        alphas_cumprod = levels.alphas_cumprod.to(device)
        shape = batch.latents.shape[1:]
        noise = torch.stack(
            [self._streams.normal(shape, "validation_noise", t, item) for t in self._timesteps]
        ).to(device)
        return Noised(
            noisy_latents=add_noise(batch.latents, noise, alphas_cumprod),
            noise=noise,
            timesteps=levels.timesteps.to(device),
            alphas_cumprod=alphas_cumprod,
            num_train_timesteps=noise_scheduler.config.num_train_timesteps,
        )


def prepare_validation(
    trainer: Trainer[Any],
    held_out: CuratedSet,
    dataset: DatasetSettings,
    settings: ValidationSettings,
    progress: Progress | None = None,
) -> Validation:
    """Encode the held-out pictures once, as the trainer would learn from them; the base is clean still.

    Args:
        held_out: with at least one kept picture.
        progress: called with (pictures done, pictures in all).
    """
    base, context = trainer.base, trainer.context
    encoded = encode_examples(
        trainer.examples(held_out)[: settings.max_pictures],
        base,
        held_out_settings(dataset),
        context.cache_folder,
        encode_text=not trainer.trains_text_encoder,
        seed=context.seed,
        progress=progress,
    )
    streams = RandomStreams(context.seed)
    return Validation(base, encoded, settings, context.objective, streams)


def held_out_settings(dataset: DatasetSettings) -> DatasetSettings:
    """How held-out examples are encoded: whole, unmirrored, with all of their words."""
    return dataset.model_copy(
        update={
            "flip_probability": 0.0,
            "crop": "centre",
            "mask": "none",
            "mask_folder": "",
            "caption_dropout": 0.0,
            "caption": dataset.caption.model_copy(
                update={"shuffle_tags": False, "tag_dropout": 0.0}
            ),
        }
    )
