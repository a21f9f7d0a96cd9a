"""Which adapters, and how strongly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st

from studio.dashboard.here import here
from studio.dashboard.parts.gone import asked_for, tell_of_gone
from studio.dashboard.parts.plain import plain
from studio.dashboard.parts.told import told_errors
from studio.errands.drawing_order import Applied
from studio.workplace.adapters_found import POCKET, FoundAdapter, adapter_in_file

RUNS, FILE, TOGETHER, BASE = "run", "file", "together", "base"
AS_IT_ENDED = "as it ended"


@dataclass(frozen=True)
class Chosen:
    """What is put on which base.

    Attributes:
        found: as they were found.
        applied: the same, as strongly as wanted.
        base: of the adapters whose base is used; none, for pocket alone.
    """

    found: tuple[FoundAdapter, ...]
    applied: tuple[Applied, ...]
    base_model: str
    together: bool


def adapters_panel(found: Sequence[FoundAdapter]) -> Chosen:
    """Raises:
    StudioError: what was given is no adapter, or may not be read.
    """
    by_name = {adapter.name: adapter for adapter in found}
    _keep_what_is_there(by_name)
    names = st.multiselect(
        "Adapters",
        list(by_name),
        default=None if RUNS in st.session_state else [a.name for a in found if a.files][:1],
        key=RUNS,
        bind="query-params",
        placeholder="None: the bare base model" if found else "There is none yet; train one",
        help="Of your runs. Several are drawn one after another, or together.",
    )
    chosen = [by_name[name] for name in names]
    panels = st.container()
    with st.expander("An adapter file", expanded=bool(st.session_state.get(FILE))):
        given = st.text_input(
            "Path of an adapter file",
            key=FILE,
            bind="query-params",
            placeholder="/path/to/adapter.safetensors",
            help="On the machine where the studio runs, in a folder that it may read.",
        )
        if given:
            with told_errors():
                chosen.append(adapter_in_file(given, here().workplace.roots))
    with panels:
        applied = tuple(_applied(adapter) for adapter in chosen)
    together = len(applied) > 1 and st.toggle(
        "Together on one base",
        key=TOGETHER,
        bind="query-params",
        help="Off: each by itself, a column for each.",
    )
    return Chosen(tuple(chosen), applied, _base_model(chosen, found), together)


def strength_key(name: str) -> str:
    return f"strength-{name}"


def step_key(name: str) -> str:
    return f"at-{name}"


def _keep_what_is_there(known: dict[str, FoundAdapter]) -> None:
    """The address may name a run that is gone, and another page one run alone."""
    names = asked_for(RUNS)
    tell_of_gone(names, known)
    if RUNS in st.session_state:
        st.session_state[RUNS] = [name for name in names if name in known]


def _applied(adapter: FoundAdapter) -> Applied:
    st.caption(plain(adapter.title))
    strength = st.slider(
        f"Strength of {plain(adapter.name)}",
        -1.0,
        2.0,
        1.0,
        0.05,
        key=strength_key(adapter.name),
        bind="query-params",
        help="0 is the bare base, 1 as it was trained.",
    )
    if not adapter.checkpoints:
        return adapter.applied(strength)
    # The address holds an option as it is shown, so what is shown must be what is meant.
    steps = {_state(step): step for step in reversed(adapter.checkpoints)}
    at = st.selectbox(
        f"State of {plain(adapter.name)}",
        [*([AS_IT_ENDED] if adapter.files else []), *steps],
        key=step_key(adapter.name),
        bind="query-params",
        help="As it was exported at the end, or as it was at one of its checkpoints.",
    )
    return (adapter.at(steps[at]) if at in steps else adapter).applied(strength)


def _state(step: int | None) -> str:
    return AS_IT_ENDED if step is None else f"after step {step}"


def _base_model(chosen: Sequence[FoundAdapter], found: Sequence[FoundAdapter]) -> str:
    """The first adapter's; to be chosen where no adapter says it."""
    known = list(dict.fromkeys([POCKET, *(a.base_model for a in found if a.base_model)]))
    told = next((a.base_model for a in chosen if a.base_model in known), "")
    if told:
        return told
    return st.selectbox("Base model", known, key=BASE, bind="query-params") or POCKET


def choose_again(applied: Sequence[Applied]) -> None:
    """Set the panel's widgets to what was drawn with; for a callback."""
    state = st.session_state
    state[RUNS], state[FILE] = [], ""
    for one in applied:
        name = one.name if one.run is None else one.run.name
        if one.run is not None:
            state[RUNS] = list(dict.fromkeys([*state[RUNS], name]))
            state[step_key(name)] = _state(one.checkpoint)
        elif one.files:
            state[FILE] = str(one.files[0])
        state[strength_key(name)] = one.strength
