from __future__ import annotations

from pathlib import Path

import pytest

from studio.curation.gate import require_trainable
from studio.curation.manifest import CuratedSet, Finding, Picture
from studio.curation.settings import CurationSettings, DatasetSettings
from studio.errors import DatasetError


def settings(least: int) -> DatasetSettings:
    return DatasetSettings(source="pictures", curation=CurationSettings(min_pictures=least))


def picture(name: str, *findings: Finding, kept: bool = True) -> Picture:
    return Picture(name, name * 3, 64, 64, name, "file_name", findings, kept)


SMALL = Finding("too_small", "block", 9, 32, "is too small")
BROKEN = Finding("unreadable", "block", 0, 1, "cannot be used")


def test_enough_pictures_pass():
    require_trainable(CuratedSet(Path("p"), (picture("a"), picture("b"))), settings(2))


def test_too_few_are_refused_in_one_line_with_the_commonest_reasons():
    pictures = (
        picture("a"),
        picture("b", SMALL, kept=False),
        picture("c", BROKEN, kept=False),
        picture("d", BROKEN, kept=False),
    )
    with pytest.raises(DatasetError) as caught:
        require_trainable(CuratedSet(Path("p"), pictures), settings(2))
    message = str(caught.value)
    assert "4 pictures found, 3 dropped (2 unreadable, 1 too small), 1 left" in message
    assert "at least 2" in message
    assert "\n" not in message


def test_a_blocking_finding_on_the_set_is_refused():
    blocking = Finding("consistency", "block", 1, 0.5, "is made of two materials")
    with pytest.raises(DatasetError, match="two materials"):
        require_trainable(CuratedSet(Path("p"), (picture("a"),), (blocking,)), settings(1))


def test_the_gates_own_limit_counts_not_the_one_recorded():
    recorded = Finding("set_size", "block", 1, 3, "only 1 picture can be used")
    require_trainable(CuratedSet(Path("p"), (picture("a"),), (recorded,)), settings(1))
