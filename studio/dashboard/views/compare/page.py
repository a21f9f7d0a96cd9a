"""The page itself: two to four of them, their figures, their recipes, their pictures."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from studio.dashboard.here import here
from studio.dashboard.parts.gone import asked_for, tell_of_gone
from studio.dashboard.parts.plain import plain
from studio.dashboard.parts.told import nothing_yet, told_errors
from studio.dashboard.views.compare.pictures import pictures
from studio.run_folder import RunFolder
from studio.workplace.adapters_found import FoundAdapter, adapters_of_runs
from studio.workplace.comparing import figures, recipe_rows, report_of

RUNS, CHECKPOINTS = "run", "checkpoints"
LEAST, MOST = 2, 4

MEANINGS = {
    "steps": "how often the weights were moved",
    "training": "from the first step to the last",
    "peak memory": "of the training process",
    "file": "size of the adapter",
    "effect": "how far a picture moves from the base's, of the same prompt and seed",
    "style": "how much of the way to the look of your set",
    "fidelity": "how much of the way to the likeness of held-out pictures",
    "prompts": "how much better prompts are followed than by the base; below 0 is worse",
    "drift": "how far pictures of other things move, as a share of the effect; low for a subject",
}


def page() -> None:
    st.title("Compare")
    found = adapters_of_runs(here().workplace.runs)
    finished = [adapter for adapter in found if adapter.files]
    if len(finished) < LEAST:
        _too_few(len(finished))
        return
    chosen = _chosen(found, finished)
    if len(chosen) < LEAST:
        st.info("Choose two to four of them.", icon=":material/compare:")
        return
    with told_errors():
        _figures(chosen)
        _verdicts(chosen)
        _recipes(chosen)
        pictures(chosen)


def _too_few(count: int) -> None:
    nothing_yet(
        "Nothing to compare yet",
        f"{'One run has' if count else 'No run has'} finished; with two, their figures and pictures "
        "stand here side by side.",
        ":material/compare:",
    )
    if st.button("Train another", icon=":material/model_training:"):
        from studio.dashboard.navigation import go

        go("recipe")


def _chosen(found: Sequence[FoundAdapter], finished: Sequence[FoundAdapter]) -> list[FoundAdapter]:
    left, right = st.columns([4, 1], vertical_alignment="bottom")
    with_checkpoints = right.toggle(
        "Checkpoints too",
        key=CHECKPOINTS,
        bind="query-params",
        help="The list then offers earlier states of the runs too, as far as they keep them.",
    )
    known = {adapter.name: adapter for adapter in finished}
    if with_checkpoints:
        states = (adapter.at(step) for adapter in found for step in adapter.checkpoints)
        known |= {state.name: state for state in states}
    names = asked_for(RUNS)
    tell_of_gone(names, {adapter.name for adapter in found})
    if RUNS in st.session_state:  # one alone on another page, or gone since
        st.session_state[RUNS] = [name for name in names if name in known][:MOST]
    names = left.multiselect(
        "Runs",
        list(known),
        default=[adapter.name for adapter in finished[:LEAST]],
        max_selections=MOST,
        key=RUNS,
        bind="query-params",
    )
    return [known[name] for name in names]


def _figures(chosen: Sequence[FoundAdapter]) -> None:
    st.subheader("Figures")
    table = figures(chosen)
    columns: dict[str, list[str]] = {"": [_figure(name) for name in table]}
    for number, adapter in enumerate(chosen):
        columns[plain(adapter.name)] = [plain(cells[number]) for cells in table.values()]
    st.table(
        columns,
        hide_index=True,
        border="horizontal",
        width="content",
        alt="The figures of each, side by side",
    )


def _figure(name: str) -> str:
    return f"**{name}**  \n:small[{MEANINGS[name]}]" if name in MEANINGS else f"**{name}**"


def _verdicts(chosen: Sequence[FoundAdapter]) -> None:
    for place, adapter in zip(st.columns(len(chosen)), chosen, strict=True):
        report = report_of(adapter)
        with place, st.container(border=True, height="stretch"):
            st.markdown(f"**{plain(adapter.name)}**")
            st.markdown(plain(report.verdict) if report else _why_not(adapter))


def _why_not(adapter: FoundAdapter) -> str:
    if adapter.run is not None and RunFolder(adapter.run).state == "running":
        return ":material/hourglass_top: Being measured; look again in a minute."
    return "Not measured."


def _recipes(chosen: Sequence[FoundAdapter]) -> None:
    with st.expander("What differs in their recipes"):
        rows = recipe_rows(chosen)
        if not rows:
            st.caption("Nothing; they are of one recipe.")
            return
        columns = {"setting": [f"`{path}`" for path in rows]}
        for number, adapter in enumerate(chosen):
            columns[plain(adapter.name)] = [plain(cells[number]) for cells in rows.values()]
        st.table(columns, hide_index=True, border="horizontal", alt="Settings that differ")
