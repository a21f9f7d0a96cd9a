"""Pickled adapter files from anywhere: read as data, nothing in them is run."""

from __future__ import annotations

from pathlib import Path

from studio.errors import AdapterError
from studio.pickled.machine import RefusedPickleError
from studio.pickled.tensors import with_tensors
from studio.pickled.torch_file import BrokenPickleError, read_torch_file

MAX_FILE_BYTES = 8 << 30


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
        return with_tensors(read_torch_file(path, most_bytes=MAX_FILE_BYTES, check_sums=True))
    except RefusedPickleError as error:
        raise AdapterError(
            f"{path} was not opened: {error}; get the file from elsewhere"
        ) from error
    except (BrokenPickleError, OSError, RecursionError) as error:
        kind = error if isinstance(error, BrokenPickleError) else type(error).__name__
        raise AdapterError(
            f"{path} is no whole file of torch.save ({kind}); get it anew"
        ) from error
