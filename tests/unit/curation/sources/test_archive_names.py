"""Names and captions in archives, whoever packed them."""

from __future__ import annotations

import io
import json
import tarfile

import pytest

from studio.curation.scan import scan
from studio.curation.sources.folder import as_folder


@pytest.mark.parametrize("ending", [".zip", ".tar"])
def test_what_a_mac_and_windows_add_is_left_out(tmp_path, picture, ending, entries):
    source = entries(
        tmp_path / f"a{ending}",
        ("sub\\ant.png", picture),
        ("__MACOSX/sub/._ant.png", b"junk"),
        ("._ant.png", b"junk"),
        (".DS_Store", b"junk"),
        ("Thumbs.db", b"junk"),
        ("setup.exe", b"junk"),
    )
    unpacked = as_folder(str(source))
    assert [path for path in unpacked.rglob("*.*") if path.name != ".unpacked.json"] == [
        unpacked / "sub" / "ant.png"
    ]


@pytest.mark.parametrize(
    ("raw", "name"),
    [("grün.png".encode(), "grün.png"), (b"caf\x82.png", "café.png")],
    ids=["utf-8 without saying so", "dos"],
)
def test_zip_names_in_old_encodings(tmp_path, picture, raw, name, entries):
    placeholder = "x" * len(raw)
    source = entries(tmp_path / "a.zip", (placeholder, picture))
    source.write_bytes(source.read_bytes().replace(placeholder.encode(), raw))
    assert scan(as_folder(str(source))).pictures == [name]


def test_tar_names_that_are_no_utf8(tmp_path, picture):
    source = tmp_path / "a.tar"
    with tarfile.open(source, "w", format=tarfile.GNU_FORMAT, encoding="latin-1") as tar:
        member = tarfile.TarInfo("café.png")
        member.size = len(picture)
        tar.addfile(member, io.BytesIO(picture))
    assert scan(as_folder(str(source))).pictures == ["café.png"]


def test_webdataset_keys(tmp_path, six, look, entries):
    source = entries(
        tmp_path / "a.tar",
        ("000.json", json.dumps({"id": 1, "caption": "from json"}).encode()),
        ("000.png", six[0]),
        ("001.image.png", six[1]),
        ("001.txt", b"of the key"),
        ("002.png", six[2]),
        ("002.cls", b"cat\n"),
        ("003.png", six[3]),
        ("003.cls", b"3\n"),
        ("004.png", six[4]),
        ("004.txt", b"own"),
        ("004.json", b'{"text": "not this"}'),
        ("005.png", six[5]),
        ("005.json", b"{broken"),
    )
    captions = {p.name: p.caption for p in look(source).pictures}
    assert captions == {
        "000.png": "from json",
        "001.image.png": "of the key",
        "002.png": "cat",
        "003.png": "",
        "004.png": "own",
        "005.png": "",
    }


def test_an_archives_own_metadata_stays(tmp_path, six, look, entries):
    first, second, *_ = six
    line = json.dumps({"file_name": "1.png", "text": "its own"}).encode()
    source = entries(
        tmp_path / "a.tar",
        ("metadata.jsonl", line),
        ("0.png", first),
        ("0.json", b'{"caption": "a sidecar"}'),
        ("1.png", second),
    )
    assert [p.caption for p in look(source).pictures] == ["a sidecar", "its own"]
    assert as_folder(str(source)) == as_folder(str(source))
