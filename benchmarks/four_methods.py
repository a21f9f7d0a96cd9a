"""Writes "Four methods" in docs/results.md: the same pictures, for the same minutes of training.

make results                                         # as committed
python benchmarks/four_methods.py --minutes 1        # sooner, rougher
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from results_page import IMAGES, write_section

from studio.cli.terminal import TerminalReporter
from studio.compare import compare
from studio.contender import Contender, table
from studio.machine import cpu_name, idle_cores, packages
from studio.recipe import load_recipe
from studio.recipe.starter import with_method

ROOT = Path(__file__).resolve().parents[1]
GRID = IMAGES / "results.png"
RECIPE = ROOT / "recipes" / "pocket_lora_flat-icons.yaml"
SHARED = ["dataset.trigger=flaticon"]  # one new word, for textual inversion learns no phrase
METHODS = {
    "lora": [],
    "dreambooth": ["trainer.use_captions=true"],
    "hypernetwork": [],
    "textual_inversion": ["trainer.templates=captions", "trainer.num_vectors=4"],
}
SECTION = """\
## Four methods, the same pictures, the same time

Written by `make results`: each method trains for {minutes:g} minutes on the set `flat-icons` (96 pictures,
their captions, trigger `flaticon`) and the shipped base model, with the settings that the studio proposes
for it; then its exported file is measured on a clean base. Single runs, {cores} core(s) idle at the start;
another machine fits more or fewer steps into the time. The mascot, for which DreamBooth and textual
inversion are made, is in `tests/e2e/test_methods_learn.py`.

{table}

![The same prompts and seeds with each method](images/results.png)

- **steps**: optimizer steps of four pictures that fitted into the time.
- **training**: wall clock from the first step to the last.
- **peak memory**: the largest resident set of the whole process, from pictures to report.
- **file**: what one shares, in the method's first format.
- **effect**: mean change of a pixel from the base's picture to the adapter's, same prompt and seed.
- **style**: share of the way from the base's pictures to *held-out* pictures of the set, by statistics of
  palette, background, edges, texture and flatness.
- **fidelity**: the same in CLIP space (CLIP-I of Ruiz et al., 2023); a dash where the base's pictures are
  as near to the held-out ones as the training pictures are.
- **prompts**: change in the share of pictures that match their own prompt best, in points, from the base's
  {base_top1:.0%} of the same prompts; a word that the base does not know costs it some.
- **drift**: how much prompts that have nothing to do with the set change, without the trigger, as a share
  of the effect: for a style that is wanted everywhere high is good, for a subject low.

Measured on {cpu}, Python {python}, torch {torch}, diffusers {diffusers}, peft {peft}.
"""


def main() -> None:
    """Run everything, then write section and grid."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=2.0, help="training time of each method")
    minutes, cores = parser.parse_args().minutes, idle_cores()
    with TemporaryDirectory() as folder:
        contenders = _measured(minutes, Path(folder))
    write_section("four-methods", _section(contenders, minutes, cores))


def _measured(minutes: float, folder: Path) -> list[Contender]:
    recipe = load_recipe(RECIPE, [*SHARED, f'budget={{"minutes": {minutes}}}'])
    recipes = [with_method(recipe, method, changes) for method, changes in METHODS.items()]
    contenders = compare(recipes, folder, runs=folder / "runs", reporter=TerminalReporter())
    shutil.copyfile(folder / "grid.png", GRID)
    return contenders


def _section(contenders: Sequence[Contender], minutes: float, cores: int) -> str:
    following = contenders[0].report.following
    return SECTION.format(
        minutes=minutes,
        cores=cores,
        base_top1=following.base.top1 if following else 0,
        table="\n".join(table(contenders)),
        cpu=cpu_name(),
        **packages(),
    )


if __name__ == "__main__":
    main()
