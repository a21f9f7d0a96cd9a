"""A first set: those that come along, or one's own."""

from __future__ import annotations

import streamlit as st

from studio.curation.sources.entry_names import is_picture
from studio.dashboard.here import here
from studio.dashboard.parts.plain import plain
from studio.dashboard.parts.told import told_errors
from studio.dashboard.views.sets.adding import TAB, UPLOAD
from studio.workplace.picture_sets import PictureSets
from studio.workplace.sample_sets import SampleSet, sample_sets

SHOWN = 4
PICTURE_PX = 64


def begin_with_a_sample() -> None:
    """A card for each sample set, and one for the pictures of the visitor."""
    st.subheader("Begin with a set")
    st.caption(
        "The sample sets train on the base model that comes along, in minutes, without a GPU or a download."
    )
    samples = sample_sets()
    places = st.columns(len(samples) + 1)
    for place, sample in zip(places, samples, strict=False):
        with place.container(border=True, height="stretch"), told_errors():
            _sample(sample)
    with places[-1].container(border=True, height="stretch"):
        _own()


def _sample(sample: SampleSet) -> None:
    st.markdown(f"**{plain(sample.title)}**")
    shown = _spread(sample)
    st.image(shown, width=PICTURE_PX, alt=[f"From the set {sample.name}"] * len(shown))
    st.caption(f"{sample.pictures} pictures. {plain(sample.description)}")
    if st.button("Begin with this", key=f"sample-{sample.name}", type="primary"):
        _go_to_set(sample)


def _own() -> None:
    from studio.dashboard.navigation import go

    st.markdown("**Your own pictures**")
    st.caption(
        "Fifty or more of one kind: one style, or one subject from many sides; all film or all digital. "
        "Better fewer pictures than bad ones."
    )
    if st.button("Choose pictures", icon=":material/add_photo_alternate:"):
        go("sets", **{TAB: UPLOAD})


def _go_to_set(sample: SampleSet) -> None:
    from studio.dashboard.navigation import go

    sets = PictureSets(here().workplace)
    known = sets.of_source(sample.folder)
    go("sets", set=(known or sets.add(sample.folder, sample.name, sample.trigger)).name)


def _spread(sample: SampleSet) -> list[str]:
    """A few of its pictures, from all over the set."""
    found = sorted(path for path in sample.folder.rglob("*") if is_picture(path.name))
    return [str(path) for path in found[:: max(1, len(found) // SHOWN)][:SHOWN]]
