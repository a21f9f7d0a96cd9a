"""How long the dashboard takes to react, with 50 runs and a set of 2,000 pictures.

    python benchmarks/dashboard_reaction.py [--write] [--folder FOLDER]

A real browser clicks and waits until the page stands still: until Streamlit says that its script has come
to its end, and what was asked for is in sight. With --write, the table goes into docs/results.md.
Making and judging the pictures takes minutes; with --folder they are kept for the next time.
"""

from __future__ import annotations

import argparse
import math
import os
import random
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from PIL import Image, ImageEnhance
from playwright.sync_api import Page, expect, sync_playwright
from results_page import write_section

from studio.recipe import starter_recipe
from studio.run_folder import RunFolder
from studio.workplace.drafts import Drafts
from studio.workplace.picture_sets import PictureSets
from studio.workplace.roots import Roots
from studio.workplace.workplace import Workplace

ROOT = Path(__file__).resolve().parents[1]
PICTURES, RUNS, STEPS = 2000, 50, 3000
REPEATS = 7
SET, DRAFT = "many", "icons"
PATIENCE_MS = 60_000
JUDGING_MS = 900_000
BROWSERS = ("chromium", "chromium-browser", "google-chrome")

Reaction = Callable[[Page, int], None]
"""Does something on the page for the n-th time, and waits for what comes of it."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--write", action="store_true", help="put the table into docs/results.md")
    parser.add_argument("--folder", type=Path, help="where the runs and pictures are kept")
    given = parser.parse_args()
    with (
        TemporaryDirectory() as temporary,
        served(furnished(given.folder or Path(temporary))) as url,
    ):
        rows = measured(url)
    lines = [f"| {name} | {median(times):.2f} | {max(times):.2f} |" for name, times in rows.items()]
    every = [seconds for times in rows.values() for seconds in times]
    lines.append(f"| **all** | **{median(every):.2f}** | **{max(every):.2f}** |")
    print("\n".join(lines))
    if given.write:
        write_section("dashboard reaction", _section(lines))


def furnished(folder: Path) -> Workplace:
    """A workplace as somebody has it after a year."""
    pictures = folder / "pictures"
    pictures.mkdir(parents=True, exist_ok=True)
    workplace = Workplace.at(folder / "runs", Roots.of([folder]))
    if workplace.runs.is_dir():
        return workplace
    _make_pictures(pictures)
    PictureSets(workplace).add(pictures, SET)
    Drafts(workplace).save(DRAFT, starter_recipe(pictures, trigger="flat icon", name=DRAFT).text)
    for number in range(RUNS):
        _make_run(workplace.runs, number, pictures)
    return workplace


def _make_pictures(folder: Path) -> None:
    """Drawings of the sample set, turned, brightened and scaled, so that no two are copies."""
    draw = random.Random(0)
    samples = sorted((ROOT / "datasets" / "flat-icons").rglob("*.png"))
    for number in range(PICTURES):
        image = Image.open(samples[number % len(samples)]).convert("RGB")
        image = image.rotate(draw.uniform(-40, 40), fillcolor=_colour(draw), expand=True)
        image = ImageEnhance.Color(image).enhance(draw.uniform(0.4, 1.8))
        image = ImageEnhance.Brightness(image).enhance(draw.uniform(0.6, 1.2))
        image.resize((512, 512)).save(folder / f"{number:04d}.jpg", quality=92)
        (folder / f"{number:04d}.txt").write_text(f"flat icon, number {number}")


def _colour(draw: random.Random) -> tuple[int, int, int]:
    return draw.randrange(256), draw.randrange(256), draw.randrange(256)


def _make_run(runs: Path, number: int, pictures: Path) -> None:
    folder = RunFolder.create(runs, f"run-{number:02d}")
    folder.write_recipe(starter_recipe(pictures, name=folder.name))
    folder.events.append("training_started", first_step=0, total_steps=STEPS)
    lines = [
        f'{{"time": {step}, "event": "step", "step": {step}, "total_steps": {STEPS}, '
        f'"loss": {1 + math.exp(-step / 500)}, "learning_rate": 0.0001, "images_per_second": 9.5, '
        f'"eta_seconds": {STEPS - step}, "peak_memory_bytes": 800000000}}'
        for step in range(1, STEPS + 1)
    ]
    with folder.events.path.open("a") as file:
        file.write("\n".join([*lines, ""]))
    folder.set_state("finished")


@contextmanager
def served(workplace: Workplace) -> Iterator[str]:
    """The address of a dashboard that shows a workplace."""
    command = [sys.executable, "-m", "studio", "dashboard", "--port", "0"]
    command += ["--runs", str(workplace.runs), "--root", str(workplace.runs.parent)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ})
    assert process.stdout is not None
    try:
        yield process.stdout.readline().removeprefix("Adapter Studio: ").strip()
    finally:
        process.terminate()
        process.wait()


def opened(name: str) -> Reaction:
    """The page of that name, from Start."""

    def react(page: Page, _turn: int) -> None:
        page.get_by_role("link", name=name, exact=True).click()
        expect(page.get_by_role("heading", name=name, level=1)).to_be_visible()

    return react


def to_start(page: Page) -> None:
    page.get_by_role("link", name="Start", exact=True).click()
    expect(page.get_by_role("heading", name="Begin with a set")).to_be_visible()
    settled(page)


def filtered(page: Page, turn: int) -> None:
    """All pictures and those that are kept, in turn."""
    name = "kept" if turn % 2 else "all"
    page.get_by_role("button", name=re.compile(rf"^{name} · ")).click()
    chosen = page.get_by_test_id("stBaseButton-primary").filter(has_text=f"{name} · ")
    expect(chosen).to_be_visible()


def turned(page: Page, _turn: int) -> None:
    """The next page of the gallery."""
    first = page.get_by_role("option").first
    before = first.get_attribute("aria-label") or ""
    page.get_by_role("button", name="Next page").click()
    expect(first).not_to_have_attribute("aria-label", before)


def dropped(page: Page, _turn: int) -> None:
    """One that is kept, by the key; until the count above the gallery says so."""
    tile = page.get_by_role("option", name=re.compile(", kept")).first
    count = page.get_by_role("button", name=re.compile(r"^kept · "))
    before = count.inner_text()
    tile.press("d")
    expect(count).not_to_have_text(before)


def another_run(page: Page, turn: int) -> None:
    """Chosen from the list of fifty."""
    name = f"run-{turn + 10:02d}"
    page.get_by_role("combobox", name="Run").fill(name)
    page.get_by_role("option", name=re.compile(f"^{name} ")).click()
    expect(page).to_have_url(re.compile(f"run={name}"))


def another_rank(page: Page, turn: int) -> None:
    """A number of the form, until the YAML beside it has it."""
    box = page.get_by_label("Rank", exact=True)
    box.fill(str(turn + 20))
    box.press("Enter")
    expect(page.get_by_text(f"rank: {turn + 20}").first).to_be_visible()


PAGES = ("Sets", "Recipe", "Train", "Preview", "Compare", "Export")
REACTIONS: dict[str, tuple[str, Reaction]] = {
    **{f"open {name}": ("", opened(name)) for name in PAGES},
    "Sets: filter the gallery": (f"sets?set={SET}&filter=kept", filtered),
    "Sets: turn a page": (f"sets?set={SET}", turned),
    "Sets: drop a picture": (f"sets?set={SET}", dropped),
    "Recipe: change a number": (f"recipe?draft={DRAFT}", another_rank),
    "Train: look at another run": ("train", another_run),
}
"""What is done, by its name in the table: where, and how."""


def measured(url: str) -> dict[str, list[float]]:
    """Seconds of each reaction, by what was done; the first time is not counted."""
    path = next(filter(None, map(shutil.which, BROWSERS)))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.set_default_timeout(PATIENCE_MS)
        expect.set_options(timeout=PATIENCE_MS)
        rows: dict[str, list[float]] = {}
        for name, (place, reaction) in REACTIONS.items():
            page.goto(url + place)
            settled(page)
            if place.startswith("sets"):
                expect(page.get_by_role("option").first).to_be_visible(timeout=JUDGING_MS)
            times = []
            for turn in range(REPEATS + 1):
                if not place:
                    to_start(page)
                times.append(_seconds(page, reaction, turn))
            rows[name] = times[1:]
            print(f"{name}: {median(times[1:]):.2f} s", file=sys.stderr, flush=True)
        browser.close()
    return rows


def _seconds(page: Page, reaction: Reaction, turn: int) -> float:
    start = time.monotonic()
    reaction(page, turn)
    settled(page)
    return time.monotonic() - start


def settled(page: Page) -> None:
    """Wait until the page stands still."""
    page.get_by_role("heading", level=1).first.wait_for()
    page.locator("[data-testid=stApp][data-test-script-state=notRunning]").wait_for()


def _section(lines: list[str]) -> str:
    return "\n".join(
        [
            "## How quickly the dashboard reacts",
            "",
            f"With {RUNS} runs of {STEPS:,} steps and a set of {PICTURES:,} pictures: seconds from the "
            f"click until the page stands still, in a browser on the same two cores, {REPEATS} times each.",
            "",
            "| what is done | median | slowest |",
            "|---|---:|---:|",
            *lines,
            "",
            "By `make bench-dashboard`.",
        ]
    )


if __name__ == "__main__":
    main()
