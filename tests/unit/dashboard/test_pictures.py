"""Pictures by address: found by content in a set's judgement, and nothing else is ever served."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import pytest
from PIL import Image
from starlette.applications import Starlette
from starlette.testclient import TestClient

from studio.curation.manifest import CuratedSet, Picture
from studio.dashboard.pictures import picture_url, report_url, routes
from studio.user_cache import cache_folder
from studio.workplace.picture_sets import PictureSets
from studio.workplace.roots import Roots
from studio.workplace.thumbnails import LARGE_PX, SMALL_PX
from studio.workplace.workplace import Workplace


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "open" / "pictures"
    folder.mkdir(parents=True)
    Image.effect_noise((2000, 1000), 60).save(folder / "a.jpg")
    return folder


@pytest.fixture
def workplace(tmp_path: Path, folder: Path) -> Workplace:
    return Workplace.at(tmp_path / "runs", Roots.of([folder.parent]))


@pytest.fixture
def client(workplace: Workplace) -> TestClient:
    return TestClient(Starlette(routes=routes(workplace)))


def digest_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def judged(workplace: Workplace, folder: Path, *names: str) -> str:
    """A set with these pictures, as the errand leaves it; its name."""
    sets = PictureSets(workplace)
    place = sets.folder(sets.add(folder).name)
    found = tuple(Picture(n, digest_of(folder / n), 2000, 1000, "x", "txt") for n in names)
    place.keep_judgement(CuratedSet(folder, found), "any")
    return place.path.name


def shown(content: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(content))
    assert image.format == "WEBP"
    return image


def test_a_picture_is_shown_small_large_and_pixel_by_pixel(
    client: TestClient, workplace: Workplace, folder: Path
) -> None:
    name, digest = judged(workplace, folder, "a.jpg"), digest_of(folder / "a.jpg")
    small = client.get(picture_url(name, digest))
    assert small.status_code == 200
    assert small.headers["content-type"] == "image/webp"
    assert "immutable" in small.headers["cache-control"]
    assert small.headers["x-content-type-options"] == "nosniff"
    assert shown(small.content).size == (SMALL_PX, SMALL_PX // 2)
    large = client.get(picture_url(name, digest, "large"))
    assert shown(large.content).size == (LARGE_PX, LARGE_PX // 2)
    grain = client.get(picture_url(name, digest, "grain"))
    assert shown(grain.content).size == (128, 128)


def test_a_small_one_is_kept_and_shown_again_without_its_file_being_read(
    client: TestClient, workplace: Workplace, folder: Path
) -> None:
    name, digest = judged(workplace, folder, "a.jpg"), digest_of(folder / "a.jpg")
    first = client.get(picture_url(name, digest)).content
    assert len(list((cache_folder() / "thumbnails").rglob("*.webp"))) == 1
    (folder / "a.jpg").write_bytes(b"")
    assert client.get(picture_url(name, digest)).content == first
    assert client.get(picture_url(name, digest, "large")).status_code == 404


def test_a_picture_that_was_changed_is_not_shown_for_what_it_was(
    client: TestClient, workplace: Workplace, folder: Path
) -> None:
    name, digest = judged(workplace, folder, "a.jpg"), digest_of(folder / "a.jpg")
    Image.effect_noise((64, 64), 10).save(folder / "a.jpg")
    assert client.get(picture_url(name, digest)).status_code == 404


@pytest.mark.parametrize(
    "address",
    [
        "/picture/none/{digest}",
        "/picture/pictures/" + "0" * 64,
        "/picture/pictures/{digest}?look=huge",
        "/picture/../pictures/{digest}",
        "/picture/%2e%2e%2fpictures/{digest}",
        "/picture/pictures/..%2f..%2fa.jpg",
        "/picture/pictures/%00",
        "/picture/pictures/{digest}/..",
        "/set-report/none",
        "/set-report/%2e%2e",
    ],
)
def test_nothing_else_is_found(
    client: TestClient, workplace: Workplace, folder: Path, address: str
) -> None:
    judged(workplace, folder, "a.jpg")
    answer = client.get(address.format(digest=digest_of(folder / "a.jpg")))
    assert answer.status_code == 404
    assert str(folder) not in answer.text


def test_a_link_out_of_the_roots_is_not_followed(
    client: TestClient, workplace: Workplace, folder: Path, tmp_path: Path
) -> None:
    secret = tmp_path / "secret.png"
    Image.effect_noise((64, 64), 10).save(secret)
    (folder / "link.png").symlink_to(secret)
    name = judged(workplace, folder, "link.png")
    assert client.get(picture_url(name, digest_of(secret))).status_code == 404


def test_a_manifest_that_names_what_is_outside_shows_nothing(
    client: TestClient, workplace: Workplace, folder: Path, tmp_path: Path
) -> None:
    secret = tmp_path / "secret.png"
    Image.effect_noise((64, 64), 10).save(secret)
    name = judged(workplace, folder, "../../secret.png")
    assert client.get(picture_url(name, digest_of(secret))).status_code == 404


def test_the_report_is_written_on_request_and_again_after_a_new_judgement(
    client: TestClient, workplace: Workplace, folder: Path
) -> None:
    name = judged(workplace, folder, "a.jpg")
    first = client.get(report_url(name))
    assert first.status_code == 200
    assert f'filename="{name}-report.html"' in first.headers["content-disposition"]
    assert "a.jpg" in first.text
    Image.effect_noise((64, 64), 10).save(folder / "b.png")
    place = PictureSets(workplace).folder(name)
    found = Picture("b.png", digest_of(folder / "b.png"), 64, 64, "x", "txt")
    place.keep_judgement(CuratedSet(folder, (found,)), "any")
    assert "b.png" in client.get(report_url(name)).text


def test_there_is_no_report_before_the_first_judgement(
    client: TestClient, workplace: Workplace, folder: Path
) -> None:
    PictureSets(workplace).add(folder, "new")
    assert client.get(report_url("new")).status_code == 404
