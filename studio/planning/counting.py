"""Counts the memory that is alive, and the work done, while torch computes."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter
from torch.utils.flop_counter import flop_registry

from studio.planning.work import Work

_aten = torch.ops.aten
_CONVOLUTIONS = {_aten.convolution, _aten.convolution_backward}
_CPU_ATTENTION = {
    _aten._scaled_dot_product_flash_attention_for_cpu: (2, 0),
    _aten._scaled_dot_product_flash_attention_for_cpu_backward: (5, 1),
}
"""Matrix products in each, and where the query stands; torch's own table of operations lacks them."""


@dataclass
class Phase:
    """What a stretch of the computation came to.

    Attributes:
        before_bytes, after_bytes: alive when it began and ended.
        peak_bytes: the most that was alive at one time.
        work: all that was computed.
    """

    before_bytes: int = 0
    after_bytes: int = 0
    peak_bytes: int = 0
    work: Work = field(default_factory=Work)


class Counter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Follows every storage on one kind of device from its making to its end.

    Values that a program asks of tensors without memory (``.item()``) are 1, for there are none.

    Args:
        device_type: ``cpu`` or ``cuda``; storages elsewhere do not count.
        by_onednn: whether convolutions are oneDNN's, as on every processor.

    Attributes:
        live_bytes: alive now; storages that were there before the counter are not known to it.
        peak_bytes: the most so far, since the last `phase` began.
    """

    def __init__(self, device_type: str, *, by_onednn: bool) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.live_bytes = 0
        self.peak_bytes = 0
        self.work = Work()
        self._device_type, self._by_onednn = device_type, by_onednn
        self._alive: dict[int, tuple[int, Any]] = {}

    @contextmanager
    def phase(self) -> Iterator[Phase]:
        """A stretch with a peak and work of its own."""
        found, work = Phase(before_bytes=self.live_bytes), self.work
        self.peak_bytes, self.work = self.live_bytes, Work()
        try:
            yield found
        finally:
            found.peak_bytes, found.after_bytes = self.peak_bytes, self.live_bytes
            found.work = self.work
            self.work = work + self.work

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        if func is torch.ops.prim.device.default:  # asked for at every turn; it is no work
            return getattr(args[0], "fake_device", None) or func(*args)
        if func is _aten._local_scalar_dense.default:
            return 1.0 if args[0].is_floating_point() else 1
        if func is _aten.equal.default:
            return True
        out = func(*args, **(kwargs or {}))
        is_new = [self._follow(t) for t in tree_iter(out) if isinstance(t, Tensor)]
        self._count(func, args, kwargs or {}, out, computes=any(is_new))
        return out

    def _follow(self, tensor: Tensor) -> bool:
        """Whether its storage is a new one."""
        if tensor.device.type != self._device_type:
            return False
        storage = tensor.untyped_storage()
        key = storage._cdata
        if key in self._alive:
            return False
        size = storage.nbytes()
        self._alive[key] = size, weakref.ref(storage, self._ender(key))
        self.live_bytes += size
        self.peak_bytes = max(self.peak_bytes, self.live_bytes)
        return True

    def _ender(self, key: int) -> Callable[[Any], None]:
        def end(_: Any) -> None:
            size, _ = self._alive.pop(key, (0, None))
            self.live_bytes -= size

        return end

    def _count(
        self,
        func: Any,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        out: Any,
        *,
        computes: bool,
    ) -> None:
        packet, flops, moved = func._overloadpacket, 0.0, 0.0
        if packet in _CPU_ATTENTION:
            flops = _attention_flops(packet, args)
        elif packet in flop_registry:
            flops = flop_registry[packet](*args, **kwargs, out_val=out)
        elif computes:
            moved = sum(t.nbytes for t in tree_iter((args, out)) if isinstance(t, Tensor))
        if packet in _CONVOLUTIONS:
            if self._by_onednn:
                self.peak_bytes = max(
                    self.peak_bytes, self.live_bytes + _reordered_bytes(args, out)
                )
            self.work += Work(conv_flops=flops, calls=1)
        else:
            self.work += Work(matmul_flops=flops, moved_bytes=moved, calls=1)


def _attention_flops(packet: Any, args: tuple[Any, ...]) -> float:
    products, place = _CPU_ATTENTION[packet]
    query, key = args[place], args[place + 1]
    batch, heads, tokens, width = query.shape
    return float(2 * products * batch * heads * tokens * key.shape[2] * width)


def _reordered_bytes(args: tuple[Any, ...], out: Any) -> int:
    """What oneDNN takes beside a convolution's input and output, on a processor.

    It computes in a layout of its own: first input and weight stand there a second time, then the output
    does, until it is written out.
    """
    given = sum(t.nbytes for t in args[:2] if isinstance(t, Tensor))
    made = sum(t.nbytes for t in tree_iter(out) if isinstance(t, Tensor))
    return max(given, made)
