"""No picture is trained on whose copy is held out, whatever the user decides by hand."""

from __future__ import annotations

import shutil

import pytest
from PIL import Image, ImageOps

from studio.curation.split import split


@pytest.fixture
def with_copies(folder, photograph):
    """Two photographs, each in five versions, beside six other pictures."""
    for seed in (30, 31):
        image = photograph(seed)
        image.save(folder / f"{seed} a.png")
        shutil.copy(folder / f"{seed} a.png", folder / f"{seed} b.png")
        ImageOps.mirror(image).save(folder / f"{seed} c.png")
        image.crop((20, 10, 280, 240)).save(folder / f"{seed} d.png")
        image.resize((200, 178), Image.Resampling.LANCZOS).save(folder / f"{seed} e.png")
    return folder


@pytest.mark.parametrize("keep", ["", "abcde", "bcd", "e"])
def test_copies_stay_on_one_side(with_copies, curate_folder, keep):
    names = [f"{seed} {version}.png" for seed in (30, 31) for version in keep]
    curated = curate_folder(with_copies, keep=names)
    assert {p.name for p in curated.kept} >= set(names)
    for seed in range(12):
        sides = split(curated, 0.5, seed)
        for photograph in ("30", "31"):
            holding = [s for s in sides if any(p.name.startswith(photograph) for p in s.kept)]
            assert len(holding) <= 1, [sorted(p.name for p in s.kept) for s in holding]
