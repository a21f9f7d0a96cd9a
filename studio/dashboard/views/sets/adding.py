"""New pictures: a sample set, what is dropped into the page, a folder on this computer."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from studio.curation.scan import EXTENSIONS
from studio.curation.sources.limits import in_words
from studio.dashboard.here import here
from studio.dashboard.parts.plain import plain
from studio.dashboard.parts.told import nothing_yet, told_errors
from studio.dashboard.views.sets import folders
from studio.dashboard.views.sets.choosing import go_to
from studio.workplace.picture_sets import PictureSets
from studio.workplace.sample_sets import SampleSet, sample_sets
from studio.workplace.uploads import ARCHIVES, MAX_FILES, MAX_PICTURE_BYTES, MAX_UPLOAD_MB

TAB = "from"
"""Of the page's address: which of the three ways in is open."""

SAMPLES, UPLOAD, FOLDER = "Sample sets", "Drop pictures or a zip", "A folder on this computer"
_ENDINGS = (*EXTENSIONS, ".txt", *ARCHIVES)


def show(sets: PictureSets) -> None:
    st.markdown("Start with pictures: each one is looked at before anything is trained.")
    tabs = st.tabs([SAMPLES, UPLOAD, FOLDER], key=TAB, bind="query-params")
    for tab, content in zip(tabs, (_samples, _upload, _folder), strict=True):
        if tab.open:
            with tab, told_errors():
                content(sets)


def _samples(sets: PictureSets) -> None:
    found = sample_sets()
    if not found:
        nothing_yet(
            "No sample sets here",
            "They come with the studio's repository. Drop your own pictures instead.",
        )
    columns = st.columns(3)
    for index, sample in enumerate(found):
        # Of cards of one height, the buttons stand side by side at the foot.
        card = columns[index % 3].container(
            border=True, height="stretch", vertical_alignment="distribute"
        )
        with card:
            _sample(sets, sample)


def _sample(sets: PictureSets, sample: SampleSet) -> None:
    with st.container():
        st.markdown(f"**{plain(sample.title)}**")
        st.caption(f"{sample.pictures} pictures · {sample.name}")
        st.markdown(plain(sample.description))
    if st.button("Use this set", key=f"use-{sample.name}", type="primary"):
        known = sets.of_source(sample.folder)
        taken = known or sets.add(sample.folder, sample.name, sample.trigger)
        go_to(taken.name)


def _upload(sets: PictureSets) -> None:
    st.caption(
        f"Pictures or a whole folder of them, with captions in .txt files of the same names if there are "
        f"any; or one archive. "
        f"At most {MAX_FILES} files, {in_words(MAX_PICTURE_BYTES)} a picture, "
        f"{MAX_UPLOAD_MB / 1000:.0f} GB an archive. They stay on the computer that runs the studio."
    )
    files = st.file_uploader(
        "Pictures, captions or a zip",
        accept_multiple_files=True,
        type=[ending.removeprefix(".") for ending in _ENDINGS],
        key="sets.files",
    )
    name = st.text_input("Name of the set", key="sets.upload-name", placeholder="my pictures")
    if st.button(
        "Use these pictures",
        type="primary",
        disabled=not files,
        help=None if files else "Drop some pictures first",
    ):
        with st.spinner("Keeping the files"):
            added = sets.add_uploads(files, name or None)
        go_to(added.name)


def _folder(sets: PictureSets) -> None:
    folder = folders.chosen(here().workplace.roots)
    if folder is not None and st.button("Use this folder", type="primary"):
        go_to(sets.add(Path(folder)).name)
