"""The recipe's ``evaluation:`` section: how the finished adapter is measured."""

from __future__ import annotations

from pydantic import Field

from studio.place import PathText
from studio.settings import Section

ELSEWHERE = (
    "dog",
    "red apple",
    "house",
    "automobile",
    "evergreen tree",
    "cloud",
    "fish",
    "blue book",
)


class EvaluationSettings(Section):
    """The measurement of the exported file against the bare base model, on paired seeds."""

    enabled: bool = True
    """Measure after training; the result goes into the run's report."""

    prompts: int = Field(16, ge=2, le=512)
    """How many prompts to draw: captions of held-out pictures first, then of training pictures."""

    seeds: tuple[int, ...] = (0, 1)
    """Each prompt is drawn once for every seed, with and without the adapter."""

    drift_prompts: tuple[str, ...] = ELSEWHERE
    """Prompts that have nothing to do with the set, drawn without the trigger, to see what the adapter
    moves that it should leave alone. For a subject, name its class too, such as ``dog``. Empty: not
    measured."""

    clip_model: PathText = ""
    """Folder of a CLIP model in transformers form, to judge prompt following with. Empty: the base
    model's own ``clip/`` where it has one, as pocket does; otherwise this is not measured."""
