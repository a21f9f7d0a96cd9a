"""Pickles read as data: a small machine for the few opcodes that tensors in plain containers need.

Python's own unpickler looks names up and calls them, so what a file may do is whatever its callables
may do. Here nothing is looked up and nothing called: the few names that tensor files use stand for fixed
things. What is built is None, numbers, text, bytes, lists, tuples, dicts and descriptions of tensors. No
torch.

Checkpoints of whole models carry leftovers of their training: callbacks, options, counters. Read
leniently, objects of unknown classes come as `Placeholder`; strictly, their names are refused and told.
"""

from __future__ import annotations

import math
import pickletools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import IO, Any

MAX_OPCODES = 1_000_000  # a tensor takes some twenty
STORAGES = {
    "DoubleStorage": "F64",
    "FloatStorage": "F32",
    "HalfStorage": "F16",
    "BFloat16Storage": "BF16",
    "LongStorage": "I64",
    "IntStorage": "I32",
    "ShortStorage": "I16",
    "CharStorage": "I8",
    "ByteStorage": "U8",
    "BoolStorage": "BOOL",
}
"""From torch's classes to number formats, under safetensors' names."""
ORDERED_DICT = "collections.OrderedDict"
PARAMETER_DICT = "torch.nn.modules.container.ParameterDict"
TENSOR, PARAMETER = "torch._utils._rebuild_tensor_v2", "torch._utils._rebuild_parameter"
EMPTY_SET = ("__builtin__.set", "builtins.set")  # every module's state has one
_KNOWN = {
    *(ORDERED_DICT, PARAMETER_DICT, TENSOR, PARAMETER, *EMPTY_SET),
    *(f"torch.{name}" for name in STORAGES),
}
# What a checkpoint calls for numbers and options that are not its weights.
_CALLED_IN_LEFTOVERS = {
    *("numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar", "numpy.dtype"),
    *("numpy.core.multiarray._reconstruct", "numpy._core.multiarray._reconstruct"),
    *("_codecs.encode", "collections.defaultdict", "collections.Counter", "torch.Size"),
    *("copy_reg._reconstructor", "copyreg._reconstructor", "torch.device"),
}
# Where the means of doing harm lie: such a name is no leftover, whether or not it would be called.
_HARMFUL_MODULES = {
    *("builtins", "__builtin__", "os", "posix", "nt", "sys", "subprocess", "commands", "pty"),
    *("runpy", "importlib", "imp", "pkgutil", "code", "codeop", "pdb", "bdb", "timeit", "ctypes"),
    *("socket", "shutil", "tempfile", "io", "pathlib", "webbrowser", "urllib", "requests", "http"),
    *("pickle", "_pickle", "cPickle", "marshal", "dill", "cloudpickle", "operator", "_operator"),
    *("multiprocessing", "threading", "signal", "pip", "setuptools", "platform", "asyncio"),
}
_PLAIN_BUILTINS = {
    *("object", "set", "frozenset", "dict", "list", "tuple", "int", "float", "bool", "str"),
    *("complex", "bytes", "bytearray", "slice", "range", "long", "unicode", "xrange"),
}
_VALUES = {
    *("BININT", "BININT1", "BININT2", "LONG1", "LONG4", "BINFLOAT"),
    *("SHORT_BINUNICODE", "BINUNICODE", "SHORT_BINSTRING", "BINSTRING"),
    *("SHORT_BINBYTES", "BINBYTES"),
}
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_EMPTY: dict[str, type] = {"EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_TUPLE": tuple}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


class RefusedPickleError(Exception):
    """The pickle asks for something that no tensors need; the message says what, as a clause."""


@dataclass(frozen=True)
class Storage:
    """Where a tensor's numbers lie: ``length`` of them in the number format ``dtype``."""

    key: str
    dtype: str
    length: int


@dataclass(frozen=True)
class PickledTensor:
    """A view of a storage that lies within it: ``offset`` and ``stride`` in numbers, not bytes."""

    storage: Storage
    shape: tuple[int, ...]
    stride: tuple[int, ...]
    offset: int

    @property
    def dtype(self) -> str:
        return self.storage.dtype


