"""Stage ``vision``: a vision tower that agrees with the text encoder as it is (Radford et al., 2021;
Zhai et al., 2022, arXiv 2111.07991), for evaluation.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from transformers import CLIPConfig, CLIPModel, CLIPTokenizer, CLIPVisionConfig

from studio.bases.pocket.make.glyphs import Glyph, glyphs
from studio.bases.pocket.make.hands import OtherHands
from studio.bases.pocket.make.restyling import restyled
from studio.bases.pocket.make.scenes import random_scene, to_array, with_opening
from studio.bases.pocket.make.stage import Stage, rng_for
from studio.bases.pocket.make.text import load_text_encoder, text_config, tokenize

SEED = 5
VISION_SIDE_PX = 128
OWN_SHARE = 0.3  # scenes as pocket learns them; the rest are other hands and other colours
OTHER_HAND_SHARE = 0.7  # of those
DRAWN_WEAKLY_SHARE = 0.5  # of those, for an adapter's pictures are no clean drawings


def new_clip(tokenizer: CLIPTokenizer) -> CLIPModel:
    """The text encoder's shape beside a vision tower on 16 px patches."""
    vision = CLIPVisionConfig(
        hidden_size=128,
        intermediate_size=512,
        num_hidden_layers=5,
        num_attention_heads=4,
        image_size=VISION_SIDE_PX,
        patch_size=16,
        hidden_act="quick_gelu",
        projection_dim=128,
    )
    text = text_config(tokenizer).to_dict()
    return CLIPModel(
        CLIPConfig(text_config=text, vision_config=vision.to_dict(), projection_dim=128)
    )


def load_clip(folder: Path) -> tuple[CLIPModel, CLIPTokenizer]:
    """The finished model, averaged weights, frozen, and its tokenizer."""
    tokenizer = CLIPTokenizer.from_pretrained(folder / "tokenizer")
    clip = new_clip(tokenizer)
    clip.load_state_dict(torch.load(folder / "vision.pt", weights_only=True)["ema"])
    return clip.requires_grad_(False).eval(), tokenizer


def train_vision(folder: Path, steps: int, batch_size: int) -> None:
    """Symmetric cross-entropy over a batch of different glyphs; tower and both projections learn."""
    encoder, tokenizer = load_text_encoder(folder)
    hands = OtherHands.load(folder)
    torch.manual_seed(SEED)
    clip = new_clip(tokenizer)
    clip.text_model.load_state_dict(encoder.state_dict())
    clip.text_model.requires_grad_(False)
    stage = Stage("vision", folder, clip, 2e-3, steps, ema_decay=0.99, warmup_steps=30, muon=True)

    def step_loss(step: int) -> torch.Tensor:
        rng = rng_for(SEED, step)
        everything = glyphs()
        chosen = rng.choice(len(everything), batch_size, replace=False)
        seen = [_view(everything[i], hands, rng) for i in chosen]
        tokens = tokenize(tokenizer, [caption for _, caption in seen])
        texts = clip.get_text_features(input_ids=tokens).pooler_output
        pixel_values = torch.from_numpy(np.stack([picture for picture, _ in seen]))
        pictures = clip.get_image_features(pixel_values=pixel_values).pooler_output
        normalize = torch.nn.functional.normalize
        logits = normalize(texts) @ normalize(pictures).T * clip.logit_scale.exp()
        same = torch.arange(batch_size)
        cross_entropy = torch.nn.functional.cross_entropy
        return (cross_entropy(logits, same) + cross_entropy(logits.T, same)) / 2

    stage.run(step_loss)


def _view(glyph: Glyph, hands: OtherHands, rng: np.random.Generator) -> tuple[np.ndarray, str]:
    """A picture of the glyph, (3, 128, 128), and what it is called."""
    if rng.random() < OWN_SHARE:
        scene = random_scene(glyph, rng)
        return _varied(to_array(scene.draw()), rng), with_opening(scene.caption(rng), rng)
    drawing: Image.Image | None = None
    if rng.random() < OTHER_HAND_SHARE:
        drawing = hands.drawing(glyph, rng)
    picture = restyled(drawing or glyph.bitmap(), rng)
    if rng.random() < DRAWN_WEAKLY_SHARE:
        picture = _varied(picture, rng)
    return picture, with_opening(glyph.name, rng)


def _varied(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The scene as a weak generator might draw it: shifted, paler or stronger, at times gray or soft."""
    picture = np.roll(picture, rng.integers(-8, 9, 2), axis=(1, 2))
    gray = picture.mean(axis=0, keepdims=True)
    saturation = 0.0 if rng.random() < 0.1 else rng.uniform(0.5, 1.3)
    picture = gray + saturation * (picture - gray)
    picture = picture * rng.uniform(0.7, 1.15) + rng.uniform(-0.1, 0.1)
    if rng.random() < 0.3:  # as pictures early in a run are
        picture = picture.reshape(3, 32, 4, 32, 4).mean((2, 4)).repeat(4, 1).repeat(4, 2)
    return np.clip(picture, -1, 1).astype(np.float32)
