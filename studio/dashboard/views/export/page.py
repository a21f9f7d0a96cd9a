"""The page itself: which adapter, for which tool, and the card that goes with it."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from studio.adapters.for_tools import TARGETS
from studio.dashboard.here import here
from studio.dashboard.parts.gone import asked_for, tell_of_gone
from studio.dashboard.parts.plain import plain
from studio.dashboard.parts.told import nothing_yet, told_errors
from studio.dashboard.views.export.card_panel import card_panel
from studio.dashboard.views.export.tool_panel import tool_panel
from studio.errands.export_order import ExportOrder
from studio.run_folder import RunFolder, RunSummary
from studio.workplace.adapters_found import POCKET, FoundAdapter, adapter_in_file, adapter_of_run

RUN, FILE, STATE, TOOL, DTYPE = "run", "file", "state", "tool", "dtype"
AS_IT_ENDED = "as it ended"
DTYPES = ("fp16", "bf16", "fp32")


def page() -> None:
    st.title("Export")
    with told_errors():
        adapter = _chosen()
        if adapter is not None:
            _export(adapter)


def _chosen() -> FoundAdapter | None:
    runs = {run.name: run for run in here().watch.runs.all()}
    left, right = st.columns(2)
    with right:
        given = st.text_input(
            "Or a file",
            key=FILE,
            bind="query-params",
            placeholder="/path/to/adapter.safetensors",
            help="On the machine where the studio runs, in a folder that it may read.",
        )
    if given:
        return adapter_in_file(given, here().workplace.roots)
    if not runs:
        nothing_yet(
            "Nothing to export yet",
            "Train an adapter first; it then goes from here to ComfyUI, A1111, Forge, diffusers or "
            "kohya.",
            ":material/output:",
        )
        return None
    _keep_one_that_is_there(runs)
    name = left.selectbox("Run", list(runs), key=RUN, bind="query-params")
    adapter = adapter_of_run(RunFolder(runs[name or next(iter(runs))].path))
    with left:
        if not adapter.files:
            _not_finished(runs[adapter.name], adapter)
        return _in_state(adapter)


def _keep_one_that_is_there(runs: Mapping[str, RunSummary]) -> None:
    """The address may name a run that is gone, and another page several."""
    names = asked_for(RUN)
    tell_of_gone(names, runs)
    if RUN in st.session_state:
        st.session_state[RUN] = next((name for name in names if name in runs), next(iter(runs)))


def _not_finished(run: RunSummary, adapter: FoundAdapter) -> None:
    done = f"{run.steps_done or 0} of {run.steps_total} steps" if run.steps_total else "no step"
    how = "is training" if run.state == "running" else "was interrupted"
    rest = (
        "One of its checkpoints can be exported meanwhile."
        if adapter.checkpoints
        else "There is no checkpoint yet either."
    )
    st.info(f"{plain(run.name)} {how}: {done} are done. {rest}", icon=":material/hourglass_top:")
    if st.button("Open it on the Train page", icon=":material/model_training:"):
        from studio.dashboard.navigation import go

        go("train", run=run.name)


def _in_state(adapter: FoundAdapter) -> FoundAdapter | None:
    """As it ended, or at a checkpoint; None where there is neither."""
    steps = {f"after step {step}": step for step in reversed(adapter.checkpoints)}
    states = [*([AS_IT_ENDED] if adapter.files else []), *steps]
    if st.session_state.get(STATE) not in states:
        st.session_state.pop(STATE, None)
    if len(states) < 2:
        return adapter.at(steps[states[0]]) if states and states[0] in steps else adapter
    state = st.selectbox(
        "State",
        states,
        key=STATE,
        bind="query-params",
        help="As the run exported it at its end, or as it was at one of its checkpoints.",
    )
    return adapter.at(steps[state]) if state in steps else adapter


def _export(adapter: FoundAdapter) -> None:
    if not adapter.files and not adapter.checkpoints:
        return
    left, _ = st.columns(2)
    with left:
        st.caption(plain(adapter.title))
        if adapter.trigger:
            st.markdown("**Trigger words**")
            st.code(adapter.trigger, language=None, wrap_lines=True)
        order = _order(adapter)
    with st.container(horizontal=True):
        for target in TARGETS:
            wanted = st.query_params.get(TOOL) == target.key
            if st.button(f"For {target.title}", type="primary" if wanted else "secondary"):
                st.query_params[TOOL] = target.key
                st.rerun()
    chosen = next((t for t in TARGETS if t.key == st.query_params.get(TOOL)), None)
    if chosen is not None:
        tool_panel(order.model_copy(update={"target": chosen.key}), chosen, adapter)
    if adapter.run is not None and adapter.files:
        card_panel(order)


def _order(adapter: FoundAdapter) -> ExportOrder:
    with st.expander("Number format"):
        dtype = st.segmented_control(
            "Of the tensors in the file",
            DTYPES,
            default=DTYPES[0],
            required=True,
            key=DTYPE,
            bind="query-params",
            help="fp16 is what the webuis use: half as large as fp32, and no visible difference.",
        )
    return ExportOrder(
        adapter=adapter.applied(),
        base_model=adapter.base_model or POCKET,
        base=adapter.base,
        run=adapter.run,
        folder=here().workplace.folder / "exports",
        dtype=dtype or "fp16",
    )
