"""datasets/mascot: one character of our own in fifteen poses, drawn by this script.

The captions say pose and background in words that pocket knows; ``mascot`` is the trigger word.
"""

from __future__ import annotations

import argparse
from importlib.metadata import version
from pathlib import Path

from sample_sets.card import Card, Source
from sample_sets.mascot_poses import POSES, SIDE_PX
from sample_sets.picture_set import PictureSet, png
from studio.errors import UserError


def make(folder: Path) -> Card:
    """Draw the set into ``folder``.

    Raises:
        DatasetError: ``folder`` holds something else.
    """
    pictures = PictureSet()
    for pose in POSES:
        pictures.add(f"{pose.name}.png", png(pose.draw()), pose.caption)
    return pictures.write(folder, _card(len(POSES)))


def _card(pictures: int) -> Card:
    return Card(
        name="mascot",
        title="A mascot of our own",
        description=(
            "One character in fifteen poses on plain backgrounds: a small turquoise creature with"
            " one ear up and one folded, a red scarf, a cream belly and a long ringed tail. For the"
            " methods that learn a subject. Captions say `mascot`, the pose and the background."
        ),
        pictures=pictures,
        resolution=SIDE_PX,
        licence="CC0-1.0",
        source=Source(package="none", licence="CC0-1.0", credit="The Adapter Studio authors"),
        made_by="python -m sample_sets.mascot",
        made_with={"pillow": version("pillow")},
        seed=0,
    )


def main() -> None:
    """Command line: ``python -m sample_sets.mascot [--out FOLDER]``."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("datasets/mascot"))
    arguments = parser.parse_args()
    try:
        make(arguments.out)
    except UserError as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
