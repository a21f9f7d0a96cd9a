"""The two published forms of SD 2.x: 768 px with v-prediction, 512 px with epsilon."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from studio.bases.base_model import BaseModel
from studio.bases.loading import load_base
from studio.preview.stages import pipeline
from studio.training.diffusion import Objective


@pytest.mark.parametrize(
    ("resolution_px", "prediction_type"), [(768, "v_prediction"), (512, "epsilon")]
)
def test_the_folder_says_size_and_prediction_type(
    save_sd2: Callable[[int, str], Path], resolution_px: int, prediction_type: str
) -> None:
    base = load_base(str(save_sd2(resolution_px // 8, prediction_type)))
    assert (base.family, base.resolution_px) == ("sd2", resolution_px)
    assert Objective().prediction_type_for(base) == prediction_type
    assert pipeline(base).scheduler.config.prediction_type == prediction_type
    assert base.force_zeros_for_empty_prompt is False


def test_a_single_file_equals_its_folder(
    save_sd2: Callable[[int, str], Path],
    in_original_naming: Callable[[BaseModel], dict[str, torch.Tensor]],
    tmp_path: Path,
) -> None:
    saved = save_sd2(8, "v_prediction")
    folder = load_base(str(saved))
    file = tmp_path / "model.safetensors"
    save_file(in_original_naming(folder), file)
    shutil.copytree(saved, tmp_path / "model", ignore=shutil.ignore_patterns("*.safetensors"))
    single = load_base(str(file))
    assert (single.family, Objective().prediction_type_for(single)) == ("sd2", "v_prediction")
    for part in ("unet", "vae", "text_encoder"):
        expected, found = (getattr(b, part).state_dict() for b in (folder, single))
        assert set(expected) == set(found)
        assert all(torch.equal(found[name], value) for name, value in expected.items()), part
