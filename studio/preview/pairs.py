"""The bare base beside adapter files on it: same prompts, same seeds, a clean base for each."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from studio.bases.base_model import BaseModel
from studio.preview.comparison import Comparison, Series
from studio.preview.sampler import Progress, sample
from studio.preview.settings import SamplingSettings
from studio.preview.stack import Stack

SWEEP_STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5)


def sample_pairs(
    base: BaseModel,
    adapters: Sequence[Path | Sequence[Path]],
    prompts: Sequence[str],
    seeds: Sequence[int],
    settings: SamplingSettings,
    *,
    progress: Progress | None = None,
) -> Comparison:
    """The base's pictures, then those with each adapter, at ``settings.strength``.

    Args:
        adapters: a series each: a file, or several that are put on together, as a run's words are.

    Raises:
        AdapterError: a file cannot be read or does not fit the base.
    """
    each = len(prompts) * len(seeds)
    total = (1 + len(adapters)) * each
    stacks = [Stack.read(files) for files in adapters]
    # A wrong file is told before the first picture.
    warnings = tuple(warning for stack in stacks for warning in stack.warnings(base))
    bare = sample(base, prompts, seeds, settings, _counted(progress, 0, total))
    series = [Series("base", 0.0, tuple(bare))]
    for stack in stacks:
        counted = _counted(progress, len(series) * each, total)
        with stack.applied(base, settings.strength):
            pictures = sample(base, prompts, seeds, settings, counted)
        series.append(Series(stack.heading, settings.strength, tuple(pictures)))
    title = " · ".join(s.heading for s in series[1:]) or base.name
    return Comparison(
        title, base.name, tuple(prompts), tuple(seeds), tuple(series), settings, warnings
    )


def strength_sweep(
    base: BaseModel,
    adapter: Path | Sequence[Path],
    prompts: Sequence[str],
    seeds: Sequence[int],
    settings: SamplingSettings,
    *,
    strengths: Sequence[float] = SWEEP_STRENGTHS,
    progress: Progress | None = None,
) -> Comparison:
    """One adapter at several strengths, 0 being the bare base.

    Args:
        adapter: a file, or several that are put on together, all at the same strength.

    Raises:
        AdapterError: a file cannot be read or does not fit the base.
    """
    each = len(prompts) * len(seeds)
    stack = Stack.read(adapter)
    warnings = stack.warnings(base)
    series: list[Series] = []
    for strength in strengths:
        counted = _counted(progress, len(series) * each, len(strengths) * each)
        with stack.applied(base, strength):
            pictures = sample(base, prompts, seeds, settings, counted)
        series.append(Series(f"{strength:g}", strength, tuple(pictures)))
    title = f"{stack.heading}: strength"
    return Comparison(
        title, base.name, tuple(prompts), tuple(seeds), tuple(series), settings, warnings
    )


def _counted(progress: Progress | None, before: int, total: int) -> Progress | None:
    """One count of pictures over several calls of `sample`."""
    if progress is None:
        return None
    return lambda done, _: progress(before + done, total)
