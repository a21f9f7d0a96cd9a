"""``studio preview``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from studio.cli.base import DtypeName, OffloadWord
from studio.cli.output import AsJson, Runs, note, result

if TYPE_CHECKING:
    from studio.preview.settings import SamplingSettings
    from studio.preview.stack import Stack

SUBJECTS = ("a red heart", "a smiling face", "a blue book", "a cat")


def preview(  # noqa: PLR0917 - options of a command
    adapters: Annotated[
        list[str] | None,
        typer.Argument(help="Adapter files or folders, or runs.", show_default=False),
    ] = None,
    base: Annotated[
        str | None, typer.Option(help="Base model. Default: the one trained on.")
    ] = None,
    prompt: Annotated[
        list[str] | None,
        typer.Option(help="What to draw, as in the webuis, <lora:NAME:0.8> too; may be repeated."),
    ] = None,
    image: Annotated[
        list[Path] | None,
        typer.Option(help="For a base that makes clips: what one begins with; may be repeated."),
    ] = None,
    frames: Annotated[
        int | None, typer.Option(help="Of each clip. Default: as many as the base makes.")
    ] = None,
    seed: Annotated[
        list[int] | None,
        typer.Option(help="May be repeated. Default: 0 and 1; of clips 0."),
    ] = None,
    strength: Annotated[
        list[float] | None,
        typer.Option(help="How strongly to apply: one for all, or one for each. Default: 1."),
    ] = None,
    block: Annotated[
        list[str] | None,
        typer.Option(help="NAME=SHARE, as unet.up=0.5: less in a block; may be repeated."),
    ] = None,
    adapter_folder: Annotated[
        list[Path] | None,
        typer.Option(help="Where the adapters lie that prompts call; may be repeated."),
    ] = None,
    scheduler: Annotated[
        str | None, typer.Option(help='As the webuis name it: "Euler a". Default: DDIM.')
    ] = None,
    clip_skip: Annotated[
        int | None, typer.Option(help="As in the webuis. Default: as it was trained.")
    ] = None,
    guidance: Annotated[
        float | None,
        typer.Option(help="How strongly to follow the prompt. Default: 5; of clips 3."),
    ] = None,
    steps: Annotated[int | None, typer.Option(help="Denoising steps. Default: 25.")] = None,
    dtype: Annotated[
        DtypeName, typer.Option(help="Number format to draw in; fp16 is the webuis' half.")
    ] = "fp32",
    offload: Annotated[
        OffloadWord, typer.Option(help="Parts wait in main memory: on a GPU too small for all.")
    ] = "auto",
    refiner: Annotated[
        str | None, typer.Option(help="SDXL's refiner, to finish what an SDXL base begins.")
    ] = None,
    refiner_base: Annotated[
        str | None, typer.Option(help="For an adapter of the refiner: the SDXL base that begins.")
    ] = None,
    sweep: Annotated[bool, typer.Option(help="Draw one adapter at several strengths.")] = False,
    out: Annotated[Path, typer.Option(help="The PNG to write.")] = Path("preview.png"),
    runs: Runs = Path("runs"),
    as_json: AsJson = False,
) -> None:
    """Draw the base model's pictures beside those with the adapter, from the exported files.

    A base that makes clips draws them from --image: a sheet of frames, and a GIF beside it.

    A prompt may call adapters: the arguments, and those in --adapter-folder. What is called is drawn
    as the prompt says, the other arguments each by itself.
    """
    from studio.cli.called_adapters import called_files, called_stacks
    from studio.cli.places import adapter_files
    from studio.preview.prompt import without_tags

    given = [(Path(adapter).stem, adapter_files(adapter, runs)) for adapter in adapters or ()]
    texts, tags = zip(*map(without_tags, prompt), strict=True) if prompt else ((), ())
    called = called_files(tags, given, adapter_folder or ())
    own = [files for name, files in given if name not in called]
    _require_drawable(num_own=len(own), is_called=bool(called), sweep=sweep, strength=strength)
    shares = _shares(strength or (), len(own))
    blocks = _blocks(block or ())
    sampling = _sampling(
        seeds=seed or ([0] if image else [0, 1]),
        scheduler=scheduler,
        clip_skip=clip_skip,
        guidance_scale=guidance,
        num_inference_steps=steps,
        offload=offload,
        refiner=refiner,
        refiner_base=refiner_base,
    )
    from studio.bases.identity import identify_base
    from studio.cli.base import load_base
    from studio.cli.preview_clips import preview_clips, require_fit
    from studio.preview.grid import save_grid
    from studio.preview.pairs import sample_pairs, strength_sweep
    from studio.preview.partner import load_partner
    from studio.preview.stack import Stack

    stacks = [Stack.read(f, share, blocks) for f, share in zip(own, shares, strict=True)]
    calls = called_stacks(tags, called)
    header = next(adapter.header for stack in (*stacks, *calls) for adapter in stack.adapters)
    if sampling.clip_skip is None:  # as the adapter was trained
        sampling = sampling.model_copy(update={"clip_skip": header.clip_skip})
    name = base or header.base_name or "pocket"
    identity = identify_base(name)
    require_fit(identity, image or (), texts, sweep=sweep, frames=frames)
    for stack in (*stacks, *calls):
        stack.warnings(identity)  # refuses what is for another family, before anything is loaded
    for remark in identity.remarks:
        note(f"{name}: {remark}")
    if image:
        preview_clips(
            name, stacks, image, sampling, out, frames=frames, dtype=dtype, as_json=as_json
        )
        return
    prompts = texts or _prompts(stacks[0])
    model = load_base(name, dtype, sampling.offload)
    load_partner(model, sampling)
    note(f"drawing {len(prompts)} prompts with seeds {', '.join(map(str, sampling.seeds))}")
    drawn = (model, prompts, sampling.seeds, sampling)
    literal = not texts  # a trigger word may have signs in it
    comparison = (
        strength_sweep(drawn[0], stacks[0], *drawn[1:], literal=literal)
        if sweep
        else sample_pairs(drawn[0], stacks, *drawn[1:], called=calls, literal=literal)
    )
    save_grid(comparison, out)
    result({"preview": out, **comparison.describe()}, [f"preview  {out}"], as_json=as_json)


def _require_drawable(
    *, num_own: int, is_called: bool, sweep: bool, strength: Sequence[float] | None
) -> None:
    """Refuse what leaves nothing to draw, or contradicts itself."""
    from studio.errors import UserError

    if not num_own and not is_called:
        raise UserError(
            "no adapter was given; name a file or a run, or call one: "
            '--adapter-folder FOLDER --prompt "a cat <lora:NAME:0.8>"'
        )
    if sweep and (num_own != 1 or is_called):
        given = f"{num_own} were given" + (", and prompts call others" if is_called else "")
        raise UserError(f"--sweep draws one adapter, {given}")
    if sweep and strength:
        raise UserError("--sweep has strengths of its own; leave --strength out")


def _shares(strengths: Sequence[float], count: int) -> list[float]:
    """The strength of each adapter.

    Raises:
        UserError: there are neither one nor as many as adapters.
        RecipeError: one is too large.
    """
    from studio.errors import UserError

    if (len(strengths) > 1 and len(strengths) != count) or (strengths and not count):
        raise UserError(
            f"--strength was given {_times(len(strengths))} for {count} adapters that no prompt "
            "calls; give one for all, or one for each in their order"
        )
    for strength in strengths:
        _sampling(strength=strength)
    return [*strengths] if len(strengths) == count else [*(strengths or (1.0,))] * count


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _blocks(given: Iterable[str]) -> dict[str, float]:
    """``unet.up=0.5`` and so on, by block; whether there is such a block is seen later."""
    from studio.errors import UserError

    blocks = {}
    for text in given:
        name, _, share = text.partition("=")
        try:
            blocks[name.strip()] = float(share)
        except ValueError:
            raise UserError(f'--block "{text}" cannot be read; write it as unet.up=0.5') from None
    return blocks


def _sampling(**given: object) -> SamplingSettings:
    """The settings with what was given.

    Raises:
        RecipeError: a value does not fit.
    """
    from studio.preview.settings import SamplingSettings
    from studio.recipe import validated

    return validated(SamplingSettings, {k: v for k, v in given.items() if v is not None})


def _prompts(stack: Stack) -> list[str]:
    """The usual subjects with the adapter's trigger words."""
    from studio.curation.trigger import with_trigger

    triggers = [adapter.header.trigger for adapter in stack.adapters if adapter.header.trigger]
    return [with_trigger(subject, " ".join(triggers)) for subject in SUBJECTS]
