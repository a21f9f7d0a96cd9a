from __future__ import annotations

from pathlib import Path

import pytest

from studio.curation.caption_folder import default_caption_folder
from studio.curation.fix_captions import fix_captions, write_fixed_captions
from studio.curation.reading import Piece, Reading
from studio.curation.settings import CaptionSettings, DatasetSettings
from studio.errors import DatasetError


class FirstSixWords:
    def read(self, caption: str) -> Reading:
        words = caption.split()
        return Reading(len(words), 6, " ".join(words[6:]))

    def pieces(self, word: str) -> list[Piece]:
        return [Piece(letter, 0.01) for letter in word]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Pictures are not opened here: their names do."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    return folder


def put(source: Path, name: str, caption: str | bytes) -> None:
    path = source / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"x")
    content = caption if isinstance(caption, bytes) else caption.encode()
    path.with_suffix(".txt").write_bytes(content)


def fixed(source: Path, reader=None, **settings: object) -> dict[str, str]:
    found = fix_captions(DatasetSettings(source=str(source), **settings), reader=reader)
    return {caption.picture: caption.after for caption in found}


@pytest.mark.parametrize(
    ("before", "after", "why"),
    [
        ("ein grÃ¼ner BÃ¤r", "ein grüner Bär", "encoding"),
        ("it\u00e2\u0080\u0099s a fox", "it’s a fox", "encoding"),
        ("a  red\t fox\r\non a hill", "a red fox on a hill", "whitespace"),
        ("a\u200b fox", "a fox", "invisible"),
        ("a <b>red</b> fox &amp; a cat", "a red fox & a cat", "markup"),
        ("fox, <lora:film:0.8>, (red:1.2), BREAK, hill", "fox, red, hill", "markup"),
        (r"saber \(fate\)", "saber (fate)", "markup"),
        ("grüner Bär".encode("cp1252"), "grüner Bär", "saved as UTF-8"),
        ("a fox".encode("utf-16"), "a fox", "saved as UTF-8"),
    ],
)
def test_what_is_mended(source, before, after, why):
    put(source, "fox.png", before)
    (found,) = fix_captions(DatasetSettings(source=str(source)))
    assert (found.picture, found.after) == ("fox.png", after)
    assert why in " ".join(found.why)


@pytest.mark.parametrize("caption", ["a red fox\n", "日本の猫", "saber (fate)", "caf\ufffd", ""])
def test_what_is_right_or_beyond_mending_is_left_alone(source, caption):
    put(source, "fox.png", caption)
    assert fixed(source, FirstSixWords()) == {}


def test_captions_from_file_names_are_left_alone(source):
    (source / "red  fox.png").write_bytes(b"x")
    assert fixed(source) == {}


def test_the_trigger_in_one_spelling_and_everywhere_if_anywhere(source):
    for name, caption in (("a", "Zorp runs"), ("b", "zrop sits"), ("c", "a cat"), ("d", "zorp")):
        put(source, f"{name}.png", caption)
    assert fixed(source, trigger="zorp") == {
        "a.png": "zorp runs",
        "b.png": "zorp sits",
        "c.png": "zorp, a cat",
    }


def test_a_trigger_in_no_caption_is_training_s_to_add(source):
    put(source, "a.png", "a cat")
    assert fixed(source, trigger="zorp") == {}


def test_long_captions_end_behind_the_last_whole_tag_that_is_read(source):
    put(source, "tags.png", "a red fox, on a hill, in the deep snow")
    put(source, "sentence.png", "a red fox on a hill in the deep snow")
    assert fixed(source, FirstSixWords()) == {
        "tags.png": "a red fox, on a hill",
        "sentence.png": "a red fox on a hill",
    }


def test_lines_are_kept_where_one_of_them_is_drawn(source):
    put(source, "a.png", "a  fox\n\na red fox on a hill in snow")
    kept = fixed(source, FirstSixWords(), caption=CaptionSettings(draw_line=True))
    assert kept == {"a.png": "a fox\na red fox on a hill"}


def test_written_beside_and_read_first(source):
    put(source, "sub/fox.png", "ein BÃ¤r")
    put(source, "cat.png", "a cat")
    settings = DatasetSettings(source=str(source))
    folder = write_fixed_captions(fix_captions(settings), settings)
    assert folder == default_caption_folder(str(source)) == source.parent / "pictures-captions"
    assert [p.relative_to(folder).as_posix() for p in folder.rglob("*.txt")] == ["sub/fox.txt"]
    assert (folder / "sub" / "fox.txt").read_text("utf-8") == "ein Bär\n"
    assert (source / "sub" / "fox.txt").read_text("utf-8") == "ein BÃ¤r"
    assert fixed(source, caption_folder=str(folder)) == {}


def test_never_over(source, tmp_path):
    for name in ("a.png", "b.png"):
        put(source, name, "a  fox")
    settings = DatasetSettings(source=str(source))
    out = tmp_path / "out"
    out.mkdir()
    (out / "b.txt").write_text("mine")
    with pytest.raises(DatasetError, match=r"b\.txt exists already") as caught:
        write_fixed_captions(fix_captions(settings), settings, out)
    assert "\n" not in str(caught.value)
    assert [p.name for p in out.iterdir()] == ["b.txt"]
    assert (out / "b.txt").read_text() == "mine"


def test_never_among_the_pictures(source):
    put(source, "a.png", "a  fox")
    settings = DatasetSettings(source=str(source))
    for folder in (source, source / "captions"):
        with pytest.raises(DatasetError, match="among the pictures"):
            write_fixed_captions(fix_captions(settings), settings, folder)


def test_pictures_that_share_a_caption_file(source, tmp_path):
    put(source, "a.png", "a  fox")
    (source / "a.jpg").write_bytes(b"x")
    settings = DatasetSettings(source=str(source))
    write_fixed_captions(fix_captions(settings), settings)
    (source / "a.txt").unlink()
    rows = '{"file_name": "a.png", "text": "a  cat"}\n{"file_name": "a.jpg", "text": "a  dog"}\n'
    (source / "metadata.jsonl").write_text(rows)
    with pytest.raises(DatasetError, match=r"a\.txt as their caption file"):
        write_fixed_captions(fix_captions(settings), settings, tmp_path / "out")


def test_the_change_as_lines(source):
    put(source, "fox.png", "ein grÃ¼ner Fuchs,  rot")
    (found,) = fix_captions(DatasetSettings(source=str(source)))
    assert found.lines() == [
        "fox.png: encoding, whitespace and invisible characters",
        "  - ein [grÃ¼ner] Fuchs, rot",
        "  + ein [grüner] Fuchs, rot",
    ]


@pytest.mark.parametrize(
    ("given", "name"),
    [("pictures", "pictures-captions"), ("set.zip", "set-captions"), ("hf:a/b", "b-captions")],
)
def test_where_captions_go_by_default(given, name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pictures").mkdir()
    (tmp_path / "set.zip").write_bytes(b"x")
    assert default_caption_folder(given) == tmp_path / name
