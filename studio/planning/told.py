"""The plan as the first line of a run."""

from __future__ import annotations

from studio.bases.identity import BaseIdentity
from studio.curation.manifest import CuratedSet
from studio.planning.planner import make_plan
from studio.recipe import Recipe


def plan_line(recipe: Recipe, identity: BaseIdentity, curated: CuratedSet) -> str:
    """What the run will take, in one line; or why that is not known, for no run is to fail by its plan."""
    try:
        return f"planned: {make_plan(recipe, identity, curated).line()}"
    except Exception as error:  # trainers of others are rehearsed too
        reason = " ".join(str(error).split()) or type(error).__name__
        return f"memory and time are not predicted: {reason}"
