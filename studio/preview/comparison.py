"""Pictures of the same prompts and seeds, in several series: what a grid shows. No torch."""

from __future__ import annotations

from dataclasses import dataclass

from PIL import Image

from studio.preview.settings import SamplingSettings


@dataclass(frozen=True)
class Series:
    """One picture for every prompt and seed, all drawn alike.

    Attributes:
        heading: what is written above: ``base``, the name of what was put on it, a strength.
        strength: how strongly that was applied; 0 for the base.
        pictures: prompt by prompt, and within a prompt seed by seed.
    """

    heading: str
    strength: float
    pictures: tuple[Image.Image, ...]


@dataclass(frozen=True)
class Comparison:
    """Series that share prompts and seeds, so that only the adapter differs between them.

    Attributes:
        title: what is compared, e.g. the adapter's name.
        base_name: the base model.
        sampling: how they were drawn; its own ``prompts`` and ``seeds`` are not consulted.
        warnings: what the user should know of the files, e.g. that one was trained on another base.
        rows: what stands before each row where that is no prompt; a series has one picture for each.
        fixed: what all pictures of such a grid share, in a few words.
    """

    title: str
    base_name: str
    prompts: tuple[str, ...]
    seeds: tuple[int, ...]
    series: tuple[Series, ...]
    sampling: SamplingSettings
    warnings: tuple[str, ...] = ()
    rows: tuple[str, ...] = ()
    fixed: str = ""

    @property
    def row_headings(self) -> tuple[str, ...]:
        return self.rows or self.prompts

    @property
    def group_headings(self) -> tuple[str, ...]:
        """Above each group of columns; a grid of other axes has one group."""
        return (self.fixed,) if self.rows else tuple(f"seed {seed}" for seed in self.seeds)

    def picture(self, series: Series, row: int, group: int) -> Image.Image:
        return series.pictures[row * len(self.group_headings) + group]

    def describe(self) -> dict[str, object]:
        """How the pictures came about, JSON-able: the text that travels in the grid's PNG."""
        return {
            "title": self.title,
            "base_model": self.base_name,
            "series": [{"heading": s.heading, "strength": s.strength} for s in self.series],
            "prompts": list(self.prompts),
            "negative_prompt": self.sampling.negative_prompt,
            "seeds": list(self.seeds),
            **({"rows": list(self.rows)} if self.rows else {}),
            "sampler": self.sampling.scheduler,
            "num_inference_steps": self.sampling.num_inference_steps,
            "guidance_scale": self.sampling.guidance_scale,
            "clip_skip": self.sampling.clip_skip,
        }
