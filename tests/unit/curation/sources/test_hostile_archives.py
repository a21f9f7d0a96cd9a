"""Archives that were made to do harm: one line each, and nothing is written."""

from __future__ import annotations

import gzip
import shutil
import stat
import tarfile
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from studio.curation.sources.folder import as_folder


@pytest.mark.parametrize("ending", [".zip", ".tar"])
@pytest.mark.parametrize(
    "name", ["../evil.png", "/tmp/evil.png", "a/../../evil.png", "..\\evil.png", "C:\\evil.png"]
)
def test_names_that_lead_outside(picture, refused, name, ending, entries):
    source = entries(Path(f"a{ending}"), ("ant.png", picture), (name, picture))
    refused(source, "outside its folder", name)


def test_a_link_in_a_zip(tmp_path, refused):
    link = zipfile.ZipInfo("link.png")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(link, "/etc/passwd")
    refused(tmp_path / "a.zip", "link.png is a link")


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])
def test_a_link_or_device_in_a_tar(tmp_path, refused, kind):
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        member = tarfile.TarInfo("link.png")
        member.type, member.linkname = kind, "/etc/passwd"
        tar.addfile(member)
    refused(tmp_path / "a.tar", "link.png is a link or device")


@pytest.mark.parametrize("ending", [".zip", ".tar"])
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_files_of_one_name(tmp_path, picture, refused, ending, entries):
    source = entries(tmp_path / f"a{ending}", ("a.png", picture), ("./a.png", picture))
    refused(source, "a.png", "two of that name")


@pytest.mark.parametrize("ending", [".zip", ".tar"])
@pytest.mark.parametrize("name", ["x" * 300 + ".png", "a.png/b.png"])
def test_names_that_no_file_can_have(picture, refused, name, ending, entries):
    source = entries(Path(f"a{ending}"), ("a.png", picture), (name, picture))
    refused(source, "cannot be unpacked", "rename it")


def test_a_locked_zip(tmp_path, picture, refused, entries):
    source = entries(tmp_path / "a.zip", ("a.png", picture))
    with zipfile.ZipFile(source) as archive:
        flags_at = archive.start_dir + 8
    content = bytearray(source.read_bytes())
    content[flags_at] |= 1
    source.write_bytes(content)
    refused(source, "locked with a password")


def test_a_zip_bomb_by_size(tmp_path, refused, lower):
    lower(ratio_from_bytes=1 << 20)
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.png", bytes(8 << 20))
    refused(tmp_path / "a.zip", "200 times", "trap")


def test_a_tar_bomb_by_size(tmp_path, refused, lower, entries):
    lower(ratio_from_bytes=1 << 20)
    plain = entries(tmp_path / "plain.tar", ("hidden.bin", bytes(8 << 20)))
    (tmp_path / "a.tar.gz").write_bytes(gzip.compress(plain.read_bytes()))
    refused(tmp_path / "a.tar.gz", "200 times", "trap")


def test_a_file_larger_than_any_picture(tmp_path, refused, entries):
    source = entries(tmp_path / "a.tar", ("a.png", b""))
    header = tarfile.TarInfo("a.png")
    header.size = 1 << 40
    source.write_bytes(header.tobuf())
    refused(source, "a.png is 1099.5 GB", "1.1 GB")


def test_a_header_of_gigabytes(tmp_path, refused):
    header = tarfile.TarInfo("././@LongLink")
    header.type, header.size = tarfile.GNUTYPE_LONGNAME, 1 << 33
    (tmp_path / "a.tar").write_bytes(header.tobuf(tarfile.GNU_FORMAT))
    refused(tmp_path / "a.tar", "larger than any picture's")


def test_headers_without_end(tmp_path, refused):
    header = tarfile.TarInfo("././@LongLink")
    header.type, header.size = tarfile.GNUTYPE_LONGNAME, 512
    block = header.tobuf(tarfile.GNU_FORMAT) + b"x" * 511 + b"\0"
    (tmp_path / "a.tar").write_bytes(block * 2000)
    refused(tmp_path / "a.tar", "damaged")


@pytest.mark.parametrize("ending", [".zip", ".tar"])
def test_too_many_files(tmp_path, refused, lower, ending, entries):
    lower(files=5)
    source = entries(tmp_path / f"a{ending}", *((f"{n}.png", b"") for n in range(6)))
    refused(source, "5", "give it in parts")


def test_a_disk_that_is_too_small(refused, monkeypatch, pack):
    source = pack("set.zip")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=300_000_000))
    as_folder(str(source))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=200_000_000))
    shutil.rmtree(as_folder(str(source)))
    refused(source, "200 MB free", "XDG_CACHE_HOME")
