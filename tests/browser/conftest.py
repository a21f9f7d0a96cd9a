"""The dashboard as people meet it: the real command, a real browser, nothing in between."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

from tests.browser.a_dashboard import PATIENCE_SECONDS, ROOT, Dashboard, Open, Shoot, settled

SCREENSHOTS = ROOT / "build" / "screenshots"
# Streamlit looks for its server beside the page before it looks above.
EXPECTED = re.compile(r"404 .*/_stcore/(health|host-config)")
WIDE, TABLET = {"width": 1280, "height": 900}, {"width": 820, "height": 1180}


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Debian's chromium, or whichever is installed."""
    names = ("chromium", "chromium-browser", "google-chrome")
    path = next(filter(None, map(shutil.which, names)), None)
    if path is None:
        pytest.fail("no chromium was found; scripts/install-chromium installs Debian's")
    expect.set_options(timeout=PATIENCE_SECONDS * 1000)
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield launched
        launched.close()


@pytest.fixture(scope="module")
def dashboard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    """One for the tests of a file."""
    made = Dashboard(tmp_path_factory.mktemp("dashboard"))
    made.start()
    yield made
    made.stop()


@pytest.fixture
def visit(browser: Browser, dashboard: Dashboard) -> Iterator[Open]:
    """Open a page of the dashboard in a tab of its own; whatever its scripts complain of fails the test."""
    dashboard.was_killed = False
    opened: list[Page] = []
    complaints: list[str] = []

    def complain(message: ConsoleMessage) -> None:
        if message.type == "error" and not dashboard.was_killed:  # its tabs miss it
            complaints.append(f"{message.text} {message.location.get('url', '')}")

    def go(path: str = "", *, tablet: bool = False, dark: bool = True) -> Page:
        page = browser.new_page(
            viewport=TABLET if tablet else WIDE,
            color_scheme="dark" if dark else "light",
            accept_downloads=True,
        )
        opened.append(page)
        page.set_default_timeout(PATIENCE_SECONDS * 1000)
        page.on("console", complain)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(dashboard.url + path)
        settled(page)
        return page

    yield go
    for page in opened:
        page.close()
    assert [text for text in complaints if not EXPECTED.search(text)] == []


@pytest.fixture
def shoot() -> Shoot:
    """Keep a picture of a page; CI keeps the folder, the README shows the best."""

    def take(page: Page, name: str) -> None:
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=SCREENSHOTS / f"{name}.png")

    return take
