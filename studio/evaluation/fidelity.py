"""Do pictures show what the set shows? By nearness to held-out pictures as CLIP sees them. No torch."""

from __future__ import annotations

from dataclasses import dataclass

from studio.evaluation.style_features import Floats


@dataclass(frozen=True)
class FidelityResult:
    """Mean cosine similarity to held-out pictures in CLIP space (the CLIP-I of Ruiz et al., 2023).

    Attributes:
        base, adapter: of pictures drawn without and with the adapter.
        training: of the set's own training pictures: as near as one could wish.
        relative_gain: how much of the way from ``base`` to ``training`` the adapter goes; below 0 it
            leads away.
    """

    base: float
    adapter: float
    training: float
    relative_gain: float


def measure_fidelity(
    base: Floats, adapter: Floats, training: Floats, held_out: Floats
) -> FidelityResult:
    """From unit-length embeddings, (pictures, width) each."""
    centre = held_out.mean(axis=0)
    without, with_adapter, wished = (
        float((pictures @ centre).mean()) for pictures in (base, adapter, training)
    )
    way = wished - without
    gain = (with_adapter - without) / way if way > 0 else 0.0
    return FidelityResult(without, with_adapter, wished, gain)
