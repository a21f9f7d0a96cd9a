"""Pictures of the same prompts and seeds, by each of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from studio.dashboard.parts.drawn import draw, shown_drawing
from studio.dashboard.parts.plain import plain
from studio.errands.drawing_order import DrawingOrder
from studio.preview.settings import SamplingSettings
from studio.recipe import validated
from studio.workplace.adapters_found import FoundAdapter
from studio.workplace.comparing import common_prompts

PROMPTS, SEED = "prompts", "seed"


def pictures(chosen: Sequence[FoundAdapter]) -> None:
    """Raises:
    StudioError: what is asked for cannot be drawn.
    """
    st.subheader("Pictures")
    bases = list(dict.fromkeys(adapter.base_model for adapter in chosen))
    if len(bases) > 1:
        st.info(
            f"They were trained on different base models: {', '.join(map(plain, bases))}. Pictures are "
            "compared on one; choose runs of the same."
        )
        return
    left, right = st.columns([1, 3], gap="large")
    with left:
        sampling = _asked(chosen)
    if sampling is not None:
        content = {
            "base_model": bases[0],
            "base": chosen[0].base,
            "adapters": [adapter.applied() for adapter in chosen],
            "sampling": validated(SamplingSettings, sampling),
        }
        draw(validated(DrawingOrder, content))
        st.rerun()
    with right:
        shown_drawing()


def _asked(chosen: Sequence[FoundAdapter]) -> dict[str, Any] | None:
    """Prompts and seed, when they are to be drawn."""
    text = st.text_area(
        "Prompts, one a line",
        "\n".join(common_prompts(chosen)),
        key=PROMPTS,
        bind="query-params",
        height=160,
    )
    seed = st.number_input("Seed", 0, 2**32 - 1, 0, key=SEED, bind="query-params")
    if not st.button("Draw side by side", type="primary", icon=":material/brush:"):
        return None
    prompts = [line.strip() for line in (text or "").splitlines() if line.strip()]
    return {"prompts": prompts, "seeds": [int(seed or 0)]}
