"""Names, digests and archives of the sample sets' makers."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest
from PIL import Image

from sample_sets.card import digest_of
from sample_sets.picture_set import PictureSet, png, slug
from sample_sets.twemoji import Twemoji
from studio.errors import DatasetError


def archive(folder: Path, manifest: str, **drawings: str) -> Path:
    path = folder / "package.tgz"
    with tarfile.open(path, "w:gz") as tar:
        for name, text in {"package.json": manifest, **drawings}.items():
            member = tarfile.TarInfo(f"package/{name}")
            member.size = len(text)
            tar.addfile(member, io.BytesIO(text.encode()))
    return path


@pytest.mark.parametrize(
    ("caption", "name"),
    [("red apple", "red-apple"), ("jack-o-lantern", "jack-o-lantern"), ("T-Rex", "t-rex")],
)
def test_slug(caption: str, name: str) -> None:
    assert slug(caption) == name


def test_two_pictures_of_one_name_are_refused() -> None:
    pictures = PictureSet()
    content = png(Image.new("RGB", (4, 4)))
    pictures.add("cat.png", content, "cat")
    with pytest.raises(ValueError, match=r"cat\.jpg"):
        pictures.add("cat.jpg", content, "cat")


def test_digest_sees_names_and_bytes_but_not_the_card() -> None:
    digest = digest_of({"a": b"1", "b": b"2"})
    assert digest == digest_of({"b": b"2", "a": b"1", "card.yaml": b"anything"})
    assert digest != digest_of({"a": b"2", "b": b"1"})
    assert digest != digest_of({"a": b"1", "c": b"2"})


def test_twemoji_reads_a_drawing(tmp_path: Path) -> None:
    manifest = '{"name": "@twemoji/svg", "version": "15.0.0"}'
    twemoji = Twemoji(archive(tmp_path, manifest, **{"1f34e.svg": "<svg/>"}))
    assert twemoji.svg("🍎") == "<svg/>"
    with pytest.raises(DatasetError, match="no drawing of '🦊'"):
        twemoji.svg("🦊")


def test_twemoji_refuses_another_version(tmp_path: Path) -> None:
    path = archive(tmp_path, '{"name": "@twemoji/svg", "version": "14.1.2"}')
    with pytest.raises(DatasetError, match=r"is not @twemoji/svg 15\.0\.0"):
        Twemoji(path)


@pytest.mark.parametrize("content", [None, b"not an archive"])
def test_twemoji_says_how_to_get_the_archive(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "missing.tgz"
    if content:
        path.write_bytes(content)
    with pytest.raises(DatasetError, match=r"npm pack @twemoji/svg@15\.0\.0"):
        Twemoji(path)
