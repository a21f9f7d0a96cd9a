"""A folder packed as ``.zip``."""

from __future__ import annotations

import lzma
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from studio.bases.digests import file_digest
from studio.curation.sources import limits
from studio.curation.sources.entry_names import is_wanted, safe_name
from studio.curation.sources.limits import Tally
from studio.curation.sources.source import Source
from studio.curation.sources.unpacking import CHUNK_BYTES, Unpacking
from studio.curation.summary import printable
from studio.errors import DatasetError

_ENCRYPTED, _UTF8 = 0x1, 0x800
# The archive's end: a record, before it in large archives another one with its locator.
_END, _END_BYTES, _LARGE_END, _LARGE_END_BYTES = b"PK\x05\x06", 22, b"PK\x06\x06", 56 + 20
_TAIL_BYTES = _LARGE_END_BYTES + _END_BYTES + 0xFFFF  # with the longest comment
_LISTED_BYTES = 256  # a generous mean of what an entry takes in the list
# A damaged archive makes the decoders raise any of these.
_DAMAGE = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, struct.error)


@dataclass(frozen=True)
class ZipArchive(Source):
    """See `Source`."""

    path: Path
    title: str

    def identity(self) -> str:
        return f"zip {file_digest(self.path)}"

    def unpack(self, into: Unpacking) -> None:
        with self.path.open("rb") as file:
            _refuse_endless_list(file, self.title)
            try:
                archive = zipfile.ZipFile(file)
            except (*_DAMAGE, NotImplementedError, ValueError) as error:
                raise DatasetError(
                    f"{self.title} is no zip archive, or is cut off ({error}); fetch it again"
                ) from error
            with archive:
                self._unpack(archive, into)

    def _unpack(self, archive: zipfile.ZipFile, into: Unpacking) -> None:
        tally = Tally(self.title, self.path.stat().st_size)
        wanted = {}
        for entry in archive.infolist():
            name = safe_name(_name(entry), self.title)
            if is_wanted(name) and not entry.filename.endswith(("/", "\\")):
                self._refuse_unusable(entry, printable(name))
                tally.count(entry.file_size, name=printable(name))
                wanted[entry] = name
        into.require_space(tally.bytes)
        for done, (entry, name) in enumerate(wanted.items(), start=1):
            into.add(name, self._content(archive, entry, printable(name)))
            into.progress(done, len(wanted))

    def _refuse_unusable(self, entry: zipfile.ZipInfo, name: str) -> None:
        if stat.S_ISLNK(entry.external_attr >> 16):
            raise DatasetError(
                f"{self.title}: {name} is a link, not a file; pack the pictures themselves"
            )
        if entry.flag_bits & _ENCRYPTED:
            raise DatasetError(
                f"{self.title} is locked with a password ({name}); unpack it, and give the folder"
            )

    def _content(
        self, archive: zipfile.ZipFile, entry: zipfile.ZipInfo, name: str
    ) -> Iterator[bytes]:
        try:
            with archive.open(entry) as file:
                while chunk := file.read(CHUNK_BYTES):
                    yield chunk
        except NotImplementedError as error:
            raise DatasetError(
                f"{self.title} is packed in a way that cannot be read here ({error}); "
                "unpack it, and give the folder"
            ) from error
        except _DAMAGE as error:
            raise DatasetError(
                f"{self.title} is damaged at {name} ({error}); fetch or pack it again"
            ) from error


def _name(entry: zipfile.ZipInfo) -> str:
    """Old packers write names in any encoding and do not say which; most mean UTF-8."""
    if entry.flag_bits & _UTF8:
        return entry.filename
    try:
        return entry.filename.encode("cp437").decode("utf-8")
    except UnicodeError:
        return entry.filename


def _refuse_endless_list(file: BinaryIO, title: str) -> None:
    """By what the archive's end says: a million names take minutes to read and gigabytes to hold."""
    size = file.seek(0, 2)
    file.seek(max(0, size - _TAIL_BYTES))
    tail = file.read()
    file.seek(0)
    at = tail.rfind(_END)
    if at < 0 or len(tail) < at + _END_BYTES:
        return  # no zip archive at all, which is told where it is opened
    entries, list_bytes = struct.unpack_from("<HI", tail, at + 10)
    large = at - _LARGE_END_BYTES
    if large >= 0 and tail.startswith(_LARGE_END, large):
        entries, list_bytes = struct.unpack_from("<QQ", tail, large + 32)
    most = limits.LIMITS.files
    if entries > most or list_bytes > most * _LISTED_BYTES:
        raise DatasetError(f"{title} holds {entries} files, more than {most}; give it in parts")
