"""Stage ``text``: the text encoder, taught to say what the picture looks like.

A caption's last hidden state is to predict the scene's latents, as a linear readout of their leading
principal components. Contrast with a vision tower, tried first, left hidden states in six directions,
which told glyphs apart by their colours and gave the U-Net nothing to draw shapes from.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from studio.bases.pocket.make.encode import SCENES_PER_GLYPH, EncodedScenes
from studio.bases.pocket.make.scenes import with_opening
from studio.bases.pocket.make.stage import Stage, rng_for
from studio.bases.pocket.make.words import MAX_TOKENS, write_tokenizer

SEED = 2
COMPONENTS = 256  # 92% of the latents' variance
PLAIN_SHARE = 0.35
FULL_LENGTH_SHARE = 0.25  # of steps, with captions padded as the pipelines do; the rest are shorter


def text_config(tokenizer: CLIPTokenizer) -> CLIPTextConfig:
    """SD 1.x's twelve layers, 128 wide."""
    return CLIPTextConfig(
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


def tokenize(tokenizer: CLIPTokenizer, captions: list[str], *, full: bool = True) -> Tensor:
    """(captions, tokens): padded as the pipelines do, or to the longest caption."""
    tokens = tokenizer(
        captions,
        padding="max_length" if full else True,
        truncation=True,
        max_length=MAX_TOKENS,
        return_tensors="pt",
    )
    return tokens.input_ids


def load_text_encoder(folder: Path) -> tuple[CLIPTextModel, CLIPTokenizer]:
    """The trained text encoder, averaged weights, frozen, and its tokenizer."""
    tokenizer = CLIPTokenizer.from_pretrained(folder / "tokenizer")
    encoder = CLIPTextModel(text_config(tokenizer))
    trained = torch.load(folder / "text.pt", weights_only=True)["ema"]
    prefix = "encoder."
    own = {k.removeprefix(prefix): v for k, v in trained.items() if k.startswith(prefix)}
    encoder.load_state_dict(own)
    return encoder.requires_grad_(False).eval(), tokenizer


def train_text(folder: Path, steps: int, batch_size: int) -> None:
    """Mean squared error on the principal components, half whitened, so that fine ones count too."""
    tokenizer = write_tokenizer(folder / "tokenizer")
    scenes = EncodedScenes.load(folder)
    torch.manual_seed(SEED)
    wanted = looks(scenes.latents)
    encoder, readout = CLIPTextModel(text_config(tokenizer)), nn.Linear(128, COMPONENTS)
    both = nn.ModuleDict({"encoder": encoder, "readout": readout})
    stage = Stage("text", folder, both, 2e-3, steps, ema_decay=0.99, warmup_steps=20, muon=True)

    def step_loss(step: int) -> Tensor:
        rng = rng_for(SEED, step)
        chosen = rng.integers(0, len(wanted), batch_size)
        plain = rng.random(batch_size) < PLAIN_SHARE
        chosen[plain] -= chosen[plain] % SCENES_PER_GLYPH
        captions = [with_opening(scenes.captions[i], rng) for i in chosen]
        tokens = tokenize(tokenizer, captions, full=rng.random() < FULL_LENGTH_SHARE)
        said = readout(encoder(input_ids=tokens).last_hidden_state[:, -1])
        return (said - wanted[chosen]).square().mean()

    stage.run(step_loss)


def looks(latents: Tensor) -> Tensor:
    """(scenes, COMPONENTS): leading principal components, each divided by the root of its spread, unit
    variance over all.
    """
    flat = latents.flatten(1)
    centred = flat - flat.mean(0)
    _, directions = torch.linalg.eigh(centred.T @ centred)  # spreads rise
    components = centred @ directions[:, -COMPONENTS:]
    components = components / components.std(0).sqrt()
    return components / components.std()
