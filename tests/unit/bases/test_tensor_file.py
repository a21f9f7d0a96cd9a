"""Headers of safetensors files: each entry is checked, however it lies."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save

from studio.bases.tensor_file import TensorFileError, TensorPlace, read_layout

GOOD = {"dtype": "F32", "shape": [2, 1], "data_offsets": [0, 8]}
CONTRADICTS, BROKEN = "contradicts itself about 'a'", "broken entry for 'a'"
WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "a truth in the shape": ({"shape": [2, True]}, CONTRADICTS),
    "a truth in the offsets": (
        {"dtype": "BOOL", "shape": [1], "data_offsets": [False, 1]},
        "contr",
    ),
    "a fraction in the shape": ({"shape": [2.0]}, CONTRADICTS),
    "no number in the shape": ({"shape": [float("nan")]}, CONTRADICTS),
    "sides that are negative together": ({"shape": [-2, -1]}, CONTRADICTS),
    "a side of text": ({"shape": ["2"]}, CONTRADICTS),
    "a shape of text": ({"shape": "2"}, CONTRADICTS),
    "a shape in a shape": ({"shape": [[2]]}, CONTRADICTS),
    "a fraction in the offsets": ({"data_offsets": [0, 8.0]}, CONTRADICTS),
    "backwards": ({"data_offsets": [8, 0]}, CONTRADICTS),
    "before the data": ({"data_offsets": [-8, 0]}, CONTRADICTS),
    "of another size": ({"shape": [3]}, CONTRADICTS),
    "three offsets": ({"data_offsets": [0, 4, 8]}, BROKEN),
    "no list of offsets": ({"data_offsets": 8}, BROKEN),
    "no list of sides": ({"shape": 2}, BROKEN),
    "a dtype of the future": ({"dtype": "F1"}, BROKEN),
    "a dtype that is a list": ({"dtype": ["F32"]}, BROKEN),
}


def written(path: Path, header: object) -> Path:
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + bytes(8))
    return path


@pytest.mark.parametrize("name", WRONG)
def test_an_entry_that_is_wrong_is_named(name: str, tmp_path: Path) -> None:
    changed, message = WRONG[name]
    file = written(tmp_path / "x.safetensors", {"a": {**GOOD, **changed}})
    with pytest.raises(TensorFileError, match=message):
        read_layout(file)


@pytest.mark.parametrize("entry", [None, 1, "text", [1, 2], {}])
def test_what_is_no_entry_is_named(entry: Any, tmp_path: Path) -> None:
    with pytest.raises(TensorFileError, match=BROKEN):
        read_layout(written(tmp_path / "x.safetensors", {"a": entry}))


def test_the_order_of_the_header_is_kept_and_places_are_the_files(tmp_path: Path) -> None:
    later = {"dtype": "F16", "shape": [2], "data_offsets": [4, 8]}
    header = {"b": later, "none": {**GOOD, "shape": [0], "data_offsets": [4, 4]}}
    header["a"] = {**GOOD, "shape": [], "data_offsets": [0, 4]}
    layout = read_layout(written(tmp_path / "x.safetensors", header))
    start = layout.data_start
    assert list(layout.tensors.items()) == [
        ("b", TensorPlace("F16", (2,), start + 4, start + 8)),
        ("none", TensorPlace("F32", (0,), start + 4, start + 4)),
        ("a", TensorPlace("F32", (), start, start + 4)),
    ]
    numbers = {"x": torch.arange(6.0).reshape(2, 3)}
    (tmp_path / "y.safetensors").write_bytes(save(numbers))
    place = read_layout(tmp_path / "y.safetensors").tensors["x"]
    raw = (tmp_path / "y.safetensors").read_bytes()[place.start : place.end]
    assert struct.unpack("<6f", raw) == (0, 1, 2, 3, 4, 5)
