"""Sources that are cut off, spoiled or empty."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize("kind", ["set.zip", "set.tar", "set.tar.gz", "plain.parquet"])
@pytest.mark.parametrize("left", [0, 5, 700, 20_001])
def test_a_source_that_is_cut_off(refused, kind, left, pack):
    source = pack(kind)
    source.write_bytes(source.read_bytes()[:left])
    refused(source, kind, "cut off", "fetch it again")


@pytest.mark.parametrize("kind", ["set.zip", "set.tar.gz"])
def test_a_spoiled_byte(refused, kind, pack):
    source = pack(kind)
    content = bytearray(source.read_bytes())
    content[len(content) // 2] ^= 0xFF
    source.write_bytes(content)
    refused(source, kind, "damaged", "fetch")


def test_a_spoiled_header_in_the_middle_of_a_tar(tmp_path, picture, refused, entries):
    source = entries(tmp_path / "a.tar", ("a.png", picture), ("b.png", picture))
    source.write_bytes(source.read_bytes().replace(b"b.png", b"c.png"))
    refused(source, "a spoiled header")


@pytest.mark.parametrize("ending", [".zip", ".tar"])
def test_an_archive_without_pictures(tmp_path, refused, ending, entries):
    refused(entries(tmp_path / f"a{ending}", ("a.doc", b"x")), f"no pictures in a{ending}")
