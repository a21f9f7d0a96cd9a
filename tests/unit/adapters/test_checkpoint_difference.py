"""Two models' difference as a LoRA: what was put in comes out again, by files alone."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from studio.adapters.adapter import Adapter
from studio.adapters.export import export
from studio.adapters.extraction import extract
from studio.adapters.layer_change import added
from studio.adapters.lora_layers import layers_of
from studio.adapters.rework.checkpoint_difference import extract_difference
from studio.adapters.rework.low_rank import Truncation
from studio.adapters.rework.merging import Ingredient
from studio.adapters.rework.merging_into_base import merge_into
from studio.adapters.rework.weight_files import find_weights
from studio.adapters.verify import verify
from studio.bases.base_model import BaseModel
from studio.bases.digests import file_digest
from studio.errors import AdapterError, BaseModelError

pytestmark = pytest.mark.usefixtures("no_tool_verdicts")

CONVS = ("to_q", "proj_in", "conv1", "downsamplers.0.conv")
UNET_KEY = "model.diffusion_model.input_blocks.1.1.transformer_blocks.0.attn1.to_q.weight"


def written(adapter: Adapter, base: BaseModel, path: Path, form: str, dtype: Any = "fp32") -> str:
    (file,) = export(adapter, base, path.parent, path.name, formats=[form], dtype=dtype)
    return str(file.path)


@pytest.fixture(params=["tiny_base", "tiny_sd2", "tiny_sdxl"])
def base(request: pytest.FixtureRequest) -> BaseModel:
    chosen: BaseModel = request.getfixturevalue(request.param)
    return chosen


def test_a_merged_lora_comes_out_again_at_its_rank(
    base: BaseModel, lora: Any, whole: Any, tmp_path: Path
) -> None:
    trained: Adapter = lora(base, rank=3, unet_targets=CONVS)
    file = written(
        whole(base, train_text_encoder=True, spread=0), base, tmp_path / "b", "checkpoint"
    )
    tuned = merge_into([Ingredient(trained, 0.8)], file, tmp_path / "tuned.safetensors")
    found = extract_difference(str(tuned.path), file, Truncation(rank=3), title="again")
    ours, theirs = layers_of(found.adapter), layers_of(trained)
    assert ours.keys() == theirs.keys()
    for path, parts in ours.items():
        expected = 0.8 * added(theirs[path]).flatten(1)
        largest = expected.abs().max().item()
        torch.testing.assert_close(
            added(parts).flatten(1), expected, atol=1e-4 * largest, rtol=0, msg=path
        )
        assert parts["lora_A.weight"].shape == theirs[path]["lora_A.weight"].shape
    assert found.kept_share == pytest.approx(1.0, abs=1e-5)
    header = found.adapter.header
    assert (header.kind, header.family, header.title) == ("lora", base.family, "again")
    assert header.base_digest == file_digest(Path(file))
    assert json.loads(header.settings)["extracted"]["rank"] == 3


@pytest.mark.parametrize("forms", [("checkpoint", "diffusers"), ("diffusers", "checkpoint")])
@pytest.mark.parametrize("base_name", ["tiny_base", "tiny_sdxl"])
def test_files_and_folders_give_what_whole_weights_in_memory_give(
    base_name: str, forms: tuple[str, str], whole: Any, tmp_path: Path, request: Any
) -> None:
    base: BaseModel = request.getfixturevalue(base_name)
    trained: Adapter = whole(base, train_text_encoder=True)
    tuned = written(trained, base, tmp_path / "tuned", forms[0])
    plain = written(whole(base, train_text_encoder=True, spread=0), base, tmp_path / "b", forms[1])
    expected = extract(trained, base, rank=4)
    found = extract_difference(tuned, plain, Truncation(rank=4))
    assert found.kept_by_layer.keys() == expected.kept_by_layer.keys()
    assert found.kept_share == pytest.approx(expected.kept_share, rel=1e-5)
    for path, share in expected.kept_by_layer.items():
        assert found.kept_by_layer[path] == pytest.approx(share, rel=1e-4)
    (file,) = export(found.adapter, base, tmp_path, "lora", formats=["kohya"], dtype="fp16")
    assert verify(file.path, found.adapter, base).ok


def test_a_share_is_kept_with_the_fewest_ranks(
    tiny_base: BaseModel, whole: Any, tmp_path: Path
) -> None:
    trained: Adapter = whole(tiny_base)
    tuned = written(trained, tiny_base, tmp_path / "tuned", "checkpoint")
    plain = written(whole(tiny_base, spread=0), tiny_base, tmp_path / "b", "checkpoint")
    steps: list[tuple[int, int]] = []
    found = extract_difference(
        tuned, plain, Truncation(rank=64, keep=0.8), step=lambda *step: steps.append(step)
    )
    assert steps[-1][0] == steps[-1][1] == len(steps)
    differences = {
        path: trained.tensors[f"{path}.weight"] - find_weight(tiny_base, path)
        for path in found.kept_by_layer
    }
    for path, change in differences.items():
        values = torch.linalg.svdvals(change.flatten(1)).square()
        rank = len(found.adapter.tensors[f"{path}.lora_A.weight"])
        share = (values.cumsum(0) / values.sum()).tolist()
        assert share[rank - 1] >= 0.8 - 1e-6, path
        assert rank == 1 or share[rank - 2] < 0.8, path
    ranks = {len(t) for n, t in found.adapter.tensors.items() if n.endswith("lora_A.weight")}
    assert len(ranks) > 3


def find_weight(base: BaseModel, path: str) -> torch.Tensor:
    weight: torch.Tensor = base.unet.get_submodule(path.removeprefix("unet.")).weight
    return weight.detach()


def test_rounding_is_no_learning(tiny_base: BaseModel, whole: Any, tmp_path: Path) -> None:
    """A tuned model in fp16 beside its base in fp32 differs in every number."""
    plain = written(whole(tiny_base, spread=0), tiny_base, tmp_path / "b", "checkpoint")
    tensors = load_file(plain)
    rounded = {name: tensor.half() for name, tensor in tensors.items()}
    save_file(rounded, tmp_path / "half.safetensors")
    with pytest.raises(AdapterError, match=r"no layer of .* differs"):
        extract_difference(str(tmp_path / "half.safetensors"), plain, Truncation(rank=4))
    change = torch.outer(torch.ones(8), torch.arange(8.0))
    rounded[UNET_KEY] = (tensors[UNET_KEY] + change).half()
    save_file(rounded, tmp_path / "half.safetensors")
    found = extract_difference(str(tmp_path / "half.safetensors"), plain, Truncation(rank=1))
    (path,) = found.kept_by_layer
    assert path == "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q"
    got = added(layers_of(found.adapter)[path])
    torch.testing.assert_close(got, change, atol=1e-2, rtol=1e-2)


def test_what_has_no_place_in_a_lora_counts_as_lost(
    tiny_base: BaseModel, whole: Any, tmp_path: Path
) -> None:
    plain = written(whole(tiny_base, spread=0), tiny_base, tmp_path / "b", "checkpoint")
    tensors = load_file(plain)
    tensors[UNET_KEY] += torch.full((8, 8), 0.5)  # energy 16, of rank 1
    tensors["model.diffusion_model.out.0.bias"] += 2.0  # 8 numbers: 32
    embeddings = "cond_stage_model.transformer.text_model.embeddings.token_embedding.weight"
    tensors[embeddings][:4, :4] += 1.0  # 16
    save_file(tensors, tmp_path / "tuned.safetensors")
    found = extract_difference(str(tmp_path / "tuned.safetensors"), plain, Truncation(rank=2))
    assert list(found.kept_by_layer.values()) == [pytest.approx(1.0)]
    assert found.kept_share == pytest.approx(16 / (16 + 32 + 16), rel=1e-4)


def test_published_oddities_are_passed_over(
    tiny_sdxl: BaseModel, whole: Any, lora: Any, tmp_path: Path
) -> None:
    """Position ids and CLIP's temperature are in some files and in no folder."""
    blank = whole(tiny_sdxl, train_text_encoder=True, spread=0)
    folder = written(blank, tiny_sdxl, tmp_path / "f", "diffusers")
    file = written(blank, tiny_sdxl, tmp_path / "b", "checkpoint")
    tuned = merge_into([Ingredient(lora(tiny_sdxl))], file, tmp_path / "tuned.safetensors")
    odd = {
        "conditioner.embedders.0.transformer.text_model.embeddings.position_ids": torch.arange(7.0),
        "conditioner.embedders.1.model.logit_scale": torch.tensor(4.6),
        "model_ema.decay": torch.tensor(0.9),
    }
    save_file({**load_file(tuned.path), **odd}, tuned.path)
    found = extract_difference(str(tuned.path), folder, Truncation(rank=4))
    assert found.kept_share == pytest.approx(1.0, abs=1e-4)


