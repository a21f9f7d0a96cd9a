"""The page Recipe, run without a browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from studio.dashboard import here
from studio.errands import Desk, Errand, Standing
from studio.forms.sheet import read
from studio.workplace.drafts import Drafts
from studio.workplace.roots import Roots
from studio.workplace.workplace import Workplace

HEADER = "# What:    A test.\n"
PLANNED = {
    "fits": False,
    "told": "It will not fit: 9.0 GiB of 4.0 GiB, most in training step",
    "note": "",
    "rows": [["stage", "peak", "time"], ["training step", "9.0 GiB", "?"]],
    "proposals": [{"changes": ["precision.base_dtype=nf4"], "peak_bytes": 1, "fits": True}],
    "peaks": ["3.0 GiB"],
}


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workplace]:
    (tmp_path / "pictures").mkdir()
    place = Workplace.at(tmp_path / "runs", Roots.of([tmp_path]))
    monkeypatch.setattr(Desk, "ask", lambda *_, **__: Standing("done", result=PLANNED))
    yield here.settle(place).workplace
    here.here().desk.close()


@pytest.fixture
def drafts(workplace: Workplace) -> Drafts:
    return Drafts(workplace)


@pytest.fixture
def text(tmp_path: Path) -> str:
    return (
        f"{HEADER}name: x\ndataset: {{source: {tmp_path}/pictures}}\n"
        "trainer: {kind: lora}\nbudget: {steps: 20}\n"
    )


def opened(**shown: str) -> AppTest:
    def script() -> None:
        from studio.dashboard.views.recipe import page

        page()

    page = AppTest.from_function(script, default_timeout=30)
    for name, value in shown.items():
        page.query_params[name] = value
    page.run()
    assert not page.exception, page.exception
    return page


def widget(page: AppTest, kind: str, label: str) -> Any:
    return next(each for each in page.get(kind) if each.label == label)


def test_a_newcomer_is_offered_recipes_to_begin_with(drafts: Drafts) -> None:
    page = opened(set="mascot (sample)", method="Textual inversion")
    assert [b.label for b in page.button].count("Start with this recipe") == 1
    widget(page, "button", "Start with this recipe").click().run()
    assert drafts.names() == ["mascot-textual-inversion"]
    assert page.query_params["draft"] == "mascot-textual-inversion"
    assert widget(page, "text_input", "Number of vectors").value == "4"
    assert read(drafts.read("mascot-textual-inversion")).problems == ()


def test_what_is_typed_is_kept_at_once_and_wherever_it_is_opened(drafts: Drafts, text: str) -> None:
    drafts.save("mine", text)
    page = opened(draft="mine")
    assert not page.error
    widget(page, "text_input", "Learning rate").set_value("2e-4").run()
    assert drafts.read("mine").startswith(HEADER)
    assert read(drafts.read("mine")).content["optimizer"] == {"learning_rate": 2e-4}
    assert widget(opened(draft="mine"), "text_input", "Learning rate").value == "2e-4"


def test_two_tabs_each_keep_their_change(drafts: Drafts, text: str) -> None:
    drafts.save("mine", text)
    one, two = opened(draft="mine"), opened(draft="mine")
    widget(one, "text_input", "Rank").set_value("4").run()
    widget(two, "text_input", "Trigger").set_value("zorp").run()
    content = read(drafts.read("mine")).content
    assert (content["trainer"]["rank"], content["dataset"]["trigger"]) == (4, "zorp")


def test_what_is_wrong_is_told_on_top_and_at_its_field(drafts: Drafts, text: str) -> None:
    drafts.save("mine", text)
    page = opened(draft="mine")
    widget(page, "text_input", "Rank").set_value("many").run()
    assert "1 to mend" in page.error[0].value
    assert any("is not a whole number" in caption.value for caption in page.caption)
    assert widget(page, "button", "Put in the queue").disabled
    assert widget(page, "text_input", "Rank").value == "many"
    assert widget(page, "text_input", "Steps").value == "20"


def test_pictures_outside_the_roots_are_refused(drafts: Drafts, text: str, tmp_path: Path) -> None:
    drafts.save("mine", text)
    page = opened(draft="mine")
    place = widget(page, "text_input", "Folder or archive of the pictures")
    place.set_value("/etc").run()
    assert "is outside the folders" in page.error[0].value
    assert widget(page, "button", "Put in the queue").disabled


def test_a_proposal_is_put_in_by_its_button(drafts: Drafts, text: str) -> None:
    drafts.save("mine", text)
    page = opened(draft="mine")
    assert "It will not fit" in page.warning[0].value
    next(b for b in page.button if "nf4" in b.label).click().run()
    assert read(drafts.read("mine")).content["precision"] == {"base_dtype": "nf4"}


def test_the_same_recipe_is_planned_once_and_the_stale_is_taken_back(
    drafts: Drafts, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Errand] = []
    cancelled: list[Errand] = []

    def ask(_: Desk, errand: Errand, *, anew: bool = False) -> Standing:
        asked.append(errand)
        return Standing("waiting")

    monkeypatch.setattr(Desk, "ask", ask)
    monkeypatch.setattr(Desk, "standing", lambda *_: Standing("waiting"))
    monkeypatch.setattr(Desk, "under_way", lambda *_: [Errand("plan", {}), *asked])
    monkeypatch.setattr(Desk, "cancel", lambda _, errand: cancelled.append(errand))
    drafts.save("mine", text)
    page = opened(draft="mine")
    page.run()
    assert asked[0] == asked[1]
    assert cancelled == []
    widget(page, "text_input", "Rank").set_value("4").run()
    assert asked[-1] != asked[0]
    assert cancelled == [asked[0]]


def test_an_emptied_budget_is_told_in_words(drafts: Drafts, text: str) -> None:
    drafts.save("mine", text)
    page = opened(draft="mine")
    widget(page, "text_input", "Steps").set_value("").run()
    told = [caption.value for caption in page.caption if ":red" in caption.value]
    assert len(told) == 1
    assert "a number is missing" in told[0]


def test_a_text_that_names_no_method_is_told_so(drafts: Drafts) -> None:
    drafts.save("mine", "name: x\n")
    assert "names a method" in opened(draft="mine").info[0].value


def test_a_text_that_is_no_recipe_can_be_mended(drafts: Drafts, text: str) -> None:
    drafts.save("mine", "name: [")
    page = opened(draft="mine")
    assert "1 to mend" in page.error[0].value
    assert page.info[0].value.startswith("The form comes back when the text can be read")
    assert "line 1, column 8" in page.info[0].value
    assert any(".st-key-recipe-as-yaml textarea" in html.proto.body for html in page.get("html"))
    widget(page, "text_area", "Recipe as YAML").set_value(text).run()
    assert not page.error
    assert widget(page, "text_input", "Rank").value == "8"


def test_a_copy_is_saved_under_another_name_and_never_over_one(drafts: Drafts, text: str) -> None:
    drafts.save("mine", text)
    drafts.save("other", "name: other\n")
    page = opened(draft="mine")
    widget(page, "text_input", "Name").set_value("other").run()
    widget(page, "button", "Save").click().run()
    assert "already" in page.error[0].value
    assert drafts.read("other") == "name: other\n"
    widget(page, "text_input", "Name").set_value("copy").run()
    widget(page, "button", "Save").click().run()
    assert drafts.read("copy").startswith(f"{HEADER}name: copy\n")
    assert read(drafts.read("copy")).content == read(text).content | {"name": "copy"}
    assert page.query_params["draft"] == "copy"


@pytest.mark.parametrize(
    ("typed", "kept"), [("Mein Bär", "mein-bär"), (" Bear_2 ", "Bear_2"), ("a/b", "a-b")]
)
def test_any_title_becomes_a_name(drafts: Drafts, text: str, typed: str, kept: str) -> None:
    drafts.save("mine", text)
    page = opened(draft="mine")
    widget(page, "text_input", "Name").set_value(typed).run()
    widget(page, "button", "Save").click().run()
    assert not page.error
    assert read(drafts.read(kept)).content["name"] == kept
    assert next(each for each in page.text_input if each.label == "Name").value == kept


def test_no_title_is_no_name(drafts: Drafts, text: str) -> None:
    drafts.save("mine", text)
    page = opened(draft="mine")
    widget(page, "text_input", "Name").set_value(" ").run()
    widget(page, "button", "Save").click().run()
    assert "give the recipe a name" in page.error[0].value
    assert drafts.names() == ["mine"]


def test_recipes_are_in_sight_and_the_fold_opens_at_the_first_click(
    drafts: Drafts, text: str
) -> None:
    drafts.save("mine", text)
    page = opened()
    fold = page.expander[0]
    assert fold.label == "Bring a recipe"
    assert not fold.proto.expanded
    assert "mine" not in [button.label for button in fold.button]
    widget(page, "button", "mine").click().run()
    assert page.query_params["draft"] == "mine"


def test_a_search_finds_any_setting(drafts: Drafts, text: str) -> None:
    drafts.save("mine", text)
    page = opened(draft="mine", find="noise offset")
    widget(page, "text_input", "Loss: Noise offset").set_value("0.05").run()
    assert read(drafts.read("mine")).content["loss"] == {"noise_offset": 0.05}


def test_a_recipe_goes_into_the_queue(
    drafts: Drafts, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone: list[dict[str, str]] = []
    monkeypatch.setattr("studio.dashboard.navigation.go", lambda name, **shown: gone.append(shown))
    monkeypatch.setattr("studio.queue.Queue.start_worker", lambda _: 1)
    drafts.save("mine", text.replace("pictures}", "nothing}"))
    page = opened(draft="mine")
    widget(page, "button", "Put in the queue").click().run()
    assert "nothing" in page.error[0].value
    assert gone == []
    samples = Path(__file__).parents[3] / "datasets" / "mascot"
    drafts.save("mine", text.replace(f"{tmp_path}/pictures", str(samples)))
    page = opened(draft="mine")
    widget(page, "button", "Put in the queue").click().run()
    assert not page.exception
    assert gone == [{"job": "1"}]
    assert [job.name for job in here.here().queue.jobs()] == ["x"]


@pytest.mark.parametrize("name", ["../../etc/passwd", "nothing"])
def test_a_draft_that_is_not_there_is_told(drafts: Drafts, name: str) -> None:
    page = opened(draft=name)
    assert page.error
    widget(page, "button", "Start another recipe").click().run()
    assert widget(page, "selectbox", "Pictures")


@pytest.mark.parametrize("run", ["../../etc", "/etc", "nothing"])
def test_a_run_that_is_not_there_is_told(drafts: Drafts, run: str) -> None:
    page = opened(run=run)
    assert page.error
    assert drafts.names() == []


def test_names_are_shown_as_they_are(drafts: Drafts, text: str) -> None:
    drafts.save("mine", text.replace("{kind: lora}", '{kind: "![x](http://y)"}'))
    page = opened(draft="mine")
    assert "![x](" not in page.error[0].value
