"""Train without a trainer: runs as they lie there, and a queue whose worker rests."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from studio.queue import Queue
from studio.queue.store import JobStore
from studio.recipe import starter_recipe
from studio.run_folder import RunFolder
from tests.browser.a_dashboard import Dashboard, Open, Shoot

HOSTILE = "<img src=x onerror=document.title='caught'>"


@pytest.fixture(autouse=True)
def _from_nothing(dashboard: Dashboard) -> None:
    shutil.rmtree(dashboard.runs, ignore_errors=True)
    dashboard.runs.mkdir()


def a_run(
    runs: Path, name: str = "icons", *, steps: int = 40, state: str = "finished"
) -> RunFolder:
    folder = RunFolder.create(runs, name)
    folder.write_recipe(starter_recipe(runs, name="icons"))
    folder.events.append("training_started", first_step=0, total_steps=100)
    for step in range(1, steps + 1):
        folder.events.append("step", step, total_steps=100, loss=1 / step, eta_seconds=9.0)
    folder.set_state(state)
    return folder


def queued(runs: Path, *names: str) -> Queue:
    """Jobs that wait; not looked at, for none of them will be trained."""
    queue = Queue(runs)
    for name in names:
        JobStore(queue.places.database).add("train", name, f"name: {name}\n", folder=runs)
    return queue


def order(page: Page) -> list[str]:
    return page.locator("ol li .name").all_text_contents()


def test_where_nothing_was_trained_the_way_leads_to_the_pictures(visit: Open) -> None:
    page = visit("train")
    expect(page.get_by_role("heading", name="Nothing was trained yet")).to_be_visible()
    page.get_by_role("button", name="Choose pictures").click()
    expect(page).to_have_url(re.compile("/sets"))


def test_a_run_is_named_by_the_address_and_followed(dashboard: Dashboard, visit: Open) -> None:
    a_run(dashboard.runs, "older", steps=7)
    folder = a_run(dashboard.runs, "newer", steps=40)
    assert "7 / 100" in visit("train?run=older").get_by_test_id("stMetricValue").first.inner_text()
    page = visit("train")
    expect(page.get_by_test_id("stMetricValue").first).to_have_text("40 / 100")
    with folder.training():
        page.reload()
        expect(page.get_by_text("Training, step 40 of 100")).to_be_visible()
        folder.events.append("step", 41, total_steps=100, loss=0.5, eta_seconds=8.0)
        expect(page.get_by_test_id("stMetricValue").first).to_have_text("41 / 100")
        expect(page.get_by_test_id("stMetricValue").nth(4)).to_have_text("0:00:08")
    # The trainer is gone, as after a kill: it is told, with the way on.
    expect(page.get_by_role("button", name="Resume")).to_be_hidden()
    folder.set_state("interrupted")
    expect(page.get_by_role("button", name="Resume")).to_be_visible()


def test_one_run_after_another_is_chosen_from_the_list(dashboard: Dashboard, visit: Open) -> None:
    a_run(dashboard.runs, "older", steps=7)
    a_run(dashboard.runs, "newer", steps=40)
    page = visit("train")
    for name, steps in (("older", 7), ("newer", 40), ("older", 7)):
        page.get_by_role("combobox", name="Run").fill(name)
        page.get_by_role("option", name=re.compile(f"^{name} ")).click()
        expect(page.get_by_test_id("stMetricValue").first).to_have_text(f"{steps} / 100")
        expect(page).to_have_url(re.compile(f"run={name}$"))


def test_what_waits_is_moved_by_key_and_by_mouse_in_two_tabs(
    dashboard: Dashboard, visit: Open, shoot: Shoot
) -> None:
    queue = queued(dashboard.runs, "first", "second", "third")
    one, other = visit("train"), visit("train", tablet=True, dark=False)
    expect(one.get_by_text("The worker is not running")).to_be_visible()
    assert order(one) == ["first", "second", "third"]

    one.get_by_role("listitem").filter(has_text="third").press("ArrowUp")
    expect(other.locator("ol li .name").nth(1)).to_have_text("third")
    assert [job.name for job in queue.jobs()] == ["first", "third", "second"]

    other.get_by_role("listitem").filter(has_text="second").scroll_into_view_if_needed()
    box = other.get_by_role("listitem").filter(has_text="first").bounding_box()
    end = other.get_by_role("listitem").filter(has_text="second").bounding_box()
    assert box
    assert end
    other.mouse.move(box["x"] + 20, box["y"] + 10)
    other.mouse.down()
    other.mouse.move(end["x"] + 20, end["y"] + 10, steps=8)
    other.mouse.up()
    expect(one.locator("ol li .name").nth(2)).to_have_text("first")
    assert [job.name for job in queue.jobs()] == ["third", "second", "first"]
    shoot(other, "queue-tablet-light")


def test_a_job_is_taken_out_of_the_line(dashboard: Dashboard, visit: Open) -> None:
    queue = queued(dashboard.runs, "first", "second")
    page = visit("train")
    page.get_by_role("button", name="Take out of the line").click()
    page.get_by_role("button", name="Take it out").click()
    expect(page.locator("ol li")).to_have_count(1)
    assert {job.name: job.state for job in queue.jobs()} == {
        "first": "cancelled",
        "second": "waiting",
    }


def test_a_job_that_was_refused_says_why_and_can_be_tried_again(
    dashboard: Dashboard, visit: Open
) -> None:
    queue = queued(dashboard.runs, "broken")
    store = JobStore(queue.places.database)
    job = store.take(1, lambda _job: True)
    assert job
    store.end(job, "failed", "there is no folder /pictures <b>here</b>; give another")
    page = visit(f"train?job={job.id}")
    expect(
        page.get_by_text("there is no folder /pictures <b>here</b>; give another")
    ).to_be_visible()
    expect(page.get_by_role("button", name="Try again")).to_be_visible()


def test_a_folder_with_a_hostile_name_is_a_name_like_others(
    dashboard: Dashboard, visit: Open
) -> None:
    name = HOSTILE.replace("/", "")
    folder = RunFolder(dashboard.runs / name)
    folder.path.mkdir()
    folder.write_recipe(starter_recipe(dashboard.runs, name="icons"))
    folder.events.append("warning", message=f"{HOSTILE} ![x](http://evil.example/x.png)")
    page = visit("train")
    expect(page.get_by_role("alert")).to_contain_text("evil.example")
    assert page.title() != "caught"
    assert page.locator("img[src*=evil]").count() == 0


def test_a_broken_recipe_in_a_run_breaks_no_page(dashboard: Dashboard, visit: Open) -> None:
    folder = a_run(dashboard.runs, "broken")
    folder.recipe_path.write_text("[[[ no recipe", "utf-8")
    page = visit("train?run=broken")
    expect(page.get_by_test_id("stMetricValue").first).to_have_text("40 / 100")
