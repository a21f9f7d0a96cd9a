"""The page Recipe: from a starting point to a recipe that is right, and into the queue."""

from __future__ import annotations

import streamlit as st

from studio.dashboard.here import here
from studio.dashboard.parts.plain import plain
from studio.dashboard.parts.told import tell, told_errors
from studio.dashboard.views import recipe_begin, recipe_form, recipe_plan, recipe_text
from studio.dashboard.views.recipe_draft import PARAMETER, OpenDraft, drafts, show
from studio.errors import UserError
from studio.forms.schema import label_of
from studio.forms.sheet import Sheet
from studio.forms.starting import base_title
from studio.recipe import Recipe
from studio.workplace.recipe_paths import refused
from studio.workplace.set_names import valid_name

MOST_TOLD = 5


def page() -> None:
    st.title("Recipe")
    name = st.query_params.get(PARAMETER)
    if name is None:
        recipe_begin.begin()
        return
    draft = OpenDraft(name)
    try:
        sheet = draft.sheet()
    except UserError as error:
        tell(error)
        st.button("Start another recipe", on_click=st.query_params.clear)
        return
    _work(draft, sheet)


def _work(draft: OpenDraft, sheet: Sheet) -> None:
    forbidden = refused(sheet.recipe, here().workplace.roots) if sheet.recipe else []
    sheet = sheet.with_problems(forbidden)
    _head(draft, sheet)
    _wrong(sheet)
    left, right = st.columns([3, 2], gap="large")
    with left:
        if sheet.form is None:
            st.info(plain(_no_form(sheet)))
        else:
            recipe_form.form(draft, sheet)
    with right:
        recipe_plan.plan(draft, sheet.recipe)
        written, changed = st.tabs(["YAML", "What changed"], key="side", on_change="rerun")
        if written.open:
            with written:
                recipe_text.text(draft, sheet)
        if changed.open:
            with changed:
                recipe_text.changes(sheet)


def _head(draft: OpenDraft, sheet: Sheet) -> None:
    row = st.container(horizontal=True, vertical_alignment="center", wrap=True)
    with row:
        st.markdown(f"**{plain(draft.name)}**  {_what(sheet)}", width="stretch")
        with st.popover("Save recipe", icon=":material/save:"):
            _save(draft, sheet)
        if st.button(
            "Put in the queue",
            type="primary",
            icon=":material/play_arrow:",
            disabled=sheet.recipe is None,
            help="It trains as soon as nothing else does, also when this page is closed.",
        ):
            assert sheet.recipe is not None
            _queue(sheet.recipe)
        st.button("Start another recipe", type="tertiary", on_click=st.query_params.clear)


def _what(sheet: Sheet) -> str:
    if sheet.form is None:
        return ""
    base = sheet.content.get("base_model", "pocket")
    return f":gray[{plain(label_of(sheet.form.kind))} on {plain(base_title(str(base)))}]"


def _no_form(sheet: Sheet) -> str:
    if not sheet.content:
        return f"The form comes back when the text can be read: {sheet.problems[0]}"
    return "There is a form as soon as the text names a method. Mend it at the side."


def _wrong(sheet: Sheet) -> None:
    """All that is wrong, in one place, so that nothing folded is missed. No jumps: always there."""
    if not sheet.problems:
        st.caption(":green[:material/check: Nothing to mend.] Every change is kept as you make it.")
        return
    shown = [str(problem) for problem in sheet.problems[:MOST_TOLD]]
    more = len(sheet.problems) - len(shown)
    lines = [f"- {plain(line)}" for line in shown] + [f"- and {more} more"] * bool(more)
    st.error(f"{len(sheet.problems)} to mend:\n" + "\n".join(lines), icon=":material/error:")


def _save(draft: OpenDraft, sheet: Sheet) -> None:
    st.caption("It is kept under its name anyway. Give another one to go on with a copy.")
    key = f"{draft.name}/name"
    st.text_input("Name", draft.name, key=key)
    st.button("Save", icon=":material/check:", on_click=_save_as, args=(draft, key))
    st.download_button(
        "Download YAML",
        sheet.text,
        file_name=f"{draft.name}.yaml",
        mime="application/yaml",
        icon=":material/download:",
        on_click="ignore",
    )


def _save_as(draft: OpenDraft, key: str) -> None:
    with told_errors():
        name = _asked_name(st.session_state[key])
        if name != draft.name and name in drafts().names():
            raise UserError(f'there is a recipe "{name}" already; give another name')
        sheet = draft.sheet()
        drafts().save(name, sheet.text if name == draft.name else sheet.named(name))
        show(name)
        st.toast(f"Saved as {plain(name)}")


def _asked_name(typed: str) -> str:
    if not typed.strip():
        raise UserError("give the recipe a name")
    return valid_name(typed)


def _queue(recipe: Recipe) -> None:
    from studio.dashboard.navigation import go  # which imports this page

    with told_errors():
        job = here().queue.add(recipe)
        here().queue.start_worker()
        go("train", job=str(job.id))
