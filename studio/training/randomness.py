"""Random draws by counter: what is drawn depends on what it is for, never on what was drawn before.

A run that is resumed, sampled in between or batched in another way draws the same numbers, for no
generator's state is carried from one draw to the next; there is nothing to save and nothing to lose.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class RandomStreams:
    """Independent streams of random numbers, each addressed as (seed, stream, step, item).

    The address is hashed (SHA-256) to the 128-bit key of a Philox counter generator (Salmon et al.,
    2011), so streams are independent of one another and numbers are the same on every platform.
    ``step`` and ``item`` are any two counters; a name says what they count where it is used.
    """

    seed: int

    def normal(self, shape: Sequence[int], stream: str, step: int, item: int = 0) -> Tensor:
        """Standard normal numbers of the given shape: fp32, on the CPU."""
        drawn = self._philox(stream, step, item).standard_normal(tuple(shape), dtype=np.float32)
        return torch.from_numpy(drawn)

    def uniform(self, stream: str, step: int, item: int = 0) -> float:
        """One number in [0, 1)."""
        return float(self._philox(stream, step, item).random())

    def integer(self, low: int, high: int, stream: str, step: int, item: int = 0) -> int:
        """One whole number in [low, high)."""
        return int(self._philox(stream, step, item).integers(low, high))

    def permutation(self, n: int, stream: str, step: int, item: int = 0) -> list[int]:
        """The numbers 0 to n - 1 in random order."""
        order: list[int] = self._philox(stream, step, item).permutation(n).tolist()
        return order

    def generator(self, stream: str, step: int, item: int = 0) -> torch.Generator:
        """A fresh torch generator on the CPU, for code that draws by itself.

        torch's CPU generator keeps 32 bits of a seed: enough for a few thousand uses, which is why
        the engine's own draws do not go through it.
        """
        return torch.Generator().manual_seed(self._key(stream, step, item) % 2**63)

    @contextmanager
    def seeding_torch(
        self, stream: str, step: int, item: int = 0, device: torch.device | None = None
    ) -> Iterator[None]:
        """Seed torch's global generators for the length of a block; afterwards they are as before.

        For modules that draw from the global generator and take no other, such as dropout.
        """
        devices = [] if device is None or device.type == "cpu" else [device]
        kind = devices[0].type if devices else "cuda"
        with torch.random.fork_rng(devices, device_type=kind):
            torch.manual_seed(self._key(stream, step, item) % 2**63)
            yield

    def _philox(self, stream: str, step: int, item: int) -> np.random.Generator:
        return np.random.Generator(np.random.Philox(key=self._key(stream, step, item)))

    def _key(self, stream: str, step: int, item: int) -> int:
        address = f"{self.seed}/{stream}/{step}/{item}".encode()
        return int.from_bytes(hashlib.sha256(address).digest()[:16], "little")
