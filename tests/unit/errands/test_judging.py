"""Judging a set for the dashboard: what is found is kept, traps are refused, the gone is forgotten."""

from __future__ import annotations

import io
import json
import os
import stat
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from studio.curation.sources import limits
from studio.errands import judging
from studio.errands.judging import judge
from studio.errors import BaseModelError, DatasetError
from studio.workplace import rejudging
from studio.workplace.picture_sets import PictureSets
from studio.workplace.roots import Roots
from studio.workplace.workplace import Workplace


@pytest.fixture(autouse=True)
def _no_lower_priority(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "setpriority", lambda *_: None)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "open" / "pictures"
    folder.mkdir(parents=True)
    for number in range(4):
        pixels = np.random.default_rng(number).integers(0, 255, (96, 96, 3), np.uint8)
        Image.fromarray(pixels).resize((192, 192)).save(folder / f"{number}.png")
    return folder


@pytest.fixture
def sets(tmp_path: Path, folder: Path) -> PictureSets:
    return PictureSets(Workplace.at(tmp_path / "runs", Roots.of([folder.parent])))


def judged(sets: PictureSets, name: str, told: list[tuple[str, int, int]] | None = None) -> Any:
    told = [] if told is None else told
    errand = rejudging.judging(sets.folder(name))
    return judge(errand.arguments, Path("unused"), lambda *what: told.append(what))


def test_a_judgement_is_kept_and_is_the_newest(sets: PictureSets, folder: Path) -> None:
    name = sets.add(folder).name
    told: list[tuple[str, int, int]] = []
    result = judged(sets, name, told)
    assert result["ready"]
    assert (result["found"], result["kept"]) == (4, 4)
    assert told[-1] == ("looking at pictures", 4, 4)
    assert json.dumps(result)
    manifest = sets.manifest(name)
    assert manifest is not None
    assert manifest.verdict == result["verdict"]
    assert not sets.is_stale(name)


def test_a_set_that_cannot_be_trained_is_judged_all_the_same(
    sets: PictureSets, folder: Path
) -> None:
    name = sets.add(folder).name
    for number in range(4):
        sets.decide(name, f"{number}.png", False)
    result = judged(sets, name)
    assert not result["ready"]
    assert result["verdict"].startswith("Not ready to train")
    assert sets.manifest(name) is not None


def test_captions_are_counted_as_the_base_model_reads_them(sets: PictureSets, folder: Path) -> None:
    name = sets.add(folder).name
    judged(sets, name)
    sets.set_caption(name, "0.png", "a very long caption of many words " * 10)
    judged(sets, name)
    judgement = sets.judgement(name)
    assert judgement is not None
    picture = judgement.by_name["0.png"]
    assert "caption_too_long" in [f.check for f in picture.findings]
    assert picture.caption.startswith("a very long caption")


def test_decisions_on_pictures_that_are_gone_are_forgotten(sets: PictureSets, folder: Path) -> None:
    name = sets.add(folder).name
    sets.decide(name, "0.png", False)
    sets.decide(name, "1.png", False)
    (folder / "0.png").unlink()
    assert judged(sets, name)["kept"] == 2
    assert sets.get(name).drop == ("1.png",)
    assert not sets.is_stale(name)


def test_a_base_model_that_nobody_knows_is_told(sets: PictureSets, folder: Path) -> None:
    name = sets.add(folder).name
    sets.change(name, base_model="none/such")
    with pytest.raises(BaseModelError):
        judged(sets, name)
    sets.change(
        name, base_model="runwayml/stable-diffusion-v1-5"
    )  # by its description, which ships
    judged(sets, name)
    judgement = sets.judgement(name)
    assert judgement is not None
    finding = judgement.by_name["0.png"].findings[0]
    assert (finding.check, finding.threshold) == ("too_small", 256)


class Sent(io.BytesIO):
    """As Streamlit hands a file over."""

    name = "set.zip"

    @property
    def size(self) -> int:
        return len(self.getvalue())


def packed(name: str, content: bytes, mode: int = 0o644) -> Sent:
    file = Sent()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        entry = zipfile.ZipInfo(name)
        entry.external_attr = mode << 16
        entry.compress_type = zipfile.ZIP_DEFLATED
        archive.writestr(entry, content)
    return file


@pytest.mark.parametrize(
    "name", ["../../slip.png", "/slip.png", "a/../../slip.png", "C:\\slip.png"]
)
def test_an_archive_that_would_write_elsewhere_is_refused(
    sets: PictureSets, tmp_path: Path, name: str
) -> None:
    added = sets.add_uploads([packed(name, b"x")])
    with pytest.raises(DatasetError, match="such an archive is a trap"):
        judged(sets, added.name)
    assert not list(tmp_path.rglob("slip.png"))
    assert sets.manifest(added.name) is None


def test_an_archive_of_links_is_refused(sets: PictureSets) -> None:
    added = sets.add_uploads([packed("a.png", b"/etc/passwd", stat.S_IFLNK | 0o777)])
    with pytest.raises(DatasetError, match="is a link, not a file"):
        judged(sets, added.name)


def test_a_bomb_is_refused_before_it_is_unpacked(
    sets: PictureSets, monkeypatch: pytest.MonkeyPatch
) -> None:
    bounds = limits.Limits(ratio=100, ratio_from_bytes=1 << 20)
    monkeypatch.setattr(limits, "LIMITS", bounds)
    added = sets.add_uploads([packed("a.png", bytes(20 << 20))])
    with pytest.raises(DatasetError, match="such an archive is a trap"):
        judged(sets, added.name)


def test_judging_needs_no_torch() -> None:
    code = f"import sys; import {judging.__name__}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
