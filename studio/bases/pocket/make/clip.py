"""Stages ``clip`` and ``vision``: text encoder and vision tower, taught to agree (Radford et al., 2021);
then the tower alone, taught to know the same things in other styles, with the text encoder as it is
(Zhai et al., 2022, arXiv 2111.07991), for evaluation looks at pictures in styles that pocket never drew.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from transformers import (
    CLIPConfig,
    CLIPModel,
    CLIPTextConfig,
    CLIPTokenizer,
    CLIPVisionConfig,
)

from studio.bases.pocket.make.glyphs import Glyph, glyphs
from studio.bases.pocket.make.scenes import SIDE_PX, Scene, random_scene, to_array
from studio.bases.pocket.make.stage import Stage, rng_for
from studio.bases.pocket.make.words import MAX_TOKENS, write_tokenizer

SEED = 2
RESTYLED_SHARE = 0.6


def new_clip(tokenizer: CLIPTokenizer) -> CLIPModel:
    """A text encoder with SD 1.x's twelve layers, 128 wide, and a vision tower on 16 px patches."""
    text = CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=128,
        intermediate_size=512,
        num_hidden_layers=12,
        num_attention_heads=4,
        max_position_embeddings=MAX_TOKENS,
        hidden_act="quick_gelu",
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        projection_dim=128,
    )
    vision = CLIPVisionConfig(
        hidden_size=128,
        intermediate_size=512,
        num_hidden_layers=5,
        num_attention_heads=4,
        image_size=128,
        patch_size=16,
        hidden_act="quick_gelu",
        projection_dim=128,
    )
    config = CLIPConfig(
        text_config=text.to_dict(), vision_config=vision.to_dict(), projection_dim=128
    )
    return CLIPModel(config)


def train_clip(folder: Path, steps: int, batch_size: int) -> None:
    """Symmetric cross-entropy over a batch of different glyphs, each in a scene of its own."""
    tokenizer = write_tokenizer(folder / "tokenizer")
    torch.manual_seed(SEED)
    clip = new_clip(tokenizer)
    stage = Stage("clip", folder, clip, 1e-3, steps, ema_decay=0.99, weight_decay=0.02)

    def step_loss(step: int) -> torch.Tensor:
        rng = rng_for(SEED, step)
        everything = glyphs()
        chosen = rng.choice(len(everything), batch_size, replace=False)
        scenes = [random_scene(everything[i], rng) for i in chosen]
        captions = [s.caption(rng) for s in scenes]
        tokens = tokenizer(
            captions, padding=True, truncation=True, max_length=MAX_TOKENS, return_tensors="pt"
        )
        output = clip(
            input_ids=tokens.input_ids,
            attention_mask=None,
            pixel_values=torch.from_numpy(np.stack([_varied(s, rng) for s in scenes])),
        )
        logits = output.logits_per_text
        same = torch.arange(batch_size)
        forward = torch.nn.functional.cross_entropy(logits, same)
        backward = torch.nn.functional.cross_entropy(logits.T, same)
        return (forward + backward) / 2

    stage.run(step_loss)


def train_vision(folder: Path, steps: int, batch_size: int) -> None:
    """The vision tower on scenes and on restyled glyphs; texts are embedded once."""
    tokenizer = CLIPTokenizer.from_pretrained(folder / "tokenizer")
    clip = new_clip(tokenizer)
    clip.load_state_dict(torch.load(folder / "clip.pt", weights_only=True)["ema"])
    clip.text_model.requires_grad_(False)
    clip.text_projection.requires_grad_(False)
    stage = Stage("vision", folder, clip, 1e-3, steps, ema_decay=0.98, muon=True)

    def step_loss(step: int) -> torch.Tensor:
        rng = rng_for(SEED + 1, step)
        everything = glyphs()
        chosen = [everything[i] for i in rng.choice(len(everything), batch_size, replace=False)]
        pictures, captions = [], []
        for glyph in chosen:
            if rng.random() < RESTYLED_SHARE:
                pictures.append(restyled(glyph, rng))
                captions.append(glyph.name)
            else:
                scene = random_scene(glyph, rng)
                pictures.append(_varied(scene, rng))
                captions.append(scene.caption(rng))
        tokens = tokenizer(
            captions, padding=True, truncation=True, max_length=MAX_TOKENS, return_tensors="pt"
        )
        with torch.no_grad():
            texts = clip.get_text_features(input_ids=tokens.input_ids).pooler_output
        seen = clip.get_image_features(pixel_values=torch.from_numpy(np.stack(pictures)))
        normalize = torch.nn.functional.normalize
        logits = normalize(texts) @ normalize(seen.pooler_output).T * clip.logit_scale.exp()
        same = torch.arange(batch_size)
        cross_entropy = torch.nn.functional.cross_entropy
        return (cross_entropy(logits, same) + cross_entropy(logits.T, same)) / 2

    stage.run(step_loss)


def restyled(glyph: Glyph, rng: np.random.Generator) -> np.ndarray:
    """The glyph in colours of no meaning, on any ground, at times in few tones, at times soft."""
    bitmap = glyph.bitmap()
    width = int(rng.integers(70, 124))
    bitmap = bitmap.resize((width, round(width * bitmap.height / bitmap.width)))
    rgba = np.asarray(bitmap, np.float32) / 255
    colours = rgba[..., :3]
    if rng.random() < 0.5:
        tones = rng.integers(3, 7)
        colours = np.round(colours * tones) / tones
    mixing = rng.dirichlet((0.4, 0.4, 0.4), 3) * rng.uniform(0.6, 1.2)
    if rng.random() < 0.5:
        mixing = 0.5 * mixing + 0.5 * np.eye(3)
    colours = colours @ mixing.T + rng.uniform(-0.15, 0.25, 3)
    picture = np.ones((SIDE_PX, SIDE_PX, 3)) * rng.uniform(0, 1, 3)
    y, x = ((SIDE_PX - np.array(rgba.shape[:2])) * rng.uniform(0.3, 0.7, 2)).astype(int)
    place = picture[y : y + rgba.shape[0], x : x + rgba.shape[1]]
    place += rgba[..., 3:] * (colours - place)
    if rng.random() < 0.3:
        picture = picture.reshape(32, 4, 32, 4, 3).mean((1, 3)).repeat(4, 0).repeat(4, 1)
    return (np.clip(picture, 0, 1) * 2 - 1).transpose(2, 0, 1).astype(np.float32)


def _varied(scene: Scene, rng: np.random.Generator) -> np.ndarray:
    """The scene as a drawing hand might vary it, so that the tower knows shapes in other styles too:
    shifted a little, its contrast and saturation changed, at times in gray, at times blurred.
    """
    picture = to_array(scene.draw())
    shift = rng.integers(-8, 9, 2)
    picture = np.roll(picture, shift, axis=(1, 2))
    gray = picture.mean(axis=0, keepdims=True)
    saturation = 0.0 if rng.random() < 0.1 else rng.uniform(0.5, 1.3)
    picture = gray + saturation * (picture - gray)
    picture = picture * rng.uniform(0.7, 1.15) + rng.uniform(-0.1, 0.1)
    if rng.random() < 0.3:  # soft, as pictures early in a run are
        picture = picture.reshape(3, 32, 4, 32, 4).mean((2, 4)).repeat(4, 1).repeat(4, 2)
    return np.clip(picture, -1, 1).astype(np.float32)
