"""What a run had learned at one of its checkpoints, as an adapter; nothing in the run is changed."""

from __future__ import annotations

from studio.adapters.adapter import Adapter
from studio.bases.identity import identify_base
from studio.curation.manifest import CuratedSet
from studio.reporter import Reporter
from studio.run_folder import RunFolder


def checkpointed(run: RunFolder, step: int) -> Adapter:
    """The adapter as it would have been exported after a step; also while the run still trains.

    Raises:
        RunError: there is no checkpoint of that step, or it is damaged.
        BaseModelError: the base model cannot be loaded.
    """
    from studio.session import Session

    checkpoint = run.checkpoint(step)
    recipe = run.recipe()
    identity = identify_base(recipe.base_model, vae=recipe.base.vae)
    curated = CuratedSet.load(run.manifest_path)
    return Session(run, recipe, identity, curated, Reporter()).adapter_at(checkpoint)
