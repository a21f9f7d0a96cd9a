"""WebDataset shards, or a folder packed as ``.tar``, ``.tar.gz`` or ``.tgz``."""

from __future__ import annotations

import gzip
import io
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO

from studio.bases.digests import file_digest
from studio.curation.sources.entry_names import is_wanted, safe_name
from studio.curation.sources.given import TAR_ENDINGS
from studio.curation.sources.limits import Tally
from studio.curation.sources.sidecars import LARGEST_SIDECAR_BYTES, Sidecars, is_sidecar
from studio.curation.sources.source import Source
from studio.curation.sources.unpacking import CHUNK_BYTES, Unpacking
from studio.curation.summary import printable
from studio.errors import DatasetError

_GZIP = b"\x1f\x8b"
_MIB = 1 << 20
# Headers are read whole, however large they say they are.
_LARGEST_READ_BYTES = 16 * _MIB
# A damaged archive makes the decoders raise any of these.
_DAMAGE = (tarfile.TarError, zlib.error, EOFError, OSError, ValueError, RecursionError)


@dataclass(frozen=True)
class TarShards(Source):
    """One archive, or several that belong together. See `Source`."""

    paths: tuple[Path, ...]
    title: str

    def identity(self) -> str:
        shards = (f"{_stem(path)} {file_digest(path)}" for path in self.paths)
        return "\n".join(["tar", *shards])

    def unpack(self, into: Unpacking) -> None:
        sizes = [path.stat().st_size for path in self.paths]
        into.require_space(sum(sizes))
        tally = Tally(self.title, sum(sizes))
        done = 0
        for path, size in zip(self.paths, sizes, strict=True):
            folder = f"{_stem(path)}/" if len(sizes) > 1 else ""
            for read in _Shard(path, into, tally, folder).unpack():
                into.progress((done + read) // _MIB, sum(sizes) // _MIB)
            done += size


class _Shard:
    """One archive on its way into the folder."""

    def __init__(self, path: Path, into: Unpacking, tally: Tally, folder: str) -> None:
        self._title = path.name
        self._path, self._into, self._tally, self._folder = path, into, tally, folder
        self._sidecars = Sidecars()

    def unpack(self) -> Iterator[int]:
        """Write its pictures and captions; yields how many of its bytes are read so far."""
        with self._path.open("rb") as packed:
            guarded = _Guarded(_plain(packed))
            try:
                with tarfile.open(fileobj=guarded, mode="r:", encoding="utf-8") as archive:
                    for member in archive:
                        self._take(archive, member)
                        yield packed.tell()
                    self._require_end(archive, guarded)
            except _DAMAGE as error:
                if isinstance(error, OSError) and error.errno is not None:
                    raise  # the system's word on a disk, not a decoder's on the archive
                raise DatasetError(
                    f"{self._title} is no tar archive, or is damaged or cut off "
                    f"({_in_a_line(error)}); fetch it again"
                ) from error
        for picture, text in self._sidecars.captions():
            self._into.caption(picture, text)

    def _take(self, archive: tarfile.TarFile, member: tarfile.TarInfo) -> None:
        name = self._folder + safe_name(member.name, self._title)
        shown = printable(name)
        if member.size < 0:
            raise tarfile.ReadError(f"{shown} has a negative size")
        self._tally.count(member.size, name=shown)
        if member.isdir():
            return
        if not member.isreg() or member.issparse():
            raise DatasetError(
                f"{self._title}: {shown} is a link or device, not a file; "
                "pack the pictures themselves"
            )
        content = archive.extractfile(member)
        if content is None:
            return
        chunks = _chunks(content)
        if is_sidecar(name) and member.size <= LARGEST_SIDECAR_BYTES:
            text = content.read()
            self._sidecars.read(name, text)
            chunks = iter([text])
        if is_wanted(name):
            self._into.add(name, chunks)
            self._sidecars.saw(name)

    def _require_end(self, archive: tarfile.TarFile, file: _Guarded) -> None:
        """The reader takes a spoiled header for the end: what follows would be lost unseen."""
        file.seek(archive.offset)
        if file.read(tarfile.BLOCKSIZE).strip(tarfile.NUL):
            raise tarfile.ReadError("a spoiled header")
        # A packed archive has its check sum behind all else, and is checked once that is read.
        left = 0
        for chunk in _chunks(file):
            left += len(chunk)
            self._tally.expect(left)
            if chunk.strip(tarfile.NUL):
                raise tarfile.ReadError("more behind its end")


class _Guarded(io.BufferedIOBase):
    """A file that is not read in one huge piece: a header of gigabytes is a trap."""

    def __init__(self, file: BinaryIO | gzip.GzipFile) -> None:
        self._file = file

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or not 0 <= size <= _LARGEST_READ_BYTES:
            raise tarfile.ReadError("a header larger than any picture's")
        return self._file.read(size)

    def seek(self, offset: int, whence: int = 0, /) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()


def _plain(packed: BinaryIO) -> BinaryIO | gzip.GzipFile:
    is_packed = packed.read(len(_GZIP)) == _GZIP
    packed.seek(0)
    return gzip.GzipFile(fileobj=packed) if is_packed else packed


def _chunks(content: IO[bytes] | _Guarded) -> Iterator[bytes]:
    while chunk := content.read(CHUNK_BYTES):
        yield chunk


def _stem(path: Path) -> str:
    ending = next((e for e in TAR_ENDINGS if path.name.lower().endswith(e)), "")
    return path.name[: len(path.name) - len(ending)]


def _in_a_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
