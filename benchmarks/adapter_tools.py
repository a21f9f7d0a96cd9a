"""What the tools for adapter files take on files of full size: seconds and memory. Prints Markdown.

    make bench-adapter-tools                                   # everything, into docs/results.md
    python benchmarks/adapter_tools.py --adapters 50 --no-sdxl # a try

Files of random numbers are made in a temporary folder: 1,000 headers of SD 1.5 LoRAs, an SDXL checkpoint
in fp16, LoRAs for it. Each command runs in a process of its own, which says how much memory it took.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from results_page import write_section

from studio.curation.worker_pool import available_cores
from studio.machine import cpu_name, packages

HEAD = """## How fast the tools for adapter files are

Written by `make bench-adapter-tools`: files of full size and random numbers, on {cpu}, {cores} cores;
Python {python}, torch {torch}, safetensors {safetensors}. Each row is a command in a process of its own,
from its start to its end, reading back what it wrote included; the memory is the largest resident set
that the system counted for it.

"""
SDXL_FREE_BYTES = 20_000_000_000  # two checkpoints, and some
TURNS = 3

COMMAND = """
from studio.cli.entry import exit_code
if exit_code({arguments!r}):
    raise SystemExit("the command failed")
"""
PLAIN_LOOP = """
from pathlib import Path
from safetensors import safe_open
for path in sorted(Path({folder!r}).iterdir()):
    with safe_open(path, "np") as opened:
        opened.metadata(), {{key: opened.get_slice(key).get_shape() for key in opened.keys()}}
"""
MEASURED = """
import json, resource, sys
used = resource.getrusage(resource.RUSAGE_SELF)
unit = 1 if sys.platform == "darwin" else 1024
answer = {"cpu_seconds": used.ru_utime + used.ru_stime, "peak_mb": used.ru_maxrss * unit / 1e6}
print("\\n" + json.dumps(answer))
"""


def main() -> None:
    """Make the files, run everything, print the tables."""
    arguments = _arguments()
    told = []
    with TemporaryDirectory(dir=arguments.scratch) as scratch:
        bench = Bench(Path(scratch))
        for table in bench.tables(arguments):
            print(table, flush=True)
            told.append(table)
    if arguments.write:
        facts = {"cpu": cpu_name(), "cores": available_cores(), **packages()}
        write_section("adapter-tools", HEAD.format(**facts) + "\n".join(told))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--adapters", type=int, default=1000, help="LoRAs to look through")
    parser.add_argument("--no-sdxl", action="store_true", help="leave out what takes 15 GB of disk")
    parser.add_argument(
        "--scratch", type=Path, help="where to make the files; default: as the system"
    )
    parser.add_argument("--write", action="store_true", help="into docs/results.md")
    return parser.parse_args()


class Bench:
    """The two tables. The files are made in other processes: what this one takes, those would inherit."""

    def __init__(self, scratch: Path) -> None:
        self.scratch = scratch
        here = str(Path(__file__).parent)
        cache = {"XDG_CACHE_HOME": str(scratch / "cache"), "PYTHONPATH": here}
        self.environment = {**os.environ, **cache}

    def tables(self, arguments: argparse.Namespace) -> Iterator[str]:
        yield self.inspect(arguments.adapters)
        if not arguments.no_sdxl:
            free = shutil.disk_usage(self.scratch).free
            if free < SDXL_FREE_BYTES:
                raise SystemExit(
                    f"{self.scratch} has {free / 1e9:.0f} GB free, SDXL's files need "
                    f"{SDXL_FREE_BYTES / 1e9:.0f}; give another disk with --scratch, or --no-sdxl"
                )
            yield self.sdxl()

    def inspect(self, count: int) -> str:
        """The best of several turns each, one after the other."""
        folder = self.scratch / "many"
        self._make(f"write_headers(Path({str(folder)!r}), {count})")
        command = ["adapter", "inspect", str(folder)]
        loop = PLAIN_LOOP.format(folder=str(folder))
        turns = [(self._run(loop), self._studio(*command)) for _ in range(TURNS)]
        plain, ours = (min(run["cpu_seconds"] for run in runs) for runs in zip(*turns, strict=True))
        return _table(
            f"{count:,} LoRAs of 264 layers, headers only",
            ["", "CPU seconds", "times the loop"],
            [
                ["a loop with safetensors: open, names, shapes", f"{plain:.1f}", "1.0"],
                ["`studio adapter inspect`", f"{ours:.1f}", f"{ours / plain:.1f}"],
            ],
        )

    def sdxl(self) -> str:
        names = ("base", "a", "b", "merged", "both", "small", "again")
        base, first, second, merged, both, small, again = (
            str(self.scratch / f"{name}.safetensors") for name in names
        )
        self._make(f"write_checkpoint(Path({base!r}))")
        for path, seed in ((first, 1), (second, 2)):
            self._make(f"write_lora(Path({path!r}), 16, {seed})")
        extraction = [merged, "--base", base, "--rank", "16", "--out", again]
        commands = {
            "a LoRA merged into the checkpoint": ["merge", first, "--into", base, "--out", merged],
            "two LoRAs merged into one": ["merge", first, second, "--rank", "16", "--out", both],
            "a LoRA resized to rank 8": ["resize", first, "--rank", "8", "--out", small],
            "a LoRA extracted from the merged checkpoint": ["extract", *extraction],
        }
        rows = []
        for what, command in commands.items():
            run = self._studio("adapter", *command)
            figures = [run["seconds"], run["cpu_seconds"], run["peak_mb"]]
            rows.append([what, *(f"{figure:,.0f}" for figure in figures)])
            print(*rows[-1], sep="  ", file=sys.stderr, flush=True)
        size = Path(base).stat().st_size / 1e9
        return _table(
            f"SDXL: a checkpoint of {size:.1f} GB in fp16, LoRAs of rank 16 on all attention",
            ["", "seconds", "CPU seconds", "peak memory, MB"],
            rows,
        )

    def _make(self, call: str) -> None:
        self._run(f"from pathlib import Path\nfrom full_size_files import *\n{call}")

    def _studio(self, *arguments: str) -> dict[str, float]:
        return self._run(COMMAND.format(arguments=list(arguments)))

    def _run(self, code: str) -> dict[str, float]:
        """The code's seconds, and those of processors and the memory that it took."""
        start = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-c", f"{code}\n{MEASURED}"],
            env=self.environment,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        seconds = time.perf_counter() - start
        return {"seconds": seconds, **json.loads(done.stdout.splitlines()[-1])}


def _table(title: str, heads: list[str], rows: list[list[str]]) -> str:
    lines = [f"| {' | '.join(row)} |" for row in (heads, ["---"] * len(heads), *rows)]
    return f"### {title}\n\n" + "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
