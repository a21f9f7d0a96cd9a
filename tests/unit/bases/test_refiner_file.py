"""SDXL's refiner on disk: the second text encoder alone, as a folder and as one file."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from studio.bases.base_model import BaseModel
from studio.bases.loading import load_base
from studio.bases.published import PUBLISHED


def test_a_single_file_equals_its_folder(
    tiny_refiner: BaseModel,
    in_original_naming: Callable[[BaseModel], dict[str, Tensor]],
    tmp_path: Path,
) -> None:
    base, folder = tiny_refiner, tmp_path / "folder"
    base.unet.save_pretrained(folder / "unet")
    base.vae.save_pretrained(folder / "vae")
    base.text_encoders[0].save_pretrained(folder / "text_encoder_2")
    base.tokenizers[0].save_pretrained(folder / "tokenizer_2")
    base.noise_scheduler.save_pretrained(folder / "scheduler")
    index = json.loads((PUBLISHED / "sdxl_refiner/model_index.json").read_text("utf-8"))
    (folder / "model_index.json").write_text(json.dumps(index))
    file = tmp_path / "model.safetensors"
    save_file({k: v.contiguous().clone() for k, v in in_original_naming(base).items()}, file)
    shutil.copytree(folder, tmp_path / "model", ignore=shutil.ignore_patterns("*.safetensors"))
    for name in (str(folder), str(file)):
        loaded = load_base(name)
        assert loaded.family == "sdxl_refiner"
        assert loaded.force_zeros_for_empty_prompt is False
        for part, found in (
            (base.unet, loaded.unet),
            (base.vae, loaded.vae),
            (base.text_encoders[0], loaded.text_encoders[0]),
        ):
            expected, weights = part.state_dict(), found.state_dict()
            assert set(expected) == set(weights)
            assert all(torch.equal(weights[k], v) for k, v in expected.items())
