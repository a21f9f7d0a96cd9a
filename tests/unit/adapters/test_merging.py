"""Adapters added up: into one LoRA and into a base, held against sums worked out here."""

from __future__ import annotations

import json
import math
import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from studio.adapters.adapter import Adapter
from studio.adapters.export import export
from studio.adapters.layer_change import changed_weight
from studio.adapters.lora_layers import layers_of, trained_changes
from studio.adapters.rework import merging_into_base
from studio.adapters.rework.merging import Ingredient, merge
from studio.adapters.rework.merging_into_base import merge_into
from studio.adapters.rework.rewriting import rewrite
from studio.adapters.whole_weights import named_parameters
from studio.bases.base_model import BaseModel
from studio.bases.loading import load_base
from studio.bases.tensor_file import read_layout
from studio.errors import AdapterError, BaseModelError, StudioError, VerificationError

pytestmark = pytest.mark.usefixtures("no_tool_verdicts")

CONVS = ("to_q", "to_out.0", "proj_in", "conv1", "downsamplers.0.conv", "conv_shortcut")


def weight_of(base: BaseModel, path: str) -> Tensor:
    return named_parameters(base)[f"{path}.weight"].detach()


def changes(adapter: Adapter, base: BaseModel) -> dict[str, Tensor]:
    """What an adapter adds to each weight of the base."""
    # Weights of zero, so that nothing is rounded away beside them.
    return {
        path: change(torch.zeros_like(weight_of(base, path)))
        for path, change in trained_changes(adapter).items()
    }


def shuffled(adapter: Adapter, seed: int = 1, **header: Any) -> Adapter:
    """Another one with the same layers."""
    generator = torch.Generator().manual_seed(seed)
    tensors = {
        name: t if name.endswith("alpha") else t.flatten()[
            torch.randperm(t.numel(), generator=generator)
        ].reshape(t.shape)
        for name, t in adapter.tensors.items()
    }  # fmt: skip
    return Adapter(replace(adapter.header, **header), tensors)