class Placeholder:
    """Stands for an object of a class that was not looked up; takes any state and keeps none."""


StorageOf = Callable[[str, str, int], Storage]
"""From a storage's key, number format and length to the storage, where the file can hold it."""


@dataclass(frozen=True)
class _Name:
    """A name that a pickle mentions, never looked up."""

    dotted: str


class _ParameterDict(dict[Any, Any]):
    """Stands for torch's, whose entries come as the state of a module."""


def read_pickle(stream: IO[bytes], storage_of: StorageOf, *, lenient: bool = False) -> Any:
    """The object in the pickle that starts here; the stream is left behind its end.

    Raises:
        RefusedPickleError: it asks for anything but tensors in plain containers; where ``lenient``,
            for a function to be called, or for a name out of a module that can do harm.
        Exception: of nearly any kind, where it is truncated or spoiled.
    """
    return _Machine(storage_of, lenient).run(stream)


class _Machine:
    """The stack, the marks on it and the memo, as `pickletools` describes them."""

    def __init__(self, storage_of: StorageOf, lenient: bool) -> None:
        self._storage_of, self._lenient = storage_of, lenient
        self._stack: list[Any] = []
        self._marks: list[int] = []
        self._memo: dict[int, Any] = {}
        self._actions: dict[str, Callable[[Any], None]] = {
            "PROTO": lambda _: None,
            "FRAME": lambda _: None,
            "STOP": lambda _: None,
            "MARK": lambda _: self._marks.append(len(self._stack)),
            "TUPLE": lambda _: self._stack.append(tuple(self._since_mark())),
            "APPEND": lambda _: self._extend([self._stack.pop()]),
            "APPENDS": lambda _: self._extend(self._since_mark()),
            "SETITEM": lambda _: self._update([self._stack.pop(-2), self._stack.pop()]),
            "SETITEMS": lambda _: self._update(self._since_mark()),
            "BINPUT": self._memoize,
            "LONG_BINPUT": self._memoize,
            "MEMOIZE": lambda _: self._memoize(len(self._memo)),
            "BINGET": lambda index: self._stack.append(self._memo[index]),
            "LONG_BINGET": lambda index: self._stack.append(self._memo[index]),
            "GLOBAL": lambda name: self._name(name.replace(" ", ".")),
            "STACK_GLOBAL": lambda _: self._name(f"{self._stack.pop(-2)}.{self._stack.pop()}"),
            "BINPERSID": lambda _: self._stack.append(self._storage(self._stack.pop())),
            "REDUCE": lambda _: self._make(calls=True),
            "NEWOBJ": lambda _: self._make(calls=False),
            "BUILD": lambda _: self._build(self._stack.pop()),
        }

    def run(self, stream: IO[bytes]) -> Any:
        for count, (opcode, argument, _) in enumerate(pickletools.genops(stream)):
            if count == MAX_OPCODES:
                raise RefusedPickleError(f"it has more than {MAX_OPCODES:,} steps")
            self._step(opcode.name, argument)
        (result,) = self._stack
        return result

    def _step(self, opcode: str, argument: Any) -> None:
        if opcode in _VALUES:
            self._stack.append(argument)
        elif opcode in _CONSTANTS:
            self._stack.append(_CONSTANTS[opcode])
        elif opcode in _EMPTY:
            self._stack.append(_EMPTY[opcode]())
        elif opcode in _TUPLES:
            length = _TUPLES[opcode]
            self._stack[-length:] = [tuple(self._stack[-length:])]
        elif opcode in self._actions:
            self._actions[opcode](argument)
        else:
            raise RefusedPickleError(f"it uses the pickle opcode {opcode}, which no tensors need")

    def _since_mark(self) -> list[Any]:
        start = self._marks.pop()
        items = self._stack[start:]
        del self._stack[start:]
        return items

    def _memoize(self, index: int) -> None:
        self._memo[index] = self._stack[-1]

    def _extend(self, items: list[Any]) -> None:
        target = self._stack[-1]
        if isinstance(target, Placeholder):
            return
        if type(target) is not list:
            raise RefusedPickleError(f"it appends to {_described(target)}")
        target.extend(items)

    def _update(self, items: list[Any]) -> None:
        target = self._stack[-1]
        if isinstance(target, Placeholder):
            return
        if not isinstance(target, dict):
            raise RefusedPickleError(f"it sets items of {_described(target)}")
        target.update(zip(items[::2], items[1::2], strict=True))

    def _name(self, dotted: str) -> None:
        if dotted not in _KNOWN and (not self._lenient or _is_harmful(dotted)):
            raise RefusedPickleError(f"it wants to run {dotted[:120]!r}, which no tensors need")
        self._stack.append(_Name(dotted))

    def _make(self, *, calls: bool) -> None:
        arguments, name = self._stack.pop(), self._stack.pop()
        self._stack.append(self._made(name, arguments, calls))

    def _made(self, name: object, arguments: Any, calls: bool) -> Any:
        match name, arguments:
            case _Name(dotted=str(dotted)), () if dotted == ORDERED_DICT:
                return {}
            case _Name(dotted=str(dotted)), () if dotted == PARAMETER_DICT:
                return _ParameterDict()
            case _Name(dotted=str(dotted)), ([],) if dotted in EMPTY_SET:
                return set()
            case _Name(dotted=str(dotted)), (PickledTensor() as tensor, *_) if dotted == PARAMETER:
                return tensor
            case _Name(dotted=str(dotted)), (Storage() as storage, offset, size, stride, *_) if (
                dotted == TENSOR
            ):
                return _view(storage, offset, size, stride)
            case _Name(dotted=str(dotted)), _ if self._lenient and dotted not in _KNOWN:
                if calls and dotted not in _CALLED_IN_LEFTOVERS:
                    raise RefusedPickleError(
                        f"it wants to run {dotted[:120]!r}, which no tensors need"
                    )
                return Placeholder()
        raise RefusedPickleError(f"it calls {_described(name)} in a way that no tensors need")

    def _storage(self, identity: Any) -> Storage:
        match identity:
            case ("storage", _Name(dotted=str(dotted)), str(key), _, int(length), *views) if (
                dotted.removeprefix("torch.") in STORAGES and views in ([], [None]) and length >= 0
            ):
                return self._storage_of(key, STORAGES[dotted.removeprefix("torch.")], length)
        raise RefusedPickleError(f"it refers to {_described(identity)}, which is no storage")

    def _build(self, state: Any) -> None:
        """A state dict's is about module versions; only a ParameterDict's holds what we came for."""
        target = self._stack[-1]
        if isinstance(target, Placeholder):
            return
        if not isinstance(target, dict):
            raise RefusedPickleError(f"it sets the state of {_described(target)}")
        if isinstance(target, _ParameterDict):
            target.update(state["_parameters"])


def _is_harmful(dotted: str) -> bool:
    module, _, name = dotted.partition(".")
    if module in ("builtins", "__builtin__"):
        return name not in _PLAIN_BUILTINS
    return module in _HARMFUL_MODULES


def _view(storage: Storage, offset: Any, size: Sequence[Any], stride: Sequence[Any]) -> Any:
    """A tensor that lies within its storage and is no larger than it."""
    numbers = (offset, *size, *stride)
    if len(size) != len(stride) or any(type(n) is not int or n < 0 for n in numbers):
        raise RefusedPickleError(f"it has a tensor of shape {_described(size)}")
    last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
    if math.prod(size) > storage.length or (math.prod(size) and last >= storage.length):
        raise RefusedPickleError(f"its tensor of shape {_described(size)} is larger than its data")
    return PickledTensor(storage, tuple(size), tuple(stride), offset)


def _described(thing: object) -> str:
    return f"{thing.dotted!r}" if isinstance(thing, _Name) else repr(thing)[:80]
