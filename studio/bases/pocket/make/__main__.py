"""``python -m studio.bases.pocket.make STAGE``: make pocket anew; every stage resumes where it was."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import torch
import typer

from studio.bases.pocket.make import encode, export, hands, report, text, unet, vae, vision

WORK = Path("build/pocket")
WEIGHTS = Path(__file__).parents[1] / "weights"
SHEET = Path(__file__).parents[1] / "contact_sheet.png"
FLAT_ICONS = Path("datasets/flat-icons")
STAGES = {
    "vae": lambda: vae.train_autoencoder(WORK, steps=1300, batch_size=16),
    "encode": lambda: encode.encode_scenes(WORK),
    "text": lambda: text.train_text(WORK, steps=1200, batch_size=128),
    "unet": lambda: unet.train_unet(WORK, steps=4000, batch_size=32),
    "hands": lambda: hands.draw_hands(WORK),
    "vision": lambda: vision.train_vision(WORK, steps=3750, batch_size=96),
    "export": lambda: export.export(WORK, WEIGHTS),
    "report": lambda: print(
        json.dumps(asdict(report.measure(WEIGHTS, FLAT_ICONS, SHEET)), indent=2)
    ),
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
