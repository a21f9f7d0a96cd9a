"""The DreamBooth trainer: the subject's pictures under a rare word, and two ways to keep the class."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from functools import cached_property

import torch
from torch import Tensor

from studio.adapters.adapter import Adapter
from studio.adapters.files import require_fit
from studio.adapters.formats import LOW_RANK
from studio.adapters.whole_weights import swapped
from studio.bases.base_model import BaseModel
from studio.bases.conditioning import Conditioning
from studio.bases.families import Family
from studio.curation.manifest import CuratedSet
from studio.examples.batch import Batch
from studio.examples.captions import encode_captions
from studio.examples.example import Example
from studio.preview.settings import SamplingSettings
from studio.training.diffusion import (
    Noised,
    add_noise_to,
    conditioning_of,
    denoising_loss,
    denoising_target,
    predict,
    reconstruction_loss,
)
from studio.training.lora.layers import LoraLayers
from studio.training.lora.merging import merged
from studio.training.lora.starting import init_problems
from studio.training.randomness import RandomStreams
from studio.training.trainer import ParamGroup, Trainer
from trainers.dreambooth.class_pictures import (
    Progress,
    class_examples,
    draw_class_pictures,
    pictures_in,
)
from trainers.dreambooth.full_weights import FullWeights
from trainers.dreambooth.settings import DreamBoothSettings


class DreamBoothTrainer(Trainer[DreamBoothSettings]):
    """Trains low-rank or whole weights on a few pictures of one subject."""

    kind = "dreambooth"
    Settings = DreamBoothSettings

    @classmethod
    def check(cls, settings: DreamBoothSettings, family: Family) -> Iterable[str]:
        yield from settings.without_effect()
        yield from init_problems(settings, family)
        folder = settings.class_pictures
        if folder is not None and not folder.is_dir():
            yield f"trainer.class_pictures: there is no folder {folder}; check the path"

    @property
    def trains_text_encoder(self) -> bool:
        return self.settings.train_text_encoder

    def examples(self, curated: CuratedSet) -> Sequence[Example]:
        """Every kept picture; each is called by the instance prompt where captions are not used."""
        examples = super().examples(curated)
        if self.settings.use_captions:
            return examples
        prompt = self.settings.instance_prompt_for(self.context.trigger)
        return [replace(example, caption=prompt) for example in examples]

    def prior_examples(self, progress: Progress | None = None) -> Sequence[Example]:
        """The class pictures, where the class is kept by pictures.

        Raises:
            DatasetError: the user's folder holds none, or a broken one.
        """
        settings = self.settings
        if settings.prior != "class_pictures":
            return ()
        if settings.class_pictures is not None:
            paths = pictures_in(settings.class_pictures)
        else:
            sampling = SamplingSettings(
                num_inference_steps=settings.class_num_inference_steps,
                guidance_scale=settings.class_guidance_scale,
            )
            paths = draw_class_pictures(
                self.base,
                settings.class_prompt,
                settings.num_class_images,
                sampling,
                folder=self.context.cache_folder / "class_pictures",
                progress=progress,
            )
        return class_examples(paths, settings.class_prompt)

    def attach(self) -> list[ParamGroup]:
        """Make the base's own weights trainable, or put low-rank ones into it.

        Raises:
            RecipeError: a target module or a block is nowhere in the base.
            AdapterError: the adapter to go on from does not fit.
        """
        settings, base = self.settings, self.base
        self._weights: FullWeights | LoraLayers
        if settings.weights == "full":
            self._weights = FullWeights(base, train_text_encoder=settings.train_text_encoder)
        else:
            texts = list(base.named_text_encoders) if settings.train_text_encoder else []
            self._weights = LoraLayers(settings, base, ["unet", *texts], self.context.seed)
        return self._weights.param_groups(
            text_encoder_learning_rate=settings.text_encoder_learning_rate,
            text_encoder_stop_after=settings.text_encoder_stop_after,
        )

    def loss(self, batch: Batch, streams: RandomStreams) -> Tensor:
        """The subject's denoising loss, and the class's times ``prior_loss_weight``, a scalar."""
        settings, objective = self.settings, self.context.objective
        if settings.prior == "output":
            return self._output_preserving_loss(batch, streams)
        loss = denoising_loss(self.base, batch, objective, streams)
        if settings.prior == "class_pictures" and batch.prior is not None:
            prior = denoising_loss(self.base, batch.prior, objective, streams)
            loss = loss + settings.prior_loss_weight * prior
        return loss

    def after_step(self) -> None:
        self._weights.after_step()

    def detached(self) -> AbstractContextManager[None]:
        return self._weights.detached()

    def adapter(self) -> Adapter:
        return Adapter(self.header(self.settings.adapter_kinds[0]), self._weights.tensors())

    @classmethod
    @contextmanager
    def apply(cls, adapter: Adapter, base: BaseModel, strength: float = 1.0) -> Iterator[None]:
        """Put low-rank changes into the base's weights, or whole new weights in their place.

        Between 0 and 1 ``strength`` leads in a straight line from the base's weights to the new ones.

        Raises:
            AdapterError: another kind or family, a layer that the base lacks, or one of another shape.
        """
        require_fit(adapter, base, (*LOW_RANK, "full"))
        put_on = swapped if adapter.header.kind == "full" else merged
        with put_on(adapter.tensors, base, strength):
            yield

    def _output_preserving_loss(self, batch: Batch, streams: RandomStreams) -> Tensor:
        """The subject's loss, and how far the answer to the class prompt has gone from the base's.

        Both are judged on the same noisy latents, so that the class is held where the subject pulls.
        The base answers first: its weights are swapped in, and nothing may swap them while gradients
        of the trained ones are pending.
        """
        base, objective = self.base, self.context.objective
        prediction_type = objective.prediction_type_for(base)
        noised = add_noise_to(base, batch, objective, streams)
        with self.detached(), torch.no_grad():
            kept = self._answer_to_the_class(noised, batch)
        answer = self._answer_to_the_class(noised, batch)
        everywhere = replace(batch, masks=None)
        prior = reconstruction_loss(answer, kept, noised, everywhere, objective, prediction_type)

        model_pred = predict(base, noised, conditioning_of(base, batch), batch.time_ids)
        target = denoising_target(
            batch.latents, noised.noise, noised.alphas_cumprod, prediction_type
        )
        loss = reconstruction_loss(model_pred, target, noised, batch, objective, prediction_type)
        return loss + self.settings.prior_loss_weight * prior

    def _answer_to_the_class(self, noised: Noised, batch: Batch) -> Tensor:
        text = self._class_text() if self.trains_text_encoder else self._fixed_class_text
        conditioning = Conditioning.joined([text] * len(batch.items))
        return predict(self.base, noised, conditioning, batch.time_ids)

    def _class_text(self) -> Conditioning:
        return encode_captions(self.base, [self.settings.class_prompt])

    @cached_property
    def _fixed_class_text(self) -> Conditioning:
        """The class prompt as frozen text encoders read it, encoded by the first step."""
        return self._class_text()
