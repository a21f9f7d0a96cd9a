"""LoRAs at lower ranks, held against the singular values of what each layer adds."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from studio.adapters.adapter import Adapter
from studio.adapters.export import export
from studio.adapters.files import read_adapter
from studio.adapters.layer_change import added
from studio.adapters.lora_layers import layers_of
from studio.adapters.rework.low_rank import Truncation
from studio.adapters.rework.resizing import resize
from studio.bases.base_model import BaseModel
from studio.errors import AdapterError

pytestmark = pytest.mark.usefixtures("no_tool_verdicts")

CONVS = ("to_q", "proj_in", "conv1", "upsamplers.0.conv")


def flat_changes(adapter: Adapter) -> dict[str, Tensor]:
    return {path: added(parts).flatten(1).double() for path, parts in layers_of(adapter).items()}


def values_of(changes: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {path: torch.linalg.svdvals(change) for path, change in changes.items()}


@pytest.fixture
def trained(tiny_base: BaseModel, lora: Any) -> Adapter:
    adapter: Adapter = lora(tiny_base, rank=6, alpha=9.0, use_rslora=True, unet_targets=CONVS)
    return adapter


def test_what_is_lost_is_the_discarded_values(trained: Adapter) -> None:
    resized = resize(trained, Truncation(rank=2))
    before, after = flat_changes(trained), flat_changes(resized.adapter)
    assert after.keys() == before.keys()
    for path, values in values_of(before).items():
        error = torch.linalg.vector_norm(after[path] - before[path]).item()
        assert error == pytest.approx(torch.linalg.vector_norm(values[2:]).item(), rel=1e-4)
        kept = (values[:2].square().sum() / values.square().sum()).item()
        assert 0.2 < kept < 0.99
        assert resized.kept_by_layer[path] == pytest.approx(kept, rel=1e-5)
        parts = layers_of(resized.adapter)[path]
        assert (len(parts["lora_A.weight"]), parts["alpha"].item()) == (2, 2.0)
        was = layers_of(trained)[path]
        assert parts["lora_A.weight"].shape[1:] == was["lora_A.weight"].shape[1:]
        assert parts["lora_B.weight"].dim() == was["lora_B.weight"].dim()
    energies = {path: change.square().sum().item() for path, change in before.items()}
    kept_share = sum(resized.kept_by_layer[p] * e for p, e in energies.items())
    assert resized.kept_share == pytest.approx(kept_share / sum(energies.values()), rel=1e-6)


@pytest.mark.parametrize(("keep", "most"), [(0.5, None), (0.9, None), (0.9, 3), (1.0, None)])
def test_each_layer_has_the_fewest_ranks_that_keep_the_share(
    trained: Adapter, keep: float, most: int | None
) -> None:
    resized = resize(trained, Truncation(rank=most, keep=keep))
    ranks = set()
    for path, values in values_of(flat_changes(trained)).items():
        reached = (values.square().cumsum(0) / values.square().sum()) >= keep * (1 - 1e-6)
        fewest = min(int(reached.int().argmax()) + 1, most or 99)
        rank = len(resized.adapter.tensors[f"{path}.lora_A.weight"])
        assert rank == fewest, path
        assert resized.kept_by_layer[path] >= keep * (1 - 1e-6) or rank == most
        ranks.add(rank)
    if (keep, most) == (0.9, None):
        assert len(ranks) > 1


def test_all_of_it_is_the_same_change(trained: Adapter) -> None:
    before = flat_changes(trained)
    for path, change in flat_changes(resize(trained, Truncation(keep=1.0)).adapter).items():
        largest = before[path].abs().max().item()
        torch.testing.assert_close(change, before[path], atol=1e-5 * largest, rtol=0)


def test_a_layer_that_is_thinner_already_stays(tiny_base: BaseModel, lora: Any) -> None:
    wide = lora(tiny_base, rank=6, unet_targets=("to_q",), text_targets=())
    thin = lora(tiny_base, rank=2, unet_targets=("conv1",), text_targets=())
    both = Adapter(wide.header, {**wide.tensors, **thin.tensors})
    resized = resize(both, Truncation(rank=4))
    ranks = {
        path.rpartition(".")[2]: len(parts["lora_A.weight"])
        for path, parts in layers_of(resized.adapter).items()
    }
    assert ranks == {"to_q": 4, "conv1": 2}


def test_the_file_says_what_was_done_and_is_read_by_all(
    tiny_base: BaseModel, trained: Adapter, tmp_path: Path
) -> None:
    resized = resize(trained, Truncation(keep=0.9)).adapter
    for name in ("kohya", "diffusers"):
        (file,) = export(resized, tiny_base, tmp_path, name, formats=[name], dtype="fp16")
        assert file.verdict.ok
        header = read_adapter(file.path).header
        assert (header.title, header.steps, header.trigger) == ("icons", 120, "flat icon")
        stated = json.loads(header.settings)
        assert stated["resized"]["keep"] == 0.9
        assert stated["resized"]["trained"] == json.loads(trained.header.settings)
        assert stated["rank"] <= 6


def test_a_layer_that_learned_nothing_stays_so(trained: Adapter) -> None:
    tensors = {
        name: torch.zeros_like(t) if name.endswith("lora_B.weight") and "conv1" in name else t
        for name, t in trained.tensors.items()
    }
    resized = resize(replace(trained, tensors=tensors), Truncation(rank=3, keep=0.9))
    silent = [path for path in resized.kept_by_layer if path.endswith("conv1")]
    assert silent
    for path in silent:
        assert resized.kept_by_layer[path] == 1.0
        assert len(resized.adapter.tensors[f"{path}.lora_A.weight"]) == 1
        assert not flat_changes(resized.adapter)[path].any()


def test_what_cannot_be_resized(tiny_base: BaseModel, lora: Any, whole: Any) -> None:
    plain: Adapter = lora(tiny_base, rank=4)
    loha = Adapter(replace(plain.header, kind="loha"), {})
    cases = [
        (plain, 4, "its rank is 4; give a --rank below 4"),
        (lora(tiny_base, use_dora=True), 2, "this is a DoRA"),
        (whole(tiny_base), 2, "this is a full adapter; only LoRAs can be resized$"),
        (loha, 2, "this is a loha adapter; .* convert --to kohya --rank"),
    ]
    for adapter, rank, match in cases:
        with pytest.raises(AdapterError, match=match) as found:
            resize(adapter, Truncation(rank=rank))
        assert "\n" not in str(found.value)
