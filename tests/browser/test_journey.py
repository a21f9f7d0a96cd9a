"""A newcomer's way, clicked through in order: from a sample set to a file for another tool.

The tests of this file depend on each other, as the steps of the way do; each visits anew, so that what is
found again was not in the browser's memory.
"""

from __future__ import annotations

import re
import shutil
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import yaml
from playwright.sync_api import Download, Locator, Page, expect
from safetensors import safe_open

from studio.queue import Queue, QueueError
from studio.run_folder import RunFolder
from studio.workplace.picture_sets import PictureSets
from studio.workplace.roots import Roots
from studio.workplace.workplace import Workplace
from tests.browser.a_dashboard import Dashboard, Open, Shoot, settled

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

RUN, STEPS = "flat-icons-lora", 60
QUICK = {
    "sampling": {"num_inference_steps": 6, "every_steps": 20, "seeds": [0]},
    "checkpoint": {"every_steps": 10},
    "validation": {"every_steps": 30, "max_pictures": 4},
    "evaluation": {"prompts": 2, "seeds": [0], "drift_prompts": ["dog"]},
    "precision": {"num_threads": 1},
}
"""What makes a run short; a learner would leave all of it alone."""


@pytest.fixture
def folder(dashboard: Dashboard) -> RunFolder:
    return RunFolder(dashboard.runs / RUN)


@pytest.fixture(scope="module", autouse=True)
def _nobody_is_left_behind(dashboard: Dashboard) -> Iterator[None]:
    yield
    queue = Queue(dashboard.runs)
    queue.stop_worker()
    for job in queue.jobs():
        if job.state == "running":
            with suppress(QueueError):  # it ends by itself meanwhile
                queue.stop(job.id)
                queue.stop(job.id)


def test_a_sample_set_is_chosen_and_judged(visit: Open, shoot: Shoot) -> None:
    page = visit()
    expect(page.get_by_role("heading", name="Teach Stable Diffusion something new")).to_be_visible()
    shoot(page, "start")
    card = page.get_by_test_id("stColumn").filter(has_text="96 pictures")
    card.get_by_role("button", name="Begin with this").click()
    expect(page).to_have_url(re.compile("/sets.*set=flat-icons"))
    expect(page.get_by_text("Ready to train")).to_be_visible()
    expect(page.get_by_role("option")).to_have_count(60)
    shoot(page, "sets")


def test_a_picture_is_dropped_by_a_key_and_stays_dropped(
    visit: Open, dashboard: Dashboard, shoot: Shoot
) -> None:
    page = visit("sets?set=flat-icons")
    page.get_by_role("option", name="alien.png").press("d")
    expect(page.get_by_role("option", name="alien.png, dropped")).to_be_visible()
    expect(page.get_by_role("button", name="dropped · 1")).to_be_visible()
    other = visit("sets?set=flat-icons", dark=False, tablet=True)
    other.get_by_role("option", name="baby.png").press("d")
    expect(other.get_by_role("button", name="dropped · 2")).to_be_visible()
    shoot(other, "sets-tablet-light")
    page.reload()
    expect(page.get_by_role("button", name="dropped · 2")).to_be_visible()
    workplace = Workplace.at(dashboard.runs, Roots.of([]))
    assert set(PictureSets(workplace).get("flat-icons").drop) == {"alien.png", "baby.png"}


def test_a_recipe_is_made_and_put_in_the_queue(
    visit: Open, dashboard: Dashboard, shoot: Shoot
) -> None:
    page = visit("sets?set=flat-icons")
    page.get_by_role("button", name="Make a recipe").click()
    expect(page).to_have_url(re.compile("/recipe"))
    page.get_by_role("button", name="Start with this recipe").first.click()
    steps = page.get_by_role("spinbutton", name="Steps", exact=True).or_(
        page.get_by_role("textbox", name="Steps", exact=True)
    )
    steps.fill(str(STEPS))
    steps.press("Enter")
    expect(page.get_by_text(f"steps: {STEPS}").first).to_be_visible()
    expect(page.get_by_text(re.compile("It fits: .* GiB"))).to_be_visible(timeout=240_000)
    shoot(page, "recipe")
    page.get_by_text("Edit as YAML").click()
    box = page.get_by_role("textbox", name="Recipe as YAML")
    content = yaml.safe_load(box.input_value())
    assert {"alien.png", "baby.png"} == set(content["dataset"]["curation"]["drop"])
    for section, values in QUICK.items():
        content[section] = {**content.get(section, {}), **values}
    box.fill(yaml.safe_dump(content))
    box.press("Control+Enter")
    expect(page.get_by_text("Nothing to mend")).to_be_visible()
    page.get_by_role("button", name="Put in the queue").click()
    expect(page).to_have_url(re.compile("/train"))
    [job] = Queue(dashboard.runs).jobs()
    assert job.name == RUN


