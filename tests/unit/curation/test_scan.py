from __future__ import annotations

import os
from pathlib import Path

import pytest

from studio.curation.scan import scan
from studio.errors import DatasetError


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")


def test_nested_folders_and_all_endings_whatever_their_case(tmp_path):
    names = ["B.JPG", "a.png", "deep/er/c.WebP", "d.jpeg", "e.bmp", "f.gif", "g.tif", "h.TIFF"]
    touch(tmp_path, *names, "notes.md", "movie.mp4", "no_ending")
    assert scan(tmp_path).pictures == sorted(names)


def test_hidden_files_and_archive_junk_are_skipped(tmp_path):
    touch(tmp_path, "a.png", ".b.png", ".hidden/c.png", "__MACOSX/d.png", "sub/._e.png")
    assert scan(tmp_path).pictures == ["a.png"]


def test_captions_and_metadata_are_sorted_out(tmp_path):
    touch(
        tmp_path, "a.png", "a.txt", "sub/b.png", "sub/b.TXT", "metadata.jsonl", "sub/metadata.csv"
    )
    found = scan(tmp_path)
    assert found.texts == {"a": "a.txt", "sub/b": "sub/b.TXT"}
    assert found.metadata == ["metadata.jsonl", "sub/metadata.csv"]


def test_a_loop_of_links_ends_and_is_said(tmp_path):
    touch(tmp_path, "a.png", "sub/b.png")
    (tmp_path / "sub" / "up").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "sub" / "self").symlink_to(tmp_path / "sub", target_is_directory=True)
    found = scan(tmp_path)
    assert found.pictures == ["a.png", "sub/b.png"]
    assert [(f.severity, f.evidence["folder"]) for f in found.findings] == [
        ("info", "sub/self"),
        ("info", "sub/up"),
    ]


def test_what_is_called_like_a_picture_and_is_no_file_is_said(tmp_path):
    touch(tmp_path, "a.png")
    os.mkfifo(tmp_path / "pipe.png")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "device.PNG").symlink_to("/dev/null")
    (tmp_path / "dangling.png").symlink_to(tmp_path / "nowhere.png")
    (tmp_path / "circle.png").symlink_to(tmp_path / "circle.png")
    found = scan(tmp_path)
    assert found.pictures == ["a.png"]
    assert [f.message for f in found.findings] == [
        "circle.png is left out: it is a link to itself; put the picture itself there",
        "dangling.png is left out: it is a link to a file that is not there; "
        "put the picture itself there",
        "device.PNG is left out: it is a device, no file; put the picture itself there",
        "pipe.png is left out: it is a named pipe, no file; put the picture itself there",
    ]


def test_folders_nested_deeper_than_python_calls(tmp_path):
    depth = 1010
    folders = [f"{tmp_path}{'/d' * level}" for level in range(1, depth + 1)]
    for folder in folders:
        os.mkdir(folder)  # noqa: PTH102 - paths as long as these are slow to take apart
    touch(Path(folders[-1]), "a.png")
    try:
        assert scan(tmp_path).pictures == ["d/" * depth + "a.png"]
    finally:  # pytest's own cleaning up calls itself for each
        Path(folders[-1], "a.png").unlink()
        for folder in reversed(folders):
            os.rmdir(folder)  # noqa: PTH106


def test_linked_folders_and_files_are_followed(tmp_path):
    touch(tmp_path, "elsewhere/a.png")
    source = tmp_path / "source"
    source.mkdir()
    (source / "linked").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    (source / "b.png").symlink_to(tmp_path / "elsewhere" / "a.png")
    assert scan(source).pictures == ["b.png", "linked/a.png"]


def test_unicode_names(tmp_path):
    touch(tmp_path, "grün/日本 猫.png", "🦊.png")
    assert scan(tmp_path).pictures == ["grün/日本 猫.png", "🦊.png"]


def test_a_name_that_is_no_utf8_is_left_out_and_said(tmp_path):
    touch(tmp_path, "a.png")
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.png")).write_bytes(b"x")
    found = scan(tmp_path)
    assert found.pictures == ["a.png"]
    assert r"caf\xe9.png is left out" in found.findings[0].message
    found.findings[0].message.encode("utf-8")


def test_a_missing_folder(tmp_path):
    with pytest.raises(DatasetError, match=r"no folder .*gone; check the path"):
        scan(tmp_path / "gone")


def test_a_file_is_no_folder(tmp_path):
    touch(tmp_path, "a.zip")
    with pytest.raises(DatasetError, match=r"a\.zip is a file"):
        scan(tmp_path / "a.zip")


def test_an_empty_folder_says_what_was_looked_for(tmp_path):
    touch(tmp_path, "notes.md", ".hidden.png")
    with pytest.raises(DatasetError, match=r"no pictures in .*\.png \.jpg \.jpeg \.webp"):
        scan(tmp_path)
