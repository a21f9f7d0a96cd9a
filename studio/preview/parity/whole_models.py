"""An exported model as diffusers' own pipeline loads it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from studio.bases.base_model import BaseModel
from studio.bases.library_words import no_progress_bars, no_warnings_of_diffusers
from studio.preview.stages import pipeline


@contextmanager
def loaded_by_diffusers(path: Path, base: BaseModel) -> Iterator[BaseModel]:
    """``base`` with the parts in a diffusers folder or in a single file in the place of its own."""
    kind: Any = type(pipeline(base))
    dtype = base.unet.dtype
    if path.is_dir():
        given = {"scheduler": pipeline(base).scheduler, "dtype": dtype, "local_files_only": True}
        with no_progress_bars():
            pipe = kind.from_pretrained(path, **given)
        yield _with_parts_of(pipe, base)
        return
    with tempfile.TemporaryDirectory() as folder:
        _write_configurations(base, Path(folder))
        # This loader still asks for the older word.
        options = {"config": folder, "torch_dtype": dtype, "local_files_only": True}
        with no_progress_bars(), no_warnings_of_diffusers():
            pipe = kind.from_single_file(path, **options)
        yield _with_parts_of(pipe, base)


def _with_parts_of(pipe: Any, base: BaseModel) -> BaseModel:
    pipe.to(base.device)
    names = [name for name in ("text_encoder", "text_encoder_2") if hasattr(pipe, name)]
    return replace(
        base,
        unet=pipe.unet,
        vae=pipe.vae,
        text_encoders=[getattr(pipe, name) for name in names],
        tokenizers=[getattr(pipe, name.replace("text_encoder", "tokenizer")) for name in names],
    )


def _write_configurations(base: BaseModel, folder: Path) -> None:
    """All of a diffusers folder but the weights: what a single file lacks."""
    pipe = pipeline(base)
    pipe.save_config(folder)
    for name, part in pipe.components.items():
        if name.startswith("text_encoder"):
            part.config.save_pretrained(folder / name)
        elif name.startswith("tokenizer"):
            part.save_pretrained(folder / name)
        elif part is not None:
            part.save_config(folder / name)
