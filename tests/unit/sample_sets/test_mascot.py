"""The mascot is drawn by its script, and by nothing else."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sample_sets import mascot
from sample_sets.backgrounds import BACKGROUNDS
from sample_sets.card import Card, digest_of_folder
from sample_sets.mascot_figure import CREAM, FUR, SCARF
from sample_sets.mascot_poses import POSES, Pose
from studio.errors import DatasetError

FOLDER = Path(__file__).parents[3] / "datasets" / "mascot"


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sets") / "mascot"
    mascot.make(folder)
    return folder


def test_the_committed_pictures_are_what_the_script_draws(drawn: Path) -> None:
    names = sorted(path.name for path in FOLDER.iterdir())
    assert sorted(path.name for path in drawn.iterdir()) == names
    for path in sorted(drawn.glob("*.png")):
        committed = np.asarray(Image.open(FOLDER / path.name))
        np.testing.assert_array_equal(np.asarray(Image.open(path)), committed, err_msg=path.name)


def test_same_pillow_same_bytes(drawn: Path) -> None:
    committed = Card.read(FOLDER)
    same_pillow = committed.made_with == {"pillow": version("pillow")}
    # Another Pillow may pack the same pixels into other bytes.
    assert (digest_of_folder(drawn) == committed.digest) or not same_pillow


def test_a_second_run_replaces_the_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mascot, "POSES", POSES[:2])
    first = mascot.make(tmp_path / "mascot")
    (tmp_path / "mascot" / "waving.png").unlink()
    assert mascot.make(tmp_path / "mascot") == first == Card.read(tmp_path / "mascot")
    assert digest_of_folder(tmp_path / "mascot") == first.digest


def test_a_folder_of_the_users_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mascot, "POSES", ())
    holiday = tmp_path / "holiday.jpg"
    holiday.write_bytes(b"precious")
    with pytest.raises(DatasetError, match="not the sample set mascot"):
        mascot.make(tmp_path)
    assert [*tmp_path.iterdir()] == [holiday]


@pytest.mark.parametrize("pose", POSES, ids=lambda pose: pose.name)
def test_every_pose_shows_the_same_character_on_its_background(pose: Pose) -> None:
    picture = Image.open(FOLDER / f"{pose.name}.png")
    pixels = np.asarray(picture)
    for colour in (FUR, CREAM, SCARF):
        assert (pixels == colour).all(axis=2).sum() >= 8, colour
    assert picture.getpixel((127, 127)) == BACKGROUNDS[pose.background] or pose.scale > 1
    assert pose.caption.removeprefix("small ").startswith("mascot ")
    assert pose.caption.endswith(f", {pose.background} background")


def test_all_of_it_is_in_the_picture() -> None:
    for pose in (pose for pose in POSES if pose.scale <= 1):
        pixels = np.asarray(Image.open(FOLDER / f"{pose.name}.png"))
        fur = (pixels == FUR).all(axis=2)
        assert not fur[[0, -1], :].any(), pose.name
        assert not fur[:, [0, -1]].any(), pose.name
