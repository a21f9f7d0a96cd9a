"""Tables with a column of pictures."""

from __future__ import annotations

import pyarrow as pa
import pytest
from datasets import ClassLabel, Dataset, DatasetDict, Features, Value
from pyarrow import parquet

from studio.curation.scan import scan
from studio.curation.sources.folder import as_folder


def test_a_table_keeps_the_bytes_and_names_every_row(tmp_path, six, look):
    first, second, *_ = six
    table = {
        "image": [
            {"bytes": first, "path": "../../evil.png"},
            {"bytes": second, "path": "x/evil.png"},
            {"bytes": None, "path": None},
            {"bytes": b"\xff\xd8\xff rest", "path": None},
        ],
        "caption": [["several", "texts"], None, ["nothing there"], ["broken"]],
    }
    parquet.write_table(pa.table(table), tmp_path / "a.parquet")
    curated = look(tmp_path / "a.parquet")
    assert {p.name: (p.caption, p.kept) for p in curated.pictures} == {
        "evil.png": ("several", True),
        "evil-000001.png": ("evil", True),
        "000002.png": ("nothing there", False),
        "000003.jpg": ("broken", False),
    }
    read = {p.name: curated.path_of(p).read_bytes() for p in curated.pictures}
    assert (read["evil.png"], read["evil-000001.png"]) == (first, second)


def test_pictures_in_a_column_of_bytes_and_classes_for_captions(tmp_path, six, look):
    features = Features(
        {"id": Value("int64"), "jpg": Value("binary"), "label": ClassLabel(names=["cat", "dog"])}
    )
    columns = {"id": list(range(6)), "jpg": six, "label": [0, 1, 0, 1, 0, 1]}
    Dataset.from_dict(columns, features=features).to_parquet(tmp_path / "a.parquet")
    curated = look(tmp_path / "a.parquet", caption_column="label")
    assert [p.caption for p in curated.pictures] == ["cat", "dog"] * 3
    assert [curated.path_of(p).read_bytes() for p in curated.pictures] == six


@pytest.mark.parametrize(
    ("columns", "given", "words"),
    [
        ({"a": ["x"]}, "", ("no column of pictures among a",)),
        ({"image": [b"x"], "title": ["y"]}, "", ("image, title", "caption_column=NAME", "none")),
        ({"image": [b"x"], "title": ["y"]}, "tilte", ("tilte is no column", "image, title")),
        ({"image": [b"x"], "n": [1]}, "n", ("n holds no text",)),
        ({"image": [{"bytes": None, "path": "/etc/passwd"}]}, "", ("row 0 names a file",)),
    ],
)
def test_a_table_that_cannot_be_used(tmp_path, refused, columns, given, words):
    parquet.write_table(pa.table(columns), tmp_path / "a.parquet")
    refused(tmp_path / "a.parquet", *words, caption_column=given)


def test_captions_can_be_left_out(pack, look):
    source = pack("plain.parquet")
    curated = look(source, caption_column="none")
    assert {p.caption for p in curated.pictures} == {"ant", "bee", "cow", "dog", "eel", "fox"}


def test_splits_without_train(tmp_path, refused, dataset):
    whole = dataset
    DatasetDict({"test": whole, "dev": whole}).save_to_disk(tmp_path / "given")
    refused(tmp_path / "given", "splits test, dev", "folder of one of them")
    assert len(scan(as_folder(str(tmp_path / "given" / "dev"))).pictures) == 6


def test_a_damaged_saved_set(refused, pack):
    saved = pack("saved")
    next(saved.glob("*.arrow")).write_bytes(b"")
    refused(saved, "no whole saved data set", "save it anew")
