"""What each recipe that is named by a GPU's memory is predicted to take on such a GPU.

    python benchmarks/recipe_memory.py [--write]

No GPU and no weights are needed: runs are rehearsed without memory, by the published configurations. With
--write, the table goes into docs/results.md.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from pathlib import Path

from results_page import write_section

from studio.bases.families import DRAWN_FROM_TEXT
from studio.planning import Plan, make_plan, planned_base
from studio.planning.plan import GIB
from studio.recipe import load_recipe

RECIPES = Path(__file__).resolve().parents[1] / "recipes"
STAGES = ("loading the base model", "encoding pictures", "training step", "drawing previews")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--write", action="store_true", help="put the table into docs/results.md")
    given = parser.parse_args()
    lines = []
    for path, memory_gb, plan in plans():
        taken = {stage.name: plan.process_bytes + stage.bytes for stage in plan.stages}
        cells = [f"{taken[stage] / GIB:.1f}" for stage in STAGES]
        verdict = "yes" if plan.fits else "no"
        lines.append(f"| `{path.stem}` | {memory_gb} | {' | '.join(cells)} | {verdict} |")
        print(lines[-1], flush=True)
    if given.write:
        write_section("recipe memory", _section(lines))


def plans() -> Iterator[tuple[Path, int, Plan]]:
    """Recipes, the memory in their names in GiB, and their plans, by family and name."""
    for path in sorted(RECIPES.glob("*gb.yaml")):
        recipe = load_recipe(path)
        identity = planned_base(recipe)
        found = re.search(r"_(\d+)gb$", path.stem)
        if found is None or identity.family not in DRAWN_FROM_TEXT:
            continue
        memory_gb = int(found[1])
        yield path, memory_gb, make_plan(recipe, identity, gpu_bytes=memory_gb * GIB)


def _section(lines: list[str]) -> str:
    return "\n".join(
        [
            "## The recipes, on the GPU that they are named for",
            "",
            "Predicted peaks in GiB, CUDA's own half GiB included; nothing here was measured on a GPU. "
            "Models that do not fit together wait in main memory while others draw.",
            "",
            f"| recipe | GPU | {' | '.join(STAGES)} | fits |",
            "|---|---|---|---|---|---|---|",
            *lines,
            "",
            "By `python benchmarks/recipe_memory.py --write`. SDXL's refiner and Stable Video Diffusion "
            "are not predicted.",
        ]
    )


if __name__ == "__main__":
    main()
