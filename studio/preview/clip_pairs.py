"""The bare base's clips beside those with adapter files on it: same pictures, same seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from PIL import Image

from studio.bases.base_model import BaseModel
from studio.curation.clip_settings import ClipSettings
from studio.preview.clip_sampler import Clip, guidance_of, sample_clips
from studio.preview.sampler import Progress
from studio.preview.settings import SamplingSettings
from studio.preview.stack import Stack


@dataclass(frozen=True)
class ClipSeries:
    """One clip for every picture and seed, all drawn alike.

    Attributes:
        heading: ``base``, or the adapter's name.
        strength: how strongly it was applied; 0 for the base.
        clips: picture by picture, and within a picture seed by seed.
    """

    heading: str
    strength: float
    clips: tuple[Clip, ...]


@dataclass(frozen=True)
class ClipComparison:
    """Series that share pictures and seeds, so that only the adapter differs between them.

    Attributes:
        labels: of each clip of a series: its picture's name and its seed.
    """

    title: str
    base_name: str
    labels: tuple[str, ...]
    series: tuple[ClipSeries, ...]
    sampling: SamplingSettings
    clip: ClipSettings
    warnings: tuple[str, ...] = ()

    def describe(self) -> dict[str, object]:
        """How the clips came about, JSON-able."""
        return {
            "title": self.title,
            "base_model": self.base_name,
            "series": [{"heading": s.heading, "strength": s.strength} for s in self.series],
            "clips": list(self.labels),
            "num_frames": len(self.series[0].clips[0]),
            "num_inference_steps": self.sampling.num_inference_steps,
            "guidance_scale": guidance_of(self.sampling),
            "fps": self.clip.fps,
            "motion_bucket_id": self.clip.motion_bucket_id,
        }


def clip_pairs(
    base: BaseModel,
    adapters: Sequence[Stack],
    pictures: Mapping[str, Image.Image],
    settings: SamplingSettings,
    clip: ClipSettings,
    *,
    progress: Progress | None = None,
) -> ClipComparison:
    """The base's clips, then those with each adapter at ``settings.strength``; seeds are the settings'.

    Args:
        pictures: what clips begin with, by name.

    Raises:
        AdapterError: a file does not fit the base.
        BaseModelError: the base makes no clips.
    """
    seeds = settings.seeds
    each = len(pictures) * len(seeds)
    total = (1 + len(adapters)) * each
    warnings = tuple(warning for stack in adapters for warning in stack.warnings(base))

    def drawn(before: int) -> tuple[Clip, ...]:
        def counted(done: int, _: int) -> None:
            if progress is not None:
                progress(before + done, total)

        return tuple(
            sample_clips(base, list(pictures.values()), seeds, settings, clip, progress=counted)
        )

    series = [ClipSeries("base", 0.0, drawn(0))]
    for number, stack in enumerate(adapters, start=1):
        with stack.applied(base, settings.strength):
            clips = drawn(number * each)
        series.append(ClipSeries(stack.heading, settings.strength * stack.share, clips))
    labels = tuple(f"{name}, seed {seed}" for name in pictures for seed in seeds)
    title = " · ".join(s.heading for s in series[1:]) or base.name
    return ClipComparison(title, base.name, labels, tuple(series), settings, clip, warnings)
