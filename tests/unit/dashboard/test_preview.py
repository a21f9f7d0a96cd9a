"""The page Preview, without a browser: nothing yet, what is asked for, what fails, former drawings."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import save_file
from streamlit.testing.v1 import AppTest

from studio.dashboard import here
from studio.dashboard.here import Here
from studio.errands import Desk, Errand, Standing
from studio.errands.drawing_order import DrawingOrder
from studio.run_folder import RunFolder
from studio.workplace.roots import Roots
from studio.workplace.workplace import Workplace

HOSTILE = "![x](http://evil.example/x.png)"
RECIPE = "name: demo\ndataset: {source: p, trigger: zorp}\ntrainer: {kind: lora}\n"


def page() -> None:
    from studio.dashboard.parts.told import told_errors
    from studio.dashboard.views.preview import page as preview_page

    with told_errors():
        preview_page()


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Errand]:
    """What is asked for at the desk; nothing is done."""
    errands: list[Errand] = []

    def ask(self: Desk, errand: Errand, *, anew: bool = False) -> Standing:
        errands.append(errand)
        return Standing("waiting")

    monkeypatch.setattr(Desk, "ask", ask)
    return errands


@pytest.fixture
def place(tmp_path: Path, asked: list[Errand]) -> Iterator[Here]:
    (tmp_path / "open").mkdir()
    settled = here.settle(Workplace.at(tmp_path / "runs", Roots.of([tmp_path / "open"])))
    yield settled
    settled.desk.close()


@pytest.fixture
def demo(place: Here) -> RunFolder:
    """A finished run with one checkpoint."""
    run = RunFolder(place.workplace.runs / "demo")
    (run.checkpoints / "step-000010").mkdir(parents=True)
    run.adapter.mkdir()
    run.recipe_path.write_text(RECIPE)
    save_file({"x.lora_down.weight": np.zeros((1, 1))}, run.adapter / "demo.safetensors")
    return run


def opened(**shown: str | list[str]) -> AppTest:
    app = AppTest.from_function(page, default_timeout=20)
    for name, value in shown.items():
        app.query_params[name] = value
    return app.run()


def button(app: AppTest, label: str) -> object:
    return next(one for one in app.button if one.label == label)


def texts(app: AppTest) -> str:
    return " ".join(str(one.value) for one in (*app.markdown, *app.caption, *app.error, *app.info))


def drawn(place: Here, prompt: str) -> str:
    order = DrawingOrder.model_validate({"sampling": {"prompts": [prompt], "seeds": [9]}})
    errand = order.errand()
    folder = place.workplace.errands / errand.key
    folder.mkdir(parents=True)
    picture = {"file": "000.png", "row": prompt, "column": "base", "prompt": prompt, "seed": 9}
    more = {"adapter": "", "strength": 0.0, "checkpoint": None}
    Image.new("RGB", (8, 8)).save(folder / "000.png")
    result = {"pictures": [picture | more], "grid": "000.png", "warnings": []}
    (folder / "errand.json").write_text(
        json.dumps({"kind": "draw", "arguments": dict(errand.arguments)})
    )
    (folder / "result.json").write_text(json.dumps(result))
    return errand.key


def test_without_a_run_the_bare_base_can_be_drawn(place: Here, asked: list[Errand]) -> None:
    app = opened()
    assert not app.exception
    assert "Nothing drawn yet" in texts(app)
    assert button(app, "Strength sweep").disabled
    button(app, "Draw").click().run()
    (errand,) = asked
    assert errand.arguments["adapters"] == []
    assert errand.arguments["base_model"] == "pocket"
    assert app.query_params["drawing"] == errand.key


def test_a_run_in_the_address_is_chosen_with_its_trigger(
    demo: RunFolder, asked: list[Errand]
) -> None:
    app = opened(run="demo")
    assert not app.exception
    assert app.multiselect[0].value == ["demo"]
    assert app.text_area[0].value == "zorp, a red heart\nzorp, a cat"
    button(app, "Draw").click().run()
    (adapter,) = asked[0].arguments["adapters"]
    assert adapter["files"] == [str(demo.adapter / "demo.safetensors")]
    assert asked[0].arguments["sampling"]["prompts"] == ["zorp, a red heart", "zorp, a cat"]


def test_a_checkpoint_a_strength_and_a_new_seed(demo: RunFolder, asked: list[Errand]) -> None:
    app = opened(run="demo")
    next(one for one in app.slider if one.label == "Strength of demo").set_value(0.5)
    next(one for one in app.selectbox if one.label == "State of demo").set_value("after step 10")
    next(one for one in app.toggle if one.label == "Keep it").set_value(False)
    app.run()
    button(app, "Strength sweep").click().run()
    (adapter,) = asked[0].arguments["adapters"]
    assert (adapter["checkpoint"], adapter["strength"]) == (10, 0.5)
    assert asked[0].arguments["mode"] == "sweep"
    (seed,) = asked[0].arguments["sampling"]["seeds"]
    assert seed != 0
    assert next(one for one in app.number_input if one.label == "Seed").value == seed


def test_a_grid_over_checkpoints_has_every_state(demo: RunFolder, asked: list[Errand]) -> None:
    app = opened(run="demo", rows="strength", columns="checkpoint", prompts="a cat")
    assert not app.exception
    button(app, "Draw the grid").click().run()
    assert [a["name"] for a in asked[0].arguments["adapters"]] == ["demo step 10", "demo"]
    assert asked[0].arguments["strengths"] == [0.0, 0.5, 1.0, 1.5]


def test_what_is_outside_the_roots_is_refused_and_the_page_goes_on(place: Here) -> None:
    app = opened(file="/etc/passwd.safetensors")
    assert not app.exception
    assert "outside the folders" in texts(app).replace("\\", "")
    assert button(app, "Draw")


def test_no_prompt_is_told_in_its_place(place: Here) -> None:
    app = opened()
    app.text_area[0].set_value(" ").run()
    assert not app.exception
    assert "There is no prompt" in texts(app)
    assert button(app, "Draw").disabled


def test_a_trigger_that_no_prompt_has_is_told(demo: RunFolder) -> None:
    app = opened(run="demo")
    assert "called up" not in texts(app)
    app.text_area[0].set_value("a cat").run()
    assert "No prompt has zorp" in texts(app)


def test_a_run_that_is_gone_is_told(demo: RunFolder) -> None:
    app = opened(run=["demo", "gone", "demo step 99"])
    assert app.multiselect[0].value == ["demo"]
    assert [one.value for one in app.info] == ["There is no run gone here; below is what there is."]


def test_a_prompt_that_will_not_do_is_told_and_the_buttons_stay(
    demo: RunFolder, asked: list[Errand]
) -> None:
    app = opened(run="demo", prompts="a cat <lora:x:1>")
    assert not app.exception
    assert "calls an adapter" in texts(app)
    for label in ("Draw", "Strength sweep", "Draw the grid"):
        assert button(app, label).disabled, label
    app.text_area[0].set_value("a cat").run()
    assert not button(app, "Draw").disabled


def test_a_former_drawing_is_shown_used_again_and_deleted(place: Here) -> None:
    key = drawn(place, HOSTILE)
    app = opened(drawing=key)
    assert not app.exception
    assert HOSTILE not in texts(app)
    button(app, "Settings").click().run()
    assert app.code[0].value.startswith("sampling:")
    button(app, "Use these settings again").click().run()
    assert app.text_area[0].value == HOSTILE
    assert next(one for one in app.number_input if one.label == "Seed").value == 9
    button(app, "Settings").click().run()
    button(app, "Delete").click().run()
    assert not (place.workplace.errands / key).exists()
    assert "was deleted" in texts(app)
