"""What an evaluation found, as one JSON-able record. No torch."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from studio.evaluation.copying import CopyingResult
from studio.evaluation.effect import EffectResult
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

    def to_json(self) -> dict[str, Any]:
        """Plain dictionaries, lists, strings and numbers."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> EvaluationReport:
        """What `to_json` gave, also after a trip through a JSON file."""
        following = content["following"]
        parts = {
            "prompts": tuple(content["prompts"]),
            "seeds": tuple(content["seeds"]),
            "style": _style(content["style"]),
            "following": None if following is None else _following(following),
            "effect": EffectResult(**content["effect"]),
            "copying": CopyingResult(**content["copying"]),
        }
        return cls(**{**content, **parts})


def _style(content: dict[str, Any]) -> StyleResult:
    low, high = content["interval"]
    blocks = {name: (far, near) for name, (far, near) in content["blocks"].items()}
    return StyleResult(**{**content, "interval": (low, high), "blocks": blocks})


def _following(content: dict[str, Any]) -> FollowingResult:
    shares = {name: Retrieval(**content[name]) for name in ("base", "adapter", "chance")}
    return FollowingResult(**{**content, **shares})
