"""Where a recipe begins: method, base model, memory and pictures; or one that was begun before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import streamlit as st

from studio.dashboard.here import here
from studio.dashboard.parts.plain import plain
from studio.dashboard.parts.told import nothing_yet, told_errors
from studio.dashboard.views.recipe_draft import drafts, show
from studio.dashboard.views.recipe_pictures import Offered, offered_sets
from studio.errors import RunError
from studio.forms.schema import label_of
from studio.forms.starting import (
    POCKET,
    StartingPoint,
    base_title,
    methods,
    starter_text,
    starting_points,
    text_of_run,
)
from studio.recipe.schema import is_name
from studio.run_folder import RunFolder
from studio.workplace.drafts import MAX_BYTES

ANY = "any"
MOST_RECENT = 6


def begin() -> None:
    """Everything below the title while no recipe is open."""
    if run := st.query_params.get("run"):
        with told_errors():
            _open(_of_run(run))
        st.button("Start without that run", on_click=st.query_params.clear)
        return
    _again()
    offered = offered_sets()
    if not offered:
        nothing_yet("No pictures yet", "Add a set on the page Sets; its recipe begins here.")
        return
    pictures = _pictures(offered)
    method, base, memory = _choice()
    where = "" if base in (ANY, base_title(POCKET)) else _where()
    found = [point for point in starting_points() if _suits(point, method, base, memory)]
    _cards(found, pictures, offered[pictures], where)
    _own(method, pictures, offered[pictures], where)


def _again() -> None:
    """Recipes that are there already, and files from elsewhere."""
    if names := drafts().names():
        _go_on(names)
    # Never open from the start: it would stand there empty for an instant, and a click would close it.
    with st.expander("Bring a recipe"):
        file = st.file_uploader(
            "Upload a recipe",
            type=["yaml", "yml"],
            max_upload_size=1,
            help=f"YAML, at most {MAX_BYTES // 1024} KiB.",
        )
        if file is not None and st.button("Open the uploaded recipe", type="primary"):
            with told_errors():
                _open(drafts().receive(file.name.rpartition(".")[0], file.getvalue()))


def _go_on(names: Sequence[str]) -> None:
    row = st.container(horizontal=True, vertical_alignment="center")
    row.markdown("Go on with", width="content")
    for name in names[:MOST_RECENT]:
        row.button(plain(name), key=f"open/{name}", on_click=show, args=(name,))
    if rest := names[MOST_RECENT:]:
        st.selectbox("Older recipes", rest, index=None, key="older", on_change=_open_older)


def _open_older() -> None:
    show(st.session_state["older"])


def _pictures(offered: Offered) -> str:
    return st.selectbox(
        "Pictures",
        list(offered),
        key="set",
        bind="query-params",
        help="The sets of the page Sets, and samples that come along.",
    )


def _choice() -> tuple[str, str, str]:
    points, kinds = starting_points(), methods()
    method, base, memory = st.columns([2, 2, 1])
    with method:
        chosen = st.selectbox(
            "Method",
            [ANY, *kinds],
            format_func=lambda kind: kind if kind == ANY else label_of(kind),
            key="method",
            bind="query-params",
            help="\n\n".join(f"**{label_of(kind)}**: {text}" for kind, text in kinds.items()),
        )
    with base:
        bases = list(dict.fromkeys(point.base for point in points)) or [base_title(POCKET)]
        chosen_base = st.selectbox("Base model", [*bases, ANY], key="base", bind="query-params")
    with memory:
        sizes = sorted({point.memory_gb for point in points if point.memory_gb})
        chosen_memory = st.selectbox(
            "GPU memory",
            [ANY, *(f"{size} GB" for size in sizes)],
            key="memory",
            bind="query-params",
            help="Recipes that are made for that much or less.",
        )
    return chosen, chosen_base, chosen_memory


def _where() -> str:
    return st.text_input(
        "Where your copy of it is",
        key="where",
        placeholder="a folder, a .safetensors file; empty: in the cache of the hub",
    )


def _suits(point: StartingPoint, method: str, base: str, memory: str) -> bool:
    room = float("inf") if memory == ANY else float(memory.split(maxsplit=1)[0])
    return (
        method in (ANY, point.method)
        and base in (ANY, point.base)
        and (point.memory_gb or 0) <= room
    )


def _cards(
    found: Sequence[StartingPoint], pictures: str, dataset: Mapping[str, Any], where: str
) -> None:
    st.subheader("Begin with")
    if not found:
        st.caption("No ready recipe is like that. Give it more memory, or another method or model.")
    for first in range(0, len(found), 2):
        for column, point in zip(st.columns(2), found[first : first + 2], strict=False):
            with column.container(border=True, height="stretch", vertical_alignment="distribute"):
                _card(point, pictures, dataset, where)


def _card(point: StartingPoint, pictures: str, dataset: Mapping[str, Any], where: str) -> None:
    room = f"{point.memory_gb} GB" if point.memory_gb else "no GPU"
    usual = " :green-badge[the usual beginning]" if point.is_usual else ""
    with st.container():  # one block, so that the button alone goes to the bottom
        st.markdown(
            f"**{plain(label_of(point.method))}** :gray[{plain(point.base)}, {room}]{usual}"
        )
        st.markdown(plain(methods()[point.method]))
        st.caption(f"Made for: {plain(point.what)} Needs {plain(point.needs)}")
    look: Literal["primary", "secondary"] = "primary" if point.is_usual else "secondary"
    if st.button("Start with this recipe", key=f"start/{point.name}", type=look):
        with told_errors():
            name = _new_name(pictures, point.method)
            drafts().save(name, point.text(name, dataset, _allowed(where)))
            _open(name)


def _own(method: str, pictures: str, dataset: Mapping[str, Any], where: str) -> None:
    """For what no ready recipe is there: a model of one's own, a method of someone else's."""
    with st.expander("Or by the method's own advice"):
        kinds = list(methods())
        kind = st.selectbox(
            "By the method",
            kinds,
            index=kinds.index(method) if method in kinds else 0,
            format_func=label_of,
        )
        if st.button("Start from the method's defaults"):
            with told_errors():
                name = _new_name(pictures, kind)
                text = starter_text(name, kind, _allowed(where) or POCKET, dataset)
                drafts().save(name, text)
                _open(name)


def _allowed(where: str) -> str:
    """A model's place as it was given, if it may be read; ids on the hub are no places."""
    from studio.bases.source import HUB_ID

    where = where.strip()
    if not where or HUB_ID.fullmatch(where):
        return where
    return str(here().workplace.roots.allowed(where))


def _of_run(run: str) -> str:
    """A recipe to go on from what a run was trained by."""
    if not is_name(run):
        raise RunError(f"{run!r} names no run")
    name = drafts().free_name(run)
    text = text_of_run(RunFolder.open(run, here().workplace.runs), name)
    drafts().save(name, text)
    return name


def _new_name(pictures: str, method: str) -> str:
    return drafts().free_name(f"{pictures.removesuffix(' (sample)')}-{method}".replace("_", "-"))


def _open(name: str) -> None:
    show(name)
    st.rerun()
