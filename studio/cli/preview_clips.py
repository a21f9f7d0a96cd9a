"""``studio preview --image``: clips instead of pictures, for a base model that makes them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from studio.cli.base import DtypeName
from studio.cli.output import note, result

if TYPE_CHECKING:
    from PIL import Image

    from studio.bases.identity import BaseIdentity
    from studio.preview.settings import SamplingSettings
    from studio.preview.stack import Stack


def require_fit(
    identity: BaseIdentity,
    images: Sequence[Path],
    prompts: Sequence[str],
    *,
    sweep: bool,
    frames: int | None,
) -> None:
    """Refuse a picture where texts are drawn, and texts where clips are made of pictures.

    Raises:
        UserError: so it is.
    """
    from studio.errors import UserError

    base = identity.name
    if identity.num_frames is None:
        if images or frames is not None:
            raise UserError(
                f"--image and --frames are for a base that makes clips; {base} draws pictures from "
                "texts, give --prompt"
            )
        return
    if not images:
        raise UserError(f"{base} makes clips, each from a picture; give one with --image PICTURE")
    if prompts or sweep:
        given = "--prompt" if prompts else "--sweep"
        raise UserError(f"{given} means nothing with {base}, which makes clips; leave it out")


def preview_clips(
    base: str,
    stacks: Sequence[Stack],
    images: Sequence[Path],
    sampling: SamplingSettings,
    out: Path,
    *,
    frames: int | None,
    dtype: DtypeName,
    as_json: bool,
) -> None:
    """Draw clips without and with the adapters; write a sheet of frames and an animation.

    Raises:
        DatasetError: a picture cannot be read.
        RecipeError: a clip cannot have so many frames.
    """
    from studio.cli.base import load_base
    from studio.curation.clip_settings import ClipSettings
    from studio.preview.clip_pairs import clip_pairs
    from studio.preview.clip_sheet import save_clips
    from studio.recipe import validated

    clip = validated(ClipSettings, {} if frames is None else {"num_frames": frames})
    pictures = _pictures(images)
    model = load_base(base, dtype)
    note(f"drawing {len(pictures)} clips with seeds {', '.join(map(str, sampling.seeds))}")
    comparison = clip_pairs(model, stacks, pictures, sampling, clip)
    sheet, animation = save_clips(comparison, out)
    for warning in comparison.warnings:
        note(warning)
    shown = {"preview": sheet, "animation": animation, **comparison.describe()}
    result(shown, [f"preview  {sheet}", f"animation  {animation}"], as_json=as_json)


def _pictures(images: Sequence[Path]) -> dict[str, Image.Image]:
    from studio.curation.decode import open_rgb

    return {path.name: open_rgb(path) for path in images}
