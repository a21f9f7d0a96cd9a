"""The page Compare, without a browser: too few, figures side by side, pictures asked for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file
from streamlit.testing.v1 import AppTest

from studio.dashboard import here
from studio.dashboard.here import Here
from studio.errands import Desk, Errand, Standing
from studio.run_folder import RunFolder
from studio.workplace.roots import Roots
from studio.workplace.workplace import Workplace

RECIPE = "name: {name}\nbase_model: {base}\ndataset: {{source: p}}\ntrainer: {{kind: lora, rank: {rank}}}\n"


def page() -> None:
    from studio.dashboard.views.compare import page as compare_page

    compare_page()


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Here]:
    settled = here.settle(Workplace.at(tmp_path / "runs", Roots.of([tmp_path])))
    yield settled
    settled.desk.close()


def run(place: Here, name: str, rank: int = 4, base: str = "pocket") -> None:
    folder = RunFolder(place.workplace.runs / name)
    folder.adapter.mkdir(parents=True)
    folder.recipe_path.write_text(RECIPE.format(name=name, rank=rank, base=base))
    save_file({"x.lora_down.weight": np.zeros((1, 1))}, folder.adapter / f"{name}.safetensors")
    folder.events.append("training_started", first_step=0, total_steps=30)
    folder.events.append("training_ended", 30)


def opened(**shown: list[str]) -> AppTest:
    app = AppTest.from_function(page, default_timeout=20)
    for name, value in shown.items():
        app.query_params[name] = value
    return app.run()


def test_with_fewer_than_two_it_says_what_is_missing(place: Here) -> None:
    run(place, "alone")
    app = opened()
    assert not app.exception
    assert "One run has finished" in " ".join(one.value for one in app.markdown)


def test_figures_and_recipes_stand_side_by_side(place: Here) -> None:
    run(place, "small", 4)
    run(place, "large", 16)
    app = opened(run=["small", "large"])
    assert not app.exception
    figures, recipes = (table.value for table in app.table)
    assert list(figures.columns) == ["", "small", "large"]
    assert list(figures["small"])[:2] == ["lora", "30"]
    rank = recipes[recipes["setting"] == "`trainer.rank`"].iloc[0]
    assert (rank["small"], rank["large"]) == ("4", "16")


def test_all_are_drawn_with_the_same_prompts_and_seed(
    place: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Errand] = []

    def ask(self: Desk, errand: Errand, *, anew: bool = False) -> Standing:
        asked.append(errand)
        return Standing("waiting")

    monkeypatch.setattr(Desk, "ask", ask)
    run(place, "small", 4)
    run(place, "large", 16)
    app = opened(run=["small", "large"])
    app.number_input[0].set_value(7).run()
    next(one for one in app.button if one.label == "Draw side by side").click().run()
    assert not app.exception
    (errand,) = asked
    assert [a["name"] for a in errand.arguments["adapters"]] == ["small", "large"]
    assert errand.arguments["sampling"]["seeds"] == [7]
    assert not errand.arguments["together"]


def test_of_two_bases_there_are_no_pictures(place: Here) -> None:
    run(place, "here")
    run(place, "there", base="/models/sd15")
    app = opened(run=["here", "there"])
    assert not app.exception
    assert "different base models" in app.info[0].value
    assert "Draw side by side" not in [one.label for one in app.button]
