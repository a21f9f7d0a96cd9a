from __future__ import annotations

from pathlib import Path

import pytest

from studio.curation.gate import require_trainable
from studio.curation.manifest import CuratedSet, Finding, Picture
from studio.errors import DatasetError


def picture(name: str, *findings: Finding, kept: bool = True) -> Picture:
    return Picture(name, name * 3, 64, 64, name, "file_name", findings, kept)


SMALL = Finding("too_small", "block", 9, 32, "is too small")
BROKEN = Finding("unreadable", "block", 0, 1, "cannot be used")
FEW = Finding("set_size", "block", 1, 2, "only 1 picture can be used; at least 2 are needed")


def test_what_is_ready_passes():
    warned = Finding("set_size", "warn", 2, 50, "2 pictures are few")
    require_trainable(CuratedSet(Path("p"), (picture("a"), picture("b")), (warned,)))


def test_too_few_are_refused_in_one_line_with_the_commonest_reasons():
    pictures = (
        picture("a"),
        picture("b", SMALL, kept=False),
        picture("c", BROKEN, kept=False),
        picture("d", BROKEN, kept=False),
    )
    with pytest.raises(DatasetError) as caught:
        require_trainable(CuratedSet(Path("p"), pictures, (FEW,)))
    message = str(caught.value)
    assert "at least 2 are needed" in message
    assert "4 pictures found, 3 dropped (2 unreadable, 1 too small), 1 left" in message
    assert "\n" not in message


def test_a_set_of_which_nothing_is_left_is_refused_whatever_the_findings():
    with pytest.raises(DatasetError, match="no picture can be used"):
        require_trainable(CuratedSet(Path("p"), (picture("a", BROKEN, kept=False),)))


def test_a_blocking_finding_on_the_set_is_refused():
    blocking = Finding("material", "block", 1, 0.5, "is made of two materials")
    with pytest.raises(DatasetError, match="two materials"):
        require_trainable(CuratedSet(Path("p"), (picture("a"),), (blocking,)))


def test_the_gate_and_the_verdict_agree(folder, scene, curate_folder):
    scene(8, (20, 20)).save(folder / "tiny.png")
    for limits in ({}, {"min_pictures": 7}, {"min_pictures": 7, "severity": {"set_size": "warn"}}):
        curated = curate_folder(folder, **limits)
        if curated.ready:
            require_trainable(curated)
        else:
            with pytest.raises(DatasetError, match="at least 7"):
                require_trainable(curated)
