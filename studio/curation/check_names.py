"""What findings are called: known to the recipe, which must not import what does the checking."""

from __future__ import annotations

from difflib import get_close_matches

BY_CHECKS = (
    "animated",
    "aspect_ratio",
    "balance",
    "blank",
    "blur",
    "border",
    "buckets",
    "caption_duplicate",
    "caption_encoding",
    "caption_markup",
    "caption_missing",
    "caption_names_learned",
    "caption_placeholder",
    "caption_too_long",
    "caption_trigger",
    "clipping",
    "compression",
    "content",
    "exact_duplicate",
    "exposure",
    "low_information",
    "material",
    "near_duplicate",
    "over_smoothed",
    "provenance",
    "set_size",
    "text",
    "tone",
    "too_small",
    "upscaled",
)
"""Each check of `studio.curation.checks`, by its name."""

IN_READING = (
    "caption_auto",
    "caption_file",
    "caption_folder",
    "clip",
    "file_name",
    "folder",
    "metadata",
)
"""What is found while folders and captions are read, before any check."""

CERTAIN = ("unreadable",)
"""What nobody can overrule: there is nothing to look at."""


def known_check(name: str) -> str:
    """``name`` as it is, where the recipe may weigh what is found under it.

    Raises:
        ValueError: it is no check's name; names the nearest.
    """
    if name in CERTAIN:
        raise ValueError(f"{name} pictures cannot be trained on, so this cannot be overruled")
    known = (*BY_CHECKS, *IN_READING)
    if name not in known:
        near = get_close_matches(name.lower(), known, n=1)
        hint = f'did you mean "{near[0]}"?' if near else f"there are: {', '.join(known)}"
        raise ValueError(f"unknown check; {hint}")
    return name