def test_it_is_watched_stopped_killed_and_goes_on(
    visit: Open, dashboard: Dashboard, folder: RunFolder, shoot: Shoot
) -> None:
    page, other = visit("train"), visit("train", dark=False, tablet=True)
    expect(page.get_by_text(re.compile(rf"Training, step \d+ of {STEPS}"))).to_be_visible(
        timeout=240_000
    )
    expect(page.get_by_role("img", name=re.compile("Sample 1 after step"))).to_be_visible(
        timeout=120_000
    )
    shoot(page, "train")
    page.get_by_role("button", name="Stop").click()
    for tab in (page, other):  # what one tab did, the other one sees
        expect(tab.get_by_role("button", name="Resume")).to_be_visible(timeout=120_000)
    assert folder.state == "interrupted"

    page.get_by_role("button", name="Resume").click()
    for _ in range(600):
        if folder.state == "running":
            break
        page.wait_for_timeout(100)
    dashboard.stop(signal.SIGKILL)
    assert folder.state == "running", "the trainer does not need the dashboard"
    dashboard.start()
    page.reload()
    expect(_button(page, "Preview")).to_be_visible(timeout=300_000)
    done = [event["step"] for event in folder.events.read() if event["event"] == "step"]
    assert done[-1] == STEPS
    assert sorted(set(done)) == list(range(1, STEPS + 1))


def test_the_finished_file_is_previewed(visit: Open, shoot: Shoot) -> None:
    page = visit(f"train?run={RUN}")
    _button(page, "Preview").click()
    expect(page).to_have_url(re.compile("/preview"))
    page.get_by_role("textbox", name="Prompts, one a line").fill(
        "flat icon, a red apple\nflat icon, a cat"
    )
    page.get_by_test_id("stBaseButton-primary").filter(has_text="Draw").click()
    drawn = page.get_by_role("link", name="Download PNG")
    expect(drawn).to_be_visible(timeout=240_000)
    shoot(page, "preview")
    page.reload()
    expect(page.get_by_role("link", name="Download PNG")).to_be_visible()
    for name in (
        "Export",
        "Compare",
        "Export",
        "Train",
        "Preview",
    ):  # what is chosen there stays there
        page.get_by_role("link", name=name, exact=True).click()
        expect(page.get_by_role("heading", name=name, exact=True)).to_be_visible()
        settled(page)
        expect(page.get_by_text("A fault of ours")).to_have_count(0)


def test_two_runs_are_compared(visit: Open, dashboard: Dashboard, shoot: Shoot) -> None:
    page = visit("compare")
    expect(page.get_by_text(re.compile("two"))).to_be_visible()
    _second_run(dashboard)
    page = visit(f"compare?run={RUN}&run={RUN}-2")
    for name in (RUN, f"{RUN}-2"):
        expect(page.get_by_text(name).first).to_be_visible()
    expect(page.get_by_text(re.compile("fidelity|style", re.IGNORECASE)).first).to_be_visible()
    page.get_by_text("What differs in their recipes").click()
    expect(page.get_by_text("trainer.rank")).to_be_visible()
    page.get_by_role("button", name="Draw side by side").click()
    expect(page.get_by_role("link", name="Download PNG")).to_be_visible(timeout=240_000)
    shoot(page, "compare")


def _second_run(dashboard: Dashboard) -> None:
    """The same again under another name, with another rank in its recipe: training takes minutes."""
    second = dashboard.runs / f"{RUN}-2"
    shutil.copytree(dashboard.runs / RUN, second)
    for name in ("recipe.yaml", "recipe.lock.yaml"):
        recipe = (second / name).read_text("utf-8")
        (second / name).write_text(recipe.replace("rank: 8", "rank: 4"), "utf-8")


def test_the_adapter_leaves_for_another_tool(
    visit: Open, tmp_path: Path, folder: RunFolder, shoot: Shoot
) -> None:
    page = visit(f"export?run={RUN}")
    page.get_by_role("button", name="For ComfyUI").click()
    link = page.get_by_role("link", name=re.compile("^Download .*safetensors"))
    expect(link).to_be_visible(timeout=240_000)
    shoot(page, "export")
    file = tmp_path / "downloaded.safetensors"
    _downloaded(page, link).save_as(file)
    assert file.read_bytes() == (folder.adapter / f"{RUN}.safetensors").read_bytes()
    with safe_open(file, "pt") as content:
        assert content.metadata()["ss_network_dim"]


def _downloaded(page: Page, link: object) -> Download:
    with page.expect_download() as caught:
        link.click()  # type: ignore[attr-defined]
    return caught.value


def _button(page: Page, label: str) -> Locator:
    """The button of that label; what enlarges a picture is named after the picture."""
    return page.get_by_test_id("stBaseButton-primary").filter(has_text=label)
