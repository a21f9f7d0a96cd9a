"""Every page where there is nothing, where something is wrong, and where others are not let in."""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.a_dashboard import Dashboard, Open, Shoot

STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0)
SWEPT_PX = 96

PAGES = ("", "sets", "recipe", "train", "preview", "compare", "export")

EMPTY = {
    "sets": "Sample sets",
    "recipe": "Begin with",
    "train": "Nothing was trained yet",
    "preview": "Nothing drawn yet",
    "compare": "Nothing to compare yet",
    "export": "Nothing to export yet",
}

WRONG = {
    "sets?set=flat-icns": "there is no set",
    "recipe?draft=..%2F..%2Fetc": "etc",
    "recipe?run=nobody": "there is no run",
    "preview?run=nobody": "Nothing drawn yet",
    "compare?run=nobody&run=nobody-2": "Nothing to compare yet",
    "export?run=nobody": "Nothing to export yet",
    "train?run=nobody": "Nothing was trained yet",
}


@pytest.mark.parametrize("path", EMPTY)
def test_where_there_is_nothing_it_says_what_will_be_there(visit: Open, path: str) -> None:
    expect(visit(path).get_by_text(EMPTY[path]).first).to_be_visible()


@pytest.mark.parametrize("path", WRONG)
def test_an_address_that_leads_nowhere_is_told_in_a_line(visit: Open, path: str) -> None:
    page = visit(path)
    expect(page.get_by_text(re.compile(WRONG[path])).first).to_be_visible()
    expect(page.get_by_text("A fault of ours")).to_have_count(0)


@pytest.mark.parametrize("path", PAGES)
def test_no_page_is_wider_than_a_tablet_or_without_words_for_its_pictures(
    visit: Open, path: str
) -> None:
    page = visit(path, tablet=True, dark=False)
    page.wait_for_timeout(500)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    without = page.locator("img:not([alt]), img[alt='']").count()
    assert without == 0


def test_a_drawing_of_many_pictures_scrolls_and_every_picture_is_there(
    visit: Open, dashboard: Dashboard, shoot: Shoot
) -> None:
    key = a_sweep(dashboard.runs / ".studio" / "errands")
    page = visit(f"preview?drawing={key}", tablet=True)
    sheet = page.locator(".studio-contact-sheet")
    expect(sheet.get_by_role("columnheader")).to_have_count(1 + len(STRENGTHS))
    for picture in sheet.get_by_role("img").all():
        picture.scroll_into_view_if_needed()
        expect(picture).to_have_js_property("naturalWidth", SWEPT_PX)
    assert sheet.evaluate("it => it.scrollWidth > it.clientWidth")
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    shoot(page, "sweep")


def a_sweep(errands: Path) -> str:
    """A drawing that is done, as the errand leaves it; its key."""
    order = {"mode": "sweep", "sampling": {"prompts": ["a cat"]}, "adapters": [{"name": "demo"}]}
    folder = errands / "0123456789abcdef"
    folder.mkdir(parents=True)
    pictures = []
    for number, strength in enumerate(STRENGTHS):
        Image.new("RGB", (SWEPT_PX, SWEPT_PX), (20 * number, 90, 60)).save(folder / f"{number}.png")
        facts = {"row": "a cat", "column": f"{strength:g}", "prompt": "a cat", "seed": 0}
        more = {"adapter": "demo", "strength": strength, "checkpoint": None}
        pictures.append({"file": f"{number}.png", **facts, **more})
    (folder / "errand.json").write_text(json.dumps({"kind": "draw", "arguments": order}))
    result = {"pictures": pictures, "grid": "0.png", "warnings": []}
    (folder / "result.json").write_text(json.dumps(result))
    return folder.name


def test_the_keyboard_alone_leads_to_every_page(visit: Open) -> None:
    page = visit()
    names = []
    for _ in range(30):
        page.keyboard.press("Tab")
        names.append(page.evaluate("document.activeElement.innerText || ''").strip())
    reached = [
        name for name in names if name.split("\n")[-1] in ("Sets", "Recipe", "Train", "Export")
    ]
    assert len(reached) >= 4, names


def test_a_path_outside_the_roots_is_refused_on_the_page(visit: Open, shoot: Shoot) -> None:
    page = visit("sets")
    page.get_by_role("tab", name="A folder on this computer").click()
    box = page.get_by_role("textbox", name="Folder, .zip or .tar")
    box.fill("/etc")
    box.press("Enter")
    expect(page.get_by_role("alert").first).to_contain_text("outside the folders")
    shoot(page, "refused")


def test_a_zip_that_leads_out_of_its_folder_is_refused(
    visit: Open, dashboard: Dashboard, tmp_path: Path
) -> None:
    with zipfile.ZipFile(tmp_path / "trap.zip", "w") as archive:
        archive.writestr("../../../caught.png", b"not where it should be")
    page = visit("sets")
    page.get_by_role("tab", name="Drop pictures or a zip").click()
    page.locator("input[type=file]").first.set_input_files(tmp_path / "trap.zip")
    page.get_by_role("button", name="Use these pictures").click()
    expect(page.get_by_role("alert").first).to_contain_text("trap")
    assert not list(dashboard.folder.rglob("caught.png"))


def test_a_folder_is_dropped_with_all_that_is_in_it(
    visit: Open, dashboard: Dashboard, tmp_path: Path
) -> None:
    folder = tmp_path / "holiday"
    (folder / "second day").mkdir(parents=True)
    for name in ("a.png", "second day/b.png"):
        Image.new("RGB", (64, 64)).save(folder / name)
    (folder / "a.txt").write_text("a caption")
    page = visit("sets")
    page.get_by_role("tab", name="Drop pictures or a zip").click()
    _drop(page, page.get_by_test_id("stFileUploaderDropzone"), folder)
    page.get_by_role("button", name="Use these pictures").click()
    expect(page).to_have_url(re.compile("set="))
    kept = (dashboard.runs / ".studio" / "sets").rglob("pictures/*")
    assert {path.name for path in kept} == {"a.png", "a.txt", "b.png"}


def _drop(page: Page, onto: Locator, path: Path) -> None:
    """As from a file manager; a page's own scripts cannot make up a folder."""
    box = onto.bounding_box()
    assert box
    data = {"items": [], "files": [str(path)], "dragOperationsMask": 1}
    browser = page.context.new_cdp_session(page)
    for kind in ("dragEnter", "dragOver", "drop"):
        at = {"type": kind, "x": box["x"] + 20, "y": box["y"] + 20}
        browser.send("Input.dispatchDragEvent", {**at, "data": data})


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    """A dashboard that others could reach."""
    made = Dashboard(tmp_path_factory.mktemp("guarded"), ["--host", "0.0.0.0"])
    made.start()
    yield made
    made.stop()


def test_from_elsewhere_nobody_comes_in_without_the_token(
    browser: Browser, guarded: Dashboard
) -> None:
    with_token = guarded.url.replace("0.0.0.0", "127.0.0.1")
    bare = with_token.partition("?")[0]
    page: Page = browser.new_page()
    page.goto(bare + "train")
    expect(page.get_by_text("open the address with its token")).to_be_visible()
    page.goto(with_token)
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    assert "token" not in page.url
    page.goto(bare + "train")
    expect(page.get_by_role("heading", name="Train", exact=True)).to_be_visible()
    page.close()
