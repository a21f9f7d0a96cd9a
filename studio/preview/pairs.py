"""The bare base beside adapter files on it: same prompts, same seeds, a clean base for each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path

from PIL import Image

from studio.bases.base_model import BaseModel
from studio.preview.comparison import Comparison, Series
from studio.preview.sampler import Progress, sample
from studio.preview.settings import SamplingSettings
from studio.preview.stack import Stack

Files = Path | Sequence[Path]
"""An adapter's file, or several that are put on together, as a run's words are."""

SWEEP_STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5)


def sample_pairs(
    base: BaseModel,
    adapters: Sequence[Files | Stack],
    prompts: Sequence[str],
    seeds: Sequence[int],
    settings: SamplingSettings,
    *,
    called: Sequence[Stack] = (),
    literal: bool = False,
    progress: Progress | None = None,
) -> Comparison:
    """The base's pictures, then those with each adapter, at ``settings.strength``.

    Args:
        adapters: a series each.
        called: what each prompt calls itself, one for each prompt: a last series.
        literal: every sign of a prompt is text: for captions.

    Raises:
        AdapterError: a file cannot be read or does not fit the base.
    """
    each = len(prompts) * len(seeds)
    rows = [[stack] * len(prompts) for stack in map(_stack, adapters)]
    rows += [list(called)] if called else []
    total = (1 + len(rows)) * each
    # A wrong file is told before the first picture.
    put_on = _different(stack for row in rows for stack in row)
    warnings = tuple(dict.fromkeys(warning for s in put_on for warning in s.warnings(base)))
    bare = sample(base, prompts, seeds, settings, counting(progress, 0, total), literal=literal)
    series = [Series("base", 0.0, tuple(bare))]
    for row in rows:
        pictures: list[Image.Image] = []
        for stack, texts in _runs(row, prompts):
            counted = counting(progress, len(series) * each + len(pictures), total)
            with stack.applied(base, settings.strength):
                pictures += sample(base, texts, seeds, settings, counted, literal=literal)
        strength = settings.strength * max((stack.share for stack in row), key=abs)
        series.append(Series(_heading(row), strength, tuple(pictures)))
    title = " · ".join(s.heading for s in series[1:]) or base.name
    return Comparison(
        title,
        base.name,
        tuple(prompts),
        tuple(seeds),
        tuple(series),
        stated(settings, base),
        warnings,
    )


def strength_sweep(
    base: BaseModel,
    adapter: Files | Stack,
    prompts: Sequence[str],
    seeds: Sequence[int],
    settings: SamplingSettings,
    *,
    strengths: Sequence[float] = SWEEP_STRENGTHS,
    literal: bool = False,
    progress: Progress | None = None,
) -> Comparison:
    """One adapter at several strengths, 0 being the bare base.

    Args:
        adapter: several files are put on together, each at its share of the strength.
        literal: every sign of a prompt is text: for captions.

    Raises:
        AdapterError: a file cannot be read or does not fit the base.
    """
    each = len(prompts) * len(seeds)
    stack = _stack(adapter)
    warnings = stack.warnings(base)
    series: list[Series] = []
    for strength in strengths:
        counted = counting(progress, len(series) * each, len(strengths) * each)
        with stack.applied(base, strength):
            pictures = sample(base, prompts, seeds, settings, counted, literal=literal)
        series.append(Series(f"{strength:g}", strength, tuple(pictures)))
    title = f"{stack.heading}: strength"
    return Comparison(
        title,
        base.name,
        tuple(prompts),
        tuple(seeds),
        tuple(series),
        stated(settings, base),
        warnings,
    )


def stated(settings: SamplingSettings, base: BaseModel) -> SamplingSettings:
    """With what was left to the base filled in, for whoever wants to draw the same."""
    return settings.model_copy(update={"clip_skip": settings.clip_skip or base.clip_skip})


def _stack(adapter: Files | Stack) -> Stack:
    return adapter if isinstance(adapter, Stack) else Stack.read(adapter)


def _different(stacks: Iterable[Stack]) -> list[Stack]:
    """Each stack once, in order; they hold tensors, so only the object itself says which it is."""
    return list({id(stack): stack for stack in stacks}.values())


def _runs(row: Sequence[Stack], prompts: Sequence[str]) -> Iterator[tuple[Stack, tuple[str, ...]]]:
    """Neighbouring prompts that are drawn with the same stack, which is put on once for them."""
    for _, together in groupby(zip(row, prompts, strict=True), lambda pair: id(pair[0])):
        stacks, texts = zip(*together, strict=True)
        yield stacks[0], texts


def _heading(row: Sequence[Stack]) -> str:
    headings = {stack.heading for stack in row}
    return headings.pop() if len(headings) == 1 else "as called"


def counting(progress: Progress | None, before: int, total: int) -> Progress | None:
    """One count of pictures over several calls of `sample`."""
    if progress is None:
        return None
    return lambda done, _: progress(before + done, total)
