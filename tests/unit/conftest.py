"""A base model on disk that the unit tests of several rooms read."""

from __future__ import annotations

from pathlib import Path

import pytest
from diffusers import StableDiffusionXLPipeline

from studio.bases.base_model import BaseModel


@pytest.fixture(scope="session")
def tiny_sdxl_folder(_tiny_sdxl_once: BaseModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`tiny_sdxl` as diffusers saves a pipeline; tests that change the folder work on a copy."""
    once = _tiny_sdxl_once
    pipe = StableDiffusionXLPipeline(
        vae=once.vae,
        unet=once.unet,
        text_encoder=once.text_encoders[0],
        text_encoder_2=once.text_encoders[1],
        tokenizer=once.tokenizers[0],
        tokenizer_2=once.tokenizers[1],
        scheduler=once.noise_scheduler,
        add_watermarker=False,
    )
    folder = tmp_path_factory.mktemp("bases") / "tiny-sdxl"
    pipe.save_pretrained(folder)
    return folder
