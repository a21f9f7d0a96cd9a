"""Stage ``clip``: text encoder and vision tower, taught to agree (Radford et al., 2021)."""

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

from studio.bases.pocket.make.glyphs import glyphs
from studio.bases.pocket.make.scenes import Scene, random_scene, to_array
from studio.bases.pocket.make.stage import Stage, rng_for
from studio.bases.pocket.make.words import MAX_TOKENS, write_tokenizer

SEED = 2


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
