"""The bare base beside adapter files on it: same prompts, same seeds, a clean base for each."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from studio.adapters.adapter import Adapter
from studio.adapters.files import check_fits, read_adapter
from studio.bases.base_model import BaseModel
from studio.preview.comparison import Comparison, Series
from studio.preview.sampler import Progress, sample
from studio.preview.settings import SamplingSettings
from studio.registry import producer

SWEEP_STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5)


def applied(adapter: Adapter, base: BaseModel, strength: float) -> AbstractContextManager[None]:
    """The adapter on the base for the length of a ``with`` block, by the plugin that made it.

    Raises:
        UserError: that plugin is not installed.
        AdapterError: the adapter does not fit the base.
    """
    return producer(adapter.header.plugin_kind).load().apply(adapter, base, strength)


def sample_pairs(
    base: BaseModel,
    adapters: Sequence[Path],
    prompts: Sequence[str],
    seeds: Sequence[int],
    settings: SamplingSettings,
    *,
    progress: Progress | None = None,
) -> Comparison:
    """The base's pictures, then each adapter file's, at ``settings.strength``.

    Raises:
        AdapterError: a file cannot be read or does not fit the base.
    """
    each = len(prompts) * len(seeds)
    total = (1 + len(adapters)) * each
    read = [(path, read_adapter(path)) for path in adapters]
    warnings = _warnings(read, base)  # a wrong file is told before the first picture
    bare = sample(base, prompts, seeds, settings, _counted(progress, 0, total))
    series = [Series("base", 0.0, tuple(bare))]
    for path, adapter in read:
        counted = _counted(progress, len(series) * each, total)
        with applied(adapter, base, settings.strength):
            pictures = sample(base, prompts, seeds, settings, counted)
        series.append(Series(_name(adapter, path), settings.strength, tuple(pictures)))
    title = " · ".join(s.heading for s in series[1:]) or base.name
    return Comparison(
        title, base.name, tuple(prompts), tuple(seeds), tuple(series), settings, warnings
    )


def strength_sweep(
    base: BaseModel,
    adapter_path: Path,
    prompts: Sequence[str],
    seeds: Sequence[int],
    settings: SamplingSettings,
    *,
    strengths: Sequence[float] = SWEEP_STRENGTHS,
    progress: Progress | None = None,
) -> Comparison:
    """One adapter file at several strengths, 0 being the bare base.

    Raises:
        AdapterError: the file cannot be read or does not fit the base.
    """
    each = len(prompts) * len(seeds)
    adapter = read_adapter(adapter_path)
    warnings = _warnings([(adapter_path, adapter)], base)
    series: list[Series] = []
    for strength in strengths:
        counted = _counted(progress, len(series) * each, len(strengths) * each)
        with applied(adapter, base, strength):
            pictures = sample(base, prompts, seeds, settings, counted)
        series.append(Series(f"{strength:g}", strength, tuple(pictures)))
    title = f"{_name(adapter, adapter_path)}: strength"
    return Comparison(
        title, base.name, tuple(prompts), tuple(seeds), tuple(series), settings, warnings
    )


def _warnings(read: Sequence[tuple[Path, Adapter]], base: BaseModel) -> tuple[str, ...]:
    return tuple(f"{path.name}: {w}" for path, adapter in read for w in check_fits(adapter, base))


def _name(adapter: Adapter, path: Path) -> str:
    return adapter.header.title or path.stem


def _counted(progress: Progress | None, before: int, total: int) -> Progress | None:
    """One count of pictures over several calls of `sample`."""
    if progress is None:
        return None
    return lambda done, _: progress(before + done, total)
