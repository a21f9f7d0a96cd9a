"""From drawn pictures to figures: every measure on the same two sets of pictures."""

from __future__ import annotations

from studio.curation.manifest import CuratedSet
from studio.evaluation.clip_scorer import ClipScorer
from studio.evaluation.copying import measure_copying
from studio.evaluation.drift import DriftResult, measure_drift
from studio.evaluation.effect import EffectResult, measure_effect
from studio.evaluation.fidelity import measure_fidelity
from studio.evaluation.result import EvaluationReport
from studio.evaluation.retrieval import FollowingResult, compare_following, without_trigger
from studio.evaluation.square import read_squares
from studio.evaluation.style import compare_styles
from studio.evaluation.style_features import style_features
from studio.evaluation.verdict import verdict
from studio.preview.comparison import Comparison


def measure(
    pairs: Comparison,
    held_out: CuratedSet,
    training: CuratedSet,
    *,
    scorer: ClipScorer | None,
    trigger: str,
    elsewhere: Comparison | None = None,
) -> EvaluationReport:
    """Judge pictures that were drawn already; ``seconds`` of the report is left at 0.

    Args:
        pairs: two series, the base's pictures and then the adapter's.
        scorer: None leaves prompt following and fidelity out.
        elsewhere: pictures of other things, as ``pairs``; None leaves drift out.

    Raises:
        DatasetError: a picture of the sets cannot be decoded.
    """
    base, adapter = pairs.series
    side_px = base.pictures[0].width
    unseen = read_squares([held_out.path_of(p) for p in held_out.kept], side_px)
    seen = read_squares([training.path_of(p) for p in training.kept], side_px)
    sets = (base.pictures, adapter.pictures, unseen, seen)
    # At half size the blur of the base's autoencoder, which no adapter can mend, does not show.
    features = [style_features(pictures, side_px // 2) for pictures in sets]
    style = compare_styles(features[0], features[1], features[2], features[3], _prompt_of(pairs))
    following = None if scorer is None else _following(scorer, pairs, trigger)
    embedded = (
        [] if scorer is None else [scorer.embed_pictures(p) for p in (*sets[:2], seen, unseen)]
    )
    effect = measure_effect(base.pictures, adapter.pictures)
    copying = measure_copying(*sets)
    return EvaluationReport(
        adapter_name=adapter.heading,
        base_name=pairs.base_name,
        strength=adapter.strength,
        prompts=pairs.prompts,
        seeds=pairs.seeds,
        num_pictures=len(adapter.pictures),
        num_held_out=len(unseen),
        num_training=len(seen),
        style=style,
        following=following,
        effect=effect,
        copying=copying,
        seconds=0.0,
        verdict=verdict(style, following, effect, copying, len(unseen)),
        fidelity=measure_fidelity(*embedded) if embedded else None,
        drift=None if elsewhere is None else _drift(elsewhere, effect),
    )


def _drift(elsewhere: Comparison, effect: EffectResult) -> DriftResult:
    base, adapter = elsewhere.series
    return measure_drift(base.pictures, adapter.pictures, elsewhere.prompts, effect)


def _prompt_of(pairs: Comparison) -> list[int]:
    """The number of the prompt behind each picture of a series."""
    return [index for index in range(len(pairs.prompts)) for _ in pairs.seeds]


def _following(scorer: ClipScorer, pairs: Comparison, trigger: str) -> FollowingResult | None:
    """Prompts that are one text without the trigger count as one."""
    plain = [without_trigger(prompt, trigger) for prompt in pairs.prompts]
    texts = list(dict.fromkeys(plain))
    if len(texts) < 2:
        return None
    text_of = [texts.index(plain[index]) for index in _prompt_of(pairs)]
    base, adapter = (scorer.embed_pictures(series.pictures) for series in pairs.series)
    return compare_following(base, adapter, scorer.embed_texts(texts), text_of)
