"""The page Train, without a browser: what may be chosen, and a run that is about to go on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from studio.dashboard import here
from studio.dashboard.here import Here
from studio.dashboard.views.train.choosing import Choice
from studio.queue.store import JobStore
from studio.recipe import starter_recipe
from studio.run_folder import RunFolder, RunSummary
from studio.workplace.roots import Roots
from studio.workplace.workplace import Workplace


def page() -> None:
    from studio.dashboard.views.train import page as train_page

    train_page()


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Here]:
    settled = here.settle(Workplace.at(tmp_path / "runs", Roots.of([tmp_path])))
    yield settled
    settled.desk.close()


@pytest.fixture
def run(place: Here) -> RunFolder:
    folder = RunFolder.create(place.workplace.runs, "icons")
    folder.write_recipe(starter_recipe(place.workplace.runs, name="icons"))
    folder.events.append("training_started", first_step=0, total_steps=100)
    folder.events.append("step", 40, total_steps=100, loss=0.5, eta_seconds=9.0)
    folder.set_state("interrupted")
    return folder


def opened(**shown: str) -> AppTest:
    app = AppTest.from_function(page, default_timeout=20)
    for name, value in shown.items():
        app.query_params[name] = value
    return app.run()


def texts(app: AppTest) -> str:
    return " ".join(str(one.value) for one in (*app.markdown, *app.caption, *app.info))


def test_a_label_stays_while_the_run_goes() -> None:
    """The browser names its choice by the label; one of a moment ago would be no choice any more."""
    summary = RunSummary(
        "icons", Path("runs/icons"), "lora", "pocket", "interrupted", 40, 100, created=0.0
    )
    assert Choice(summary, None).label == Choice(replace(summary, steps_done=41), None).label
    assert Choice(summary, None).label == Choice(replace(summary, state="running"), None).label


def test_a_run_that_is_not_there_is_told(run: RunFolder) -> None:
    app = opened(run="nobody")
    assert not app.exception
    assert "There is no run nobody" in texts(app)
    assert "no run" not in texts(opened(run="icons"))
    assert "no run" not in texts(opened())


@pytest.mark.usefixtures("run")
@pytest.mark.parametrize(
    ("stands", "told"),
    [
        ({"state": "waiting"}, "It is in the queue"),
        ({"state": "running"}, "It begins again"),
        ({"state": "running", "stop_wanted": True}, "Stopping"),
        ({"state": "interrupted"}, "Stopped after step 40"),
    ],
)
def test_a_run_that_is_about_to_go_on_says_so(
    place: Here, monkeypatch: pytest.MonkeyPatch, stands: dict[str, Any], told: str
) -> None:
    store = JobStore(place.queue.places.database)
    job = store.add("resume", "icons", "name: icons\n", folder=place.workplace.runs, run="icons")
    changed = replace(job, **stands)
    monkeypatch.setattr(type(place.queue), "jobs", lambda _: [changed])
    app = opened(run="icons")
    assert not app.exception
    assert told in texts(app) + " ".join(str(bar.text) for bar in app.get("progress"))
    assert ("Resume" in [one.label for one in app.button]) == (stands["state"] == "interrupted")
