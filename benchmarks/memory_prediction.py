"""Predicted beside measured peak memory of eight runs, each in a process of its own.

    python benchmarks/memory_prediction.py [--write] [--only WORDS]

Every run is a whole one on the processor, as `studio train` does it: pictures encoded, two optimizer steps,
the adapter exported and verified, previews drawn. Bases other than pocket have random weights, made anew in
a temporary folder: the architecture of SD 1.5 or SDXL at a share of its width. With --write, the table goes
into docs/results.md.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from results_page import write_section

ROOT = Path(__file__).resolve().parents[1]
MIB = 1 << 20
GOAL = 0.15
PICTURES = 3
SHORT = [
    "budget.steps=2",
    "sampling.num_inference_steps=1",
    'sampling.prompts=["a picture"]',
    "sampling.seeds=[0]",
    "evaluation.enabled=false",
    "validation.enabled=false",
    "dataset.validation_share=0",
    "dataset.curation.min_side_px=1",
    "precision.num_threads=1",
]

PREDICT = """
import json, sys
from studio.planning import make_plan
from studio.recipe import load_recipe

plan = make_plan(load_recipe(sys.argv[1], sys.argv[2:]))
print(json.dumps(plan.to_json()))
"""
# Linux counts a process's peak from its beginning, so what is there before the base is noted on the way.
MEASURE = """
import json, resource, sys, tempfile
from pathlib import Path
import psutil
import studio.session as session
from studio.cli.terminal import TerminalReporter
from studio.recipe import load_recipe
from studio.run import run

before, load_base = [], session.load_base

def noting(*args, **options):
    before.append(psutil.Process().memory_info().rss)
    return load_base(*args, **options)

session.load_base = noting
with tempfile.TemporaryDirectory() as folder:
    run(load_recipe(sys.argv[1], sys.argv[2:]), runs=Path(folder), reporter=TerminalReporter())
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
print(json.dumps({"peak_bytes": peak, "before_bytes": before[0]}))
"""


@dataclass(frozen=True)
class Case:
    """A run: what it is called, the recipe it begins with, what is changed, the base that it is on.

    ``base``: ``pocket``, or a family and the share of its width.
    """

    title: str
    recipe: str
    changes: tuple[str, ...] = ()
    base: str = "pocket"


CASES = (
    Case("pocket, LoRA, batch 1", "lora_flat-icons", ("optimizer.train_batch_size=1",)),
    Case(
        "pocket, LoRA, batch 16, checkpointing",
        "lora_flat-icons",
        ("optimizer.train_batch_size=16", "precision.gradient_checkpointing=true"),
    ),
    Case("pocket, textual inversion, batch 4", "textual-inversion_mascot"),
    Case(
        "pocket, hypernetwork, batch 16",
        "hypernetwork_flat-icons",
        ("optimizer.train_batch_size=16",),
    ),
    Case(
        "SD 1.5 at half width, DreamBooth, whole U-Net, 256 px",
        "dreambooth_mascot",
        (
            "trainer={kind: dreambooth, weights: full}",
            "dataset.resolution=256",
            "optimizer.train_batch_size=1",
        ),
        "sd1 0.5",
    ),
    Case(
        "SD 1.5 at half width, LoRA, 512 px, batch 2",
        "lora_flat-icons",
        ("dataset.resolution=512", "optimizer.train_batch_size=2"),
        "sd1 0.5",
    ),
    Case(
        "SD 1.5 at full width, LoRA, 512 px, checkpointing",
        "lora_flat-icons",
        (
            "dataset.resolution=512",
            "optimizer.train_batch_size=1",
            "precision.gradient_checkpointing=true",
        ),
        "sd1 1",
    ),
    Case(
        "SDXL at half width, LoRA, 512 px",
        "lora_flat-icons",
        ("dataset.resolution=512", "optimizer.train_batch_size=1"),
        "sdxl 0.5",
    ),
)


@dataclass(frozen=True)
class Row:
    """Bytes; ``*_beside``: beside what the process held before the base was loaded."""

    case: Case
    stage: str
    predicted: int
    measured: int
    predicted_beside: int
    measured_beside: int

    @property
    def ratio(self) -> float:
        return self.predicted / self.measured

    @property
    def ratio_beside(self) -> float:
        return self.predicted_beside / self.measured_beside


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--write", action="store_true", help="put the table into docs/results.md")
    parser.add_argument("--only", default="", help="cases whose title has these words")
    given = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for case in CASES:
            if given.only in case.title:
                rows.append(_row(case, Path(folder)))
                print(_line(rows[-1]), flush=True)
    if given.write:
        write_section("memory prediction", _section(rows))


def _row(case: Case, folder: Path) -> Row:
    recipe = ROOT / f"recipes/pocket_{case.recipe}.yaml"
    changes = [f"dataset.source={_few_pictures(case, folder)}", *SHORT, *case.changes]
    base = folder / "base"
    if case.base != "pocket":
        shutil.rmtree(base, ignore_errors=True)
        _run("from random_bases import write_base; write_base(*sys.argv[1:])", str(base), case.base)
        changes.append(f"base_model={base}")
    plan = json.loads(_run(PREDICT, str(recipe), *changes))
    found = json.loads(_run(MEASURE, str(recipe), *changes))
    return Row(
        case,
        plan["peak_stage"],
        plan["peak_bytes"],
        found["peak_bytes"],
        plan["peak_bytes"] - plan["process_bytes"] + plan["runtime_bytes"],
        found["peak_bytes"] - found["before_bytes"],
    )


def _few_pictures(case: Case, folder: Path) -> Path:
    source = ROOT / "datasets" / case.recipe.partition("_")[2]
    few = folder / source.name
    if not few.exists():
        few.mkdir()
        for picture in sorted(source.rglob("*.png"))[:PICTURES]:
            shutil.copy(picture, few)
            caption = picture.with_suffix(".txt")
            if caption.exists():
                shutil.copy(caption, few)
    return few


def _run(code: str, *arguments: str) -> str:
    """The last line that a process of its own prints."""
    environment = dict(os.environ, OMP_NUM_THREADS="1", PYTHONPATH=str(ROOT / "benchmarks"))
    done = subprocess.run(
        [sys.executable, "-c", f"import sys\n{code}", *arguments],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    return (done.stdout.strip().splitlines() or [""])[-1]


def _line(row: Row) -> str:
    return (
        f"| {row.case.title} | {row.stage} "
        f"| {row.predicted / MIB:.0f} | {row.measured / MIB:.0f} | {row.ratio:.2f} "
        f"| {row.predicted_beside / MIB:.0f} | {row.measured_beside / MIB:.0f} "
        f"| {row.ratio_beside:.2f} |"
    )


def _section(rows: list[Row]) -> str:
    within = sum(abs(row.ratio - 1) <= GOAL for row in rows)
    beside = sum(abs(row.ratio_beside - 1) <= GOAL for row in rows)
    return "\n".join(
        [
            "## Memory, predicted before a run",
            "",
            "`studio doctor --recipe` against the peak resident memory of whole runs on the processor, in "
            "MiB. In the first three numbers the process itself counts, which is most of a small model's "
            "run; in the last three it does not: from where the base model begins to load.",
            "",
            "| run | largest stage | predicted | measured | ratio | beside the process | measured "
            "| ratio |",
            "|---|---|---|---|---|---|---|---|",
            *map(_line, rows),
            "",
            f"Within 15%: {within} of {len(rows)}; beside the process: {beside} of {len(rows)}. "
            "Weights of all bases but pocket are random. By `python benchmarks/memory_prediction.py "
            "--write`.",
        ]
    )


if __name__ == "__main__":
    main()
