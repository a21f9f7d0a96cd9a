"""The stages of one run that need the base model in memory; each reads what the one before it left."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import nn

from studio import atomic
from studio.adapters.adapter import Adapter, AdapterHeader
from studio.adapters.export import export
from studio.adapters.tools.verdicts import told
from studio.allocator import return_freed_memory
from studio.bases.base_model import BaseModel
from studio.bases.identity import BaseIdentity
from studio.bases.loading import load_base
from studio.bases.number_format import NumberFormat
from studio.bases.placement import Shelf, release, working_device
from studio.bases.settings import Offload
from studio.curation.decode import open_rgb
from studio.curation.manifest import CuratedSet
from studio.curation.settings import DatasetSettings
from studio.curation.split import split
from studio.evaluation.evaluate import evaluate, evaluation_prompts
from studio.evaluation.report import write_report
from studio.examples.encoding import EncodedExamples, encode_examples, prior_settings
from studio.examples.loader import ExampleLoader
from studio.examples.masks import read_from
from studio.machine import idle_cores
from studio.preview.clip_pairs import clip_pairs
from studio.preview.clip_sampler import sample_clips
from studio.preview.clip_sheet import save_clips, strip
from studio.preview.grid import save_grid
from studio.preview.pairs import sample_pairs
from studio.preview.partner import load_partner
from studio.preview.sampler import sample
from studio.preview.stack import Stack, applied
from studio.recipe import Recipe, lock, recipe_digest
from studio.registry import plugin
from studio.reporter import Reporter
from studio.run_folder import RunFolder
from studio.training.base_format import clean_format, training_format
from studio.training.checkpoint_adapter import adapter_at
from studio.training.events import EventListener
from studio.training.fit import FitSettings, fit
from studio.training.listeners import FitListener, StartReport
from studio.training.objective import Objective
from studio.training.randomness import RandomStreams
from studio.training.trainer import Trainer, TrainingContext
from studio.training.validation import Validation, prepare_validation

PREVIEW_PROMPTS = 4
PREVIEW_POSTERS = 2


class Session:
    """A run in progress: folder, recipe, judged pictures, and the base model once it is needed."""

    def __init__(
        self,
        folder: RunFolder,
        recipe: Recipe,
        identity: BaseIdentity,
        curated: CuratedSet,
        reporter: Reporter,
    ) -> None:
        self.folder, self.recipe, self.identity = folder, recipe, identity
        self.curated, self.reporter = curated, reporter
        return_freed_memory()
        torch.set_num_threads(recipe.precision.num_threads or idle_cores())
        self.training, self.held_out = split(curated, recipe.dataset.validation_share, recipe.seed)

    @cached_property
    def clean_base(self) -> BaseModel:
        """The base model as it came, loaded anew after training: what other tools put the file on."""
        release()  # the base that was trained on, if it is not gone yet
        recipe = self.recipe
        numbers = clean_format(recipe.precision, self._device)
        base = self._load_base(numbers, recipe.sampling.offload)
        load_partner(base, recipe.sampling)
        return base

    def train(self) -> Adapter:
        """Encode the examples and fit the adapter, from the newest checkpoint where there is one."""
        base = self._load_base(training_format(self.recipe.precision, self._device), "none")
        if self.recipe.sampling.every_steps:
            load_partner(base, self.recipe.sampling)
        trainer, streams = self._trainer(base), RandomStreams(self.recipe.seed)
        unet = Shelf([base.unet], base.device)
        with unet.away():
            encoded, prior = self._encoded(trainer, unet)
            validate = self._validation(trainer)
        batch_size = self.recipe.optimizer.train_batch_size
        loader = ExampleLoader(encoded, batch_size, streams, base.device, prior)
        groups = trainer.attach()
        shelf = Shelf(_idle_modules(trainer, encoded), base.device)
        shelf.put_away()
        events = EventListener(lambda event: self.folder.events.append(**event))
        with self.reporter.training() as watcher:
            result = fit(
                trainer,
                groups,
                loader,
                self._fit_settings(),
                self.folder.checkpoints,
                listeners=(watcher, events, _StepsLock(self)),
                sample=partial(self._sample_during_training, base, shelf),
                validate=validate,
            )
        return replace(result.adapter, header=self._complete(result.adapter.header))

    def adapter_at(self, checkpoint: Path) -> Adapter:
        """The adapter that one of the run's checkpoints holds, without a step of training."""
        base = self._load_base(training_format(self.recipe.precision, self._device), "none")
        adapter = adapter_at(
            self._trainer(base), checkpoint, self.recipe.optimizer, self.recipe.precision
        )
        return replace(adapter, header=self._complete(adapter.header))

    def _encoded(
        self, trainer: Trainer[Any], unet: Shelf
    ) -> tuple[EncodedExamples, EncodedExamples | None]:
        """What is learned from, and the prior examples where the method has any.

        Args:
            unet: put away; at hand for examples that it draws.
        """
        dataset = self._dataset
        encode = partial(
            encode_examples,
            base=trainer.base,
            cache_folder=self._cache_folder,
            encode_text=not trainer.trains_text_encoder,
            seed=self.recipe.seed,
        )
        with self.reporter.stage("preparing pictures") as progress:
            examples = trainer.examples(self.training)
            encoded = encode(examples, settings=dataset, progress=progress)
            with unet.at_hand():
                prior = trainer.prior_examples(progress)
            if not prior:
                return encoded, None
            return encoded, encode(prior, settings=prior_settings(dataset), progress=progress)

    def _validation(self, trainer: Trainer[Any]) -> Validation | None:
        """What measures the held-out loss, where the recipe asks for it and pictures are held out."""
        recipe = self.recipe
        if not recipe.validation.enabled or not self.held_out.kept:
            return None
        with self.reporter.stage("preparing held-out pictures") as progress:
            return prepare_validation(
                trainer, self.held_out, self._dataset, recipe.validation, progress
            )

    def export(self, adapter: Adapter) -> None:
        """Write the adapter in every format asked for; each file is read back and compared."""
        settings = self.recipe.export
        files = export(
            adapter,
            self.clean_base,
            self.folder.adapter,
            self.folder.name,
            formats=settings.formats,
            dtype=settings.dtype,
        )
        for file in files:
            shown = file.verdict.to_json() | {"tools": [tool.to_json() for tool in file.tools]}
            self.folder.events.append(
                "exported", adapter.header.steps, file=file.path.name, **shown
            )
            self.reporter.note(f"exported and verified: {file.path}; {'; '.join(told(file.tools))}")

    def preview(self) -> None:
        """Draw the exported adapter beside the clean base."""
        if self._dataset.clip.are_read:
            self._preview_clips()
            return
        sampling = self.recipe.sampling
        prompts = sampling.prompts or self._prompts(PREVIEW_PROMPTS)
        with self.reporter.stage("drawing the preview") as progress:
            comparison = sample_pairs(
                self.clean_base,
                self.folder.adapters()[:1],
                prompts,
                sampling.seeds,
                sampling,
                progress=progress,
                literal=not sampling.prompts,
            )
        save_grid(comparison, self.folder.preview_path)
        self.reporter.note(f"preview: {self.folder.preview_path}")

    def _preview_clips(self) -> None:
        """Draw clips with the exported adapter beside the clean base's, from pictures of the set."""
        sampling = self.recipe.sampling
        one_seed = sampling.model_copy(update={"seeds": sampling.seeds[:1]})
        with self.reporter.stage("drawing the preview") as progress:
            comparison = clip_pairs(
                self.clean_base,
                [Stack.read(files) for files in self.folder.adapters()[:1]],
                self._posters(),
                one_seed,
                self._dataset.clip,
                progress=progress,
            )
        for path in save_clips(comparison, self.folder.preview_path):
            self.reporter.note(f"preview: {path}")

    def evaluate(self) -> None:
        """Measure the exported adapter against the clean base, where pictures were held out for that.

        Clips are not measured: all that is, is of pictures drawn from texts.
        """
        is_asked = self.recipe.evaluation.enabled and not self._dataset.clip.are_read
        if not is_asked or not self.held_out.kept:
            return
        with self.reporter.stage("measuring the adapter") as progress:
            report = evaluate(
                self.clean_base,
                self.folder.adapters()[0],
                self.held_out,
                self.training,
                settings=self.recipe.evaluation,
                sampling=self.recipe.sampling,
                trigger=self.recipe.trigger,
                captions=self.recipe.dataset.caption,
                progress=progress,
            )
        page = write_report(report, self.folder.path, self.folder.preview_path)
        self.folder.events.append("evaluated", verdict=report.verdict)
        self.reporter.note(f"{report.verdict}\nreport: {page}")

    @property
    def _dataset(self) -> DatasetSettings:
        """The dataset as it is learned from, and read: an archive from where it was unpacked."""
        return read_from(self.curated, self.recipe.effective_dataset)

    @property
    def _cache_folder(self) -> Path:
        """What all runs of one folder share."""
        return self.folder.path.parent / ".cache"

    @property
    def _device(self) -> torch.device:
        return working_device()

    def _load_base(self, numbers: NumberFormat, offload: Offload) -> BaseModel:
        return load_base(
            self.recipe.base_model,
            self.recipe.base,
            device=self._device,
            dtype=numbers.dtype,
            quantization=numbers.quantization,
            offload=offload,
        )

    def _trainer(self, base: BaseModel) -> Trainer[Any]:
        recipe, objective = self.recipe, Objective(**self.recipe.loss.model_dump())
        objective.require_fit(base)
        context = TrainingContext(
            resolution_px=recipe.dataset.resolution or self.identity.resolution_px,
            seed=recipe.seed,
            trigger=recipe.trigger,
            objective=objective,
            cache_folder=self._cache_folder,
        )
        return plugin(recipe.trainer.kind).load()(recipe.trainer, base, context)

    def _fit_settings(self) -> FitSettings:
        recipe = self.recipe
        return FitSettings(
            run_name=self.folder.name,
            recipe_digest=recipe_digest(recipe),
            seed=recipe.seed,
            budget=recipe.effective_budget,
            optimizer=recipe.optimizer,
            precision=recipe.precision,
            checkpoints=recipe.checkpoint,
            sample_every_steps=recipe.sampling.every_steps,
            validate_every_steps=recipe.validation.every_steps,
        )

    def _sample_during_training(
        self, base: BaseModel, shelf: Shelf, adapter: Adapter, step: int
    ) -> None:
        with shelf.at_hand(), applied(adapter, base, self.recipe.sampling.strength):
            pictures = self._drawn_now(base)
        folder = self.folder.samples / f"step-{step:06d}"
        with atomic.replacing_folder(folder) as temporary:
            for number, picture in enumerate(pictures):
                picture.save(temporary / f"{number:02d}.png")

    def _drawn_now(self, base: BaseModel) -> list[Image.Image]:
        """A few pictures with the base as it is; of clips, their frames in a row."""
        sampling, clip = self.recipe.sampling, self._dataset.clip
        if clip.are_read:
            posters = list(self._posters().values())
            clips = sample_clips(base, posters, sampling.seeds[:1], sampling, clip)
            return [strip(drawn) for drawn in clips]
        prompts = sampling.prompts or self._prompts(PREVIEW_PROMPTS)
        return sample(base, prompts, sampling.seeds[:1], sampling, literal=not sampling.prompts)

    def _posters(self) -> dict[str, Image.Image]:
        """What the clips of a preview begin with, by name: of held-out clips where there are any."""
        shown = self.held_out if self.held_out.kept else self.training
        return {p.name: open_rgb(shown.path_of(p)) for p in shown.kept[:PREVIEW_POSTERS]}

    def _prompts(self, count: int) -> list[str]:
        measured_on = self.held_out if self.held_out.kept else self.training
        dataset = self.recipe.effective_dataset
        return evaluation_prompts(
            measured_on, self.training, dataset.trigger, count, dataset.caption
        )

    def _complete(self, header: AdapterHeader) -> AdapterHeader:
        return replace(
            header,
            title=self.recipe.name,
            recipe_digest=recipe_digest(self.recipe),
            dataset_digest=self.curated.digest,
            dataset_verdict=self.curated.receipt,
            num_pictures=len(self.training.kept),
        )


def _idle_modules(trainer: Trainer[Any], encoded: EncodedExamples) -> list[nn.Module]:
    """What no step of training needs, now that its examples are encoded."""
    base = trainer.base
    text_is_encoded = encoded.conditionings is not None and not trainer.trains_text_encoder
    return [
        base.vae,
        *(base.text_encoders if text_is_encoded else ()),
        *([base.image_encoder] if base.image_encoder is not None else ()),
        *(base.partner.modules if base.partner is not None else ()),
    ]


class _StepsLock(FitListener):
    """Writes the number of steps into the lock once the budget has come to one, for a rerun."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def on_start(self, report: StartReport) -> None:
        session = self._session
        content = lock(
            session.recipe,
            session.curated,
            session.identity.digest,
            {"steps": report.total_steps, "vae_digest": session.identity.vae_digest},
        )
        session.folder.write_lock(content)
