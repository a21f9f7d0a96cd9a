from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch

from studio.bases.conditioning import Conditioning
from studio.examples.batch import Batch
from studio.training.randomness import RandomStreams

MakeBatch = Callable[..., Batch]


@pytest.fixture
def make_batch() -> MakeBatch:
    """Batches of given items, each item with latents and text of its own, the same in any company."""
    streams = RandomStreams(0)

    def make(items: Sequence[int], **changes: Any) -> Batch:
        states = torch.stack([streams.normal((16, 32), "states", 0, i) for i in items])
        return Batch(
            **{
                "latents": torch.stack([streams.normal((4, 8, 8), "latents", 0, i) for i in items]),
                "conditioning": Conditioning(states),
                "captions": [""] * len(items),
                "items": list(items),
                "views": [0] * len(items),
                "weights": torch.ones(len(items)),
            }
            | changes
        )

    return make
