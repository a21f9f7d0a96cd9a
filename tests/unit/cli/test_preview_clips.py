"""``studio preview --image``: which mistakes are told in one line, before any model is loaded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from studio.adapters import diffusers_format
from studio.adapters.adapter import Adapter, AdapterHeader
from studio.bases import identity
from studio.bases.base_model import BaseModel
from studio.bases.identity import BaseIdentity, identify_base

LAYER = "unet.down_blocks.0.attentions.0.temporal_transformer_blocks.0.attn1.to_q"


@pytest.fixture
def adapter(tmp_path: Path, tiny_base: BaseModel) -> Path:
    tensors = {
        f"{LAYER}.lora_A.weight": torch.ones(2, 8),
        f"{LAYER}.lora_B.weight": torch.ones(8, 2),
        f"{LAYER}.alpha": torch.tensor([2.0]),
    }
    header = AdapterHeader("lora", "svd", "my-svd", "0" * 64, "{}")
    path = tmp_path / "clip.safetensors"
    diffusers_format.write(Adapter(header, tensors), path, "fp32", tiny_base)
    return path


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "first.png"
    Image.new("RGB", (64, 64), "red").save(path)
    return path


@pytest.fixture
def _an_svd(monkeypatch: pytest.MonkeyPatch) -> None:
    """``my-svd`` is a base that makes clips, as far as its configuration goes."""
    pocket = identify_base("pocket")
    configuration = replace(pocket.content.configuration, family="svd", num_frames=4)
    clips = replace(
        pocket, name="my-svd", content=replace(pocket.content, configuration=configuration)
    )

    def identified(name: str, **_: Any) -> BaseIdentity:
        return clips if name == "my-svd" else identify_base(name)

    monkeypatch.setattr(identity, "identify_base", identified)


@pytest.mark.usefixtures("_an_svd")
@pytest.mark.parametrize(
    ("options", "told"),
    [
        ((), "give one with --image PICTURE"),
        (("--image", "PICTURE", "--prompt", "a cat"), "--prompt means nothing with my-svd"),
        (("--image", "PICTURE", "--sweep"), "--sweep means nothing with my-svd"),
        (("--image", "PICTURE", "--base", "pocket"), "pocket draws pictures from texts"),
        (("--image", "PICTURE", "--frames", 1), "num_frames"),
        (("--image", "missing.png"), "missing.png"),
    ],
)
def test_a_mistake_is_told_before_loading(
    studio: Callable[..., Any], adapter: Path, picture: Path, options: tuple[Any, ...], told: str
) -> None:
    given = [picture if option == "PICTURE" else option for option in options]
    outcome = studio("preview", adapter, *given)
    assert outcome.code == 2
    assert told in outcome.err
