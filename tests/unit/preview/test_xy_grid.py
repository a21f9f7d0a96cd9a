"""Grids of any two axes: the right picture in each place, and the base as it was."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import torch

from studio.bases.base_model import BaseModel
from studio.errors import UserError
from studio.preview.axes import AXES, Axes, Point
from studio.preview.grid import draw_grid, layout_of
from studio.preview.sampler import sample
from studio.preview.settings import SamplingSettings
from studio.preview.xy_grid import xy_grid

SETTINGS = SamplingSettings(num_inference_steps=2, guidance_scale=1.0)
ONE: Mapping[str, Any] = {
    "prompts": ("a",),
    "strengths": (1.0,),
    "checkpoints": ("early",),
    "seeds": (3,),
}
TWO: Mapping[str, Any] = {
    "prompt": {"prompts": ("a", "b")},
    "strength": {"strengths": (0.0, 1.0)},
    "checkpoint": {"checkpoints": ("early", "late")},
    "seed": {"seeds": (3, 4)},
}


class Gain:
    """In the place of a stack: makes the U-Net's last layer stronger."""

    def __init__(self, gain: float) -> None:
        self._gain = gain

    def warnings(self, base: BaseModel) -> tuple[str, ...]:
        return (f"gain {self._gain:g}",)

    @contextmanager
    def applied(self, base: BaseModel, strength: float = 1.0) -> Iterator[None]:
        weight = base.unet.conv_out.weight
        before = weight.clone()
        weight.mul_(1.0 + strength * self._gain)
        try:
            yield
        finally:
            weight.copy_(before)


STACKS: Any = {"early": Gain(1.0), "late": Gain(3.0)}


@pytest.mark.parametrize(("rows", "columns"), [*zip(AXES, (*AXES[1:], AXES[0]), strict=True)])
def test_each_picture_is_the_one_that_its_place_says(
    rows: Any, columns: Any, small_base: BaseModel
) -> None:
    axes = Axes(rows, columns, **{**ONE, **TWO[rows], **TWO[columns]})
    before = small_base.unet.conv_out.weight.clone()
    seen: list[tuple[int, int]] = []
    drawn = xy_grid(
        small_base,
        axes,
        {name: STACKS[name] for name in axes.checkpoints},
        SETTINGS,
        progress=lambda *n: seen.append(n),
    )
    assert torch.equal(small_base.unet.conv_out.weight, before)
    assert seen[-1] == (4, 4)
    assert len(drawn.row_headings) == len(drawn.series) == 2
    point = axes.point(1, 0)
    with STACKS[point.checkpoint].applied(small_base, point.strength):
        (alone,) = sample(small_base, [point.prompt], [point.seed], SETTINGS)
    there = np.asarray(drawn.picture(drawn.series[0], 1, 0), dtype=float)
    assert np.abs(there - np.asarray(alone, dtype=float)).max() <= 1
    assert draw_grid(drawn).size == layout_of(drawn).size


def test_a_place_is_a_point_and_what_is_fixed_is_said() -> None:
    axes = Axes("strength", "checkpoint", **{**ONE, **TWO["strength"], **TWO["checkpoint"]})
    assert axes.point(1, 0) == Point("a", 1.0, "early", 3)
    assert axes.point(0, 1) == Point("a", 0.0, "late", 3)
    assert axes.headings("strength") == ("strength 0", "strength 1")
    assert axes.fixed == "a · seed 3"


def test_what_is_no_axis_has_one_value() -> None:
    with pytest.raises(UserError, match="one seed, but 2"):
        Axes("prompt", "strength", **{**ONE, **TWO["seed"]})
    with pytest.raises(UserError, match="both are prompt"):
        Axes("prompt", "prompt", **ONE)
    with pytest.raises(UserError, match="but none"):
        Axes("prompt", "strength", **{**ONE, "strengths": ()})
