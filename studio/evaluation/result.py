"""What an evaluation found, as one JSON-able record. No torch."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from studio.evaluation.copying import CopyingResult
from studio.evaluation.drift import DriftResult
from studio.evaluation.effect import EffectResult
from studio.evaluation.fidelity import FidelityResult
from studio.evaluation.retrieval import FollowingResult, Retrieval
from studio.evaluation.style import StyleResult


@dataclass(frozen=True)
class EvaluationReport:
    """The adapter against the bare base, on the same prompts and seeds.

    Attributes:
        adapter_name, base_name: what was measured, on what.
        strength: how strongly the adapter was applied.
        prompts: what was drawn, trigger included; each with every seed.
        num_pictures: pictures drawn with the adapter; as many without it.
        num_held_out, num_training: pictures of the set that they were measured against.
        following: None where no CLIP model is at hand, or fewer than two different prompts.
        fidelity: None where no CLIP model is at hand.
        drift: None where no prompts were given to measure it with.
        seconds: wall clock of drawing and measuring.
        verdict: the result in a few plain sentences.
    """

    adapter_name: str
    base_name: str
    strength: float
    prompts: tuple[str, ...]
    seeds: tuple[int, ...]
    num_pictures: int
    num_held_out: int
    num_training: int
    style: StyleResult
    following: FollowingResult | None
    effect: EffectResult
    copying: CopyingResult
    seconds: float
    verdict: str
    fidelity: FidelityResult | None = None
    drift: DriftResult | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain dictionaries, lists, strings and numbers."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> EvaluationReport:
        """What `to_json` gave, also after a trip through a JSON file."""
        following, fidelity = content["following"], content.get("fidelity")
        drift = content.get("drift")
        parts = {
            "prompts": tuple(content["prompts"]),
            "seeds": tuple(content["seeds"]),
            "style": _style(content["style"]),
            "following": None if following is None else _following(following),
            "effect": EffectResult(**content["effect"]),
            "copying": CopyingResult(**content["copying"]),
            "fidelity": None if fidelity is None else FidelityResult(**fidelity),
            "drift": None if drift is None else _drift(drift),
        }
        return cls(**{**content, **parts})


def _style(content: dict[str, Any]) -> StyleResult:
    low, high = content["interval"]
    blocks = {name: (far, near) for name, (far, near) in content["blocks"].items()}
    return StyleResult(**{**content, "interval": (low, high), "blocks": blocks})


def _drift(content: dict[str, Any]) -> DriftResult:
    return DriftResult(**{**content, "prompts": tuple(content["prompts"])})


def _following(content: dict[str, Any]) -> FollowingResult:
    shares = {name: Retrieval(**content[name]) for name in ("base", "adapter", "chance")}
    return FollowingResult(**{**content, **shares})
