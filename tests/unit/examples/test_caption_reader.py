"""What is counted before training is what the text encoder is given in training."""

from __future__ import annotations

import json
import shutil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.bases.identity import identify_base
from studio.bases.source import POCKET_FOLDER
from studio.bases.tokenizer_files import read_tokenizer
from studio.curation.settings import CaptionSettings, DatasetSettings
from studio.examples.caption_reader import caption_reader

POCKET = identify_base("pocket")
READ = 30  # of pocket's 32 tokens, two are marks


def reader(**settings: object):
    found = caption_reader(POCKET, DatasetSettings(source="unused", **settings))
    assert found is not None
    return found


READER = reader()


@pytest.fixture(scope="module")
def pocket_tokenizer():
    from transformers import CLIPTokenizer

    return CLIPTokenizer.from_pretrained(POCKET_FOLDER / "tokenizer", local_files_only=True)


@pytest.fixture(scope="module")
def older(tmp_path_factory):
    """The same tokenizer in the two files that Stable Diffusion 1.5 was published with."""
    folder = tmp_path_factory.mktemp("base") / "pocket"
    shutil.copytree(POCKET_FOLDER, folder)
    whole = folder / "tokenizer" / "tokenizer.json"
    model = json.loads(whole.read_text("utf-8"))["model"]
    whole.unlink()
    (folder / "tokenizer" / "vocab.json").write_text(json.dumps(model["vocab"]), "utf-8")
    merges = [pair if isinstance(pair, str) else " ".join(pair) for pair in model["merges"]]
    (folder / "tokenizer" / "merges.txt").write_text("\n".join(["#version: 0.2", *merges]), "utf-8")
    return read_tokenizer(identify_base(str(folder)))


@given(text=st.text(max_size=40) | st.sampled_from(["it's 42 Foxes!!", "grüner Bär\n é", "🦊 ok"]))
def test_counts_what_the_tokenizer_counts(text, pocket_tokenizer, older):
    expected = len(pocket_tokenizer(text, add_special_tokens=False).input_ids)
    assert len(READER.tokenizer.tokens(text)) == len(older.tokens(text)) == expected


def test_the_length_is_the_tokenizer_s_own(older):
    assert older.max_tokens == READER.tokenizer.max_tokens == READ


def test_what_falls_off_is_what_the_encoder_never_gets(pocket_tokenizer):
    caption = ", ".join(f"a red house {i}" for i in range(12))
    reading = READER.read(caption)
    assert (reading.limit, reading.tokens > READ) == (READ, True)
    cut = pocket_tokenizer(caption, truncation=True, max_length=32).input_ids
    kept = caption.removesuffix(reading.lost)
    assert pocket_tokenizer(kept, add_special_tokens=False).input_ids == cut[1:-1][: len(cut)]


def test_a_word_that_is_read_in_part_is_lost_whole():
    caption = "a " * (READ - 1) + "watermelon, red"
    assert READER.read(caption).lost == "watermelon, red"
    assert READER.read("a " * READ + "red").lost == "red"
    assert READER.read("a " * READ).lost == ""


def test_trigger_prefix_and_suffix_count():
    plain = READER.read("a fox").tokens
    around = reader(trigger="cat", caption=CaptionSettings(prefix="photo of", suffix=", red"))
    assert around.read("a fox").tokens == READER.read("photo of cat, a fox, red").tokens > plain


def test_the_longest_line_and_the_longest_alternative_count():
    settings = CaptionSettings(draw_line=True, wildcards=True)
    text = "a fox\na {red|small and very blue|} house"
    assert (
        reader(caption=settings).read(text).tokens
        == READER.read("a small and very blue house").tokens
    )


def test_pieces_are_parts_of_the_word_the_commonest_first_in_the_vocabulary():
    pieces = READER.pieces("watermelon")
    assert "".join(piece.text for piece in pieces) == "watermelon"
    assert all(0 <= piece.rarity < 1 for piece in pieces)


@pytest.mark.parametrize("spoil", ["tokenizer_config.json", "tokenizer.json"])
def test_without_whole_files_there_is_no_reader(spoil, tmp_path):
    folder = tmp_path / "pocket"
    shutil.copytree(POCKET_FOLDER, folder)
    (folder / "tokenizer" / spoil).write_text("{")
    identity = identify_base(str(folder))
    assert caption_reader(identity, DatasetSettings(source="unused")) is None
