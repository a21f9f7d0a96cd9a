"""A run, from pictures to a proven adapter file: the whole studio in one place.

pictures ─▶ curated set ─▶ encoded examples ─▶ trained adapter ─▶ exported file ─▶ preview, report
"""

from __future__ import annotations

from pathlib import Path

from studio.adapters.formats import family_problems
from studio.bases.identity import BaseIdentity, identify_base
from studio.bases.placement import working_device
from studio.curation import curate, require_trainable
from studio.curation.manifest import CuratedSet
from studio.embedding.recognition import embedder_for
from studio.errors import Interrupted, RecipeError, RunError
from studio.examples.caption_reader import caption_reader
from studio.examples.frame_count import for_base
from studio.examples.masks import require_masks
from studio.machine import idle_cores
from studio.preview.partner import identify_partner
from studio.recipe import Recipe, lock, require_as_locked
from studio.registry import plugin
from studio.reporter import DiaryReporter, Reporter
from studio.run_folder import RUNS, RunFolder
from studio.training.base_format import problems as format_problems


def run(recipe: Recipe, *, runs: Path = RUNS, reporter: Reporter | None = None) -> RunFolder:
    """Do what a recipe says, in a new run folder.

    Raises:
        UserError: the recipe, the pictures or the base model will not do; found before any model is
            loaded and before a folder is made.
        Interrupted: Ctrl-C; the run can be resumed.
    """
    reporter = reporter or Reporter()
    identity = identified(recipe, reporter)
    recipe = settled(recipe, identity)
    curated = judged(recipe, identity, reporter)
    reporter.begins(recipe, identity, curated)
    folder = RunFolder.create(runs, recipe.name)
    folder.write_recipe(recipe)
    folder.write_lock(lock(recipe, curated, identity.digest, {"vae_digest": identity.vae_digest}))
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
    recipe = folder.recipe()
    identity = identified(recipe, reporter)
    recipe = settled(recipe, identity)
    curated = judged(recipe, identity, reporter)
    _continue(folder, recipe, identity, curated, reporter)
    return folder


def identified(recipe: Recipe, reporter: Reporter) -> BaseIdentity:
    """The base model that the recipe names, found and looked at, with what there is to say of it."""
    identity = identify_base(recipe.base_model, vae=recipe.base.vae)
    for remark in identity.remarks:
        reporter.note(f"{recipe.base_model}: {remark}")
    return identity


def settled(recipe: Recipe, identity: BaseIdentity) -> Recipe:
    """The recipe with the defaults that depend on the machine's state and on the base model, so that the
    lock holds them.
    """
    threads = recipe.precision.num_threads or idle_cores()
    precision = recipe.precision.model_copy(update={"num_threads": threads})
    dataset = for_base(recipe.dataset, identity)
    return recipe.model_copy(update={"precision": precision, "dataset": dataset})


def judged(recipe: Recipe, identity: BaseIdentity, reporter: Reporter) -> CuratedSet:
    """The pictures, and everything that can be refused without loading a model."""
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
    require_as_locked(
        recipe, curated=curated, base_digest=identity.digest, vae_digest=identity.vae_digest
    )
    identify_partner(identity.family, recipe.sampling)
    method = plugin(recipe.trainer.kind)
    kinds = recipe.trainer.adapter_kinds or method.produces
    if problems := (
        *method.load().problems(recipe.trainer, identity.family),
        *family_problems(kinds, recipe.export.formats, identity.family),
        *format_problems(recipe.precision, working_device()),
    ):
        raise RecipeError(problems)
    return curated


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
            diary = DiaryReporter(reporter, folder.events)
            session = Session(folder, recipe, identity, curated, diary)
            session.export(session.train())
            session.preview()
            session.evaluate()
        except (Interrupted, KeyboardInterrupt):
            folder.set_state("interrupted")
            raise
        folder.set_state("finished")
