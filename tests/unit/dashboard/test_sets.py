"""The page Sets, without a browser: nothing yet, a verdict, decisions, hostile names, what fails."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from streamlit.proto.Block_pb2 import Block
from streamlit.testing.v1 import AppTest

from studio.curation.manifest import CuratedSet, Finding, Picture
from studio.dashboard import here
from studio.dashboard.components.gallery import Asked
from studio.workplace.picture_sets import PictureSets
from studio.workplace.roots import Roots
from studio.workplace.workplace import Workplace

HOSTILE = "![x](http://evil.example/x.png) <img src=x onerror=alert(1)>.png"
BLUR = Finding("blur", "warn", 3, 1.8, "looks blurred")
OF_CAPTION = Finding("caption_placeholder", "info", 0, 1, "its caption says nothing")
COPY = Finding("near_duplicate", "block", 0.98, 0.94, "repeats a.png", {"twin": "a.png"})
MATERIAL = Finding(
    "material",
    "block",
    9,
    7,
    "this set is of two materials: 1 drawing and 1 picture on film",
    {"majority": ["a.png"], "minority": ["b.png"], "majority_material": "drawings"},
)


def page() -> None:
    from studio.dashboard.parts.told import told_errors
    from studio.dashboard.views.sets import page as sets_page

    with told_errors():
        sets_page()


@pytest.fixture
def sets(tmp_path: Path) -> Iterator[PictureSets]:
    folder = tmp_path / "open" / "pictures"
    folder.mkdir(parents=True)
    for name in ("a.png", "b.png"):
        Image.new("RGB", (64, 64)).save(folder / name)
    workplace = Workplace.at(tmp_path / "runs", Roots.of([folder.parent]))
    place = here.settle(workplace)
    yield PictureSets(workplace)
    place.desk.close()


def added(sets: PictureSets, tmp_path: Path, *findings: Finding) -> str:
    """A set with a judgement that is the newest."""
    picture_set = sets.add(tmp_path / "open" / "pictures")
    place = sets.folder(picture_set.name)
    found = (
        Picture("a.png", "1" * 64, 64, 64, "a thing", "txt", (BLUR, OF_CAPTION)),
        Picture("b.png", "2" * 64, 64, 64, "", "none", (COPY,), kept=False),
        Picture(HOSTILE, "3" * 64, 64, 64, HOSTILE, "txt"),
    )
    curated = CuratedSet(Path(picture_set.source), found, findings)
    place.keep_judgement(curated, place.stamp(picture_set))
    return picture_set.name


def opened(name: str = "", **query: str) -> AppTest:
    app = AppTest.from_function(page, default_timeout=30)
    for key, value in ({"set": name} if name else {}).items():
        app.query_params[key] = value
    for key, value in query.items():
        app.query_params[key] = value
    app.run()
    assert not app.exception
    return app


def texts(app: AppTest) -> str:
    return "\n".join(element.value for element in (*app.markdown, *app.caption, *app.error))


def button(app: AppTest, label: str):  # type: ignore[no-untyped-def]
    return next(b for b in app.button if b.label == label)


def test_without_a_set_the_ways_to_one_are_shown(sets: PictureSets) -> None:
    app = opened()
    labels = [b.label for b in app.button]
    assert labels.count("Use this set") == 3
    assert "Flat poster icons" in texts(app)


def test_a_sample_set_is_taken_up_once(sets: PictureSets) -> None:
    app = opened()
    app.button(key="use-mascot").click().run()
    assert sets.names() == ["mascot"]
    assert sets.get("mascot").trigger == "zorp"
    again = opened()
    again.button(key="use-mascot").click().run()
    assert sets.names() == ["mascot"]


def test_the_buttons_of_sample_sets_stand_at_the_foot_of_their_cards(sets: PictureSets) -> None:
    blocks = [node for node in opened().main if isinstance(node.proto, Block)]
    foot = Block.FlexContainer.SPACE_BETWEEN
    cards = [node for node in blocks if node.proto.flex_container.justify == foot]
    assert [len(card.children) for card in cards] == [2, 2, 2]  # all that is read, and the button


def test_the_verdict_comes_first_with_the_way_on(sets: PictureSets, tmp_path: Path) -> None:
    app = opened(added(sets, tmp_path))
    shown = texts(app)
    assert "Ready to train" in shown
    assert "**2** kept · **1** dropped · 3 found" in shown
    assert not button(app, "Make a recipe").disabled
    labels = [b.label for b in app.button]
    assert {"all · 3", "kept · 2", "dropped · 1", "blurred · 1"} <= set(labels)


def test_a_set_that_is_not_ready_says_why_and_leads_nowhere(
    sets: PictureSets, tmp_path: Path
) -> None:
    app = opened(added(sets, tmp_path, MATERIAL))
    make = button(app, "Make a recipe")
    assert make.disabled
    assert "two materials" in make.help
    assert "Not ready to train" in texts(app)


def test_what_is_decided_counts_at_once(sets: PictureSets, tmp_path: Path) -> None:
    name = added(sets, tmp_path)
    sets.decide(name, "a.png", False)
    app = opened(name)
    assert "**1** kept · **2** dropped · 3 found" in texts(app)
    assert "judging again" in texts(app)


def test_copies_are_decided_as_pairs(sets: PictureSets, tmp_path: Path) -> None:
    name = added(sets, tmp_path)
    app = opened(name, show="Copies")
    app.button(key="only|b.png|a.png").click().run()
    decided = sets.get(name)
    assert (decided.keep, decided.drop) == (("b.png",), ("a.png",))
    button(app, "As it was").click().run()
    assert sets.get(name).keep == ()


def test_two_materials_stand_side_by_side(sets: PictureSets, tmp_path: Path) -> None:
    name = added(sets, tmp_path, MATERIAL)
    app = opened(name, show="Two materials")
    assert not app.exception
    app.button(key="drop-minority").click().run()
    assert sets.get(name).drop == ("b.png",)


def test_names_and_captions_are_shown_as_they_are(sets: PictureSets, tmp_path: Path) -> None:
    app = opened(added(sets, tmp_path), picture=HOSTILE)
    pages = "".join(element.proto.body for element in app.get("html"))
    assert "&lt;img src=x onerror=alert(1)&gt;" in pages
    assert "<img src=x" not in texts(app) + pages
    assert "![x](http" not in texts(app)


def test_the_loupe_tells_what_was_measured_and_decides(sets: PictureSets, tmp_path: Path) -> None:
    name = added(sets, tmp_path)
    app = opened(name, picture="a.png")
    assert "looks blurred" in texts(app)
    assert "measured 3, limit 1.8" in texts(app)
    assert "tokens" in texts(app)
    app.button(key="loupe-Drop").click().run()
    assert sets.get(name).drop == ("a.png",)


def write(app: AppTest, text: str) -> None:
    """Into the caption's field, without saving."""
    app.session_state[app.session_state["sets.caption"].key] = {"text": text}


