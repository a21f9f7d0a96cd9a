"""Curves over the steps, as Vega-Lite; always of the same height."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from studio.dashboard.style import SAFELIGHT
from studio.watching.curves import Point
from studio.watching.follower import VALIDATION, Followed

HEIGHT_PX = 300
EACH_STEP, SMOOTH, HELD_OUT = "each step", "smoothed", "held out"


def charts(known: Followed) -> None:
    """The loss in front, the rest behind it."""
    loss, rate, pace = st.tabs(["Loss", "Learning rate", "Images a second"])
    with loss:
        _show(_loss(known), "Loss by step: of each step, smoothed, and of held-out pictures")
    with rate:
        _show(_line(known, "learning_rate", ".1e"), "Learning rate by step")
    with pace:
        _show(_line(known, "images_per_second", ".1f"), "Images a second by step")


def _show(spec: dict[str, Any], alt: str) -> None:
    st.vega_lite_chart(
        spec=spec | {"height": HEIGHT_PX, "description": alt}, width="stretch", theme="streamlit"
    )


def _loss(known: Followed) -> dict[str, Any]:
    loss, held_out = known.curves["loss"], known.curves[VALIDATION]
    colour = {
        "field": "what",
        "type": "nominal",
        "title": None,
        "scale": {
            "domain": [EACH_STEP, SMOOTH, HELD_OUT],
            "range": ["#b7a9a0", SAFELIGHT, "#2f7fb5"],
        },
        "legend": {"orient": "top", "symbolOpacity": 1},
    }
    line = {"type": "line", "interpolate": "monotone", "clip": True}
    return {
        "encoding": _axes(known, "loss", ".3f") | {"color": colour},
        "layer": [
            {"data": _rows(EACH_STEP, loss.points()), "mark": line | {"opacity": 0.45}},
            {"data": _rows(SMOOTH, loss.smoothed()), "mark": line | {"strokeWidth": 2.5}},
            {
                "data": _rows(HELD_OUT, held_out.points()),
                "mark": line | {"point": True, "tooltip": True},
            },
        ],
    }


def _line(known: Followed, name: str, number_format: str) -> dict[str, Any]:
    return {
        "data": _rows(name, known.curves[name].points()),
        "mark": {"type": "line", "color": SAFELIGHT},
        "encoding": _axes(known, name.replace("_", " "), number_format),
    }


def _axes(known: Followed, name: str, number_format: str) -> dict[str, Any]:
    steps = (
        {"domain": [0, known.total_steps]} if known.total_steps else {}
    )  # it grows into its frame
    value = {"field": "value", "type": "quantitative", "title": name, "scale": {"zero": False}}
    return {
        "x": {
            "field": "step",
            "type": "quantitative",
            "title": "step",
            "scale": steps,
            "axis": {"tickMinStep": 1},
        },
        "y": value | {"axis": {"format": number_format}},
    }


def _rows(what: str, points: Sequence[Point]) -> dict[str, Any]:
    return {"values": [{"step": p.step, "value": p.value, "what": what} for p in points]}
