"""An evaluation's figures in a few plain sentences."""

from __future__ import annotations

from studio.evaluation.copying import CopyingResult
from studio.evaluation.effect import UNCHANGED, EffectResult
from studio.evaluation.retrieval import FollowingResult
from studio.evaluation.style import StyleResult

CLEAR_FALL = 0.30
CLEAR_LOSS_POINTS = 10.0
FEW_HELD_OUT = 8


def verdict(
    style: StyleResult,
    following: FollowingResult | None,
    effect: EffectResult,
    copying: CopyingResult,
    num_held_out: int,
) -> str:
    """Style and prompt following in one sentence, then whatever else the user should know."""
    sentences = [
        f"{_style_clause(style)}{_following_clause(style, following)}.",
        *_advice(style, following, effect, copying),
    ]
    if num_held_out < FEW_HELD_OUT:
        sentences.append(f"With {_count(num_held_out)} these are rough figures.")
    return " ".join(sentences)


def _advice(
    style: StyleResult,
    following: FollowingResult | None,
    effect: EffectResult,
    copying: CopyingResult,
) -> list[str]:
    """What to do next; one thing at a time, for what helps against one makes another worse."""
    if copying.suspected:
        return [
            "Its pictures are much nearer to training pictures than to held-out ones: it may be "
            "copying; train for fewer steps or with a lower rank, or add pictures."
        ]
    if effect.mean_change < UNCHANGED:
        return [
            "It hardly changes the pictures: train longer, raise the learning rate or the strength."
        ]
    if style.relative_fall <= 0:
        return [
            "Look through its samples: where none comes nearer, try more steps or another learning "
            "rate; where early ones do, take an earlier checkpoint."
        ]
    is_deaf = following is not None and following.top1_change_points <= -CLEAR_LOSS_POINTS
    if style.relative_fall < CLEAR_FALL:
        how = "at a lower learning rate" if is_deaf else "or try a strength above 1"
        return [f"For more of the look, train longer, {how}."]
    if is_deaf:
        return ["Try a lower strength or an earlier checkpoint: prompts count for more there."]
    return []


def _style_clause(style: StyleResult) -> str:
    share = round(100 * style.relative_fall)
    low, high = (round(100 * bound) for bound in style.interval)
    sure = f" (90% sure of {low}% to {high}%)"
    if style.relative_fall >= CLEAR_FALL:
        return f"The adapter moves pictures {share}% of the way to your set's look{sure}"
    if style.relative_fall > 0:
        return f"The adapter moves pictures only {share}% of the way to your set's look{sure}"
    return f"The adapter does not bring pictures nearer to your set's look ({share}%)"


def _following_clause(style: StyleResult, following: FollowingResult | None) -> str:
    if following is None:
        return ""
    after, before = (round(100 * r.top1) for r in (following.adapter, following.base))
    shares = f"({after}% of pictures match their own prompt best, {before}% without it)"
    if following.top1_change_points > -CLEAR_LOSS_POINTS:
        link = "and" if style.relative_fall > 0 else "but"
        return f", {link} they follow prompts as before {shares}"
    link = "but" if style.relative_fall > 0 else "and"
    return f", {link} they follow prompts less than before {shares}"


def _count(pictures: int) -> str:
    return "one held-out picture" if pictures == 1 else f"{pictures} held-out pictures"
