"""What is to be drawn: everything needed to draw it again. No torch.

A page makes one, ``draw`` carries it out, and the history shows it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from studio.bases.settings import BaseSettings
from studio.errands.errand import Errand
from studio.preview.axes import Axis
from studio.preview.settings import SamplingSettings
from studio.settings import Section

Mode = Literal["pairs", "sweep", "grid"]
MOST_PICTURES = 400
"""Of one drawing: hours on a processor, and more than anybody compares."""


class Applied(Section):
    """One adapter, and how strongly it is put on."""

    name: str
    """What it is called above its pictures."""

    files: tuple[Path, ...] = ()
    """All that make it, absolute; empty for a checkpoint."""

    run: Path | None = None
    """The folder of its run, where it is of one."""

    checkpoint: int | None = None
    """After which step; empty: what the run exported."""

    strength: float = Field(1.0, ge=-4.0, le=4.0)
    """0 is the bare base, 1 is as it was trained."""

    written: str = ""
    """When its files were; so that what was exported anew is drawn anew."""


class DrawingOrder(Section):
    """Prompts and seeds, drawn with adapters on a base model."""

    mode: Mode = "pairs"
    """``pairs``: the base beside each adapter. ``sweep``: at several strengths. ``grid``: two axes."""

    base_model: str = "pocket"
    """As in a recipe."""

    base: BaseSettings = BaseSettings()
    """As in a recipe."""

    adapters: tuple[Applied, ...] = ()
    """From the bottom up. Of a grid whose axis is ``checkpoint``: one for each value."""

    together: bool = False
    """All on the base at the same time, rather than a series for each."""

    sampling: SamplingSettings
    """As in a recipe; a strength in it is not consulted."""

    strengths: tuple[float, ...] = ()
    """Of a sweep, and of a grid with that axis."""

    rows: Axis = "prompt"
    """Of a grid."""

    columns: Axis = "strength"
    """Of a grid."""

    @property
    def is_of_checkpoints(self) -> bool:
        """Whether each adapter is a value of an axis, rather than all together one."""
        return self.mode == "grid" and "checkpoint" in (self.rows, self.columns)

    @property
    def num_pictures(self) -> int:
        each = len(self.sampling.prompts) * len(self.sampling.seeds)
        if self.mode == "pairs":
            return each * (1 + (1 if self.together else len(self.adapters)))
        series = len(self.adapters) if self.is_of_checkpoints else 1
        return each * max(1, len(self.strengths)) * series

    @model_validator(mode="after")
    def _can_be_drawn(self) -> Self:
        if not self.sampling.prompts:
            raise ValueError("there is no prompt; write one")
        names = [applied.name for applied in self.adapters]
        if len(set(names)) < len(names):
            raise ValueError("one adapter is chosen twice; choose it once")
        if self.mode != "pairs" and not self.adapters:
            raise ValueError("there is no adapter; choose one, or draw the base alone")
        if self.num_pictures > MOST_PICTURES:
            raise ValueError(
                f"{self.num_pictures} pictures are too many; {MOST_PICTURES} are the most, leave out "
                "prompts, seeds or strengths"
            )
        return self

    def errand(self) -> Errand:
        """To ask for at the desk."""
        return Errand("draw", self.model_dump(mode="json"))
