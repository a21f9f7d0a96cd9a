"""How fast curation is, and how much memory it takes. Prints Markdown.

    make bench-curation                                   # everything, into docs/results.md
    python benchmarks/curation_speed.py --pictures 40 --cached 200 --large 8      # a try

Four tables: all of our checks beside cleanvision's default ones on the same pictures with as many
processes; what each check costs at 1 and 12 megapixels; a second look at many pictures; the memory
that 24-megapixel pictures take. Pictures are made from a seed, unless --folder names some.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np
from PIL import Image
from results_page import write_section
from watched_run import Run, watched

from studio.curation.checks import checks_for
from studio.curation.decode import Decoded, decode
from studio.curation.measuring import Measuring
from studio.curation.settings import DatasetSettings
from studio.curation.view import Pixels
from studio.curation.worker_pool import MAX_PROCESSES, available_cores
from studio.machine import cpu_name, packages

HEAD = """## How fast curation is

Written by `make bench-curation`: photographs made from a seed, JPEG, on {cpu}, {cores} cores;
Python {python}. Our checks beside those that cleanvision makes by default, one after the other in one
run with as many processes. It looks at each picture by itself; ours include captions and material.

"""
RESOLUTION_PX = 512
SMALL_RESOLUTION_PX = (
    128  # the shipped base model's, for which the many small ones are large enough
)
MEGAPIXELS = {1: (1152, 864), 12: (4000, 3000), 24: (6000, 4000)}
ENOUGH = 10_000
SINGLE = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OPENCV_FOR_THREADS_NUM")

CLEANVISION = """
from cleanvision import Imagelab
start = time.perf_counter()
lab = Imagelab(data_path={folder!r})
lab.find_issues(n_jobs={processes}, verbose=False)
answer = {{"seconds": time.perf_counter() - start, "pictures": len(lab.issues)}}
"""
OURS = """
from studio.curation import curate
start = time.perf_counter()
curated = curate({folder!r}, {resolution}, processes={processes})
answer = {{"seconds": time.perf_counter() - start, "pictures": len(curated.pictures)}}
"""


def main() -> None:
    """Make the pictures, run everything, print the tables."""
    arguments = _arguments()
    cv2.setNumThreads(1)
    told = []
    with TemporaryDirectory() as scratch:
        bench = Bench(Path(scratch), arguments.processes)
        for table in bench.tables(arguments):
            print(table, flush=True)
            told.append(table)
    if arguments.write:
        facts = {"cpu": cpu_name(), "cores": available_cores(), **packages()}
        write_section("curation-speed", HEAD.format(**facts) + "\n".join(told))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    cores = min(MAX_PROCESSES, available_cores())
    parser.add_argument("--folder", type=Path, help="pictures to compare with cleanvision on")
    parser.add_argument("--pictures", type=int, default=400, help="how many to make for that")
    parser.add_argument("--repeats", type=int, default=5, help="pictures to a check")
    parser.add_argument("--cached", type=int, default=ENOUGH, help="pictures for the second look")
    parser.add_argument("--large", type=int, default=100, help="pictures of 24 megapixels")
    parser.add_argument("--processes", type=int, default=cores)
    parser.add_argument("--write", action="store_true", help="into docs/results.md")
    parser.add_argument(
        "--cleanvision-python", default=sys.executable, help="a Python that has cleanvision"
    )
    return parser.parse_args()


class Bench:
    """The four figures."""

    def __init__(self, scratch: Path, processes: int) -> None:
        self.scratch = scratch
        self.processes = processes
        cache = {"XDG_CACHE_HOME": str(scratch / "cache")}
        self.environment = {**os.environ, **dict.fromkeys(SINGLE, "1"), **cache}

    def tables(self, arguments: argparse.Namespace) -> Iterator[str]:
        yield self.beside_cleanvision(
            arguments.folder, arguments.pictures, arguments.cleanvision_python
        )
        yield self.by_check(arguments.repeats)
        yield self.second_look(arguments.cached)
        yield self.memory(arguments.large)

    def beside_cleanvision(self, given: Path | None, count: int, python: str) -> str:
        folder = given or self._folder("photographs", count, photograph, MEGAPIXELS[1])
        ours = self._curate(folder, RESOLUTION_PX, STUDIO_CACHE="off")
        table = Table("all checks of", "pictures", "seconds", "ms a picture", "times ours")
        table.add("adapter-studio", *_speed(ours), "1.0")
        code = CLEANVISION.format(folder=str(folder), processes=self.processes)
        try:
            theirs = watched(code, self.environment, python)
        except RuntimeError as error:
            table.add("cleanvision", f"did not run: {error}", "", "", "")
        else:
            ratio = theirs.answer["seconds"] / ours.answer["seconds"]
            table.add("cleanvision", *_speed(theirs), f"{ratio:.2f}")
        return table.text(f"The same pictures, {self.processes} processes, nothing cached")

    def by_check(self, repeats: int) -> str:
        columns = {size: self._costs(size, repeats) for size in (1, 12)}
        table = Table("step", *(f"{size} megapixels" for size in columns))
        for step in columns[1]:
            table.add(step, *(f"{costs[step]:.1f}" for costs in columns.values()))
        totals = [sum(costs.values()) for costs in columns.values()]
        table.add("**all**", *(f"**{total:.1f}**" for total in totals))
        return table.text("Milliseconds of computing a picture, JPEG, one process, at 512 px")

    def second_look(self, count: int) -> str:
        folder = self._folder("many", count, small_picture, (192, 144))
        time.sleep(3)  # files that were just made are read again
        table = Table("look", "pictures", "seconds", "ms a picture", "peak memory, MB")
        for look in ("first", "second"):
            run = self._curate(folder, SMALL_RESOLUTION_PX)
            table.add(look, *_speed(run), f"{run.peak_mb:.0f}")
        return table.text("A folder and the same folder again")

    def memory(self, count: int) -> str:
        folder = self._folder("large", count, large_picture, MEGAPIXELS[24])
        run = self._curate(folder, RESOLUTION_PX, STUDIO_CACHE="off")
        table = Table("pictures of 24 megapixels", "seconds", "ms a picture", "peak memory, MB")
        table.add(*_speed(run), f"{run.peak_mb:.0f}")
        return table.text("Memory of all processes together")

    def _curate(self, folder: Path, resolution: int, **environment: str) -> Run:
        code = OURS.format(folder=str(folder), resolution=resolution, processes=self.processes)
        return watched(code, {**self.environment, **environment})

    def _folder(
        self, name: str, count: int, make: Callable[..., bytes | Image.Image], size: tuple[int, int]
    ) -> Path:
        folder = self.scratch / name
        folder.mkdir()
        for number in range(count):
            make(number, size).save(folder / f"{number:05}.jpg", quality=90, comment=str(number))
            if number % 50 == 0:
                print(f"\rmaking {name}: {number} of {count}", end="", file=sys.stderr)
        print(file=sys.stderr)
        return folder

    def _costs(self, megapixels: int, repeats: int) -> dict[str, float]:
        """Milliseconds of each step, the mean of several pictures."""
        path = self.scratch / "one.jpg"
        total: dict[str, float] = {}
        photograph(0, MEGAPIXELS[1]).save(path)
        list(_steps(path))  # what is loaded at first use is no picture's cost
        for number in range(repeats):
            photograph(number, MEGAPIXELS[megapixels]).save(path, quality=90)
            for step, milliseconds in _steps(path):
                total[step] = total.get(step, 0) + milliseconds / repeats
        return total


def _steps(path: Path) -> Iterator[tuple[str, float]]:
    """Every step of looking at a picture, in order, with its milliseconds."""
    checks = checks_for(DatasetSettings(source=str(path.parent)), RESOLUTION_PX, None).all
    decoded, cost = _timed(lambda: decode(path))
    yield "hash and decode", cost
    pixels = Pixels(decoded.image, RESOLUTION_PX, decoded.facts)
    for shared in ("gray", "at_training_size", "thumbnail"):
        yield f"shared: {shared}", _timed(lambda shared=shared: getattr(pixels, shared))[1]
    for check in Measuring.by(checks, RESOLUTION_PX).checks:
        yield check.name, _timed(lambda check=check: check.measure(pixels))[1]


def _timed(work: Callable[[], Decoded]) -> tuple[Decoded, float]:
    start = time.process_time()
    result = work()
    return result, (time.process_time() - start) * 1000


def _speed(run: Run) -> tuple[str, str, str]:
    seconds, pictures = run.answer["seconds"], run.answer["pictures"]
    return str(pictures), f"{seconds:.1f}", f"{seconds / pictures * 1000:.1f}"


def photograph(seed: int, size: tuple[int, int]) -> Image.Image:
    """Soft shapes, some detail and sensor noise."""
    rng = np.random.default_rng(seed)
    width, height = size
    levels = sum(
        weight * _noise(rng, (width // scale, height // scale), size)
        for scale, weight in ((256, 90), (32, 40), (4, 20), (1, 6))
    )
    return Image.fromarray((128 + levels).clip(0, 255).astype(np.uint8))


def _noise(
    rng: np.random.Generator, grid: tuple[int, int], size: tuple[int, int]
) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    values = rng.standard_normal((max(2, grid[1]), max(2, grid[0]), 3), np.float32)
    return np.asarray(cv2.resize(values, size, interpolation=cv2.INTER_CUBIC))


def small_picture(seed: int, size: tuple[int, int]) -> Image.Image:
    """Colours by chance, large and soft: quickly made, and no two alike."""
    rng = np.random.default_rng(seed)
    grid = rng.integers(0, 256, (9, 12, 3), dtype=np.uint8)
    return Image.fromarray(cv2.resize(grid, size, interpolation=cv2.INTER_CUBIC))


_ONE_LARGE: dict[tuple[int, int], Image.Image] = {}


def large_picture(_seed: int, size: tuple[int, int]) -> Image.Image:
    """One and the same: only its file's comment differs."""
    if size not in _ONE_LARGE:
        _ONE_LARGE[size] = photograph(0, size)
    return _ONE_LARGE[size]


class Table:
    """Rows of Markdown."""

    def __init__(self, *heads: str) -> None:
        self.rows = [heads, ("---",) * len(heads)]

    def add(self, *cells: str) -> None:
        self.rows.append(cells)

    def text(self, title: str) -> str:
        rows = "\n".join(f"| {' | '.join(row)} |" for row in self.rows)
        return f"### {title}\n\n{rows}\n"


if __name__ == "__main__":
    main()
