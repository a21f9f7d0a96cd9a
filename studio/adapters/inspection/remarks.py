"""What to know of an adapter before trusting the rest that is told of it, a sentence each. No torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from studio.adapters.inspection.groups import OTHER
from studio.adapters.inspection.layers import Layer

if TYPE_CHECKING:
    from studio.adapters.inspection.one_file import Overview


def remarks_on(seen: Overview, layers: Sequence[Layer], num_unused: int) -> list[str]:
    """All remarks; none of them is a fault of the file's layers.

    Args:
        num_unused: tensors that belong to no layer.
    """
    remarks = [f"its metadata are broken: {problem}" for problem in seen.facts.problems]
    remarks += _on_family(seen)
    doras = sum(layer.has_magnitude for layer in layers)
    if doras:
        remarks.append(
            f"DoRA in {doras} layers: the norms are of their low-rank part alone, for the whole "
            "change depends on the base's weights"
        )
    if any(layer.rank and layer.alpha is None for layer in layers):
        remarks.append("it states no alpha for some layers; they count at scale 1, as tools do")
    strange = sum(layer.part == OTHER for layer in layers)
    if strange:
        remarks.append(f"{strange} layers have names that are none of Stable Diffusion's")
    if num_unused:
        remarks.append(f"{num_unused} tensors belong to no layer that is known here")
    return remarks


def _on_family(seen: Overview) -> list[str]:
    remarks = []
    stated, told = seen.stated_family, seen.told_family
    if stated and told and stated != told:
        remarks.append(f"it says it is for {stated}, but its tensors are those of {told}")
    if seen.naming.kind == "full" and not seen.facts.header.settings:
        remarks.append(
            "a whole model of another tool: name it as the base model, not as an adapter"
        )
    return remarks
