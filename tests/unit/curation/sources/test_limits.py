"""Sizes in messages."""

from __future__ import annotations

import pytest

from studio.curation.sources.limits import in_words


@pytest.mark.parametrize(
    ("size_bytes", "words"),
    [
        (200_000_000, "200 MB"),
        (1_500_000_000, "1.5 GB"),
        (2_000_000_000, "2 GB"),
        (1_020_000, "1 MB"),
        (7_000, "7 kB"),
    ],
)
def test_whole_figures_have_no_decimals(size_bytes: int, words: str) -> None:
    assert in_words(size_bytes) == words