def as_kind(adapter: Adapter, kind: str, base: BaseModel) -> Adapter:
    """A LoHa, LoKr or OFT of random values on the same layers, convolutions flat as LyCORIS has them."""
    generator = torch.Generator().manual_seed(5)

    def values(*shape: int) -> Tensor:
        return 0.4 * torch.randn(shape, generator=generator)

    tensors: dict[str, Tensor] = {}
    for path in layers_of(adapter):
        rows, columns = weight_of(base, path).flatten(1).shape
        parts = {
            "loha": lambda r=rows, c=columns: {
                **{f"hada_w{n}_a": values(r, 3) for n in (1, 2)},
                **{f"hada_w{n}_b": values(3, c) for n in (1, 2)},
                "alpha": torch.tensor([6.0]),
            },
            "lokr": lambda r=rows, c=columns: {
                "lokr_w1": values(2, 2),
                "lokr_w2": values(r // 2, c // 2),
                "alpha": torch.tensor([1.0]),
            },
            "oft": lambda r=rows, c=columns: {"oft_R.weight": values(c // 4, 6)},
        }[kind]()
        tensors |= {f"{path}.{name}": tensor for name, tensor in parts.items()}
    return Adapter(replace(adapter.header, kind=kind, title=f"a {kind}"), tensors)


def test_a_merged_lora_does_the_weighted_sum(tiny_base: BaseModel, lora: Any) -> None:
    first = lora(tiny_base, rank=4, alpha=6.0, unet_targets=CONVS)
    second = shuffled(lora(tiny_base, rank=2, use_rslora=True, unet_targets=("to_q", "conv1")))
    both = merge([Ingredient(first, 0.8), Ingredient(second, -1.5)])
    found = changes(both.adapter, tiny_base)
    ours, theirs = changes(first, tiny_base), changes(second, tiny_base)
    assert found.keys() == ours.keys() | theirs.keys()
    only_one = ours.keys() - theirs.keys()
    assert only_one
    for path, change in found.items():
        expected = 0.8 * ours[path] - 1.5 * theirs.get(path, torch.zeros(()))
        largest = expected.abs().max().item()
        torch.testing.assert_close(change, expected, atol=1e-5 * largest, rtol=0)
        rank = 4 if path in only_one else 6
        assert both.adapter.tensors[f"{path}.alpha"].item() == rank
    assert (both.kept_share, set(both.kept_by_layer.values())) == (1.0, {1.0})


def test_at_a_rank_the_error_is_that_of_the_discarded_values(
    tiny_base: BaseModel, lora: Any
) -> None:
    first = lora(tiny_base, rank=4, unet_targets=CONVS)
    second = shuffled(first)
    ingredients = [Ingredient(first, 0.8), Ingredient(second, 0.6)]
    exact = changes(merge(ingredients).adapter, tiny_base)
    cut = merge(ingredients, rank=3)
    error = whole = 0.0
    for path, change in changes(cut.adapter, tiny_base).items():
        values = torch.linalg.svdvals(exact[path].flatten(1).double())
        off = torch.linalg.vector_norm((change - exact[path]).double()).item()
        assert off == pytest.approx(torch.linalg.vector_norm(values[3:]).item(), rel=1e-4)
        kept = (values[:3].square().sum() / values.square().sum()).item()
        assert cut.kept_by_layer[path] == pytest.approx(kept, rel=1e-5)
        assert len(cut.adapter.tensors[f"{path}.lora_A.weight"]) == 3
        error, whole = error + off**2, whole + values.square().sum().item()
    assert 0.5 < cut.kept_share < 0.99
    assert cut.kept_share == pytest.approx(1 - error / whole, rel=1e-5)


@pytest.mark.parametrize("kind", ["loha", "lokr"])
def test_other_kinds_are_approximated_with_their_kernels(
    tiny_base: BaseModel, lora: Any, kind: str
) -> None:
    plain = lora(tiny_base, rank=4, unet_targets=CONVS)
    other = as_kind(plain, kind, tiny_base)
    merged = merge([Ingredient(plain, 0.5), Ingredient(other, 2.0)], rank=5)
    for path, parts in layers_of(merged.adapter).items():
        zeros = torch.zeros_like(weight_of(tiny_base, path))
        # As a reader would look at it: with the weight's own dimensions.
        assert parts["lora_A.weight"].shape[1:] == zeros.shape[1:], path
        assert parts["lora_B.weight"].dim() == zeros.dim()
        exact = 0.5 * changed_weight(zeros, layers_of(plain)[path])
        exact = exact + 2.0 * changed_weight(zeros, layers_of(other)[path])
        left, values, right = torch.linalg.svd(exact.flatten(1), full_matrices=False)
        best = (left[:, :5] @ values[:5].diag() @ right[:5]).reshape(exact.shape)
        got = changed_weight(zeros, parts)
        torch.testing.assert_close(got, best, atol=1e-4 * exact.abs().max().item(), rtol=1e-3)


def test_sdxl_has_linear_layers_around_its_attention(tiny_sdxl: BaseModel, lora: Any) -> None:
    plain = lora(tiny_sdxl, unet_targets=("proj_in", "conv2", "upsamplers.0.conv"))
    merged = merge([Ingredient(as_kind(plain, "loha", tiny_sdxl))], rank=2)
    for path, parts in layers_of(merged.adapter).items():
        assert parts["lora_A.weight"].shape[1:] == weight_of(tiny_sdxl, path).shape[1:], path


def test_what_the_header_says(tiny_base: BaseModel, lora: Any) -> None:
    first = lora(tiny_base)
    second = shuffled(
        first, title="style", trigger="in oil", base_digest="9" * 64, resolution_px=512
    )
    ingredients = [Ingredient(first, 0.8, "a" * 64), Ingredient(second, digest="b" * 64)]
    header = merge(ingredients).adapter.header
    assert (header.kind, header.family, header.method) == ("lora", "sd1", "")
    assert (header.title, header.trigger) == ("icons + style", "flat icon, in oil")
    assert (header.base_name, header.base_digest) == ("tiny", "")  # of two digests, none
    assert (header.steps, header.seed, header.recipe_digest) == (0, 0, "")
    assert (header.resolution_px, header.num_pictures) == (512, 120)
    stated = json.loads(header.settings)
    assert (stated["rank"], stated["alpha"]) == (8, 8)
    assert stated["merged"]["from"] == [
        {"title": "icons", "weight": 0.8, "kind": "lora", "steps": 120, "digest": "a" * 64},
        {"title": "style", "weight": 1.0, "kind": "lora", "steps": 120, "digest": "b" * 64},
    ]
    assert merge([Ingredient(first), Ingredient(first)], title="x").adapter.header.title == "x"


def test_a_merged_file_is_verified_like_any_other(
    tiny_base: BaseModel, lora: Any, tmp_path: Path
) -> None:
    first = lora(tiny_base, unet_targets=CONVS)
    merged = merge([Ingredient(first), Ingredient(shuffled(first))]).adapter
    for name in ("kohya", "diffusers"):
        (file,) = export(merged, tiny_base, tmp_path, name, formats=[name], dtype="fp16")
        assert file.verdict.ok


def refused(call: Any, match: str, error: type[StudioError] = AdapterError) -> None:
    with pytest.raises(error, match=match) as found:
        call()
    assert "\n" not in str(found.value)


def test_what_cannot_be_merged_is_refused_by_name(
    tiny_base: BaseModel, tiny_sdxl: BaseModel, lora: Any, whole: Any
) -> None:
    plain = lora(tiny_base)
    ours = Ingredient(plain)

    def with_other(adapter: Adapter, **options: Any) -> Any:
        return lambda: merge([ours, Ingredient(adapter)], **options)

    other = lora(tiny_sdxl)
    refused(with_other(other), "'icons' is of family sd1 and 'icons' of family sdxl")
    for kind in ("loha", "lokr"):
        refused(with_other(as_kind(plain, kind, tiny_base)), f"'a {kind}' is a {kind}.*--rank")
    refused(with_other(as_kind(plain, "oft", tiny_base), rank=4), "'a oft' is an OFT.*--into")
    refused(with_other(lora(tiny_base, use_dora=True)), "is a DoRA.*--into")
    refused(with_other(whole(tiny_base)), "of kind full, which cannot be merged")
    refused(with_other(plain, rank=0), "rank 0")
    refused(lambda: merge([]), "nothing to merge")
    for weight in (0.0, math.inf, math.nan):
        refused(lambda weight=weight: Ingredient(plain, weight), "'icons' has the weight")
    name = next(n for n in plain.tensors if n.endswith("lora_A.weight"))
    narrow = Adapter(plain.header, {**plain.tensors, name: plain.tensors[name][:, :3]})
    refused(with_other(narrow), f"{name.removesuffix('.lora_A.weight')} of 'icons' and 'icons'")
    broken = Adapter(plain.header, {**plain.tensors, name: plain.tensors[name] * math.nan})
    refused(with_other(broken), "not finite")


# Into a base.


@pytest.fixture(params=["tiny_base", "tiny_sd2", "tiny_sdxl"])
def base(request: pytest.FixtureRequest) -> BaseModel:
    chosen: BaseModel = request.getfixturevalue(request.param)
    return chosen


def single_file(base: BaseModel, folder: Path, whole: Any, dtype: Any = "fp32") -> Path:
    """The base in the original naming, by a writer whose files diffusers is tested to read."""
    adapter = whole(base, train_text_encoder=True, spread=0.0)
    (file,) = export(adapter, base, folder, "base", formats=["checkpoint"], dtype=dtype)
    return file.path


def expected_file(base: BaseModel, members: list[Ingredient], folder: Path, dtype: Any) -> Path:
    """The same from whole weights that were changed in memory."""
    weights = {name: p.detach().clone() for name, p in named_parameters(base).items()}
    for member in members:
        for path, parts in layers_of(member.adapter).items():
            old = weights[f"{path}.weight"]
            weights[f"{path}.weight"] = old + member.weight * (changed_weight(old, parts) - old)
    header = replace(members[0].adapter.header, kind="full")
    adapter = Adapter(header, weights)
    (file,) = export(adapter, base, folder, "expected", formats=["checkpoint"], dtype=dtype)
    return file.path


def test_a_merged_model_holds_the_changed_weights_and_nothing_else_new(
    base: BaseModel, lora: Any, whole: Any, tmp_path: Path
) -> None:
    """Every kind of layer, text encoders with joined queries, keys and values among them."""
    first = lora(base, unet_targets=CONVS, text_targets=("q_proj", "v_proj", "fc1"))
    second = lora(base, use_dora=True, text_targets=("k_proj", "out_proj"))
    members = [Ingredient(first, 0.8), Ingredient(second, 0.5)]
    path = single_file(base, tmp_path, whole)
    done = merge_into(members, str(path), tmp_path / "new.safetensors")
    found, old = load_file(done.path), load_file(path)
    wanted = load_file(expected_file(base, members, tmp_path, "fp32"))
    changed = {name for name in wanted if not torch.equal(wanted[name], old[name])}
    assert found.keys() == wanted.keys()
    for name, tensor in found.items():
        if name not in changed and ".23." not in name:
            assert torch.equal(tensor, old[name]), name
        elif ".23." not in name:  # a copy of SD 2.x's last layer that no reader uses
            torch.testing.assert_close(tensor, wanted[name], atol=1e-6, rtol=1e-5)
    assert done.layers == len(layers_of(first) | layers_of(second))
    assert len(changed) > 100


@pytest.mark.parametrize("kind", ["loha", "lokr", "oft"])
def test_every_variant_goes_into_a_base_in_its_own_number_format(
    tiny_base: BaseModel, lora: Any, whole: Any, tmp_path: Path, kind: str
) -> None:
    adapter = as_kind(lora(tiny_base, unet_targets=("to_q", "conv2")), kind, tiny_base)
    path = single_file(tiny_base, tmp_path, whole, "fp16")
    merge_into([Ingredient(adapter, 0.7)], str(path), tmp_path / "new.safetensors")
    found = load_file(tmp_path / "new.safetensors")
    key = "model.diffusion_model.input_blocks.1.0.out_layers.3.weight"
    layer = layers_of(adapter)["unet.down_blocks.0.resnets.0.conv2"]
    old = load_file(path)[key].float()
    expected = old + 0.7 * (changed_weight(old, layer) - old)
    assert found[key].dtype == torch.float16
    torch.testing.assert_close(found[key], expected.half(), atol=1e-4, rtol=2e-3)
    assert (found[key] - old.half()).abs().max() > 0.01


def test_what_is_no_number_of_ours_is_carried_over(
    tiny_base: BaseModel, lora: Any, whole: Any, tmp_path: Path
) -> None:
    """Published files hold position ids, EMA weights and schedules, and say things of themselves."""
    path = single_file(tiny_base, tmp_path, whole, "fp16")
    ids = "cond_stage_model.transformer.text_model.embeddings.position_ids"
    odd = {ids: torch.arange(77)[None], "model_ema.decay": torch.tensor(0.9999)}
    metadata = {"format": "pt", "studio.kind": "full", "modelspec.hash_sha256": "0x1", "x": "y"}
    save_file({**load_file(path), **odd}, path, metadata)
    merge_into([Ingredient(lora(tiny_base), 0.5, "c" * 64)], str(path), tmp_path / "n.safetensors")
    found = load_file(tmp_path / "n.safetensors")
    assert all(torch.equal(found[name], tensor) for name, tensor in odd.items())
    with safe_open(tmp_path / "n.safetensors", "pt") as opened:
        said = opened.metadata()
    (origin,) = json.loads(said.pop("studio.merged_from"))
    assert said == {"format": "pt", "x": "y"}
    assert (origin["title"], origin["weight"], origin["digest"]) == ("icons", 0.5, "c" * 64)


def test_a_folder_becomes_a_folder_that_loads(
    tiny_sdxl: BaseModel, tiny_sdxl_folder: Path, lora: Any, tmp_path: Path
) -> None:
    adapter = lora(tiny_sdxl, unet_targets=CONVS)
    done = merge_into([Ingredient(adapter, 0.8)], str(tiny_sdxl_folder), tmp_path / "new")
    base = load_base(str(done.path))
    live, old = named_parameters(base), named_parameters(tiny_sdxl)
    layers = layers_of(adapter)
    assert any(path.startswith("text_encoder_2.") for path in layers)
    for name, parameter in live.items():
        path, before = name.removesuffix(".weight"), old[name].detach()
        expected = before
        if path in layers and name.endswith(".weight"):
            expected = before + 0.8 * (changed_weight(before, layers[path]) - before)
            assert (expected - before).abs().max() > 1e-3
        torch.testing.assert_close(parameter.detach(), expected, atol=1e-6, rtol=1e-5)
    files = {f.relative_to(tiny_sdxl_folder) for f in tiny_sdxl_folder.rglob("*") if f.is_file()}
    assert files == {f.relative_to(done.path) for f in done.path.rglob("*") if f.is_file()}
    vae = Path("vae/diffusion_pytorch_model.safetensors")
    assert (done.path / vae).read_bytes() == (tiny_sdxl_folder / vae).read_bytes()


def test_merging_into_a_base_is_merging_and_then_changing_it(
    tiny_base: BaseModel, lora: Any, whole: Any, tmp_path: Path
) -> None:
    first = lora(tiny_base, unet_targets=CONVS)
    members = [Ingredient(first, 0.8), Ingredient(shuffled(first), -0.4)]
    path = single_file(tiny_base, tmp_path, whole)
    merge_into(members, str(path), tmp_path / "both.safetensors")
    one = Ingredient(merge(members).adapter)
    merge_into([one], str(path), tmp_path / "one.safetensors")
    both, once = load_file(tmp_path / "both.safetensors"), load_file(tmp_path / "one.safetensors")
    for name, tensor in both.items():
        torch.testing.assert_close(tensor, once[name], atol=1e-6, rtol=1e-5)


def test_memory_is_that_of_a_few_tensors(tmp_path: Path) -> None:
    side, count = 512, 48  # 1 MiB each in fp32
    tensors = {f"t{n:02}": torch.full((side, side), float(n)) for n in range(count)}
    path = tmp_path / "x.safetensors"
    save_file(tensors, path)
    alive, most = 0, 0

    def change(tensor: Tensor) -> Tensor:
        nonlocal alive, most
        alive += 1
        most = max(most, alive)
        changed = tensor + 1
        alive -= 1
        return changed

    names = [f"t{n:02}" for n in range(0, count, 2)]
    tracemalloc.start()
    rewrite(path, read_layout(path), tmp_path / "y", {}, dict.fromkeys(names, change))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most == 1
    assert peak < 6 * 2**20 < path.stat().st_size / 7
    found = load_file(tmp_path / "y")
    for n, name in enumerate(tensors):
        assert torch.equal(found[name], tensors[name] + (n % 2 == 0))


@pytest.fixture
def sd1_file(tiny_base: BaseModel, whole: Any, tmp_path: Path) -> str:
    return str(single_file(tiny_base, tmp_path, whole, "fp16"))


@pytest.mark.parametrize("fault", ["values", "places"])
def test_a_fault_of_ours_leaves_nothing_behind(  # noqa: PLR0917 - fixtures
    tiny_base: BaseModel,
    lora: Any,
    sd1_file: str,
    tmp_path: Path,
    fault: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if fault == "values":
        monkeypatch.setattr(
            merging_into_base, "merged_weight", lambda weight, _members: 1.01 * weight
        )
    else:
        rightly = merging_into_base.find_weights

        def wrongly(name: str) -> Any:
            files = rightly(name)
            path = "unet.mid_block.attentions.0.transformer_blocks.0.attn1.to_{}.weight"
            q, k = path.format("q"), path.format("k")
            swapped = {**files.places, q: files.places[k], k: files.places[q]}
            return replace(files, places=swapped)

        monkeypatch.setattr(merging_into_base, "find_weights", wrongly)
    before = set(tmp_path.iterdir())
    refused(
        lambda: merge_into([Ingredient(lora(tiny_base))], sd1_file, tmp_path / "n.safetensors"),
        "does not read back as it was merged",
        VerificationError,
    )
    assert set(tmp_path.iterdir()) == before


def test_what_does_not_go_into_a_base(  # noqa: PLR0917 - fixtures
    tiny_base: BaseModel,
    tiny_sdxl: BaseModel,
    tiny_sdxl_folder: Path,
    lora: Any,
    whole: Any,
    sd1_file: str,
    tmp_path: Path,
) -> None:
    plain, out = lora(tiny_base), tmp_path / "new.safetensors"

    def into(adapter: Adapter, base: str = sd1_file, out: Path = out, weight: float = 1.0) -> Any:
        return lambda: merge_into([Ingredient(adapter, weight)], base, out)

    before = set(tmp_path.iterdir())
    refused(into(lora(tiny_sdxl)), "of family sdxl, which does not fit .* of family sd1")
    refused(into(whole(tiny_base)), "of kind full, which cannot be merged into a base")
    stray = {name.replace("attn1", "attn9"): t for name, t in plain.tensors.items()}
    refused(into(Adapter(plain.header, stray)), "changes 64 layers that .* does not have.*attn9")
    refused(into(plain, out=Path(sd1_file)), "is there already")
    refused(into(plain, out=tmp_path / "new"), "ends with .safetensors")
    refused(into(plain, weight=1e9), "too large for F16")
    sdxl = lora(tiny_sdxl)
    refused(into(sdxl, str(tiny_sdxl_folder), tiny_sdxl_folder / "new"), "inside the base")
    refused(into(plain, str(tmp_path / "nowhere.safetensors")), "no file or folder", BaseModelError)
    name = next(n for n in plain.tensors if n.endswith("to_q.lora_A.weight"))
    narrow = Adapter(plain.header, {**plain.tensors, name: plain.tensors[name][:, :3]})
    refused(into(narrow), "do not make up a change of a weight")
    assert set(tmp_path.iterdir()) == before
    (tmp_path / "lora.safetensors").write_bytes(b"")
    refused(into(plain, str(tmp_path / "lora.safetensors")), "it is empty", BaseModelError)
    save_file(plain.tensors, tmp_path / "lora.safetensors")
    refused(into(plain, str(tmp_path / "lora.safetensors")), "is an adapter", BaseModelError)
    key = "model.diffusion_model.out.2.weight"
    eight = {**load_file(sd1_file), key: torch.zeros(4, 8).to(torch.float8_e4m3fn)}
    save_file(eight, tmp_path / "eight.safetensors")
    refused(into(plain, str(tmp_path / "eight.safetensors")), "as F8_E4M3; give", BaseModelError)
    assert not out.exists()