def test_models_that_do_not_go_together(
    tiny_base: BaseModel, tiny_sdxl: BaseModel, whole: Any, tmp_path: Path
) -> None:
    blank = whole(tiny_base, spread=0)
    plain = written(blank, tiny_base, tmp_path / "b", "checkpoint")
    other = written(whole(tiny_sdxl, spread=0), tiny_sdxl, tmp_path / "x", "checkpoint")
    tensors = load_file(plain)
    lacking = {name: t for name, t in tensors.items() if name != UNET_KEY}
    save_file(lacking, tmp_path / "lacking.safetensors")
    save_file({**tensors, UNET_KEY: torch.ones(9, 8)}, tmp_path / "wide.safetensors")
    nan = torch.full((8, 8), float("nan"))
    save_file({**tensors, UNET_KEY: nan}, tmp_path / "nan.safetensors")
    shutil.copy(plain, tmp_path / "cut.safetensors")
    with (tmp_path / "cut.safetensors").open("r+b") as file:
        file.truncate(5000)
    cases: list[tuple[str, str, type[Exception]]] = [
        (other, "is of family sdxl and .* of family sd1", AdapterError),
        ("lacking.safetensors", "lacks 1 weights .*attn1.to_q", AdapterError),
        ("wide.safetensors", r"attn1.to_q.weight has shape \(9, 8\)", AdapterError),
        ("nan.safetensors", "not finite", AdapterError),
        ("cut.safetensors", "truncated", BaseModelError),
        ("nowhere.safetensors", "no file or folder", BaseModelError),
        (plain, "no layer of", AdapterError),
    ]
    for tuned, match, error in cases:
        with pytest.raises(error, match=match) as found:
            extract_difference(str(tmp_path / tuned), plain, Truncation(rank=4))
        assert "\n" not in str(found.value)


def test_a_folders_digest_is_its_bases(tiny_sdxl_folder: Path) -> None:
    from studio.bases.identity import identify_base

    assert find_weights(str(tiny_sdxl_folder)).digest == (
        identify_base(str(tiny_sdxl_folder)).digest
    )
