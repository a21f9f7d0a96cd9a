"""pocket's tokenizer: CLIP's byte-pair format, its merges learned from Unicode's English annotations."""

from __future__ import annotations

import json
from pathlib import Path

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
from transformers import CLIPTokenizer

from studio.bases.pocket.make.glyphs import _keywords, glyphs
from studio.bases.pocket.make.scenes import BACKGROUNDS, PLACES

VOCABULARY_SIZE = 2048
MAX_TOKENS = 32
END_OF_WORD = "</w>"
SPECIAL = ["<|startoftext|>", "<|endoftext|>"]


def write_tokenizer(folder: Path) -> CLIPTokenizer:
    """Learn the merges, write ``vocab.json`` and ``merges.txt`` in CLIP's layout, load them back."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    alphabet = letters + [c + END_OF_WORD for c in letters]
    merges = _learn_merges(VOCABULARY_SIZE - len(alphabet) - len(SPECIAL))
    vocabulary = alphabet + ["".join(pair) for pair in merges] + SPECIAL
    folder.mkdir(parents=True, exist_ok=True)
    ids = {token: i for i, token in enumerate(vocabulary)}
    (folder / "vocab.json").write_text(json.dumps(ids, ensure_ascii=False), "utf-8")
    lines = ["#version: 0.2", *(" ".join(pair) for pair in merges)]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n", "utf-8")
    tokenizer = CLIPTokenizer(
        vocab=str(folder / "vocab.json"),
        merges=str(folder / "merges.txt"),
        model_max_length=MAX_TOKENS,
        pad_token="<|endoftext|>",
    )
    tokenizer.save_pretrained(folder)
    return tokenizer


def _learn_merges(count: int) -> list[tuple[str, str]]:
    tokenizer = Tokenizer(models.BPE(end_of_word_suffix=END_OF_WORD))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Whitespace(), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    trainer = trainers.BpeTrainer(
        vocab_size=8 * VOCABULARY_SIZE,
        end_of_word_suffix=END_OF_WORD,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    names = [g.name for g in glyphs()]
    scene_words = [*BACKGROUNDS, *PLACES, "background", "small", "mirrored", "icon", "style"]
    corpus = 4 * names + 8 * scene_words + [w for words in _keywords().values() for w in words]
    tokenizer.train_from_iterator(corpus, trainer)
    merges = json.loads(tokenizer.to_str())["model"]["merges"]
    return [tuple(m) if isinstance(m, list) else tuple(m.split(" ")) for m in merges][:count]
