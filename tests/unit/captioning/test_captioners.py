"""Real models of no sense: loaded from their files, run on pictures, refused where they do not fit."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from studio.captioning.recognition import captioner_for
from studio.captioning.tags import Tags, written
from studio.errors import CaptionerError

# What the tiny describer knows.
WORDS = {"a", "cat", "dog", "house", "red", "blue", "on", "the", "hill", "small"}


def copied(folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(folder, tmp_path / "copy"))


def test_a_describer_writes_words_and_always_the_same(tiny_blip, images):
    first, second = captioner_for(tiny_blip), captioner_for(tiny_blip)
    texts = first.captions(images)
    assert len(texts) == len(images)
    assert set(" ".join(texts).split()) <= WORDS
    assert texts[0] != texts[1]
    assert second.captions(images) == texts
    assert (first.name, len(first.digest)) == ("tiny-blip", 64)


def test_a_describer_that_must_be_asked(tiny_florence, images):
    """Its words are of no sense; but the question, of another length than none, fits its weights."""
    texts = captioner_for(tiny_florence).captions(images)
    assert all(texts)
    assert "<" not in "".join(texts), "marks are no part of a caption"


def test_weights_that_are_missing_are_not_made_up(tiny_blip, tmp_path, images):
    from safetensors.numpy import load_file, save_file

    folder = copied(tiny_blip, tmp_path)
    weights = load_file(folder / "model.safetensors")
    name = next(n for n in weights if n.endswith("layer.0.attention.self.query.weight"))
    del weights[name]
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(CaptionerError, match="lacks 1 weights"):
        captioner_for(folder).captions(images)


@pytest.mark.parametrize("name", ["tokenizer.json", "model.safetensors"])
def test_broken_files_are_one_line(tiny_blip, tmp_path, images, name):
    folder = copied(tiny_blip, tmp_path)
    (folder / name).write_bytes(b"oops")
    with pytest.raises(CaptionerError, match="cannot be used") as caught:
        captioner_for(folder).captions(images)
    assert "\n" not in str(caught.value)


def test_what_is_no_captioner(tiny_blip, tmp_path):
    def refusal(config: dict[str, object] | None, *files: str) -> str:
        folder = tmp_path / f"{len(list(tmp_path.iterdir()))}"
        folder.mkdir()
        if config is not None:
            (folder / "config.json").write_text(json.dumps(config))
        for name in files:
            (folder / name).write_bytes(b"x")
        with pytest.raises(CaptionerError) as caught:
            captioner_for(folder)
        assert "\n" not in str(caught.value)
        return str(caught.value)

    assert "known here" in refusal(None)
    assert "'llama'" in refusal({"model_type": "llama"}, "model.safetensors")
    assert "code of its own" in refusal({"model_type": "florence2", "auto_map": {}})
    assert ".bin" in refusal({"model_type": "blip"}, "pytorch_model.bin")
    assert "model.onnx" in refusal(
        {"architecture": "vit"}, "selected_tags.csv", "model.safetensors"
    )
    assert "no list of tags" in refusal(None, "selected_tags.csv", "model.onnx")
    with pytest.raises(CaptionerError, match="no captioner's folder"):
        captioner_for(tmp_path / "gone")


def test_a_tagger_reads_blue_green_red_and_leaves_ratings_out(tiny_tagger):
    blue, red, wide = (
        Image.new("RGB", (16, 16), "blue"),
        Image.new("RGB", (16, 16), "red"),
        Image.new("RGB", (16, 4), "red"),
    )
    texts = captioner_for(tiny_tagger).captions([blue, red, wide])
    assert texts[:2] == ["long hair", "^_^"]
    assert texts[2] == "^_^, long hair", "three quarters are white, for the picture stays whole"


def test_a_tagger_s_threshold(tiny_tagger):
    assert captioner_for(tiny_tagger, tag_threshold=0.95).captions(
        [Image.new("RGB", (8, 8), "red")]
    ) == [""]


def test_a_tagger_with_another_list(tiny_tagger, tmp_path, images):
    folder = copied(tiny_tagger, tmp_path)
    (folder / "selected_tags.csv").write_text("tag_id,name,category,count\n0,fox,0,1\n")
    with pytest.raises(CaptionerError, match="scores 5 tags"):
        captioner_for(folder).captions(images)


def test_a_broken_tagger(tiny_tagger, tmp_path, images):
    folder = copied(tiny_tagger, tmp_path)
    (folder / "model.onnx").write_bytes(b"oops")
    with pytest.raises(CaptionerError, match="cannot be loaded"):
        captioner_for(folder).captions(images)


def test_without_the_extra_a_tagger_says_what_to_install(tiny_tagger, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(CaptionerError, match=r"adapter-studio\[captions\]"):
        captioner_for(tiny_tagger)


def test_characters_first_then_the_surest():
    tags = Tags(
        names=("hat", "miku", "fox", "safe", "rin"),
        general=np.array([True, False, True, False, False]),
        character=np.array([False, True, False, False, True]),
    )
    scores = np.array([0.5, 0.9, 0.7, 1.0, 0.6], np.float32)
    assert tags.chosen(scores, 0.35, 0.85) == ["miku", "fox", "hat"]


@pytest.mark.parametrize(
    ("tag", "text"),
    [("long_hair", "long hair"), ("^_^", "^_^"), ("o_o", "o_o"), ("(o)_(o)", "(o)_(o)")],
)
def test_how_tags_are_written(tag, text):
    assert written(tag) == text
