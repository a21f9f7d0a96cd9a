"""``python -m studio.bases.pocket.make STAGE``: make pocket anew; every stage resumes where it was."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import torch
import typer

from studio.bases.pocket.make import clip, export, report, unet, vae

WORK = Path("build/pocket")
WEIGHTS = Path(__file__).parents[1] / "weights"
SHEET = Path(__file__).parents[1] / "contact_sheet.png"
STAGES = {
    "vae": lambda: vae.train_autoencoder(WORK, steps=1300, batch_size=16),
    "clip": lambda: clip.train_clip(WORK, steps=620, batch_size=128),
    "vision": lambda: clip.train_vision(WORK, steps=330, batch_size=96),
    "encode": lambda: unet.encode_scenes(WORK),
    "unet": lambda: unet.train_unet(WORK, steps=1250, batch_size=48),
    "export": lambda: export.export(WORK, WEIGHTS),
    "report": lambda: print(json.dumps(asdict(report.measure(WEIGHTS, SHEET)), indent=2)),
}


def main(
    stage: Annotated[str, typer.Argument(help=f"all, or one of: {', '.join(STAGES)}")],
    threads: Annotated[int, typer.Option(help="CPU threads.")] = 2,
) -> None:
    """Run one stage, or all of them in order."""
    torch.set_num_threads(threads)
    for name in STAGES if stage == "all" else [stage]:
        STAGES[name]()


if __name__ == "__main__":
    typer.run(main)
