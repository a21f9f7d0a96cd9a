"""``precision.base_dtype``: what is refused before loading, and a whole run on a base in NF4."""

from __future__ import annotations

import shutil
import weakref
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from studio import session
from studio.bases.base_model import BaseModel
from studio.bases.quantization import QuantizedLinear
from studio.errors import RecipeError
from studio.recipe import recipe_digest, recipe_from_dict
from studio.run import run
from studio.training.base_format import clean_format, problems, training_format
from studio.training.settings import PrecisionSettings

CPU, GPU = torch.device("cpu"), torch.device("cuda")
PICTURES = Path(__file__).resolve().parents[3] / "datasets" / "mascot"


def recipe(source: Path, **sections: Any) -> Any:
    content: dict[str, Any] = {
        "name": "few-bits",
        "dataset": {"source": str(source), "resolution": 64, "validation_share": 0},
        "trainer": {"kind": "lora", "rank": 2},
        "budget": {"steps": 3},
        "optimizer": {"learning_rate": 0.1},
    }
    return recipe_from_dict(content | sections)


def test_whole_weights_are_not_trained_in_few_bits(tmp_path: Path) -> None:
    trainer = {"kind": "dreambooth", "weights": "full", "use_captions": True}
    for allowed in ({"base_dtype": "bf16"}, {"base_dtype": "fp32"}):
        recipe(tmp_path, trainer=trainer, precision=allowed)
    recipe(tmp_path, trainer=trainer | {"weights": "lora"}, precision={"base_dtype": "nf4"})
    with pytest.raises(RecipeError) as caught:
        recipe(tmp_path, trainer=trainer, precision={"base_dtype": "nf4"})
    assert str(caught.value).endswith(
        'precision.base_dtype: "nf4" is for weights that stay as they are, but this trainer changes '
        "the base's own; choose fp32, fp16 or bf16, or train low-rank weights"
    )


def test_fp16_needs_a_gpu_and_a_scaled_loss(tmp_path: Path) -> None:
    half = PrecisionSettings(base_dtype="fp16", mixed_precision="fp16")
    assert list(problems(half, CPU)) == [
        "precision.base_dtype: fp16 needs a GPU, for on a CPU its convolutions are a hundred times "
        "slower than fp32's; use bf16"
    ]
    assert not list(problems(half, GPU))
    with pytest.raises(RecipeError, match=r"base_dtype fp16 with mixed_precision no would lose"):
        recipe(tmp_path, precision={"base_dtype": "fp16"})


@pytest.mark.parametrize(
    ("base_dtype", "device", "training", "clean"),
    [
        ("fp32", GPU, (torch.float32, None), torch.float32),
        ("fp16", GPU, (torch.float16, None), torch.float16),
        ("bf16", GPU, (torch.bfloat16, None), torch.bfloat16),
        ("bf16", CPU, (torch.bfloat16, None), torch.float32),
        ("nf4", GPU, (torch.bfloat16, "nf4"), torch.bfloat16),
        ("nf4", CPU, (torch.float32, "nf4"), torch.float32),
        ("int8", CPU, (torch.float32, "int8"), torch.float32),
    ],
)
def test_formats_by_device(
    base_dtype: Any, device: torch.device, training: Any, clean: Any
) -> None:
    precision = PrecisionSettings(base_dtype=base_dtype, mixed_precision="fp16")
    numbers = training_format(precision, device)
    assert (numbers.dtype, numbers.quantization) == training
    assert clean_format(precision, device).dtype == clean


def test_a_run_on_a_base_in_nf4(
    tiny_sdxl_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sampled on the way, exported, verified and previewed on the whole base, which is loaded when the
    one that was trained on is gone.
    """
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for picture in sorted(PICTURES.glob("*.png"))[:5]:
        for file in (picture, picture.with_suffix(".txt")):
            shutil.copy(file, pictures)
    loaded: list[tuple[bool, bool]] = []
    alive: list[weakref.ref[Any]] = []
    load = session.load_base

    def watched(*arguments: Any, **keywords: Any) -> BaseModel:
        gone = all(module() is None for module in alive)
        base = load(*arguments, **keywords)
        few_bits = any(isinstance(module, QuantizedLinear) for module in base.unet.modules())
        loaded.append((few_bits, gone))
        alive.extend(weakref.ref(module) for module in base.modules)
        return base

    monkeypatch.setattr(session, "load_base", watched)
    whole = recipe(
        pictures,
        base_model=str(tiny_sdxl_folder),
        trainer={"kind": "lora", "rank": 2, "train_text_encoder": True},
        precision={"num_threads": 1, "base_dtype": "nf4"},
        sampling={"prompts": ["a heart"], "seeds": [0], "every_steps": 2, "num_inference_steps": 1},
        evaluation={"enabled": False},
        export={"formats": ["kohya"]},
    )
    folder = run(whole, runs=tmp_path / "runs")
    assert loaded == [(True, True), (False, True)]
    exported = [event for event in folder.events.read() if event["event"] == "exported"]
    assert [event["ok"] for event in exported] == [True]
    with Image.open(folder.preview_path) as preview:
        assert preview.size[0] > 64
    assert len(list((folder.samples / "step-000002").glob("*.png"))) == 1
    other = whole.model_copy(update={"precision": PrecisionSettings(num_threads=1)})
    assert recipe_digest(whole) != recipe_digest(other)
    assert "base_dtype: nf4" in (folder.path / "recipe.lock.yaml").read_text()