def test_a_caption_that_was_typed_is_kept_when_one_moves_on(
    sets: PictureSets, tmp_path: Path
) -> None:
    name = added(sets, tmp_path)
    app = opened(name, picture="a.png")
    write(app, "a thing on a table")
    button(app, "Next").click().run()
    assert not app.exception
    assert app.query_params["picture"] == "b.png"
    assert sets.caption(name, "a.png") == "a thing on a table"
    assert "a.png" in app.toast[0].value.replace("\\", "")
    button(app, "Previous").click().run()
    assert "edited here" in texts(app)
    assert not app.toast
    assert sets.caption(name, "b.png") is None


def test_a_caption_that_was_not_touched_or_is_too_late_is_not_written(
    sets: PictureSets, tmp_path: Path
) -> None:
    name = added(sets, tmp_path)
    app = opened(name, picture="a.png")
    button(app, "Next").click().run()
    assert sets.caption(name, "a.png") is None
    button(app, "Previous").click().run()
    write(app, "something else")
    sets.remove(name)
    button(app, "Next").click().run()
    assert not app.exception
    assert "there is no set" in texts(app)


def test_a_caption_that_is_new_has_no_findings_of_the_old_one(
    sets: PictureSets, tmp_path: Path
) -> None:
    name = added(sets, tmp_path)
    assert "says nothing" in texts(opened(name, picture="a.png"))
    sets.set_caption(name, "a.png", "a table")
    shown = texts(opened(name, picture="a.png"))
    assert "says nothing" not in shown
    assert "not judged yet" in shown
    assert "looks blurred" in shown
    sets.set_caption(name, "a.png", "a thing")
    assert "says nothing" in texts(opened(name, picture="a.png"))


def test_what_is_never_read_of_a_caption_is_not_shown_at_full_length(
    sets: PictureSets, tmp_path: Path
) -> None:
    name = added(sets, tmp_path)
    sets.set_caption(name, "a.png", "a red fox on a hill " * 60)
    (told,) = (m.value for m in opened(name, picture="a.png").markdown if "never read" in m.value)
    assert told.endswith("…")
    assert len(told) < 220


def test_buttons_leave_the_arrows_to_their_shortcuts(sets: PictureSets, tmp_path: Path) -> None:
    app = opened(added(sets, tmp_path), picture="a.png")
    assert not button(app, "Next").icon
    assert not button(app, "Previous").icon


def test_keys_are_called_what_they_do(sets: PictureSets, tmp_path: Path) -> None:
    assert "**U** back to what the checks said" in texts(opened(added(sets, tmp_path)))


def test_the_largest_upload_is_told_in_round_figures(sets: PictureSets) -> None:
    assert "200 MB a picture" in texts(opened(**{"from": "Drop pictures or a zip"}))


def test_an_unknown_set_or_picture_in_the_address_does_no_harm(
    sets: PictureSets, tmp_path: Path
) -> None:
    name = added(sets, tmp_path)
    assert not opened("../../etc").exception
    app = opened(name, picture="../../etc/passwd", filter="<script>")
    assert "Ready to train" in texts(app)


def test_what_cannot_be_judged_is_told_with_a_way_on(sets: PictureSets, tmp_path: Path) -> None:
    from studio.errands import Standing
    from studio.workplace.rejudging import judging

    name = sets.add(tmp_path / "open" / "pictures").name
    desk = here.here().desk
    errand = judging(sets.folder(name))
    desk._standings[errand.key] = Standing("failed", error="my.zip is damaged; fetch it again")
    app = opened(name)
    assert "damaged" in texts(app)
    assert button(app, "Look again")


def test_the_trigger_word_is_the_sets(sets: PictureSets, tmp_path: Path) -> None:
    name = added(sets, tmp_path)
    app = opened(name)
    app.text_input(key=f"sets.trigger.{name}").set_value("zorp").run()
    assert sets.get(name).trigger == "zorp"


def test_a_folder_outside_the_roots_is_refused(sets: PictureSets) -> None:
    app = opened(folder="/etc", **{"from": "A folder on this computer"})
    assert "outside the folders" in texts(app).replace("\\", "")


def test_what_a_browser_sends_is_taken_with_care() -> None:
    assert Asked.of(None) is None
    assert Asked.of({"words": [1]}) is None
    asked = Asked.of({"number": "7", "words": {"a": 3, "b": None, "c": True}, "opened": 5})
    assert asked == Asked(0, {"b": None, "c": True}, "")
