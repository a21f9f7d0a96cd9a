"""A LoRA out of whole weights, held against numpy-like singular values of torch's own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from studio.adapters.adapter import Adapter
from studio.adapters.export import export
from studio.adapters.extraction import extract, layer_changes, low_rank, whole_energy
from studio.adapters.files import read_adapter
from studio.adapters.formats import format_named
from studio.adapters.lora_layers import trained_changes
from studio.adapters.verify import verify
from studio.bases.base_model import BaseModel
from studio.errors import AdapterError

pytestmark = pytest.mark.usefixtures("no_tool_verdicts")

SHAPES = [(12, 7), (7, 12), (6, 4, 3, 3), (16, 5, 1, 1), (9, 9)]


@pytest.mark.parametrize("shape", SHAPES)
def test_the_nearest_low_rank_matrix_is_found(shape: tuple[int, ...]) -> None:
    change = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    up, down, kept = low_rank(change, 3)
    assert (up.shape, down.shape) == (
        (shape[0], 3, *[1] * len(shape[2:])),
        (3, *shape[1:]),
    )
    left, values, right = torch.linalg.svd(change.flatten(1), full_matrices=False)
    best = left[:, :3] @ values[:3].diag() @ right[:3]
    torch.testing.assert_close(up.flatten(1) @ down.flatten(1), best, atol=1e-5, rtol=1e-4)
    energy = values.square()
    assert kept == pytest.approx((energy[:3].sum() / energy.sum()).item(), rel=1e-5)
    torch.testing.assert_close(up.norm(), down.norm())


def test_a_change_of_low_rank_is_kept_whole() -> None:
    change = torch.outer(torch.arange(5.0), torch.arange(1.0, 4.0))
    up, down, kept = low_rank(change, 8)
    torch.testing.assert_close(up @ down, change, atol=1e-5, rtol=1e-5)
    assert kept == pytest.approx(1.0)
    assert up.shape == (5, 3)  # no layer has a higher rank than its smaller side


def test_shares_are_of_everything_that_changed(tiny_base: BaseModel, whole: Any) -> None:
    adapter: Adapter = whole(tiny_base, train_text_encoder=True)
    extraction = extract(adapter, tiny_base, rank=4)
    changes = dict(layer_changes(adapter, tiny_base))
    assert set(extraction.kept_by_layer) == set(changes)
    kept = sum(extraction.kept_by_layer[p] * c.square().sum().item() for p, c in changes.items())
    expected = kept / whole_energy(adapter, tiny_base)
    assert extraction.kept_share == pytest.approx(expected, rel=1e-4)
    layers = sum(c.square().sum().item() for c in changes.values())
    assert layers < whole_energy(adapter, tiny_base)  # norms and biases learned too, and are lost
    stated = json.loads(extraction.adapter.header.settings)["extracted"]
    assert stated["rank"] == 4
    assert stated["kept_share"] == pytest.approx(extraction.kept_share, abs=1e-6)
    assert stated["kept_by_layer"].keys() == changes.keys()


def test_a_higher_rank_keeps_more(tiny_base: BaseModel, whole: Any) -> None:
    adapter: Adapter = whole(tiny_base)
    shares = [extract(adapter, tiny_base, rank).kept_share for rank in (1, 4, 16)]
    assert 0 < shares[0] < shares[1] < shares[2] < 1


@pytest.mark.parametrize("base_name", ["tiny_base", "tiny_sdxl"])
def test_an_extracted_file_is_a_lora_like_any_other(
    base_name: str, whole: Any, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    base: BaseModel = request.getfixturevalue(base_name)
    adapter: Adapter = whole(base, train_text_encoder=True, extracted_rank=6)
    (file,) = export(adapter, base, tmp_path, "dog", formats=["extracted"], dtype="fp16")
    assert file.path.name == "dog-extracted.safetensors"
    assert file.verdict.kept_share is not None
    assert 0.05 < file.verdict.kept_share < 1
    again = read_adapter(file.path)
    assert (again.header.kind, again.header.method) == ("lora", "dreambooth")
    with safe_open(file.path, "pt") as opened:
        assert opened.metadata()["ss_network_dim"] == "6"
    changes = trained_changes(again)
    for path, change in layer_changes(adapter, base):
        left, values, right = torch.linalg.svd(change.flatten(1), full_matrices=False)
        best = (left[:, :6] @ values[:6].diag() @ right[:6]).reshape(change.shape)
        got = changes[path](torch.zeros_like(change))
        torch.testing.assert_close(got, best, atol=2e-3 * change.abs().max().item(), rtol=0)
    assert verify(file.path, again, base).ok  # as the LoRA that it is


def test_a_worse_approximation_is_noticed(tiny_base: BaseModel, whole: Any, tmp_path: Path) -> None:
    adapter: Adapter = whole(tiny_base)
    (file,) = export(adapter, tiny_base, tmp_path, "dog", formats=["extracted"], dtype="fp32")
    known = format_named("full", "extracted")
    assert verify(file.path, adapter, tiny_base, known).ok
    tensors = load_file(file.path)
    name = next(key for key in tensors if key.endswith("attn2_to_k.lora_up.weight"))
    tensors[name].mul_(1.2)
    save_file(tensors, file.path)
    verdict = verify(file.path, adapter, tiny_base, known)
    assert not verdict.ok
    assert verdict.worst_layer.endswith("attn2.to_k")


def test_nothing_can_be_extracted_from_no_change(tiny_base: BaseModel, whole: Any) -> None:
    with pytest.raises(AdapterError, match="differs from the base"):
        extract(whole(tiny_base, spread=0.0), tiny_base, rank=4)
