"""A drawing of many pictures: each in its row and column, by an address that leads nowhere else."""

from __future__ import annotations

import json
import re
from html import unescape
from pathlib import Path

import pytest
from PIL import Image
from starlette.applications import Starlette
from starlette.testclient import TestClient
from streamlit.testing.v1 import AppTest

from studio.dashboard.drawings import drawn_url, routes
from studio.workplace.roots import Roots
from studio.workplace.workplace import Workplace

KEY = "0123456789abcdef"
HOSTILE = '"><script>alert(1)</script>'
ROWS, COLUMNS = ("a cat", HOSTILE), ("0", "0.5", "1", "1.5")
COLOURS = [(10 * number, 0, 0) for number in range(len(ROWS) * len(COLUMNS))]


@pytest.fixture
def workplace(tmp_path: Path) -> Workplace:
    made = Workplace.at(tmp_path / "runs", Roots.of([]))
    folder = made.errands / KEY
    folder.mkdir(parents=True)
    pictures = []
    for number, colour in enumerate(COLOURS):
        Image.new("RGB", (8, 8), colour).save(folder / f"{number:03d}.png")
        row, column = ROWS[number // len(COLUMNS)], COLUMNS[number % len(COLUMNS)]
        facts = {"row": row, "column": column, "prompt": row, "seed": 0, "adapter": "demo"}
        pictures.append(
            {"file": f"{number:03d}.png", **facts, "strength": float(column), "checkpoint": None}
        )
    order = {"sampling": {"prompts": ["a cat"]}}
    (folder / "errand.json").write_text(json.dumps({"kind": "draw", "arguments": order}))
    result = {"pictures": pictures, "grid": "../../../secret.png", "warnings": []}
    (folder / "result.json").write_text(json.dumps(result))
    return made


@pytest.fixture
def client(workplace: Workplace) -> TestClient:
    return TestClient(Starlette(routes=routes(workplace)))


def test_each_picture_stands_in_its_row_and_column(workplace: Workplace) -> None:
    def page(errands: str, key: str) -> None:
        from pathlib import Path

        from studio.dashboard.parts.contact_sheet import contact_sheet
        from studio.workplace.drawings import drawing

        done = drawing(Path(errands), key)
        assert done
        contact_sheet(done)

    app = AppTest.from_function(page, args=(str(workplace.errands), KEY)).run()
    assert not app.exception
    content = app.get("html")[0].proto.body
    headings = [unescape(text) for text in re.findall(r'<th scope="\w+">(.*?)</th>', content)]
    assert headings == [*COLUMNS, *ROWS]
    assert "<script" not in content
    rows = content.partition("<tbody>")[2].split("</tr>")[:-1]
    assert [re.findall(r'src="([^"]+)"', row) for row in rows] == [
        [drawn_url(KEY, row * len(COLUMNS) + column) for column in range(len(COLUMNS))]
        for row in range(len(ROWS))
    ]
    assert 'alt="a cat: the base model with demo at strength 0.5, seed 0"' in content


def test_an_address_leads_to_its_picture(client: TestClient, tmp_path: Path) -> None:
    for number, colour in enumerate(COLOURS):
        answer = client.get(drawn_url(KEY, number))
        assert answer.headers["content-type"] == "image/png"
        (tmp_path / "got.png").write_bytes(answer.content)
        assert Image.open(tmp_path / "got.png").getpixel((0, 0)) == colour


@pytest.mark.parametrize(
    "path",
    [
        drawn_url(KEY, len(COLOURS)),
        drawn_url("f" * 16, 0),
        drawn_url("..", 0),
        drawn_url("%2e%2e%2f%2e%2e", 0),
        f"/drawn/{KEY}/-1",
        f"/drawn/{KEY}/result.json",
    ],
)
def test_nothing_else_is_served(client: TestClient, path: str) -> None:
    assert client.get(path).status_code == 404


def test_a_tampered_result_leads_nowhere_else(workplace: Workplace) -> None:
    from studio.workplace.drawings import drawing

    done = drawing(workplace.errands, KEY)
    assert done
    assert done.grid.parent == workplace.errands / KEY
