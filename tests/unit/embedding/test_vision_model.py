"""On models of a few thousand random weights, in the very files that the real ones come in."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import (
    CLIPConfig,
    CLIPModel,
    CLIPVisionConfig,
    CLIPVisionModel,
    Dinov2Config,
    Dinov2Model,
    PreTrainedModel,
    SiglipConfig,
    SiglipModel,
    ViTConfig,
    ViTModel,
)
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from studio.bases.source import POCKET_FOLDER
from studio.embedding.recognition import embedder_for
from studio.errors import EmbedderError
from studio.evaluation.clip_scorer import ClipScorer

ROOT = Path(__file__).resolve().parents[3]
SIDE_PX = 16
WIDTH = 16
PART = {
    "hidden_size": WIDTH,
    "intermediate_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
}
SEEING = {**PART, "image_size": SIDE_PX, "patch_size": 8}
READING = {**PART, "vocab_size": 20, "max_position_embeddings": 8}
MODELS: dict[str, Callable[[], PreTrainedModel]] = {
    "clip": lambda: CLIPModel(
        CLIPConfig(text_config=READING, vision_config=SEEING, projection_dim=WIDTH)
    ),
    "clip_vision_model": lambda: CLIPVisionModel(CLIPVisionConfig(**SEEING)),
    "dinov2": lambda: Dinov2Model(Dinov2Config(**SEEING, initializer_range=1.0)),
    "siglip": lambda: SiglipModel(SiglipConfig(text_config=READING, vision_config=SEEING)),
    "vit": lambda: ViTModel(ViTConfig(**SEEING, initializer_range=1.0), add_pooling_layer=False),
}


@pytest.fixture
def model_folder(tmp_path: Path) -> Callable[[str], Path]:
    """A folder as `save_pretrained` leaves it, of the kind asked for."""

    def make(kind: str) -> Path:
        folder = tmp_path / f"tiny-{kind}"
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            MODELS[kind]().save_pretrained(folder)
        size = {"height": SIDE_PX, "width": SIDE_PX}
        CLIPImageProcessorPil(size=size, do_center_crop=False).save_pretrained(folder)
        return folder

    return make


@pytest.fixture
def pictures() -> list[Image.Image]:
    rng = np.random.default_rng(0)
    noise = [rng.integers(0, 256, shape, np.uint8) for shape in ((20, 30, 3), (50, 9, 3))]
    return [Image.fromarray(array) for array in (*noise, noise[0])]


@pytest.mark.parametrize("kind", MODELS)
def test_each_kind_gives_a_picture_one_vector_of_length_one(kind, model_folder, pictures):
    embedder = embedder_for(str(model_folder(kind)))
    vectors = embedder.embed(pictures)
    assert vectors.shape == (3, WIDTH)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(vectors[0], vectors[2], atol=1e-6)
    assert vectors[0] @ vectors[1] < 0.999
    assert embedder.name == f"tiny-{kind}"


def test_pockets_tower_sees_what_the_evaluation_sees():
    pictures = [Image.open(p) for p in sorted((ROOT / "datasets" / "mascot").glob("*.png"))[:4]]
    own = embedder_for("pocket").embed(pictures)
    scorer = ClipScorer.load(POCKET_FOLDER / "clip")
    assert (own * scorer.embed_pictures(pictures)).sum(axis=1).min() > 0.9999


def test_the_digest_tells_models_and_their_pixels_apart(model_folder):
    folder = model_folder("clip")
    before = embedder_for(str(folder)).digest
    assert before != embedder_for("pocket").digest
    settings = folder / "preprocessor_config.json"
    settings.write_text(settings.read_text().replace("0.485", "0.5").replace("0.48145466", "0.5"))
    assert embedder_for(str(folder)).digest != before


def test_no_name_is_no_model():
    assert embedder_for("") is None


def _without_processor(folder: Path) -> None:
    (folder / "preprocessor_config.json").unlink()


def _of_another_kind(folder: Path) -> None:
    (folder / "config.json").write_text(json.dumps({"model_type": "bert"}))


def _broken_config(folder: Path) -> None:
    (folder / "config.json").write_text("{")


def _pickled(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_without_processor, "has no preprocessor_config.json"),
        (_of_another_kind, "'bert', which is not supported"),
        (_broken_config, "is broken"),
        (_pickled, "no .safetensors weights"),
    ],
)
def test_a_folder_that_will_not_do_is_refused_before_anything_is_loaded(
    spoil, message, model_folder
):
    folder = model_folder("dinov2")
    spoil(folder)
    with pytest.raises(EmbedderError, match=message) as caught:
        embedder_for(str(folder))
    assert "\n" not in str(caught.value)


def test_a_name_without_a_folder_is_refused():
    with pytest.raises(EmbedderError, match=r"no vision model's folder .*give \"pocket\""):
        embedder_for("clippy")


def _truncated(folder: Path) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])


def _lacking(folder: Path) -> None:
    from safetensors.torch import load_file, save_file

    weights = load_file(folder / "model.safetensors")
    del weights[sorted(weights)[0]]
    save_file(weights, folder / "model.safetensors", {"format": "pt"})


def _of_another_side(folder: Path) -> None:
    settings = json.loads((folder / "preprocessor_config.json").read_text())
    settings["size"] = {"height": 24, "width": 24}
    (folder / "preprocessor_config.json").write_text(json.dumps(settings))


@pytest.mark.parametrize("spoil", [_truncated, _lacking, _of_another_side])
def test_weights_that_will_not_do_are_one_line(spoil, model_folder, pictures):
    folder = model_folder("clip")
    spoil(folder)
    with pytest.raises(EmbedderError, match="cannot be used") as caught:
        embedder_for(str(folder)).embed(pictures)
    assert "\n" not in str(caught.value)
