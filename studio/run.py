"""A run, from pictures to a proven adapter file: the whole studio in one place.

pictures ─▶ curated set ─▶ encoded examples ─▶ trained adapter ─▶ exported file ─▶ preview, report
"""

from __future__ import annotations

from pathlib import Path

from studio.bases.identity import BaseIdentity, identify_base
from studio.curation import curate, require_trainable
from studio.curation.manifest import CuratedSet
from studio.embedding.recognition import embedder_for
from studio.errors import Interrupted, RecipeError, RunError
from studio.examples.caption_reader import caption_reader
from studio.examples.masks import require_masks
from studio.machine import idle_cores
from studio.recipe import Recipe, lock, require_as_locked
from studio.registry import plugin
from studio.reporter import Reporter
from studio.run_folder import RUNS, RunFolder


def run(recipe: Recipe, *, runs: Path = RUNS, reporter: Reporter | None = None) -> RunFolder:
    """Do what a recipe says, in a new run folder.

    Raises:
        UserError: the recipe, the pictures or the base model will not do; found before any model is
            loaded and before a folder is made.
        Interrupted: Ctrl-C; the run can be resumed.
    """
    reporter = reporter or Reporter()
    recipe = settled(recipe)
    identity, curated = judged(recipe, reporter)
    folder = RunFolder.create(runs, recipe.name)
    folder.write_recipe(recipe)
    folder.write_lock(lock(recipe, curated, identity.digest))
    _continue(folder, recipe, identity, curated, reporter)
    return folder


def resume(folder: RunFolder, *, reporter: Reporter | None = None) -> RunFolder:
    """Go on with a run that was stopped, in whatever way, to the very bytes it would have ended in.

    Raises:
        RunError: it is finished already, or another process trains it.
        UserError: the pictures or the base model are no longer what the run began with.
    """
    reporter = reporter or Reporter()
    if folder.state == "finished":
        raise RunError(f'the run "{folder.name}" is finished; its files are in {folder.adapter}')
    recipe = settled(folder.recipe())
    identity, curated = judged(recipe, reporter)
    _continue(folder, recipe, identity, curated, reporter)
    return folder


def settled(recipe: Recipe) -> Recipe:
    """The recipe with the one default that depends on the machine's state, so that the lock holds it."""
    threads = recipe.precision.num_threads or idle_cores()
    precision = recipe.precision.model_copy(update={"num_threads": threads})
    return recipe.model_copy(update={"precision": precision})


def judged(recipe: Recipe, reporter: Reporter) -> tuple[BaseIdentity, CuratedSet]:
    """Everything that can be refused without loading a model."""
    identity = identify_base(recipe.base_model)
    embedder = embedder_for(recipe.dataset.curation.content_model)
    with reporter.stage("looking at pictures") as progress:
        resolution_px = recipe.dataset.resolution or identity.resolution_px
        reader = caption_reader(identity, recipe.dataset)
        curated = curate(
            recipe.dataset, resolution_px, reader=reader, embedder=embedder, progress=progress
        )
    reporter.curated(curated)
    require_trainable(curated)
    require_masks(curated, recipe.dataset)
    require_as_locked(recipe, curated=curated, base_digest=identity.digest)
    trainer = plugin(recipe.trainer.kind).load()
    if problems := tuple(trainer.check(recipe.trainer, identity.family)):
        raise RecipeError(problems)
    return identity, curated


def _continue(
    folder: RunFolder,
    recipe: Recipe,
    identity: BaseIdentity,
    curated: CuratedSet,
    reporter: Reporter,
) -> None:
    """Curation's papers, then training and all that follows, under the run's lock."""
    from studio.curation.report import write_html
    from studio.session import Session

    with folder.training():
        folder.set_state("running")
        try:
            curated.save(folder.manifest_path)
            write_html(curated, folder.curation_report_path)
            session = Session(folder, recipe, identity, curated, reporter)
            session.export(session.train())
            session.preview()
            session.evaluate()
        except (Interrupted, KeyboardInterrupt):
            folder.set_state("interrupted")
            raise
        folder.set_state("finished")
