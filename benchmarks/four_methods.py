"""Writes docs/results.md: the four methods on the same pictures, for the same minutes of training.

make results                                         # both sets, as committed
python benchmarks/four_methods.py --minutes 1        # sooner, rougher
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

from studio import atomic
from studio.cli.terminal import TerminalReporter
from studio.compare import Contender, compare, table
from studio.machine import cpu_name, packages
from studio.recipe import Recipe, load_recipe
from studio.recipe.starter import with_method

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "results.md"
METHODS = ("lora", "dreambooth", "hypernetwork", "textual_inversion")
SETS = {
    "flat-icons": ("A style: `flat-icons`, 96 pictures", "pocket_lora_flat-icons.yaml"),
    "mascot": ("A subject: `mascot`, 15 pictures", "pocket_dreambooth_mascot.yaml"),
}
COLUMNS = """\
- **steps**: optimizer steps of four pictures that fitted into the time.
- **training**: wall clock from the first step to the last.
- **peak memory**: the largest resident set of the whole process, from pictures to report.
- **file**: what one shares, in the method's first format.
- **effect**: mean change of a pixel from the base's picture to the adapter's, same prompt and seed.
- **style**: share of the way from the base's pictures to *held-out* pictures of the set, by statistics of
  palette, background, edges, texture and flatness. With the few that `mascot` holds out, it says little.
- **fidelity**: the same in CLIP space (CLIP-I of Ruiz et al., 2023): does it show what the set shows? Above
  100% is nearer to the held-out pictures than the training pictures themselves are.
- **prompts**: change in the share of pictures that match their own prompt best, in points.
- **drift**: how much prompts that have nothing to do with the set change, without the trigger, as a share
  of the effect."""


def main() -> None:
    """Run everything, then write page and grids."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=2.0, help="training time of each method")
    minutes = parser.parse_args().minutes
    with TemporaryDirectory() as folder:
        parts = [_measured(name, minutes, Path(folder)) for name in SETS]
    atomic.write_text(PAGE, "\n\n".join([_opening(minutes), *parts, _closing()]) + "\n")


def _measured(name: str, minutes: float, folder: Path) -> str:
    heading, file = SETS[name]
    recipe = load_recipe(ROOT / "recipes" / file)
    out = folder / "comparisons" / name
    contenders = compare(
        [_with(recipe, method, minutes) for method in METHODS],
        out,
        runs=folder / "runs",
        reporter=TerminalReporter(),
    )
    shutil.copyfile(out / "grid.png", ROOT / "docs" / "images" / f"results-{name}.png")
    return _section(name, heading, contenders)


def _with(recipe: Recipe, method: str, minutes: float) -> Recipe:
    return with_method(recipe, method, [f'budget={{"minutes": {minutes}}}'])


def _section(name: str, heading: str, contenders: list[Contender]) -> str:
    picture = (
        f"![The same prompts and seeds with each method, on {name}](images/results-{name}.png)"
    )
    return "\n\n".join([f"## {heading}", "\n".join(table(contenders)), picture])


def _opening(minutes: float) -> str:
    return (
        "# Four methods, the same pictures, the same time\n\n"
        f"Written by `make results`: each method trains for {minutes:g} minutes on the shipped base\n"
        "model, with the settings that the studio proposes for it, and its exported file is measured on\n"
        "a clean base. Single runs on a shared machine; another fits more or fewer steps into the time."
    )


def _closing() -> str:
    versions = packages()
    return (
        f"## The columns\n\n{COLUMNS}\n\n"
        f"Measured on {cpu_name()}, Python {versions['python']}, torch {versions['torch']}, "
        f"diffusers {versions['diffusers']}, peft {versions['peft']}."
    )


if __name__ == "__main__":
    main()
