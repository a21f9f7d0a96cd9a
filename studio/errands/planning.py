"""The errand "plan": what a run of a recipe will take, in memory and time."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from studio.errands.errand import Errand
from studio.errands.kinds import Tell
from studio.planning.plan import GIB, Plan, gib
from studio.recipe import Recipe, recipe_from_dict, yaml_text

NAME = "plan"
"""Of the recipe that is planned: another run's name makes no other plan."""


def asked(recipe: Recipe, gpu_gb: float | None = None) -> Errand:
    """The errand for a recipe; the same for all that mean the same, as long as the pictures are.

    Args:
        gpu_gb: memory of a GPU elsewhere that the run is meant for.
    """
    content = recipe.model_dump(mode="json") | {"name": NAME}
    arguments = {
        "recipe": json.dumps(content, ensure_ascii=False),
        "gpu_gb": gpu_gb,
        "changed": _time_of_change(recipe.dataset.source),
    }
    return Errand("plan", arguments)


def plan(arguments: Mapping[str, Any], folder: Path, tell: Tell) -> dict[str, Any]:  # noqa: ARG001
    """The plan as JSON, and in words.

    ``line``, ``rows`` and ``told`` say it, ``peaks`` each proposal's memory, and ``note`` what it is based
    on where that is not the model itself.

    Args:
        arguments: ``recipe``, its YAML; ``gpu_gb``, as for `asked`, or None.

    Raises:
        UserError: as `studio.planning.make_plan` and `studio.recipe.recipe_from_dict`.
    """
    tell("estimating time and memory, which takes some seconds", 0, 0)
    from studio.planning import make_plan, planned_base

    def too_much(found: Plan) -> None:
        tell(f"{_room(found)}. Trying what would fit; there is no need to wait", 0, 0)

    recipe = recipe_from_dict(yaml_text.parse(arguments["recipe"], "recipe"))
    identity = planned_base(recipe)
    gpu_gb = arguments.get("gpu_gb")
    gpu_bytes = None if gpu_gb is None else int(gpu_gb * GIB)
    found = make_plan(recipe, identity, gpu_bytes=gpu_bytes, on_too_much=too_much)
    duration = found.line().partition("; ")[2] if found.fits else ""
    told = f"{_room(found)}; {duration}".rstrip("; ")
    note = f"{identity.name} is not on this machine; planned by its published configuration"
    return found.to_json() | {
        "line": found.line(),
        "told": told,
        "rows": found.rows(),
        "note": note if identity.form == "published" else "",
        "peaks": [gib(proposal.peak_bytes) for proposal in found.proposals],
    }


def _room(found: Plan) -> str:
    room = f"{gib(found.peak_bytes)} of {gib(found.available_bytes)}, most in {found.largest.name}"
    return f"It fits: {room}" if found.fits else f"It will not fit: {room}"


def _time_of_change(source: str) -> float | None:
    try:
        return Path(source).expanduser().stat().st_mtime
    except (OSError, RuntimeError, ValueError):  # on the hub, or not there: the plan will say
        return None
