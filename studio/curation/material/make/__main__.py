"""Make the shipped classifier anew: ``python -m studio.curation.material.make PHOTOGRAPHS``.

``benchmarks/photographs.py`` fetches the photographs; about half an hour of two cores.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.progress import Progress

from studio.curation.material import classifier
from studio.curation.material.make.examples import Apply, Examples, examples, joined
from studio.curation.material.make.light import Picture
from studio.curation.material.make.materials import MATERIALS, apply
from studio.curation.material.make.teach import taught


@dataclass(frozen=True)
class Part:
    """Some of the examples: every photograph, so many times, in each of these materials."""

    what: str
    materials: Sequence[str]
    treatment: Apply
    crops: int
    seed: int


def as_it_is(material: str, picture: Picture, rng: np.random.Generator) -> Picture:  # noqa: ARG001
    return picture


PARTS = (
    Part("treated", tuple(MATERIALS), apply, crops=1, seed=0),
    # Cameras differ more than treatments can imitate: most digital pictures are left alone.
    Part("as they are", ("digital_clean",), as_it_is, crops=4, seed=11),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photographs", type=Path, help="folder of digital photographs")
    parser.add_argument(
        "--out", type=Path, default=Path(classifier.__file__).parent / "classifier.npz"
    )
    parser.add_argument("--workers", type=int, default=2)
    args = parser.parse_args()
    photographs = sorted(path for path in args.photographs.iterdir() if path.is_file())
    with Progress() as progress:
        made = joined([_made(part, photographs, args.workers, progress) for part in PARTS])
    taught(made).save(args.out)


def _made(part: Part, photographs: Sequence[Path], workers: int, progress: Progress) -> Examples:
    task = progress.add_task(part.what)
    return examples(
        photographs,
        part.materials,
        part.treatment,
        seed=part.seed,
        crops=part.crops,
        workers=workers,
        progress=lambda done, total: progress.update(task, completed=done, total=total),
    )


if __name__ == "__main__":
    main()
