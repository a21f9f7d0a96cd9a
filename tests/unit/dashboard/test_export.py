"""The page Export, without a browser: nothing, not finished, works, refused; and the way a file leaves."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file
from starlette.applications import Starlette
from starlette.testclient import TestClient
from streamlit.testing.v1 import AppTest

from studio.dashboard import here
from studio.dashboard.downloads import download_url, routes
from studio.dashboard.here import Here
from studio.errands import Desk, Errand, Standing
from studio.run_folder import RunFolder
from studio.workplace.roots import Roots
from studio.workplace.workplace import Workplace

RECIPE = "name: demo\ndataset: {source: p, trigger: '*zorp*'}\ntrainer: {kind: lora}\n"


def page() -> None:
    from studio.dashboard.views.export import page as export_page

    export_page()


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Here]:
    settled = here.settle(Workplace.at(tmp_path / "runs", Roots.of([tmp_path])))
    yield settled
    settled.desk.close()


@pytest.fixture
def demo(place: Here) -> RunFolder:
    run = RunFolder(place.workplace.runs / "demo")
    run.adapter.mkdir(parents=True)
    run.recipe_path.write_text(RECIPE)
    save_file({"x.lora_down.weight": np.zeros((1, 1))}, run.adapter / "demo.safetensors")
    return run


def opened(**shown: str) -> AppTest:
    app = AppTest.from_function(page, default_timeout=20)
    for name, value in shown.items():
        app.query_params[name] = value
    return app.run()


def answering(monkeypatch: pytest.MonkeyPatch, standing: Standing) -> list[Errand]:
    asked: list[Errand] = []

    def ask(self: Desk, errand: Errand, *, anew: bool = False) -> Standing:
        asked.append(errand)
        return standing

    monkeypatch.setattr(Desk, "ask", ask)
    return asked


def result(demo: RunFolder, **changes: Any) -> Standing:
    path = demo.adapter / "demo.safetensors"
    content = {
        "target": "webui",
        "format": "kohya",
        "kind": "lora",
        "files": [{"path": str(path), "name": path.name, "size_bytes": 2048}],
        "verdict": {"layers": 3, "dtype": "fp16", "max_relative_difference": 0.001},
        "tools": [
            {"tool": "A1111", "works": True, "because": ""},
            {"tool": "Forge", "works": False, "because": "of the *stars*"},
        ],
        "refusals": {"kohya": {"Forge": "of the *stars*"}},
    }
    return Standing("done", result=content | changes)


def test_without_a_run_it_says_what_comes_here(place: Here) -> None:
    app = opened()
    assert not app.exception
    assert "Nothing to export yet" in app.markdown[1].value


def test_what_several_pages_choose_is_one_run_here(demo: RunFolder) -> None:
    """Preview and Compare keep a list under the same name."""
    app = AppTest.from_function(page, default_timeout=20)
    app.session_state["run"] = ["gone", "demo"]
    app.run()
    assert not app.exception
    assert app.selectbox[0].value == "demo"
    assert "no run gone" in app.info[0].value


def test_a_run_that_has_not_ended_says_what_is_missing(place: Here) -> None:
    run = RunFolder(place.workplace.runs / "demo")
    run.path.mkdir(parents=True)
    run.recipe_path.write_text(RECIPE)
    run.events.append("step", 10, total_steps=30)
    app = opened(run="demo")
    assert not app.exception
    assert "10 of 30 steps" in app.info[0].value
    assert "no checkpoint yet" in app.info[0].value
    assert [one.label for one in app.button] == ["Open it on the Train page"]


def test_a_tool_is_one_click_and_in_the_address(
    demo: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = answering(monkeypatch, result(demo))
    app = opened(run="demo")
    assert asked == []
    assert "*zorp*" in [one.value for one in app.code]
    next(one for one in app.button if one.label == "For A1111 / Forge").click().run()
    assert not app.exception
    assert app.query_params["tool"] == "webui"
    assert asked[-1].arguments["target"] == "webui"
    assert "Works in A1111" in app.success[0].value
    assert "0\\.10%" in app.success[0].value
    assert "of the \\*stars\\*" in app.warning[0].value
    codes = [one.value for one in app.code]
    assert "stable-diffusion-webui/models/Lora" in codes
    assert "<lora:demo:1>, *zorp*" in codes


def test_a_file_that_was_deleted_meanwhile_is_written_again(
    demo: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = result(demo)
    asked_anew: list[bool] = []

    def standing(_desk: Desk, _errand: Errand) -> Standing:
        return Standing("working") if any(asked_anew) else done

    def ask(desk: Desk, errand: Errand, *, anew: bool = False) -> Standing:
        asked_anew.append(anew)
        return standing(desk, errand)

    monkeypatch.setattr(Desk, "ask", ask)
    monkeypatch.setattr(Desk, "standing", standing)
    opened(run="demo", tool="webui")
    assert not any(asked_anew)
    (demo.adapter / "demo.safetensors").rename(demo.adapter / "other.safetensors")
    app = opened(run="demo", tool="webui")
    assert not app.exception
    assert any(asked_anew)
    assert not app.success


def test_where_nothing_works_each_format_says_why(
    demo: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    answering(monkeypatch, result(demo, files=[], format=""))
    app = opened(run="demo", tool="webui")
    assert not app.exception
    assert "No file of this adapter works in A1111 / Forge" in app.error[0].value
    assert "stars" in " ".join(one.value for one in app.caption)


def test_a_failure_is_told_and_can_be_tried_again(
    demo: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    answering(monkeypatch, Standing("failed", error="the base is gone"))
    app = opened(run="demo", tool="comfyui")
    assert "the base is gone" in app.error[0].value
    assert "Try again" in [one.label for one in app.button]


def test_a_file_leaves_by_its_key_alone(place: Here, tmp_path: Path) -> None:
    path = tmp_path / "demo.safetensors"
    path.write_bytes(b"weights")
    client = TestClient(Starlette(routes=routes(place.workplace)))
    url = download_url(path)
    assert str(tmp_path) not in url
    answer = client.get(url)
    assert answer.content == b"weights"
    assert 'filename="demo.safetensors"' in answer.headers["content-disposition"]
    assert client.get("/download/0000").status_code == 404
    path.unlink()
    assert client.get(url).status_code == 404
