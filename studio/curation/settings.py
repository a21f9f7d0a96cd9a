"""The recipe's ``dataset:`` section: where the pictures are and how they are judged."""

from __future__ import annotations

from pydantic import Field

from studio.settings import Section


class CurationSettings(Section):
    """Limits of the checks. The defaults are where experience says to start."""

    min_side_px: int | None = Field(None, ge=1)
    """Block pictures whose shorter side is below this many pixels. Empty: half the resolution."""

    near_duplicate_distance: int = Field(6, ge=0, le=32)
    """Hash distance (of 64 bits) up to which two pictures are compared as near duplicates; 0 means
    equal hashes."""

    blank_entropy_bits: float = Field(0.5, ge=0, le=8)
    """Block pictures whose colours carry less information than this. A line drawing is never blank,
    however few its strokes."""

    blur_edge_px: float = Field(1.8, gt=0)
    """Warn when the sharpest edges of a picture are wider than this, in pixels at training size."""

    max_crop_share: float = Field(0.35, gt=0, lt=1)
    """Warn when more than this share of a picture is cut off to fit the nearest bucket."""

    min_pictures: int = Field(3, ge=1)
    """Stop before training when fewer pictures than this are kept."""

    advised_pictures: int = Field(50, ge=1)
    """Warn when fewer pictures than this are kept: more than 50 is good, 200 better."""

    keep: tuple[str, ...] = ()
    """Pictures to keep whatever the checks say, by name below the source folder. Broken ones stay
    out."""

    drop: tuple[str, ...] = ()
    """Pictures to leave out whatever the checks say, by name below the source folder."""


class DatasetSettings(Section):
    """The pictures to learn from."""

    source: str
    """Folder with the pictures. Captions come from .txt files beside them, metadata.jsonl or
    metadata.csv, or the file names."""

    trigger: str = ""
    """Word or phrase that will call up what was learned; put before every caption without it."""

    resolution: int | None = Field(None, ge=64, le=2048, multiple_of=8)
    """Side in pixels of a square bucket; others have the same area. Empty: what the base was
    trained on."""

    max_aspect_ratio: float = Field(2.0, ge=1.0, le=4.0)
    """Longest bucket, width to height or height to width. 1 crops everything to a square."""

    flip_probability: float = Field(0.0, ge=0.0, le=1.0)
    """Chance of mirroring a picture left to right in a step. Leave at 0 for faces, text and
    characters."""

    caption_dropout: float = Field(0.1, ge=0.0, le=1.0)
    """Chance of training a step on an empty caption, so that guidance keeps working. Usual: 0.05 to
    0.2."""

    validation_share: float = Field(0.15, ge=0.0, le=0.5)
    """Share of the kept pictures held out from training and used only to measure. Near duplicates
    stay on one side."""

    curation: CurationSettings = CurationSettings()
    """Limits of the checks on the set."""
