"""Amounts of work, and how long they take. No torch."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Work:
    """What was to be computed.

    Attributes:
        matmul_flops: floating point operations in matrix products and attention.
        conv_flops: the same in convolutions.
        moved_bytes: read and written by everything else.
        calls: operations that were called, whatever their size.
    """

    matmul_flops: float = 0
    conv_flops: float = 0
    moved_bytes: float = 0
    calls: float = 0

    def __add__(self, other: Work) -> Work:
        return Work(
            self.matmul_flops + other.matmul_flops,
            self.conv_flops + other.conv_flops,
            self.moved_bytes + other.moved_bytes,
            self.calls + other.calls,
        )

    def __mul__(self, times: float) -> Work:
        return Work(
            self.matmul_flops * times,
            self.conv_flops * times,
            self.moved_bytes * times,
            self.calls * times,
        )


@dataclass(frozen=True)
class Pace:
    """How fast a machine works off each kind of work; all per second."""

    matmul_flops: float
    conv_flops: float
    moved_bytes: float
    calls: float

    def seconds(self, work: Work) -> float:
        """One kind after the other, as on one queue."""
        return (
            work.matmul_flops / self.matmul_flops
            + work.conv_flops / self.conv_flops
            + work.moved_bytes / self.moved_bytes
            + work.calls / self.calls
        )
