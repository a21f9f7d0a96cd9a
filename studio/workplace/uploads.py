"""Pictures that come in through the browser: bounded, under names of their own."""

from __future__ import annotations

MAX_UPLOAD_MB = 2000
"""Of one file, zip archives too."""
