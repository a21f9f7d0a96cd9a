"""The sample sets that come along, and a place without them."""

from __future__ import annotations

from pathlib import Path

import pytest

from studio.workplace import sample_sets as room
from studio.workplace.sample_sets import sample_sets, shipped


def test_each_sample_set_is_told_in_a_sentence() -> None:
    found = {sample.name: sample for sample in sample_sets()}
    assert sorted(found) == ["flat-icons", "mascot", "mixed-material"]
    for sample in found.values():
        assert len(list(sample.folder.glob("*.[pj][np]g"))) == sample.pictures
        assert sample.description.endswith(".")
        assert ". " not in sample.description


def test_a_place_without_the_repository_has_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(room, "SETS", Path("none"))
    assert sample_sets() == ()
    assert shipped(Path("recipes/none.yaml")) is None
