"""CLIP's vocabulary, rebuilt: ids as CLIP's own tokenizer gives them."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import yaml

from studio.bases.clip_vocabulary import MERGES, clip_merges, clip_vocabulary
from studio.bases.published import PUBLISHED
from studio.bases.tokenizers import load_tokenizer

# Written down from openai/CLIP's simple_tokenizer, 2024-01, marks aside.
KNOWN: dict[str, list[int]] = {
    "": [],
    "a photo of a cat": [320, 1125, 539, 320, 2368],
    "A PHOTO of a Cat": [320, 1125, 539, 320, 2368],
    "masterpiece, best quality, 1girl": [12066, 267, 949, 3027, 267, 272, 1611],
    "a painting by Vincent van Gogh": [320, 3086, 638, 10357, 2451, 19697],
    "8k uhd dslr": [279, 330, 84, 4414, 33740],
    "it's the dog's bone, we'll see": [585, 568, 518, 1929, 568, 6195, 267, 649, 1342, 862],
    "sks person": [48136, 2533],
    "ohwx man": [47993, 786],
    "supercalifragilisticexpialidocious": [1642, 2857, 13093, 2076, 5868, 26850, 835, 639, 38466],
    "hello!": [3306, 256],
    "what?!?": [768, 11395],
    "100% (really)": [272, 271, 271, 260, 263, 1414, 264],
    "2,048 x 1.5": [273, 267, 271, 275, 279, 343, 272, 269, 276],
    "café crème": [15304, 1075, 12138, 614],
    "Überraschung": [6522, 867, 559, 844, 4334],
    "naïve façade": [1097, 35689, 563, 778, 10067, 1928],
    "日本語": [39121, 44353, 34002, 508],
    "猫の絵": [163, 234, 104, 21575, 37810, 369],
    "кошка": [27152, 13506, 141, 230, 27152, 27080],
    "γάτα": [138, 111, 138, 105, 139, 226, 138, 365],
    "قطة": [27585, 32050, 20915],
    "बिल्ली": [43599, 26721, 30881, 19389, 30881, 25751],
    "고양이": [36216, 254, 31625, 239, 34746],
    "🐱": [22979],
    "👩\u200d🚀 in space": [26304, 13542, 530, 2138],
    "❤️": [1752],
    "a\tb\n c": [320, 321, 322],
    "  spaces   here ": [9006, 763],
    "under_score-dash/slash": [1798, 318, 4431, 268, 10206, 270, 19749],
    "don't": [847, 713],
    "x²+y²": [343, 41175, 266, 344, 41175],
    "[brackets] {braces} <angle>": [314, 36183, 316, 346, 19249, 348, 283, 6946, 285],
    "…—–": [7095, 6718, 1224],
    "e.g. i.e.": [324, 269, 326, 269, 328, 269, 324, 269],
    "<|endoftext|> inside": [49407, 2912],
}


def test_the_table_is_clips() -> None:
    vocabulary = clip_vocabulary()
    assert len(clip_merges()) == 48_894
    assert sorted(vocabulary.values()) == list(range(49_408))
    assert [vocabulary[t] for t in ("!", "!</w>", "a</w>", "the</w>", "photo</w>")] == [
        *(0, 256, 320, 518, 1125)
    ]
    assert vocabulary["<|startoftext|>"] == 49_406
    assert vocabulary["<|endoftext|>"] == 49_407


def test_the_card_is_of_the_file() -> None:
    card = yaml.safe_load((MERGES.parent / "card.yaml").read_text("utf-8"))
    assert card["digest"] == hashlib.sha256(MERGES.read_bytes()).hexdigest()
    assert card["licence"] == "MIT"
    assert card["source"]["credit"] in (MERGES.parent / "LICENSE").read_text("utf-8")
    assert MERGES.stat().st_size < 250_000


@pytest.mark.parametrize("text", KNOWN)
def test_known_texts_have_known_ids(text: str) -> None:
    tokenizer = load_tokenizer(PUBLISHED / "sd1" / "tokenizer")
    assert tokenizer(text, add_special_tokens=False).input_ids == KNOWN[text]


@pytest.mark.parametrize(
    ("folder", "pad"),
    [
        ("sd1/tokenizer", 49_407),
        ("sd2_512/tokenizer", 0),
        ("sd2_768/tokenizer", 0),
        ("sdxl/tokenizer", 49_407),
        ("sdxl/tokenizer_2", 0),
        ("sdxl_refiner/tokenizer_2", 0),
    ],
)
def test_each_pads_as_it_was_trained(folder: str, pad: int) -> None:
    tokenizer = load_tokenizer(PUBLISHED / Path(folder))
    ids = tokenizer("a cat", padding="max_length").input_ids
    assert ids == [49_406, 320, 2368, 49_407, *[pad] * 73]
    assert tokenizer.model_max_length == 77
    long = tokenizer("a cat " * 80, truncation=True).input_ids
    assert (len(long), long[-1]) == (77, 49_407)
