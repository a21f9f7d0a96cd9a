"""Stage ``encode``: every scene that the U-Net will see, as latents and caption, drawn once."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from safetensors.torch import load_file, save_file

from studio.bases.pocket.make.glyphs import Glyph, glyphs
from studio.bases.pocket.make.scenes import Scene, random_scene, to_array
from studio.bases.pocket.make.stage import rng_for
from studio.bases.pocket.make.vae import load_vae

SEED = 3
SCENES_PER_GLYPH = 10


@dataclass
class EncodedScenes:
    """Glyph by glyph, ``SCENES_PER_GLYPH`` each, the first the glyph alone under its bare name.

    Attributes:
        latents: (scenes, 4, 16, 16), standardised per channel.
        captions: one for each scene.
        mean, std: (4,), what standardises the autoencoder's latents.
    """

    latents: torch.Tensor
    captions: list[str]
    mean: torch.Tensor
    std: torch.Tensor

    @classmethod
    def load(cls, folder: Path) -> EncodedScenes:
        captions = json.loads((folder / "captions.json").read_text("utf-8"))
        return cls(captions=captions, **load_file(folder / "scenes.safetensors"))


def encode_scenes(folder: Path) -> None:
    """Draw and encode; leaves ``scenes.safetensors`` and ``captions.json``."""
    vae = load_vae(folder)
    latents, captions = [], []
    for glyph in glyphs():
        scenes, said = scenes_of(glyph)
        latents.append(_latents(vae, scenes))
        captions += said
        if glyph.index % 100 == 0:
            print(f"encode {glyph.index}/{len(glyphs())}", flush=True)
    everything = torch.cat(latents)
    std, mean = torch.std_mean(everything, dim=(0, 2, 3))
    standardised = (everything - mean[:, None, None]) / std[:, None, None]
    (folder / "captions.json").write_text(json.dumps(captions), "utf-8")
    save_file({"latents": standardised, "mean": mean, "std": std}, folder / "scenes.safetensors")


def scenes_of(glyph: Glyph) -> tuple[list[Scene], list[str]]:
    """A glyph's scenes and their captions."""
    rng = rng_for(SEED, glyph.index)
    scenes = [Scene(glyph), *(random_scene(glyph, rng) for _ in range(SCENES_PER_GLYPH - 1))]
    return scenes, [glyph.name, *(s.caption(rng) for s in scenes[1:])]


@torch.no_grad()
def _latents(vae: AutoencoderKL, scenes: list[Scene]) -> torch.Tensor:
    pixel_values = torch.from_numpy(np.stack([to_array(s.draw()) for s in scenes]))
    posterior = vae.encode(pixel_values.contiguous(memory_format=torch.channels_last))
    return posterior.latent_dist.mean.contiguous()
