"""Files of ``torch.save`` from anywhere: read as data, nothing in them is run.

Two layouts: the zip archive of torch 1.6 and later, and the older one of five pickles in a row with the
numbers behind them. Sizes are believed only as far as the file is long.
"""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import IO, Any

import torch
from torch import Tensor

from studio.adapters.pickle_machine import RefusedPickleError, read_pickle
from studio.errors import AdapterError

MAX_FILE_BYTES = 8 << 30
ZIP_START = b"PK\x03\x04"
MAGIC_NUMBER = 0x1950A86A20F9469CFC6C  # of the older layout, as torch/serialization.py has it
PROTOCOL_VERSION = 1001


def load_restricted(path: Path) -> object:
    """What ``torch.save`` wrote: None, numbers, text, lists, tuples, dicts and tensors on the CPU.

    An OrderedDict and a ParameterDict come as dicts, a Parameter as its tensor.

    Raises:
        AdapterError: the file is missing, broken or too large, or it asks for anything but tensors in
            plain containers; the message names what it wanted to run.
    """
    if not path.is_file():
        raise AdapterError(f"{path} is no file; give an adapter's .pt file")
    try:
        with path.open("rb") as file:
            size = path.stat().st_size
            if size > MAX_FILE_BYTES:
                raise RefusedPickleError(f"it has {size:,} bytes of at most {MAX_FILE_BYTES:,}")
            is_zip = file.read(len(ZIP_START)) == ZIP_START
            file.seek(0)
            return _load_zip(file, size) if is_zip else _load_legacy(file, size)
    except RefusedPickleError as error:
        raise AdapterError(
            f"{path} was not opened: {error}; get the file from elsewhere"
        ) from error
    except Exception as error:  # a spoiled pickle or archive can raise nearly anything
        raise AdapterError(
            f"{path} is no whole file of torch.save ({type(error).__name__}); get it anew"
        ) from error


def _load_zip(file: IO[bytes], size: int) -> object:
    with zipfile.ZipFile(file) as archive:
        folder = _checked_folder(archive, size)
        storages: dict[str, Tensor] = {}

        def storage_of(key: str, dtype: torch.dtype, length: int) -> Tensor:
            if key not in storages:
                storages[key] = _numbers(archive.read(f"{folder}data/{key}"), dtype)
            return _checked_storage(storages[key], dtype, length)

        with archive.open(f"{folder}data.pkl") as pickled:
            return read_pickle(pickled, storage_of)


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


def _load_legacy(file: IO[bytes], size: int) -> object:
    storages: dict[str, Tensor] = {}

    def storage_of(key: str, dtype: torch.dtype, length: int) -> Tensor:
        if key not in storages:
            claimed = sum(t.nbytes for t in storages.values()) + length * dtype.itemsize
            if claimed > size:
                raise RefusedPickleError(f"it claims {claimed:,} bytes of numbers in {size:,}")
            storages[key] = torch.empty(length, dtype=dtype)  # the numbers stand behind the pickles
        return _checked_storage(storages[key], dtype, length)

    start = [read_pickle(file, storage_of) for _ in range(3)]
    if start[:2] != [MAGIC_NUMBER, PROTOCOL_VERSION] or start[2].get("little_endian") is not True:
        raise RefusedPickleError("it does not start as a file of torch.save does")
    content: Any = read_pickle(file, storage_of)
    keys = read_pickle(file, storage_of)
    if set(keys) != set(storages) or len(keys) != len(storages):
        raise RefusedPickleError("the numbers that it holds are not those that it refers to")
    for key in keys:
        _fill(storages[key], file)
    return content


def _fill(storage: Tensor, file: IO[bytes]) -> None:
    """Read one storage: its length in eight bytes, then its numbers."""
    if int.from_bytes(file.read(8), "little") != storage.numel():
        raise RefusedPickleError("a storage has another length than its tensor says")
    data = file.read(storage.nbytes)
    if len(data) != storage.nbytes:
        raise RefusedPickleError("it ends before its numbers do")
    storage.copy_(_numbers(data, storage.dtype))


def _numbers(data: bytes, dtype: torch.dtype) -> Tensor:
    return torch.frombuffer(bytearray(data), dtype=dtype) if data else torch.empty(0, dtype=dtype)


def _checked_storage(storage: Tensor, dtype: torch.dtype, length: int) -> Tensor:
    if storage.dtype != dtype or storage.numel() != length:
        raise RefusedPickleError("a storage has another length or number format than is said")
    return storage
