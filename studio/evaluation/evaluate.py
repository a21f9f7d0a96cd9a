"""The measurement of a finished adapter: draw with and without it, compare with the set."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

from studio.adapters.exported import AdapterFiles
from studio.bases.base_model import BaseModel
from studio.bases.source import locate
from studio.curation.manifest import CuratedSet
from studio.curation.settings import CaptionSettings
from studio.curation.trigger import with_trigger
from studio.errors import DatasetError
from studio.evaluation.clip_scorer import ClipScorer
from studio.evaluation.measure import measure
from studio.evaluation.result import EvaluationReport
from studio.evaluation.settings import EvaluationSettings
from studio.examples.caption_pipeline import AS_THEY_ARE, CaptionPipeline
from studio.preview.pairs import sample_pairs
from studio.preview.sampler import Progress
from studio.preview.settings import SamplingSettings


def evaluate(
    base: BaseModel,
    adapter: AdapterFiles,
    held_out: CuratedSet,
    training: CuratedSet,
    *,
    settings: EvaluationSettings,
    sampling: SamplingSettings,
    trigger: str = "",
    captions: CaptionSettings = AS_THEY_ARE,
    progress: Progress | None = None,
) -> EvaluationReport:
    """Draw the set's own captions with and without the adapter, and measure both.

    Args:
        adapter: the files that make it together.
        held_out: pictures of the set that the adapter never saw.
        training: pictures that it did see.
        sampling: steps, guidance and strength; prompts and seeds come from ``settings``.
        trigger: put in front of every prompt that lacks it, for the base as for the adapter.
        captions: what captions are made of; a prompt is one without its chance.

    Raises:
        AdapterError: a file cannot be read or does not fit the base.
        DatasetError: no held-out or no training pictures, or one that cannot be decoded.
        BaseModelError: ``settings.clip_model`` is no CLIP folder.
    """
    started = time.perf_counter()
    prompts = evaluation_prompts(held_out, training, trigger, settings.prompts, captions)
    folder = clip_folder(base, settings)
    scorer = None if folder is None else ClipScorer.load(folder)
    # Captions are what training read, sign for sign; a bracket in them is no emphasis.
    pairs = sample_pairs(
        base, [adapter], prompts, settings.seeds, sampling, progress=progress, literal=True
    )
    elsewhere = None
    if settings.drift_prompts:
        seeds = settings.seeds[:1]
        elsewhere = sample_pairs(
            base, [adapter], settings.drift_prompts, seeds, sampling, literal=True
        )
    report = measure(pairs, held_out, training, scorer=scorer, trigger=trigger, elsewhere=elsewhere)
    return replace(report, seconds=time.perf_counter() - started)


def evaluation_prompts(
    held_out: CuratedSet,
    training: CuratedSet,
    trigger: str,
    count: int,
    captions: CaptionSettings = AS_THEY_ARE,
) -> list[str]:
    """Up to ``count`` different captions, of held-out pictures first, each with the trigger.

    Raises:
        DatasetError: one of the sets has no picture.
    """
    for name, curated in (("held-out", held_out), ("training", training)):
        if not curated.kept:
            raise DatasetError(
                f"there are no {name} pictures in {curated.title} to measure against; "
                "add pictures, or set evaluation.enabled to false"
            )
    plain = CaptionPipeline(captions).plain
    texts = [p.caption.strip() for p in (*held_out.kept, *training.kept)]
    different = list(dict.fromkeys(plain(with_trigger(text, trigger)) for text in texts if text))
    return different[:count] or [trigger]


def clip_folder(base: BaseModel, settings: EvaluationSettings) -> Path | None:
    """The CLIP model to judge prompt following with: the user's, or the base's own ``clip/``."""
    if settings.clip_model:
        return Path(settings.clip_model).expanduser()
    folder = locate("pocket").path if base.name == "pocket" else Path(base.name).expanduser()
    own = folder / "clip"
    return own if (own / "config.json").is_file() else None
