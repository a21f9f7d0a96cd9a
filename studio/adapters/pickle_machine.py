"""Pickles read as data: a small machine for the few opcodes that tensors in plain containers need.

Python's own unpickler looks names up and calls them, so what a file may do is whatever its callables
may do. Here nothing is looked up and nothing called: the few names that tensor files use stand for fixed
things, and every other name is refused and told. What is built is None, numbers, text, bytes, lists,
tuples, dicts and tensors.
"""

from __future__ import annotations

import math
import pickletools
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, Any

import torch
from torch import Tensor

MAX_OPCODES = 1_000_000  # an adapter takes some twenty for each tensor
STORAGES = {
    "DoubleStorage": torch.float64,
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}
ORDERED_DICT = "collections.OrderedDict"
PARAMETER_DICT = "torch.nn.modules.container.ParameterDict"
TENSOR, PARAMETER = "torch._utils._rebuild_tensor_v2", "torch._utils._rebuild_parameter"
EMPTY_SET = ("__builtin__.set", "builtins.set")  # every module's state has one
_KNOWN = {
    *(ORDERED_DICT, PARAMETER_DICT, TENSOR, PARAMETER, *EMPTY_SET),
    *(f"torch.{name}" for name in STORAGES),
}
_VALUES = {
    *("BININT", "BININT1", "BININT2", "LONG1", "LONG4", "BINFLOAT"),
    *("SHORT_BINUNICODE", "BINUNICODE", "SHORT_BINSTRING", "BINSTRING"),
    *("SHORT_BINBYTES", "BINBYTES"),
}
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_EMPTY: dict[str, type] = {"EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_TUPLE": tuple}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}

StorageOf = Callable[[str, torch.dtype, int], Tensor]
"""From a storage's key, number format and length to its numbers, (length,)."""


class RefusedPickleError(Exception):
    """The pickle asks for something that no adapter needs; the message says what, as a clause."""


@dataclass(frozen=True)
class _Name:
    """A name that a pickle mentions, never looked up."""

    dotted: str


class _ParameterDict(dict[Any, Any]):
    """Stands for torch's, whose entries come as the state of a module."""


def read_pickle(stream: IO[bytes], storage_of: StorageOf) -> Any:
    """The object in the pickle that starts here; the stream is left behind its end.

    Tensors are views of what ``storage_of`` gives.

    Raises:
        RefusedPickleError: it asks for anything but tensors in plain containers.
        Exception: of nearly any kind, where it is truncated or spoiled.
    """
    return _Machine(storage_of).run(stream)


class _Machine:
    """The stack, the marks on it and the memo, as `pickletools` describes them."""

    def __init__(self, storage_of: StorageOf) -> None:
        self._storage_of = storage_of
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
            "REDUCE": lambda _: self._make(),
            "NEWOBJ": lambda _: self._make(),
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
            raise RefusedPickleError(f"it uses the pickle opcode {opcode}, which no adapter needs")

    def _since_mark(self) -> list[Any]:
        start = self._marks.pop()
        items = self._stack[start:]
        del self._stack[start:]
        return items

    def _memoize(self, index: int) -> None:
        self._memo[index] = self._stack[-1]

    def _extend(self, items: list[Any]) -> None:
        if type(self._stack[-1]) is not list:
            raise RefusedPickleError(f"it appends to {_described(self._stack[-1])}")
        self._stack[-1].extend(items)

    def _update(self, items: list[Any]) -> None:
        if not isinstance(self._stack[-1], dict):
            raise RefusedPickleError(f"it sets items of {_described(self._stack[-1])}")
        self._stack[-1].update(zip(items[::2], items[1::2], strict=True))

    def _name(self, dotted: str) -> None:
        if dotted not in _KNOWN:
            raise RefusedPickleError(f"it wants to run {dotted[:120]!r}, which no adapter needs")
        self._stack.append(_Name(dotted))

    def _make(self) -> None:
        arguments, name = self._stack.pop(), self._stack.pop()
        self._stack.append(self._made(name, arguments))

    def _made(self, name: object, arguments: Any) -> Any:
        match name, arguments:
            case _Name(dotted=str(dotted)), () if dotted == ORDERED_DICT:
                return {}
            case _Name(dotted=str(dotted)), () if dotted == PARAMETER_DICT:
                return _ParameterDict()
            case _Name(dotted=str(dotted)), ([],) if dotted in EMPTY_SET:
                return set()
            case _Name(dotted=str(dotted)), (Tensor() as tensor, *_) if dotted == PARAMETER:
                return tensor
            case _Name(dotted=str(dotted)), (Tensor() as storage, offset, size, stride, *_) if (
                dotted == TENSOR
            ):
                return _view(storage, offset, size, stride)
        raise RefusedPickleError(f"it calls {_described(name)} in a way that no adapter needs")

    def _storage(self, identity: Any) -> Tensor:
        match identity:
            case ("storage", _Name(dotted=str(dotted)), str(key), _, int(length), *views) if (
                dotted.removeprefix("torch.") in STORAGES and views in ([], [None]) and length >= 0
            ):
                return self._storage_of(key, STORAGES[dotted.removeprefix("torch.")], length)
        raise RefusedPickleError(f"it refers to {_described(identity)}, which is no storage")

    def _build(self, state: Any) -> None:
        """A state dict's is about module versions; only a ParameterDict's holds what we came for."""
        target = self._stack[-1]
        if not isinstance(target, dict):
            raise RefusedPickleError(f"it sets the state of {_described(target)}")
        if isinstance(target, _ParameterDict):
            target.update(state["_parameters"])


def _view(storage: Tensor, offset: Any, size: Any, stride: Any) -> Tensor:
    """A tensor that lies within its storage and is no larger than it."""
    numbers = (offset, *size, *stride)
    if len(size) != len(stride) or any(type(n) is not int or n < 0 for n in numbers):
        raise RefusedPickleError(f"it has a tensor of shape {_described(size)}")
    last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
    if math.prod(size) > storage.numel() or (math.prod(size) and last >= storage.numel()):
        raise RefusedPickleError(f"its tensor of shape {_described(size)} is larger than its data")
    return storage.as_strided(size, stride, offset)


def _described(thing: object) -> str:
    return f"{thing.dotted!r}" if isinstance(thing, _Name) else repr(thing)[:80]
