from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from studio.adapters.adapter import Adapter, AdapterHeader
from studio.bases.base_model import BaseModel
from studio.preview import stack
from studio.preview.comparison import Comparison
from studio.preview.pairs import sample_pairs, strength_sweep
from studio.preview.settings import SamplingSettings

SETTINGS = SamplingSettings(num_inference_steps=2, guidance_scale=1.0, strength=0.5)


class Louder:
    """A stand-in for a trainer plugin: its adapter makes the U-Net's last layer stronger."""

    @classmethod
    @contextmanager
    def apply(cls, adapter: Adapter, base: BaseModel, strength: float = 1.0) -> Iterator[None]:
        weight = base.unet.conv_out.weight
        before = weight.clone()
        weight.mul_(1.0 + strength * float(adapter.tensors["gain"]))
        try:
            yield
        finally:
            weight.copy_(before)


@pytest.fixture(autouse=True)
def adapter_file(monkeypatch: pytest.MonkeyPatch) -> Path:
    def read(path: Path) -> Adapter:
        gain = {"loud.safetensors": 1.0, "louder.safetensors": 3.0}[path.name]
        title = "Loud" if gain == 1.0 else ""
        header = AdapterHeader("louder", "sd1", "small", "0" * 64, "{}", title=title)
        return Adapter(header, {"gain": torch.tensor(gain)})

    monkeypatch.setattr(stack, "read_adapter", read)
    monkeypatch.setattr(stack, "producer", lambda kind: SimpleNamespace(load=lambda: Louder))
    return Path("loud.safetensors")


def changes(comparison: Comparison) -> list[float]:
    """How far each series' first picture is from the first series', in 8-bit levels."""
    first, *_ = pictures = [np.asarray(s.pictures[0], dtype=float) for s in comparison.series]
    return [float(np.abs(picture - first).mean()) for picture in pictures]


def test_base_and_adapters_share_prompts_and_seeds(small_base: BaseModel) -> None:
    files = [Path("loud.safetensors"), Path("louder.safetensors")]
    seen: list[tuple[int, int]] = []
    comparison = sample_pairs(
        small_base, files, ["a", "b"], [0, 1], SETTINGS, progress=lambda *n: seen.append(n)
    )
    assert [s.heading for s in comparison.series] == ["base", "Loud", "louder"]
    assert [s.strength for s in comparison.series] == [0.0, 0.5, 0.5]
    assert [len(s.pictures) for s in comparison.series] == [4, 4, 4]
    assert seen == [(4, 12), (8, 12), (12, 12)]
    first = [np.asarray(s.pictures[0]) for s in comparison.series]
    assert not np.array_equal(first[0], first[1])
    assert not np.array_equal(first[1], first[2])


def test_the_base_is_clean_again_and_drawn_clean(small_base: BaseModel, adapter_file: Path) -> None:
    before = small_base.unet.conv_out.weight.clone()
    first = sample_pairs(small_base, [adapter_file], ["a"], [0], SETTINGS)
    second = sample_pairs(small_base, [adapter_file], ["a"], [0], SETTINGS)
    assert torch.equal(small_base.unet.conv_out.weight, before)
    for one, other in zip(first.series, second.series, strict=True):
        assert np.array_equal(np.asarray(one.pictures[0]), np.asarray(other.pictures[0]))


def test_files_that_belong_together_are_one_series_with_all_of_them(small_base: BaseModel) -> None:
    loud, louder = Path("loud.safetensors"), Path("louder.safetensors")
    before = small_base.unet.conv_out.weight.clone()
    comparison = sample_pairs(small_base, [loud, louder, (loud, louder)], ["a"], [0], SETTINGS)
    assert [s.heading for s in comparison.series] == ["base", "Loud", "louder", "Loud + louder"]
    change = changes(comparison)
    assert change[3] > max(change[1], change[2]), "both act, one on the other"
    assert torch.equal(small_base.unet.conv_out.weight, before)


def test_a_sweep_draws_all_files_of_an_adapter(small_base: BaseModel) -> None:
    files = (Path("loud.safetensors"), Path("louder.safetensors"))
    sweep = strength_sweep(small_base, files, ["a"], [0], SETTINGS, strengths=(0.0, 0.5))
    pair = sample_pairs(small_base, [files], ["a"], [0], SETTINGS)
    assert sweep.title == "Loud + louder: strength"
    for swept, drawn in zip(sweep.series, pair.series, strict=True):
        assert np.array_equal(np.asarray(swept.pictures[0]), np.asarray(drawn.pictures[0]))


def test_a_sweep_begins_with_the_base_and_moves_away(
    small_base: BaseModel, adapter_file: Path
) -> None:
    sweep = strength_sweep(small_base, adapter_file, ["a"], [0], SETTINGS, strengths=(0.0, 0.5, 1))
    bare = sample_pairs(small_base, [], ["a"], [0], SETTINGS)
    assert [s.heading for s in sweep.series] == ["0", "0.5", "1"]
    assert np.array_equal(
        np.asarray(sweep.series[0].pictures[0]), np.asarray(bare.series[0].pictures[0])
    )
    change = changes(sweep)
    assert change[0] == 0 < change[1] < change[2]
