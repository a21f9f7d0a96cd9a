"""What a tuned model learned, as a LoRA: the difference of two models on disk, layer by layer.

Only one layer's weights are in memory at a time. Norms, biases and embeddings have no place in a LoRA;
what they learned is lost, and counts as lost.
"""

from __future__ import annotations

import torch
from torch import Tensor

from studio.adapters.adapter import AdapterHeader
from studio.adapters.approximation import Approximation
from studio.adapters.rework.lora_building import BuiltLayer, built, cut_layer
from studio.adapters.rework.low_rank import Truncation, decomposed_whole
from studio.adapters.rework.steps import Step, unseen
from studio.adapters.rework.weight_files import WeightFiles, find_weights, opened
from studio.errors import AdapterError

# Layers of text encoders that no reader of LoRA files looks for.
_UNREADABLE = ("embeddings.", "text_projection.")
# A share to keep decides among as many values at most, where no rank does: more is no LoRA.
MAX_RANK = 1024


def extract_difference(
    tuned: str,
    base: str,
    truncation: Truncation,
    *,
    title: str = "",
    step: Step = unseen,
) -> Approximation:
    """The LoRA that is nearest to what ``tuned`` has beyond ``base``.

    Args:
        tuned, base: single files or diffusers folders of one family; also mixed.
        title: of the LoRA; it has no other name.
        step: told of each weight that was compared.

    Raises:
        AdapterError: they are of two families or builds, or no layer differs.
        BaseModelError: one is not here or broken.
    """
    after, before = find_weights(tuned), find_weights(base)
    _require_alike(after, before)
    header = AdapterHeader(
        kind="lora",
        family=before.family,
        base_name=base,
        base_digest=before.digest,
        settings="",
        title=title,
    )
    lost, layers = 0.0, []
    with opened(after) as new, opened(before) as old:
        names = sorted(before.places)
        for done, name in enumerate(names, 1):
            change = _difference(name, new.read(name), old.read(name))
            if change is not None and is_layer(name, change):
                layers.append(_layer(name, change, truncation))
            elif change is not None:
                lost += change.double().square().sum().item()
            step(done, len(names))
    if not layers:
        raise AdapterError(f"no layer of {tuned} differs from {base}; there is no LoRA in it")
    return built(header, layers, ("extracted", vars(truncation)), lost_energy=lost)


def _layer(name: str, change: Tensor, truncation: Truncation) -> BuiltLayer:
    most = min(truncation.rank or MAX_RANK, MAX_RANK)
    return cut_layer(name.removesuffix(".weight"), decomposed_whole(change, most), truncation)


def is_layer(name: str, weight: Tensor) -> bool:
    """Whether a weight is of a linear layer or a convolution that LoRA files can change."""
    inner = name.partition(".")[2]
    is_matrix = weight.dim() in (2, 4) and name.endswith(".weight")
    return is_matrix and not (name.startswith("text_encoder") and inner.startswith(_UNREADABLE))


def _difference(name: str, after: Tensor, before: Tensor) -> Tensor | None:
    """What was learned, fp32; None where the two are the same in the coarser of their formats, for
    then the one is the other rounded.
    """
    if after.numel() != before.numel() or after.shape[0] != before.shape[0]:
        raise AdapterError(
            f"{name} has shape {tuple(after.shape)} in the tuned model and {tuple(before.shape)} in "
            "the base; give the base that it was tuned from"
        )
    after = after.reshape(before.shape)
    coarser = max((after.dtype, before.dtype), key=lambda dtype: torch.finfo(dtype).eps)
    if torch.equal(after.to(coarser), before.to(coarser)):
        return None
    change = after.float() - before.float()
    if not torch.isfinite(change).all():
        raise AdapterError(f"{name} has values that are not finite; one of the models is broken")
    return change


def _require_alike(tuned: WeightFiles, base: WeightFiles) -> None:
    if tuned.family != base.family:
        raise AdapterError(
            f"{tuned.name} is of family {tuned.family} and {base.name} of family {base.family}; "
            "give the base that it was tuned from"
        )
    for one, other in ((tuned, base), (base, tuned)):
        absent = sorted(other.places.keys() - one.places.keys())
        if absent:
            raise AdapterError(
                f"{one.name} lacks {len(absent)} weights that {other.name} has, the first is "
                f"{absent[0]}; give two models of one build"
            )
