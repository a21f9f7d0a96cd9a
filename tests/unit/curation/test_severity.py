from __future__ import annotations

import pytest
from PIL import Image, ImageFilter

from studio.curation import curate
from studio.curation.check_names import BY_CHECKS, CERTAIN
from studio.curation.checks import checks_for
from studio.curation.manifest import Finding
from studio.curation.settings import DatasetSettings
from studio.curation.severity import Rulings
from studio.curation.split import split
from studio.errors import RecipeError
from studio.recipe import recipe_from_dict


def findings_of(curated, name: str) -> dict[str, Finding]:
    return {f.check: f for p in curated.pictures if p.name == name for f in p.findings}


@pytest.fixture
def blurred(folder, scene):
    scene(7).filter(ImageFilter.GaussianBlur(4)).save(folder / "soft.png")
    return folder


def test_the_recipe_knows_every_check_by_name():
    checks = checks_for(DatasetSettings(source="pictures"), 64)
    assert sorted(BY_CHECKS) == sorted(check.name for check in checks.all)
    assert (checks.unreadable.name,) == CERTAIN


def test_a_warning_can_be_made_to_drop(blurred, curate_folder):
    assert findings_of(curate_folder(blurred), "soft.png")["blur"].severity == "warn"
    curated = curate_folder(blurred, severity={"blur": "block"})
    blur = findings_of(curated, "soft.png")["blur"]
    assert [p.name for p in curated.dropped] == ["soft.png"]
    assert blur.evidence["decided_by"] == "recipe"
    assert blur.evidence["by_default"] == "warn"


def test_a_block_can_be_made_a_remark_and_later_checks_see_the_picture(
    folder, scene, curate_folder
):
    scene(8, (20, 20)).save(folder / "tiny.png")
    (folder / "tiny copy.png").write_bytes((folder / "tiny.png").read_bytes())
    curated = curate_folder(folder, severity={"too_small": "info"})
    assert findings_of(curated, "tiny.png")["too_small"].severity == "info"
    assert [p.name for p in curated.dropped] == ["tiny copy.png"], "now its twin is in the set"


def test_off_says_nothing(blurred, curate_folder):
    curated = curate_folder(blurred, severity={"blur": "off", "set_size": "off"})
    assert "blur" not in findings_of(curated, "soft.png")
    assert "set_size" not in {f.check for f in curated.findings}


@pytest.mark.parametrize("copied", ["same bytes", "saved anew"])
def test_copies_that_are_off_are_kept_and_stay_on_one_side_of_the_split(
    copied, folder, curate_folder
):
    for seed, name in enumerate(("ant", "bee")):
        copy = folder / f"{name} copy.png"
        if copied == "same bytes":
            copy.write_bytes((folder / f"{name}.png").read_bytes())
        else:
            Image.open(folder / f"{name}.png").save(copy, compress_level=seed)
    curated = curate_folder(folder, severity={"exact_duplicate": "off", "near_duplicate": "off"})
    assert len(curated.kept) == 8
    for seed in range(8):
        _, held_out = split(curated, 0.25, seed)
        names = {picture.name for picture in held_out.kept}
        assert all((f"{n}.png" in names) == (f"{n} copy.png" in names) for n in ("ant", "bee"))


def test_what_is_found_in_reading_is_weighed_too(folder, curate_folder):
    (folder / "metadata.jsonl").write_text("no json\n")
    curated = curate_folder(folder, severity={"metadata": "block"})
    assert not curated.ready
    (folder / "ant.txt").write_bytes("grün".encode("latin-1"))
    weighed = curate_folder(folder, severity={"metadata": "off", "caption_encoding": "block"})
    assert weighed.ready
    assert [p.name for p in weighed.dropped] == ["ant.png"]


@pytest.mark.parametrize("by_itself", ["warn", "block"])
def test_a_set_mended_by_dropping_need_not_be_stopped(by_itself):
    apart = Finding("material", by_itself, 0.9, 0.5, "two materials")
    rulings = Rulings({"material": "block"})
    (mended,) = rulings.weighed_of_set("material", [apart], dropped_any=True)
    (stopped,) = rulings.weighed_of_set("material", [apart], dropped_any=False)
    assert (mended.severity, stopped.severity) == ("warn", "block")


def test_what_the_recipe_repeats_is_the_checks_own_word(folder, scene, curate_folder):
    scene(8, (20, 20)).save(folder / "tiny.png")
    assert curate_folder(folder, severity={"too_small": "block"}) == curate_folder(folder)


def test_kept_by_hand_says_what_it_overrules(folder, scene, curate_folder):
    scene(8, (20, 20)).save(folder / "tiny.png")
    (folder / "broken.png").write_bytes(b"")
    curated = curate_folder(folder, keep=("tiny.png", "broken.png", "ant.png"))
    kept = findings_of(curated, "tiny.png")["kept_by_hand"]
    assert kept.evidence == {"decided_by": "hand", "overrules": ["too_small"]}
    assert "too small" in kept.message
    assert findings_of(curated, "tiny.png")["too_small"].severity == "block", "it stays on record"
    assert "overrules" not in findings_of(curated, "ant.png")["kept_by_hand"].evidence
    assert "no picture to keep" in findings_of(curated, "broken.png")["kept_by_hand"].message
    assert [p.name for p in curated.dropped] == ["broken.png"]


@pytest.mark.parametrize(
    ("severity", "sentence"),
    [
        ({"blurr": "warn"}, 'severity.blurr: unknown check; did you mean "blur"?'),
        ({"xyzzy": "warn"}, "severity.xyzzy: unknown check; there are: animated,"),
        ({"unreadable": "off"}, "severity.unreadable: .* cannot be overruled"),
        ({"blur": "blok"}, 'severity.blur: "blok" is not one of .* did you mean "block"?'),
    ],
)
def test_what_no_recipe_can_say(severity, sentence):
    content = {"name": "x", "trainer": {"kind": "lora"}}
    content["dataset"] = {"source": "pictures", "curation": {"severity": severity}}
    with pytest.raises(RecipeError, match=sentence.replace("?", r"\?")):
        recipe_from_dict(content)


def test_from_python_a_path_and_limits_are_enough(folder):
    curated = curate(folder, 64, keep=["ant.png"], advised_pictures=3)
    assert curated.verdict == "Ready to train: 6 of 6 pictures kept"
    assert "kept_by_hand" in findings_of(curated, "ant.png")
    assert curate(str(folder), 64, keep=["ant.png"], advised_pictures=3) == curated
    section = DatasetSettings(source=str(folder), resolution=64)
    assert curate(section, keep=["ant.png"], advised_pictures=3) == curated


def test_from_python_limits_are_checked(folder):
    with pytest.raises(RecipeError, match='advised_picture: unknown key; did you mean "advised_'):
        curate(folder, advised_picture=3)
    with pytest.raises(RecipeError, match="blur_edge_px: -1 is not greater than 0"):
        curate(folder, blur_edge_px=-1)
