"""Does an adapter file draw the same picture when somebody else reads it?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from studio.adapters.adapter import Adapter
from studio.adapters.formats import Format
from studio.adapters.tools.verdicts import ToolVerdict
from studio.bases.base_model import BaseModel
from studio.preview.parity.other_ways import other_way
from studio.preview.sampler import sample
from studio.preview.settings import SamplingSettings
from studio.preview.stack import applied

SEED = 0
NUM_INFERENCE_STEPS = 8
# Of 255. Products added beside a layer or into its weight are rounded otherwise, and a step of the
# sampler makes more of it; the same picture to every eye.
MEAN_TOLERANCE = 0.5
# Of the adapter's own effect on the picture, where that is strong.
SHARE_TOLERANCE = 0.02


@dataclass(frozen=True)
class PictureComparison:
    """One picture, drawn with the adapter as the studio applies it and as another reader does.

    Attributes:
        by: the other reader.
        prompt: what was drawn.
        difference: mean absolute difference of the two, 0 to 255.
        effect: the same between the studio's picture and the bare base's.
    """

    by: str
    prompt: str
    difference: float
    effect: float

    @property
    def same(self) -> bool:
        """Whether nobody would see a difference."""
        return self.difference <= max(MEAN_TOLERANCE, SHARE_TOLERANCE * self.effect)

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "same": self.same}

    def sentence(self) -> str:
        """For people."""
        how = "the same picture" if self.same else "another picture"
        return (
            f"{how} by {self.by}: they differ by {self.difference:.2f} of 255, "
            f"the adapter changes it by {self.effect:.1f}"
        )


def compare_picture(
    path: Path,
    known: Format,
    adapter: Adapter,
    base: BaseModel,
    tools: Sequence[ToolVerdict],
) -> PictureComparison | None:
    """Draw one picture of the trigger, few steps, with and without the adapter, and another way.

    Args:
        adapter: what the studio read from ``path``.
        tools: what tools make of the file: where diffusers reads it, its own loader is the other way.

    Returns:
        None where nobody but the studio reads the file's kind.

    Raises:
        AdapterError, UserError: the adapter cannot be applied to the base.
    """
    way = other_way(path, known, adapter, base, tools)
    if way is None:
        return None
    prompt = adapter.header.trigger or "a photo"
    bare = _drawn(base, prompt)
    with applied(adapter, base, 1.0):
        ours = _drawn(base, prompt)
    with way.put_on as changed:
        theirs = _drawn(changed, prompt)
    return PictureComparison(way.by, prompt, _difference(ours, theirs), _difference(ours, bare))


def _drawn(base: BaseModel, prompt: str) -> NDArray[np.float64]:
    settings = SamplingSettings(num_inference_steps=NUM_INFERENCE_STEPS)
    (picture,) = sample(base, [prompt], [SEED], settings, literal=True)
    return _numbers(picture)


def _numbers(picture: Image.Image) -> NDArray[np.float64]:
    return np.asarray(picture, dtype=np.float64)


def _difference(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    return float(np.abs(one - other).mean())
