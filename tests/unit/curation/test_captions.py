from __future__ import annotations

import json
from pathlib import Path

import pytest

from studio.curation.caption_folder import AutoCaption, write_note
from studio.curation.captions import read_captions
from studio.curation.file_names import caption_from_name
from studio.curation.scan import scan
from studio.errors import DatasetError


@pytest.fixture
def source(tmp_path: Path) -> Path:
    for name in ("a.png", "b.png", "sub/c.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    return tmp_path


def read(source: Path):
    return read_captions(scan(source))


@pytest.mark.parametrize(
    ("stem", "caption"),
    [
        ("red-fox_012", "red fox"),
        ("red fox (3)", "red fox"),
        ("a_small__blue-house", "a small blue house"),
        ("room 101 at night", "room 101 at night"),
        ("img red fox", "img red fox"),
        ("grüner_Baum", "grüner Baum"),
        ("日本の猫", "日本の猫"),
        ("r2d2", "r2d2"),
        ("facade", "facade"),
        ("IMG_1234", ""),
        ("IMG-20240101-WA0001", ""),
        ("DSC0001", ""),
        ("DSC_0001", ""),
        ("P1010042", ""),
        ("PXL_20240101_123456789", ""),
        ("Screenshot 2024-05-01 at 10.20.30", ""),
        ("00017", ""),
        ("1f600", ""),
        ("9e107d9d372bb6826bd81d3542a419d6", ""),
        ("123e4567-e89b-12d3-a456-426614174000", ""),
        ("image (2)", ""),
    ],
)
def test_caption_from_a_file_name(stem, caption):
    assert caption_from_name(stem) == caption


def test_a_txt_file_comes_before_metadata_and_that_before_the_name(source):
    (source / "a.txt").write_text("from the text", "utf-8")
    lines = [{"file_name": n, "text": "from metadata"} for n in ("a.png", "b.png")]
    (source / "metadata.jsonl").write_text("\n".join(map(json.dumps, lines)), "utf-8")
    captions, findings = read(source)
    assert (captions["a.png"].text, captions["a.png"].source) == ("from the text", "txt")
    assert (captions["b.png"].text, captions["b.png"].source) == ("from metadata", "metadata")
    assert (captions["sub/c.png"].text, captions["sub/c.png"].source) == ("c", "file_name")
    assert findings == []


def test_byte_order_mark_and_whitespace(source):
    (source / "a.txt").write_bytes(b"\xef\xbb\xbf  a fox,\r\n\tred\xc2\xa0 \x00and quick\n")
    captions, _ = read(source)
    assert captions["a.png"].text == "a fox, red and quick"
    assert captions["a.png"].findings == ()


def test_lines_are_kept_where_one_of_them_will_be_drawn(source):
    (source / "a.txt").write_bytes(b"  a fox,\r\n\r\n \t\na red  fox\n")
    (source / "metadata.jsonl").write_text('{"file_name": "b.png", "text": "one\\ntwo"}\n')
    captions, _ = read_captions(scan(source), keep_lines=True)
    assert captions["a.png"].text == "a fox,\na red fox"
    assert captions["b.png"].text == "one\ntwo"


@pytest.mark.parametrize(
    ("content", "text", "encoding"),
    [
        ("grüner Bär’s".encode("cp1252"), "grüner Bär’s", "Windows-1252"),
        (b"gr\xfcner B\xe4r \x81", "grüner Bär", "Latin-1"),
        ("grüner Bär".encode("utf-16"), "grüner Bär", "UTF-16"),
    ],
)
def test_other_encodings_are_read_with_a_remark(source, content, text, encoding):
    (source / "a.txt").write_bytes(content)
    captions, _ = read(source)
    assert captions["a.png"].text == text
    assert captions["a.png"].findings[0].severity == "info"
    assert encoding in captions["a.png"].findings[0].message


def test_a_spreadsheet_s_metadata_is_read_with_a_remark(source):
    (source / "metadata.csv").write_bytes("file_name,text\na.png,grüner Bär\n".encode("cp1252"))
    captions, findings = read(source)
    assert captions["a.png"].text == "grüner Bär"
    assert [f.check for f in findings] == ["caption_encoding"]


def test_the_recipe_s_folder_of_captions_comes_first(source, tmp_path_factory):
    folder = tmp_path_factory.mktemp("captions")
    (source / "a.txt").write_text("from beside")
    (source / "b.txt").write_text("from beside")
    (folder / "sub").mkdir()
    for name in ("a.txt", "sub/c.txt"):
        (folder / name).write_text("from the folder\n")
    captions, findings = read_captions(scan(source), folder=folder)
    assert {name: caption.text for name, caption in captions.items()} == {
        "a.png": "from the folder",
        "b.png": "from beside",
        "sub/c.png": "from the folder",
    }
    assert (captions["a.png"].source, findings) == ("txt", [])


def test_a_folder_of_captions_that_is_not_there_or_of_another_set(source, tmp_path_factory):
    with pytest.raises(DatasetError, match=r"dataset\.caption_folder"):
        read_captions(scan(source), folder=source / "gone")
    _, findings = read_captions(scan(source), folder=tmp_path_factory.mktemp("captions"))
    assert [(f.check, f.severity) for f in findings] == [("caption_folder", "warn")]


def test_what_a_captioner_wrote_is_marked_until_someone_edits_it(source, tmp_path_factory):
    folder = tmp_path_factory.mktemp("captions")
    for name in ("a.txt", "b.txt"):
        (folder / name).write_text("a fox\n")
    write_note(folder, {n: AutoCaption.of("a fox", "blip", "d1") for n in ("a.txt", "b.txt")})
    (folder / "b.txt").write_text("a red fox\n")
    captions, findings = read_captions(scan(source), folder=folder)
    assert (captions["a.png"].source, captions["b.png"].source) == ("auto", "txt")
    (finding,) = findings
    assert (finding.check, finding.severity) == ("caption_auto", "info")
    assert finding.evidence == {"models": ["blip"], "model_digests": ["d1"], "pictures": ["a.png"]}


def test_a_damaged_note_is_not_passed_over(source, tmp_path_factory):
    folder = tmp_path_factory.mktemp("captions")
    (folder / "captions.json").write_text("{")
    with pytest.raises(DatasetError, match="which captions a program wrote"):
        read_captions(scan(source), folder=folder)


def test_an_empty_txt_file_is_an_empty_caption(source):
    (source / "a.txt").write_text("\n")
    captions, _ = read(source)
    assert (captions["a.png"].text, captions["a.png"].source) == ("", "txt")


def test_metadata_csv_with_the_other_column_name(source):
    (source / "metadata.csv").write_text(
        'file_name,caption\na.png,"a fox, red"\nsub\\c.png,a cat\n', "utf-8"
    )
    captions, findings = read(source)
    assert captions["a.png"].text == "a fox, red"
    assert captions["sub/c.png"].text == "a cat"
    assert findings == []


def test_metadata_in_a_sub_folder_speaks_of_that_folder(source):
    (source / "sub" / "metadata.jsonl").write_text('{"file_name": "c.png", "text": "a cat"}\n')
    captions, _ = read(source)
    assert captions["sub/c.png"].text == "a cat"


def test_malformed_json_lines_are_named_and_passed_over(source):
    content = '{"file_name": "a.png", "text": "a fox"}\n{oops\n[1]\n\n{"file_name": "b.png"}\n'
    (source / "metadata.jsonl").write_text(content)
    captions, findings = read(source)
    assert captions["a.png"].text == "a fox"
    assert captions["b.png"].source == "file_name"
    assert [f.severity for f in findings] == ["warn"]
    assert "(line 2, 3, 5)" in findings[0].message


def test_malformed_csv_lines_are_named(source):
    (source / "metadata.csv").write_text("file_name,text\na.png,a fox\nb.png\n,lost,too,many\n")
    captions, findings = read(source)
    assert captions["a.png"].text == "a fox"
    assert "(line 3, 4)" in findings[0].message


def test_csv_without_the_needed_columns(source):
    (source / "metadata.csv").write_text("picture,words\na.png,a fox\n")
    captions, findings = read(source)
    assert captions["a.png"].source == "file_name"
    assert "file_name and text or caption" in findings[0].message


def test_metadata_of_pictures_that_are_not_there(source):
    (source / "metadata.jsonl").write_text('{"file_name": "../gone.png", "text": "a ghost"}\n')
    _, findings = read(source)
    assert findings[0].severity == "info"
    assert "../gone.png" in findings[0].message


def test_binary_metadata_does_no_harm(source):
    (source / "metadata.jsonl").write_bytes(bytes(range(256)) * 4)
    (source / "metadata.csv").write_bytes(bytes(range(256)) * 4)
    captions, findings = read(source)
    assert captions["a.png"].text == "a"
    assert {f.evidence["file"] for f in findings} == {"metadata.csv", "metadata.jsonl"}


def test_the_same_name_in_the_other_unicode_form(tmp_path):
    (tmp_path / "cafe\u0301.png").write_bytes(b"x")
    (tmp_path / "metadata.jsonl").write_text('{"file_name": "caf\u00e9.png", "text": "coffee"}')
    captions, _ = read(tmp_path)
    assert captions["cafe\u0301.png"].text == "coffee"
