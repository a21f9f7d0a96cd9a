"""``studio curate``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from studio.cli.curate_options import (
    AllCaptions,
    AutoCaptions,
    Base,
    CaptionsOut,
    Drop,
    Export,
    FixCaptions,
    Html,
    Keep,
    Out,
    Review,
    Source,
)
from studio.cli.output import AsJson, Overrides, note, result
from studio.errors import BaseModelError

if TYPE_CHECKING:
    from studio.bases.identity import BaseIdentity
    from studio.curation.manifest import CuratedSet
    from studio.recipe import Recipe


def curate(  # noqa: PLR0917 - options of a command
    source: Source,
    base: Base = "pocket",
    changes: Overrides = None,
    keep: Keep = None,
    drop: Drop = None,
    fix_captions: FixCaptions = False,
    auto_captions: AutoCaptions = None,
    all_captions: AllCaptions = False,
    captions_out: CaptionsOut = None,
    html: Html = None,
    out: Out = None,
    export: Export = None,
    review: Review = None,
    as_json: AsJson = False,
) -> None:
    """Look at a set of pictures: is it clean, is it enough, is it of one material?"""
    from studio.captioning.recognition import captioner_for
    from studio.cli.captions import fix, write_missing
    from studio.cli.terminal import TerminalReporter
    from studio.curation.by_hand import decided
    from studio.curation.gate import require_trainable
    from studio.curation.pipeline import curate as curate_set
    from studio.embedding.recognition import embedder_for
    from studio.examples.caption_reader import caption_reader

    recipe = _recipe(source, base, changes or [])
    dataset = decided(recipe.dataset, keep=keep or (), drop=drop or ())
    captioner = captioner_for(auto_captions) if auto_captions else None
    base_model = _base_model(recipe)
    resolution_px = dataset.resolution or (base_model.resolution_px if base_model else None)
    reader = caption_reader(base_model, dataset) if base_model else None
    embedder = embedder_for(dataset.curation.content_model)
    reporter = TerminalReporter()
    with reporter.stage("looking at pictures") as progress:
        curated = curate_set(
            dataset, resolution_px, reader=reader, embedder=embedder, progress=progress
        )
    pages = [page for page in (html, out and out / "report.html") if page]
    _save(curated, pages, out and out / "manifest.json")
    _copy(curated, export, review)
    if fix_captions:
        fix(dataset, reader, captions_out)
    if captioner:
        write_missing(captioner, curated, captions_out, reporter, all_pictures=all_captions)
    # After all that is written: whoever reads the summary may close the pipe after its first lines.
    _show(curated, pages, source=source, as_json=as_json)
    if keep or drop:
        note(_for_the_recipe(dataset.curation.keep, dataset.curation.drop))
    require_trainable(curated)


def _recipe(source: str, base: str, changes: list[str]) -> Recipe:
    from studio.recipe import load_recipe, starter_recipe

    if source.endswith((".yaml", ".yml")):
        return load_recipe(source, changes)
    return starter_recipe(source, overrides=[f"base_model={base}", *changes])


def _base_model(recipe: Recipe) -> BaseIdentity | None:
    """None where it is not here, and the recipe says by itself how large pictures are shown."""
    from studio.bases.identity import identify_base

    try:
        return identify_base(recipe.base_model, vae=recipe.base.vae)
    except BaseModelError:
        if recipe.dataset.resolution:
            return None
        raise


def _show(curated: CuratedSet, pages: list[Path], *, source: str, as_json: bool) -> None:
    from rich.console import Console

    from studio.curation.summary import to_json
    from studio.curation.table import print_table

    if as_json:
        result(to_json(curated), (), as_json=True)
    else:
        see = str(pages[0]) if pages else f"studio curate {source} --html report.html"
        print_table(curated, Console(), see=see)


def _save(curated: CuratedSet, pages: list[Path], manifest: Path | None) -> None:
    from studio.curation.report import write_html

    if manifest:
        curated.save(manifest)
    for page in pages:
        write_html(curated, page)
    written = [str(path) for path in (manifest, *pages) if path]
    if written:
        note(f"written: {', '.join(written)}")


def _copy(curated: CuratedSet, export: Path | None, review: Path | None) -> None:
    from studio.curation.imagefolder import write_imagefolder
    from studio.curation.review import copy_dropped

    if export:
        write_imagefolder(curated, export)
        note(f"written: {export}, {len(curated.kept)} pictures with their captions")
    if review:
        count = copy_dropped(curated, review)
        note(f"written: {review}, {count} dropped" if count else "no picture was dropped")


def _for_the_recipe(keep: tuple[str, ...], drop: tuple[str, ...]) -> str:
    from studio.recipe import yaml_text

    names = {"keep": list(keep), "drop": list(drop)}
    section = {"dataset": {"curation": {key: value for key, value in names.items() if value}}}
    return f"to decide so in every run, put into the recipe:\n{yaml_text.dump(section).rstrip()}"
