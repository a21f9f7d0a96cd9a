"""``studio preview``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from studio.cli.output import AsJson, Runs, note, result

SUBJECTS = ("a red heart", "a smiling face", "a blue book", "a cat")


def preview(  # noqa: PLR0917 - options of a command
    adapters: Annotated[list[str], typer.Argument(help="Adapter files or folders, or runs.")],
    base: Annotated[
        str | None, typer.Option(help="Base model. Default: the one trained on.")
    ] = None,
    prompt: Annotated[list[str] | None, typer.Option(help="What to draw; may be repeated.")] = None,
    seed: Annotated[
        list[int] | None, typer.Option(help="May be repeated. Default: 0 and 1.")
    ] = None,
    strength: Annotated[float, typer.Option(help="How strongly to apply the adapter.")] = 1.0,
    sweep: Annotated[bool, typer.Option(help="Draw one adapter at several strengths.")] = False,
    out: Annotated[Path, typer.Option(help="The PNG to write.")] = Path("preview.png"),
    runs: Runs = Path("runs"),
    as_json: AsJson = False,
) -> None:
    """Draw the base model's pictures beside those with the adapter, from the exported files."""
    from studio.cli.places import adapter_files
    from studio.errors import UserError

    found = [adapter_files(adapter, runs) for adapter in adapters]
    if sweep and len(found) > 1:
        raise UserError(f"--sweep draws one adapter, {len(found)} were given")
    from studio.adapters.files import read_adapter
    from studio.cli.base import load_base
    from studio.curation.trigger import with_trigger
    from studio.preview.grid import save_grid
    from studio.preview.pairs import sample_pairs, strength_sweep
    from studio.preview.settings import SamplingSettings
    from studio.recipe import validated

    sampling = validated(SamplingSettings, {"strength": strength, "seeds": seed or [0, 1]})
    headers = [read_adapter(file).header for file in found[0]]
    trigger = " ".join(header.trigger for header in headers if header.trigger)
    prompts = prompt or [with_trigger(subject, trigger) for subject in SUBJECTS]
    model = load_base(base or headers[0].base_name or "pocket")
    note(f"drawing {len(prompts)} prompts with seeds {', '.join(map(str, sampling.seeds))}")
    comparison = (
        strength_sweep(model, found[0], prompts, sampling.seeds, sampling)
        if sweep
        else sample_pairs(model, found, prompts, sampling.seeds, sampling)
    )
    save_grid(comparison, out)
    result({"preview": out, **comparison.describe()}, [f"preview  {out}"], as_json=as_json)
