"""What a file of ``torch.save`` holds, without its numbers: where they lie is told. No torch.

Two layouts: the zip archive of torch 1.6 and later, and the older one of five pickles in a row with the
numbers behind them. Sizes are believed only as far as the file is long.
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from studio.pickled.machine import RefusedPickleError, Storage, read_pickle

MAX_FILE_BYTES = 64 << 30  # a whole SDXL in fp32 with its averages has 24 GB
ZIP_START = b"PK\x03\x04"
MAGIC_NUMBER = 0x1950A86A20F9469CFC6C  # of the older layout, as torch/serialization.py has it
PROTOCOL_VERSION = 1001
ITEM_BYTES = {
    **dict.fromkeys(("F64", "I64"), 8),
    **dict.fromkeys(("F32", "I32"), 4),
    **dict.fromkeys(("F16", "BF16", "I16"), 2),
    **dict.fromkeys(("I8", "U8", "BOOL"), 1),
}
_LOCAL_HEADER_BYTES = 30  # of a member of a zip archive, before its name and its extra field


class BrokenPickleError(Exception):
    """The file is no whole file of ``torch.save``; the message names the kind of fault."""


@dataclass(frozen=True)
class TorchFile:
    """A file of ``torch.save``, read but for its numbers.

    Attributes:
        path: the file.
        content: None, numbers, text, lists, tuples, dicts, and a `PickledTensor` for each tensor.
        starts: by storage's key, the offset in bytes from the file's beginning.
    """

    path: Path
    content: Any
    starts: dict[str, int]


def read_torch_file(
    path: Path, *, most_bytes: int = MAX_FILE_BYTES, lenient: bool = False, check_sums: bool = False
) -> TorchFile:
    """Read the pickles in a file of ``torch.save``, as `studio.pickled.machine` does.

    Args:
        lenient: let objects of unknown classes come as placeholders, as checkpoints of training need.
        check_sums: read all of an archive and compare it with its checksums.

    Raises:
        RefusedPickleError: it asks for more than tensors in plain containers, or claims more bytes
            than it has.
        BrokenPickleError: it is truncated, spoiled, or something else.
        OSError: the file cannot be opened.
    """
    with path.open("rb") as file:
        size = path.stat().st_size
        if size > most_bytes:
            raise RefusedPickleError(f"it has {size:,} bytes of at most {most_bytes:,}")
        try:
            is_zip = file.read(len(ZIP_START)) == ZIP_START
            file.seek(0)
            content, storages = (
                _read_zip(file, size, lenient, check_sums)
                if is_zip
                else _read_legacy(file, size, lenient)
            )
        except RefusedPickleError:
            raise
        except Exception as error:  # a spoiled pickle or archive can raise nearly anything
            raise BrokenPickleError(type(error).__name__) from error
    return TorchFile(path, content, storages.starts)


@dataclass
class _Storages:
    """Those that the pickle refers to; each claim is checked before it is believed."""

    size: int
    known: dict[str, Storage] = field(default_factory=dict)
    starts: dict[str, int] = field(default_factory=dict)

    def add(self, key: str, dtype: str, length: int) -> Storage:
        storage = Storage(key, dtype, length)
        if key not in self.known:
            claimed = sum(map(_bytes, self.known.values())) + _bytes(storage)
            if claimed > self.size:
                raise RefusedPickleError(f"it claims {claimed:,} bytes of numbers in {self.size:,}")
            self.known[key] = storage
        if self.known[key] != storage:
            raise RefusedPickleError("a storage has another length or number format than is said")
        return storage

    def place(self, key: str, start: int) -> None:
        if start + _bytes(self.known[key]) > self.size:
            raise RefusedPickleError("it ends before its numbers do")
        self.starts[key] = start


def _bytes(storage: Storage) -> int:
    return storage.length * ITEM_BYTES[storage.dtype]


def _read_zip(
    file: IO[bytes], size: int, lenient: bool, check_sums: bool
) -> tuple[object, _Storages]:
    storages = _Storages(size)
    with zipfile.ZipFile(file) as archive:
        folder = _checked_folder(archive, size)
        if check_sums and (spoiled := archive.testzip()):
            raise zipfile.BadZipFile(spoiled)
        with archive.open(f"{folder}data.pkl") as pickled:
            content = read_pickle(pickled, storages.add, lenient=lenient)
        for key, storage in storages.known.items():
            member = archive.getinfo(f"{folder}data/{key}")
            if member.file_size != _bytes(storage):
                raise RefusedPickleError(
                    "a storage has another length or number format than is said"
                )
            storages.place(key, _data_start(file, member.header_offset))
    return content, storages


def _data_start(file: IO[bytes], header_offset: int) -> int:
    """Where a member's bytes begin: its local header's name and extra field may be of any length."""
    file.seek(header_offset)
    header = file.read(_LOCAL_HEADER_BYTES)
    if len(header) != _LOCAL_HEADER_BYTES or not header.startswith(ZIP_START):
        raise zipfile.BadZipFile
    name, extra = (int.from_bytes(header[at : at + 2], "little") for at in (26, 28))
    return header_offset + _LOCAL_HEADER_BYTES + name + extra


def _checked_folder(archive: zipfile.ZipFile, size: int) -> str:
    """The folder that everything lies in, with its slash; nothing may grow on being read."""
    members = archive.infolist()
    if any(m.compress_type != zipfile.ZIP_STORED or m.flag_bits & 1 for m in members):
        raise RefusedPickleError("its archive is compressed or encrypted, as torch never writes it")
    if sum(member.file_size for member in members) > size:
        raise RefusedPickleError("its archive claims to hold more bytes than it has")
    names = [member.filename for member in members]
    if len(set(names)) != len(names):
        raise RefusedPickleError("its archive holds two members of one name")
    (pickled,) = [name for name in names if name.endswith("/data.pkl") and name.count("/") == 1]
    folder = pickled.removesuffix("data.pkl")
    order = archive.read(f"{folder}byteorder") if f"{folder}byteorder" in names else b"little"
    if order != b"little":
        raise RefusedPickleError("its numbers are big-endian")
    return folder


def _read_legacy(file: IO[bytes], size: int, lenient: bool) -> tuple[object, _Storages]:
    storages = _Storages(size)
    start = [read_pickle(file, storages.add) for _ in range(3)]
    if start[:2] != [MAGIC_NUMBER, PROTOCOL_VERSION] or start[2].get("little_endian") is not True:
        raise RefusedPickleError("it does not start as a file of torch.save does")
    content: Any = read_pickle(file, storages.add, lenient=lenient)
    keys = read_pickle(file, storages.add)
    if set(keys) != set(storages.known) or len(keys) != len(storages.known):
        raise RefusedPickleError("the numbers that it holds are not those that it refers to")
    for key in keys:
        storage = storages.known[key]
        # Each storage is its length in eight bytes, then its numbers.
        if int.from_bytes(file.read(8), "little") != storage.length:
            raise RefusedPickleError("a storage has another length than its tensor says")
        storages.place(key, file.tell())
        file.seek(_bytes(storage), 1)
    return content, storages
