"""How much a recipe has to do: pictures, their largest bucket, steps, drawings. No torch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from studio.curation.manifest import CuratedSet
from studio.curation.scan import scan
from studio.curation.settings import DatasetSettings
from studio.curation.sources.folder import pictures_folder
from studio.curation.sources.given import is_on_hub
from studio.curation.split import MIN_PICTURES
from studio.errors import DatasetError
from studio.examples.buckets import Bucket, choose_bucket, make_buckets
from studio.recipe import Recipe
from studio.training.budget import total_steps

PREVIEW_PROMPTS = 4  # of a session without prompts of its own
SizePx = tuple[int, int]


@dataclass(frozen=True)
class Workload:
    """What there is to do.

    Attributes:
        bucket: the largest that a picture falls into; the square one where no picture is known.
        encoded: pictures to put through the VAE, each crop for itself; None: not known.
        steps: optimizer steps; None: not known, or to be measured (a budget in minutes).
        previews: pictures drawn after training, bare and with the adapter, for preview and evaluation.
        samples: pictures drawn in the course of training.
        together: pictures that are asked for at one time, at most.
    """

    bucket: Bucket
    encoded: int | None
    steps: int | None
    previews: int
    samples: int
    together: int


def workload(recipe: Recipe, resolution_px: int, curated: CuratedSet | None = None) -> Workload:
    """The recipe's, by the judged set or else by the pictures of its source, judged by none.

    Args:
        resolution_px: the base model's own.
    """
    dataset = recipe.dataset
    side_px = dataset.resolution or resolution_px
    if curated is not None:
        sizes: Sequence[SizePx] = [(p.width_px, p.height_px) for p in curated.kept]
    else:
        sizes = list(_sizes(dataset))
    available = make_buckets(side_px, dataset.max_aspect_ratio)
    buckets = {choose_bucket(*size, available) for size in sizes} or {Bucket(side_px, side_px)}
    held_out = round(len(sizes) * dataset.validation_share) if len(sizes) >= MIN_PICTURES else 0
    optimizer, budget = recipe.optimizer, recipe.effective_budget
    learned = len(sizes) - held_out
    steps = total_steps(
        budget, learned, optimizer.train_batch_size, optimizer.gradient_accumulation_steps
    )
    crops = dataset.crops_per_image if dataset.crop == "random" else 1
    mirrored = 2 if dataset.flip_probability > 0 else 1
    sampling, evaluation = recipe.sampling, recipe.evaluation
    prompts = len(sampling.prompts) or PREVIEW_PROMPTS
    together = prompts * len(sampling.seeds)
    previews = 2 * together
    if evaluation.enabled and held_out:
        judged = min(evaluation.prompts, len(sizes)) * len(evaluation.seeds)
        previews += 2 * (judged + len(evaluation.drift_prompts))
        together = max(together, judged)
    times = (steps or 0) // sampling.every_steps if sampling.every_steps else 0
    return Workload(
        bucket=max(buckets, key=lambda b: b.width_px * b.height_px),
        encoded=learned * crops * mirrored + held_out if sizes else None,
        steps=steps if sizes or budget.steps else None,
        previews=previews,
        samples=times * prompts,
        together=together,
    )


def _sizes(dataset: DatasetSettings) -> Iterable[SizePx]:
    """By the files' headers alone; nothing where the source is not on this machine."""
    folder = _folder(dataset)
    if folder is None:
        return
    for name in scan(folder).pictures:
        try:
            with Image.open(folder / name) as image:
                yield image.size
        except (OSError, UnidentifiedImageError, Image.DecompressionBombError):
            continue  # curation will say so


def _folder(dataset: DatasetSettings) -> Path | None:
    """Where the pictures lie. An archive is unpacked as for the run, into the user's cache, where it mostly
    is already: judging looked at it there. From the hub nothing is fetched for a plan.
    """
    if is_on_hub(dataset.source):
        return None
    try:
        return pictures_folder(dataset)
    except (DatasetError, OSError):
        return None  # curation will say so
