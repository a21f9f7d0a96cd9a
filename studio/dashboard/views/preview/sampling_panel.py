"""What to draw, and how."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any

import streamlit as st

from studio.curation.trigger import with_trigger
from studio.dashboard.parts.plain import plain
from studio.dashboard.parts.told import tell
from studio.errors import RecipeError
from studio.preview.schedulers import WORDS
from studio.preview.settings import SamplingSettings
from studio.recipe import validated

PROMPTS, NEGATIVE, SEED, KEPT, VARIANTS = "prompts", "negative", "seed", "keep-seed", "variants"
SCHEDULER, STEPS, GUIDANCE = "sampler", "steps", "guidance"
SUBJECTS = ("a red heart", "a cat")
MAX_SEED = 2**32 - 1
_PLAIN = SamplingSettings()


def sampling_panel(triggers: Sequence[str]) -> SamplingSettings | None:
    """None where a setting will not do, which is told."""
    words = " ".join(trigger for trigger in dict.fromkeys(triggers) if trigger)
    text = st.text_area(
        "Prompts, one a line",
        "\n".join(with_trigger(subject, words) if words else subject for subject in SUBJECTS),
        key=PROMPTS,
        bind="query-params",
        height=110,
        help="As in the webuis: (word:1.2) counts more, [word] less, BREAK begins anew.",
    )
    prompts = [line.strip() for line in (text or "").splitlines() if line.strip()]
    _offer_triggers([trigger for trigger in dict.fromkeys(triggers) if trigger], prompts)
    negative = st.text_input(
        "Negative prompt", key=NEGATIVE, bind="query-params", placeholder="what to stay away from"
    )
    seed = _seed()
    content = {
        "prompts": prompts,
        "negative_prompt": negative or "",
        **_how(seed),
    }
    if not prompts:
        tell("There is no prompt; write one.")
        return None
    try:
        return validated(SamplingSettings, content)
    except RecipeError as error:
        tell(error)
        return None


def new_seed() -> None:
    """For the next drawing, unless the seed is to be kept. A callback: the widget shows it."""
    if not st.session_state.get(KEPT, True):
        st.session_state[SEED] = secrets.randbelow(MAX_SEED)


def _offer_triggers(triggers: Sequence[str], prompts: Sequence[str]) -> None:
    if not triggers:
        return
    unused = [t for t in triggers if not any(t.casefold() in p.casefold() for p in prompts)]
    if unused and prompts:
        st.caption(
            f":orange[:material/warning: No prompt has {plain(', '.join(unused))}: without it little of "
            "what was learned is called up.]"
        )
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption("Trigger words:")
        for trigger in triggers:
            st.button(
                plain(trigger),
                key=f"trigger-{trigger}",
                type="tertiary",
                icon=":material/add:",
                help="Put it in front of every prompt that lacks it.",
                on_click=_put_in_front,
                args=(trigger,),
            )


def _put_in_front(trigger: str) -> None:
    lines = str(st.session_state.get(PROMPTS, "")).splitlines()
    st.session_state[PROMPTS] = "\n".join(
        with_trigger(line, trigger) for line in lines if line.strip()
    )


def _seed() -> int:
    number, kept = st.columns(2, vertical_alignment="bottom")
    seed = number.number_input(
        "Seed",
        0,
        MAX_SEED,
        0,
        key=SEED,
        bind="query-params",
        help="Where the noise comes from; the same seed draws the same picture.",
    )
    kept.toggle(
        "Keep it", True, key=KEPT, bind="query-params", help="Off: a new one for each drawing."
    )
    return int(seed or 0)


def _how(seed: int) -> dict[str, Any]:
    with st.expander("Sampler, steps, guidance"):
        scheduler = st.selectbox(
            "Sampler", WORDS, WORDS.index(_PLAIN.scheduler), key=SCHEDULER, bind="query-params"
        )
        steps = st.slider(
            "Steps",
            1,
            100,
            _PLAIN.num_inference_steps,
            key=STEPS,
            bind="query-params",
            help="More takes longer; beyond 30 little changes.",
        )
        guidance = st.slider(
            "Guidance",
            1.0,
            20.0,
            _PLAIN.guidance_scale,
            0.5,
            key=GUIDANCE,
            bind="query-params",
            help="How strongly the prompt is followed; 1 is not at all beyond what it is.",
        )
        variants = st.slider(
            "Pictures of each prompt",
            1,
            4,
            1,
            key=VARIANTS,
            bind="query-params",
            help="From this seed and those behind it.",
        )
    return {
        "seeds": [seed + n for n in range(variants)],
        "scheduler": scheduler,
        "num_inference_steps": steps,
        "guidance_scale": guidance,
    }
