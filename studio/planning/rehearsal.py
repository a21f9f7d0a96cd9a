"""A run without memory: each stage taken once, and what it came to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from studio.adapters.adapter import Adapter
from studio.bases.architectures import architecture_of
from studio.bases.base_model import BaseModel
from studio.bases.placement import is_gpu, weight_bytes
from studio.examples.batch import Batch
from studio.examples.buckets import VAE_FACTOR, Bucket
from studio.examples.caption_pipeline import CaptionPipeline
from studio.examples.captions import encode_captions
from studio.planning.counting import Counter, Phase
from studio.planning.drawing import Drawing
from studio.planning.imagining import imagined, named_modules, put_on, stand_in
from studio.planning.optimizer_state import state_bytes, step_bytes
from studio.planning.work import Work
from studio.preview.sampler import batch_size
from studio.recipe import Recipe
from studio.registry import plugin
from studio.training.base_format import HALVES, clean_format, training_format
from studio.training.environment import gradient_checkpointing, module_mode
from studio.training.objective import Objective
from studio.training.randomness import RandomStreams
from studio.training.trainer import Trainer, TrainingContext

_UPDATE_PASSES = 12  # readings and writings of fp32 numbers for a weight that AdamW moves


@dataclass(frozen=True)
class Rehearsed:
    """What each stage came to; bytes on the training device, all that is alive included.

    Attributes:
        clean_part_bytes: the weights of the clean base that is loaded after training, by its part.
        adapter_bytes: the finished adapter's tensors, fp32.
        trained_bytes: the weights that train.
        resting_bytes: between two steps, optimizer and average included.
        shelved_bytes: weights that wait in main memory while a GPU trains.
        encoding_bytes, encoding_work: a picture through the VAE.
        reading_bytes: a caption through the text encoders; 0 where they are read in every step.
        step_bytes, step_work: one optimizer step, all its batches.
        drawing: pictures with the adapter on a clean base.
        sampling: the same in the course of training; None where none are drawn.
        part_bytes: the weights that are trained on, by the base's part, in the order of loading.
    """

    clean_part_bytes: dict[str, int]
    adapter_bytes: int
    trained_bytes: int
    resting_bytes: int
    shelved_bytes: int
    encoding_bytes: int
    encoding_work: Work
    reading_bytes: int
    step_bytes: int
    step_work: Work
    drawing: Drawing
    sampling: Drawing | None
    part_bytes: dict[str, int]


def rehearse(
    recipe: Recipe, skeleton: BaseModel, bucket: Bucket, device: torch.device, together: int = 1
) -> Rehearsed:
    """Take a run's stages without memory.

    Args:
        skeleton: of the recipe's base model, on the meta device; it is left as it is.
        bucket: of every picture.
        device: where the run computes; it need not be here.
        together: pictures to draw that are asked for at one time; a batch has no more.

    Raises:
        RecipeError: the trainer does not go with the base model.
    """
    training = training_format(recipe.precision, device)
    anew = clean_format(recipe.precision, device)
    base = deepcopy(skeleton)
    clean = base if anew == training else deepcopy(skeleton)
    with imagined(device) as counter:
        put_on(base, stand_in(device), training)
        part_bytes = {n: weight_bytes([m]) for n, m in named_modules(base).items()}
        run = _Run(recipe, base, bucket, counter, device)
        encoding, reading = run.encode_picture(), run.read_caption()
        groups = run.trainer.attach()
        trained = [p for group in groups for p in group.parameters.values()]
        shelved = run.shelved_bytes(part_bytes)
        step = run.train(trained)
        remembered = run.optimizer_bytes(trained)
        update = step_bytes(recipe.optimizer.name, trained, device.type)
        resting = counter.live_bytes + remembered
        adapter = run.trainer.adapter()
        sampling = run.draw(adapter, base, together) if recipe.sampling.every_steps else None
        if clean is not base:
            put_on(clean, stand_in(device), anew)
        with run.trainer.detached():
            clean_part_bytes = {n: weight_bytes([m]) for n, m in named_modules(clean).items()}
        drawing = run.draw(adapter, clean, together)
    times = recipe.optimizer.gradient_accumulation_steps
    away = part_bytes["unet"] if is_gpu(device) else 0  # while pictures and captions are encoded
    moved = sum(4 * p.numel() for p in trained) * _UPDATE_PASSES
    return Rehearsed(
        clean_part_bytes=clean_part_bytes,
        adapter_bytes=sum(t.nbytes for t in adapter.tensors.values()),
        trained_bytes=sum(p.nbytes for p in trained),
        resting_bytes=resting - shelved,
        shelved_bytes=shelved,
        encoding_bytes=encoding.peak_bytes - away,
        encoding_work=encoding.work,
        reading_bytes=reading.peak_bytes - away if reading else 0,
        step_bytes=remembered - shelved + max(step.peak_bytes, step.after_bytes + update),
        step_work=step.work * times + Work(moved_bytes=moved),
        drawing=drawing,
        sampling=sampling,
        part_bytes=part_bytes,
    )


class _Run:
    """The parts of a run as a session has them, on a base model without memory."""

    def __init__(
        self,
        recipe: Recipe,
        base: BaseModel,
        bucket: Bucket,
        counter: Counter,
        device: torch.device,
    ) -> None:
        self.recipe, self.base, self.counter, self.device = recipe, base, counter, device
        self.height, self.width = bucket.height_px, bucket.width_px
        self.trainer = _trainer(recipe, base)

    def encode_picture(self) -> Phase:
        vae: Any = self.base.vae
        with self.counter.phase() as phase, torch.no_grad():
            pixels = torch.empty(1, 3, self.height, self.width, device=self.base.device)
            posterior = vae.encode(pixels.to(vae.dtype)).latent_dist
            _ = posterior.mean, posterior.std
        return phase

    def read_caption(self) -> Phase | None:
        if not self._text_is_encoded:
            return None
        with self.counter.phase() as phase, torch.no_grad():
            encode_captions(self.base, [self.recipe.trigger])
        return phase

    def train(self, trained: Sequence[nn.Parameter]) -> Phase:
        """One batch forward and backward, in the modes and formats of training."""
        if self.recipe.optimizer.gradient_accumulation_steps > 1:
            for parameter in trained:
                parameter.grad = torch.zeros_like(parameter)  # of the batches before
        batch = self._batch()
        with self._prepared(), self.counter.phase() as phase:
            with self._autocast():
                loss = self.trainer.loss(batch, RandomStreams(self.recipe.seed))
            loss.backward()  # type: ignore[no-untyped-call]
            del loss
        for parameter in trained:
            parameter.grad = None
        return phase

    def optimizer_bytes(self, trained: Sequence[nn.Parameter]) -> int:
        """What optimizer and moving average remember."""
        settings = self.recipe.optimizer
        average = sum(p.nbytes for p in trained) if settings.ema_decay else 0
        return state_bytes(settings.name, trained) + average

    def shelved_bytes(self, part_bytes: dict[str, int]) -> int:
        """What waits in main memory while a GPU trains."""
        if not is_gpu(self.device):
            return 0
        idle = {"vae", *(self.base.named_text_encoders if self._text_is_encoded else ())}
        return sum(size for part, size in part_bytes.items() if part in idle)

    def draw(self, adapter: Adapter, base: BaseModel, together: int) -> Drawing:
        """A batch of pictures with the adapter on a base: one step of the sampler, and the VAE."""
        sampling = self.recipe.sampling
        count, before = (
            min(batch_size(base.resolution_px, self.device), together),
            self.counter.live_bytes,
        )
        decoded = 1 if is_gpu(self.device) else count  # at once
        put_on_base = self.trainer.apply(adapter, base, sampling.strength)
        with torch.no_grad(), self.trainer.detached(), self.counter.phase(), put_on_base:
            put_on = max(self.counter.peak_bytes, self.counter.live_bytes) - before
            with self.counter.phase() as step:
                latents = self._denoise(base, count * (2 if sampling.guidance_scale > 1 else 1))
            with self.counter.phase() as decoding:
                vae: Any = base.vae
                vae.decode(latents[:decoded].to(vae.dtype))
        return Drawing(
            pictures=count,
            side_px=base.resolution_px,
            adapter_bytes=put_on,
            denoising_bytes=step.peak_bytes - step.before_bytes,
            decoding_bytes=decoding.peak_bytes - decoding.before_bytes,
            work=step.work * sampling.num_inference_steps + decoding.work * (count // decoded),
        )

    def _denoise(self, base: BaseModel, count: int) -> Tensor:
        side = base.resolution_px // VAE_FACTOR
        unet: Any = base.unet
        text = encode_captions(base, [self.recipe.trigger] * count)
        latents = torch.empty(count, 4, side, side, device=base.device, dtype=unet.dtype)
        timesteps = torch.zeros(count, dtype=torch.int64, device=base.device)
        sizes = torch.zeros(count, 6, device=base.device)
        text = text.to(base.device, unet.dtype)
        return architecture_of(base).predict(base, latents, timesteps, text, sizes)

    def _batch(self) -> Batch:
        batch = self._examples(0)
        # A trainer that has no use for examples of the class leaves them alone.
        batch.prior = self._examples(len(batch.items))
        return batch

    def _examples(self, first_item: int) -> Batch:
        count, device = self.recipe.optimizer.train_batch_size, self.base.device
        height, width = self.height // VAE_FACTOR, self.width // VAE_FACTOR
        captions = [self.recipe.trigger] * count
        conditioning = None
        if self._text_is_encoded:
            with torch.no_grad():
                conditioning = encode_captions(self.base, captions)
        masked = self.recipe.loss.masked_loss
        return Batch(
            latents=torch.empty(count, 4, height, width, device=device),
            conditioning=conditioning,
            captions=captions,
            items=list(range(first_item, first_item + count)),
            views=[0] * count,
            weights=torch.ones(count, device=device),
            masks=torch.ones(count, 1, height, width, device=device) if masked else None,
            time_ids=torch.zeros(count, 6, device=device),
        )

    @property
    def _text_is_encoded(self) -> bool:
        """Whether captions are encoded before training; see `studio.examples.encoding`."""
        dataset, trigger = self.recipe.dataset, self.recipe.trigger
        captions = CaptionPipeline(dataset.caption, dataset.caption_dropout, trigger)
        return not self.trainer.trains_text_encoder and captions.variants(trigger) is not None

    @contextmanager
    def _prepared(self) -> Iterator[None]:
        base = self.base
        texts = base.text_encoders if self.trainer.trains_text_encoder else ()
        parts: list[Any] = [base.unet, *texts]
        with ExitStack() as stack:
            stack.enter_context(module_mode(*parts, training=True))
            if self.recipe.precision.gradient_checkpointing:
                for module in parts:
                    stack.enter_context(gradient_checkpointing(module))
            yield

    def _autocast(self) -> AbstractContextManager[Any]:
        number_format = HALVES.get(self.recipe.precision.mixed_precision)
        if number_format is None:
            return nullcontext()
        return torch.autocast(self.base.device.type, dtype=number_format)


def _trainer(recipe: Recipe, base: BaseModel) -> Trainer[Any]:
    objective = Objective(**recipe.loss.model_dump())
    objective.require_fit(base)
    context = TrainingContext(
        resolution_px=recipe.dataset.resolution or base.resolution_px,
        seed=recipe.seed,
        trigger=recipe.trigger,
        objective=objective,
        cache_folder=Path(),
    )
    return plugin(recipe.trainer.kind).load()(recipe.trainer, base, context)
