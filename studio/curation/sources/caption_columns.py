"""What the captions of a data set are called, most usual first."""

from __future__ import annotations

from studio.curation.metadata import CAPTION_COLUMNS as IN_IMAGE_FOLDERS

CAPTION_COLUMNS = (*IN_IMAGE_FOLDERS, "prompt", "captions", "prompts", "description")
