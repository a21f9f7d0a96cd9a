from __future__ import annotations

import io
import json

import pytest
from rich.console import Console

from studio.curation.manifest import CuratedSet, Finding, Picture
from studio.curation.summary import printable, receipt, to_json
from studio.curation.table import print_table


def printed(curated, width=80, see="studio curate pictures --html report.html") -> str:
    console = Console(file=io.StringIO(), width=width)
    print_table(curated, console, see=see)
    return console.file.getvalue()


@pytest.fixture
def many_bad(folder, scene):
    for seed in range(40):
        scene(seed + 50, (20, 20)).save(folder / f"tiny {seed:02}.png")
    (folder / "broken.png").write_bytes(b"")
    scene(100, (40, 40)).save(folder / "small.png")
    return folder


def picture(name: str, *findings: Finding, kept: bool = True) -> Picture:
    return Picture(name, f"digest of {name}", 64, 64, "", "none", findings, kept, {"blur": 1.0})


def warning(check: str, message: str = "is not good", **evidence) -> Finding:
    return Finding(check, "warn", 3, 1, message, evidence)


def test_the_summary_opens_with_the_verdict_then_says_what_to_do(many_bad, curate_folder):
    lines = printed(curate_folder(many_bad, advised_pictures=50)).splitlines()
    assert lines[0] == "Ready to train: 7 of 48 pictures kept; 1 of them with something to improve"
    assert lines[1].startswith("48 found, 7 kept, 41 dropped in ")
    assert lines[3] == "What to do"
    assert lines[4].startswith("1. 7 pictures are few")
    assert any("Too small: small.png" in line for line in lines)
    assert any(line.split()[:4] == ["dropped", "too", "small", "40"] for line in lines)
    assert any(line.split() == ["dropped", "unreadable", "1", "broken.png"] for line in lines)
    assert lines[-1].strip() == "studio curate pictures --html report.html"


@pytest.mark.parametrize("width", [40, 80, 200])
def test_however_much_is_wrong_it_fits_one_screen(width, tmp_path):
    checks = [f"check_{letter}" for letter in "abcdefghijklmnopqrstuvwxyz"]
    long = "is wrong in a way that takes a good many words to say, " * 9
    pictures = tuple(
        picture(f"{'very ' * 20}long name {n}.png", *(warning(c, long) for c in checks))
        for n in range(99)
    )
    of_set = tuple(warning(check, long) for check in checks)
    lines = printed(CuratedSet(tmp_path, pictures, of_set), width).splitlines()
    assert len(lines) <= 23
    assert all(len(line) <= width for line in lines[:-1])
    assert any("more in the report" in line for line in lines)


def test_two_materials_are_the_first_thing_to_mend(tmp_path):
    of_set = (warning("set_size", "few"), warning("material", "two materials"))
    curated = CuratedSet(tmp_path, (picture("a.png", warning("blur")),), of_set)
    assert curated.to_do == ["Two materials", "Few", "Blur: a.png is not good"]
    assert curated.summary.splitlines()[1] == "1. Two materials"


def test_names_are_not_read_as_markup(folder, scene, curate_folder):
    scene(9, (20, 20)).save(folder / "[red]tiny[blue].png")
    scene(10, (20, 20)).save(folder / "line\nend \x1b[31m.png")
    text = printed(curate_folder(folder), width=120)
    assert "[red]tiny[blue].png" in text
    assert "line\\nend \\x1b[31m.png" in text
    assert "\x1b" not in text


def test_verdicts(folder, curate_folder, tmp_path):
    good = curate_folder(folder)
    assert (good.ready, good.verdict) == (True, "Ready to train: 6 of 6 pictures kept")
    few = curate_folder(folder, min_pictures=10)
    assert not few.ready
    assert few.verdict.startswith("Not ready to train: only 6")
    assert CuratedSet(tmp_path, ()).verdict == "Not ready to train: no picture can be used"


def test_json_is_plain_and_leads_with_the_verdict(many_bad, curate_folder):
    content = json.loads(json.dumps(to_json(curate_folder(many_bad)), allow_nan=False))
    assert list(content)[:5] == ["version", "ready", "verdict", "receipt", "to_do"]
    assert (content["found"], content["kept"], content["dropped"]) == (48, 7, 41)
    assert len(content["pictures"]) == 48
    assert all(isinstance(p["scores"], dict) for p in content["pictures"])


def test_the_manifest_keeps_every_kind_of_evidence(tmp_path):
    evidence = {
        "twin": "b.png",
        "crop": "1,2,30,40",
        "share": 0.25,
        "count": 3,
        "names": ["a", "b"],
    }
    curated = CuratedSet(tmp_path, (picture("a.png", warning("border", **evidence)),))
    curated.save(tmp_path / "manifest.json")
    assert CuratedSet.load(tmp_path / "manifest.json") == curated
    assert json.loads((tmp_path / "manifest.json").read_text("utf-8"))["verdict"] == curated.verdict


def test_the_receipt_counts_and_names_no_picture(tmp_path):
    blocked = Finding("near_duplicate", "block", 1, 0, "repeats secret.png", {"twin": "secret.png"})
    pictures = (
        picture("secret.png", warning("blur"), warning("material")),
        picture("b.png", warning("blur")),
        picture("c.png"),
        picture("d.png", blocked, kept=False),
    )
    apart = warning("material", "secret.png is film", minority=["secret.png"])
    text = receipt(CuratedSet(tmp_path, pictures, (apart,)))
    assert text == (
        "ready: 3 of 4 kept; two materials, 1 of 3 the minority; dropped: 1 near duplicate; "
        "warned: 2 blur, 2 material"
    )
    gone = (Picture("secret.png", "", 64, 64, "", "none", kept=False, findings=(blocked,)),)
    assert "one material" in receipt(CuratedSet(tmp_path, (*gone, pictures[2]), (apart,)))
    unsure = warning("material", "cannot be told")
    assert "material uncertain" in receipt(CuratedSet(tmp_path, pictures, (unsure,)))


def test_printable():
    assert printable("grün 猫 🦊") == "grün 猫 🦊"
    assert printable("a\tb\x00\x1b") == "a\\tb\\x00\\x1b"
