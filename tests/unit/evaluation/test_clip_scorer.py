from __future__ import annotations

import json
import string
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import CLIPConfig, CLIPModel, CLIPTextConfig, CLIPTokenizer, CLIPVisionConfig

from studio.errors import BaseModelError
from studio.evaluation.clip_scorer import ClipScorer


@pytest.fixture
def clip_folder(tmp_path: Path) -> Path:
    """``clip/`` beside ``tokenizer/``, as pocket keeps them."""
    torch.set_num_threads(1)
    letters = [*string.ascii_lowercase, *(c + "</w>" for c in string.ascii_lowercase)]
    words = ["<|startoftext|>", "<|endoftext|>", *letters]
    ids = {word: i for i, word in enumerate(words)}
    CLIPTokenizer(vocab=ids, merges=[], model_max_length=16).save_pretrained(tmp_path / "tokenizer")
    narrow = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1}
    heads = {"num_attention_heads": 2, "projection_dim": 8}
    tokens = {"bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 1}
    text = CLIPTextConfig(
        vocab_size=len(words), max_position_embeddings=16, **narrow, **heads, **tokens
    )
    vision = CLIPVisionConfig(image_size=32, patch_size=8, **narrow, **heads)
    config = CLIPConfig(
        text_config=text.to_dict(), vision_config=vision.to_dict(), projection_dim=8
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        CLIPModel(config).save_pretrained(tmp_path / "clip")
    return tmp_path / "clip"


def test_embeddings_are_of_unit_length_and_independent_of_the_batch(clip_folder: Path) -> None:
    scorer = ClipScorer.load(clip_folder)
    pictures = [Image.new("RGB", (48, 48), c) for c in ("red", "green", "blue")]
    together = scorer.embed_pictures(pictures)
    assert together.shape == (3, 8)
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1.0)
    np.testing.assert_allclose(scorer.embed_pictures(pictures[1:2]), together[1:2], atol=1e-6)
    texts = scorer.embed_texts(["heart", "a much longer text than the model can ever read"])
    np.testing.assert_allclose(scorer.embed_texts(["heart"]), texts[:1], atol=1e-6)


def test_pixels_go_to_minus_one_to_one_without_a_preprocessor(clip_folder: Path) -> None:
    """The same as the model asked directly, with pixel values made here."""
    model = CLIPModel.from_pretrained(clip_folder)
    noise = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    pixel_values = torch.from_numpy(noise).permute(2, 0, 1)[None].float() / 127.5 - 1.0
    with torch.no_grad():
        expected = model.get_image_features(pixel_values).pooler_output[0]
    expected = expected / expected.norm()
    found = ClipScorer.load(clip_folder).embed_pictures([Image.fromarray(noise)])[0]
    np.testing.assert_allclose(found, expected.numpy(), atol=1e-5)


def test_a_preprocessors_mean_and_std_are_used(clip_folder: Path) -> None:
    picture = [Image.new("RGB", (32, 32), "orange")]
    plain = ClipScorer.load(clip_folder).embed_pictures(picture)
    for mean, same in ((0.5, True), (0.1, False)):
        content = {"image_mean": [mean] * 3, "image_std": [0.5] * 3}
        (clip_folder / "preprocessor_config.json").write_text(json.dumps(content))
        found = ClipScorer.load(clip_folder).embed_pictures(picture)
        assert np.allclose(found, plain) is same


def test_a_folder_without_clip_is_told_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(BaseModelError, match=r"no CLIP model .* evaluation\.clip_model") as caught:
        ClipScorer.load(tmp_path)
    assert "\n" not in str(caught.value)
