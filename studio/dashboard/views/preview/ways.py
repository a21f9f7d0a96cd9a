"""The three ways to draw: pairs, a strength sweep, a grid of two axes."""

from __future__ import annotations

from typing import Any

import streamlit as st

from studio.dashboard.parts.drawn import draw
from studio.dashboard.views.preview.adapters_panel import Chosen
from studio.dashboard.views.preview.sampling_panel import new_seed
from studio.errands.drawing_order import DrawingOrder
from studio.errors import UserError
from studio.preview.axes import AXES, Axis
from studio.preview.settings import SamplingSettings
from studio.recipe import validated

STRENGTHS, ROWS, COLUMNS = "strengths", "rows", "columns"
USUAL_STRENGTHS = "0, 0.5, 1, 1.5"
NO_ADAPTER = "Choose an adapter first."
NO_SETTINGS = "Mend what is told at the left first."


def ways(chosen: Chosen, sampling: SamplingSettings | None) -> None:
    """Args:
        sampling: None where it is not right yet.

    Raises:
        StudioError: what is asked for cannot be drawn.
    """
    missing = NO_SETTINGS if sampling is None else None if chosen.applied else NO_ADAPTER
    with st.container(horizontal=True):
        pairs = st.button(
            "Draw",
            type="primary",
            icon=":material/brush:",
            on_click=new_seed,
            shortcut="Ctrl+Enter",
            disabled=sampling is None,
            help=NO_SETTINGS if sampling is None else None,
        )
        sweep = st.button(
            "Strength sweep",
            icon=":material/tune:",
            on_click=new_seed,
            disabled=missing is not None,
            help=missing or "The same pictures at rising strengths.",
        )
    with st.expander("Grid of any two settings (XY)"):
        grid = _axes(chosen)
        drawn = st.button(
            "Draw the grid",
            icon=":material/grid_on:",
            on_click=new_seed,
            disabled=missing is not None,
            help=missing,
        )
    if sampling is None:
        return
    if pairs:
        _ask(_order(chosen, sampling, together=chosen.together))
    if sweep:
        # Several are drawn together, for a sweep has one thing that differs.
        _ask(_order(chosen, sampling, mode="sweep", together=len(chosen.applied) > 1))
    if drawn:
        _ask(_order(chosen, sampling, mode="grid", **grid))


def _ask(order: DrawingOrder) -> None:
    draw(order)
    st.rerun()


def _order(chosen: Chosen, sampling: SamplingSettings, **more: Any) -> DrawingOrder:
    base = next((a.base for a in chosen.found if a.base_model == chosen.base_model), None)
    content = {
        "base_model": chosen.base_model,
        **({"base": base} if base else {}),
        "adapters": chosen.applied,
        "sampling": sampling,
        **more,
    }
    is_axis_seed = "seed" in (more.get(ROWS), more.get(COLUMNS))
    if more.get("mode") == "grid" and not is_axis_seed:
        content["sampling"] = sampling.model_copy(update={"seeds": sampling.seeds[:1]})
    return validated(DrawingOrder, content)


def _axes(chosen: Chosen) -> dict[str, Any]:
    left, right = st.columns(2)
    rows: Axis = left.selectbox("Rows", AXES, 0, key=ROWS, bind="query-params")
    columns: Axis = right.selectbox("Columns", AXES, 1, key=COLUMNS, bind="query-params")
    axes: dict[str, Any] = {ROWS: rows, COLUMNS: columns}
    if "strength" in (rows, columns):
        text = st.text_input("Strengths", USUAL_STRENGTHS, key=STRENGTHS, bind="query-params")
        axes[STRENGTHS] = _numbers(text or "")
    if "checkpoint" in (rows, columns):
        axes["adapters"] = _checkpoints(chosen)
    return axes


def _checkpoints(chosen: Chosen) -> tuple[Any, ...]:
    """Every state of each adapter, the earliest first."""
    states = []
    for adapter, applied in zip(chosen.found, chosen.applied, strict=True):
        states += [adapter.at(step).applied(applied.strength) for step in adapter.checkpoints]
        if adapter.files:
            states.append(adapter.applied(applied.strength))
    st.caption(f"{len(states)} states: every checkpoint that is kept, and the end.")
    return tuple(states)


def _numbers(text: str) -> tuple[float, ...]:
    """Raises:
    UserError: one is no number.
    """
    try:
        return tuple(float(part) for part in text.replace(";", ",").split(",") if part.strip())
    except ValueError:
        raise UserError(f'strengths: "{text}" cannot be read; write them as 0, 0.5, 1') from None
