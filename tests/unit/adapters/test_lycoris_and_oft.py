"""LoHa, LoKr and OFT files: names and values as their own tools have them."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import (
    LoHaConfig,
    LoKrConfig,
    OFTConfig,
    inject_adapter_in_model,
    set_peft_model_state_dict,
)
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from studio.adapters.adapter import Adapter, AdapterHeader
from studio.adapters.export import export
from studio.adapters.files import read_adapter
from studio.adapters.formats import format_named
from studio.adapters.inspection.one_file import inspect
from studio.adapters.layer_change import changed_weight
from studio.adapters.readback import live_layers
from studio.adapters.tools.verdicts import tool_verdicts
from studio.adapters.verify import verify
from studio.bases.base_model import BaseModel
from studio.errors import AdapterError
from studio.training.lora.layers import LoraLayers
from studio.training.lora.merging import merged
from studio.training.lora.settings import LoraWeights

OFT = {"variant": "oft", "rank": 4}
DIAG_OFT = {"variant": "diag_oft", "rank": 4}


@pytest.fixture
def trained(tiny_base: BaseModel) -> Any:
    """An adapter of random values in the U-Net and the text encoder, by settings; its base clean."""

    def make(**settings: Any) -> Adapter:
        base = copy.copy(tiny_base)
        base.unet = copy.deepcopy(tiny_base.unet)
        base.text_encoders = copy.deepcopy(tiny_base.text_encoders)
        weights = LoraWeights(**settings)
        layers = LoraLayers(weights, base, ["unet", "text_encoder"], seed=1)
        generator = torch.Generator().manual_seed(0)
        for group in layers.param_groups():
            for parameter in group.parameters.values():
                parameter.data += 0.3 * torch.randn(parameter.shape, generator=generator)
        return Adapter(header_for(tiny_base, weights), layers.tensors())

    return make


def random_rotations(base: BaseModel) -> Adapter:
    weights = LoraWeights(**DIAG_OFT)
    generator = torch.Generator().manual_seed(0)
    tensors = {
        f"{part}.{name.removeprefix('text_model.')}.oft_blocks": 0.3
        * torch.randn(len(weight) // 4, 4, 4, generator=generator)
        for part, name, weight in live_layers(base)
        if name.endswith(("to_q", "to_k", "q_proj", "k_proj", "v_proj", "out_proj"))
    }
    return Adapter(header_for(base, weights), tensors)


def header_for(base: BaseModel, weights: LoraWeights) -> AdapterHeader:
    return AdapterHeader(
        kind=weights.variant,
        family=base.family,
        base_name=base.name,
        base_digest=base.digest,
        settings=weights.model_dump_json(),
        method="lora",
    )


def stem(key: str) -> str:
    return key.partition(".")[2]


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        (
            {"variant": "loha", "rank": 2, "conv_rank": 2},
            {"hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b", "alpha"},
        ),
        ({"variant": "lokr", "rank": 1}, {"lokr_w1", "lokr_w2_a", "lokr_w2_b", "alpha"}),
        ({"variant": "lokr", "rank": 16, "conv_rank": 16}, {"lokr_w1", "lokr_w2", "alpha"}),
        ({"variant": "diag_oft", "rank": 8, "conv_rank": 8}, {"oft_blocks", "alpha"}),
    ],
)
def test_lycoris_names_and_a_file_that_reads_back(
    tiny_base: BaseModel, trained: Any, tmp_path: Path, settings: Any, names: set[str]
) -> None:
    adapter = trained(**settings)
    (file,) = export(adapter, tiny_base, tmp_path, "x", formats=["kohya"], dtype="bf16")
    content = load_file(file.path)
    assert {stem(key) for key in content} == names
    assert file.verdict.layers * len(names) == len(content)
    with safe_open(file.path, "pt") as opened:
        metadata = opened.metadata()
    assert metadata["ss_network_module"] == "lycoris.kohya"
    assert json.loads(metadata["ss_network_args"])["algo"] == settings["variant"].replace("_", "-")
    assert metadata["modelspec.architecture"] == "stable-diffusion-v1/lora"
    assert read_adapter(file.path).header == adapter.header


def test_a_foreign_loha_says_what_it_is(tiny_base: BaseModel, trained: Any, tmp_path: Path) -> None:
    adapter = trained(variant="loha", rank=2, alpha=1)
    (file,) = export(adapter, tiny_base, tmp_path, "x", formats=[], dtype="fp32")
    save_file(load_file(file.path), tmp_path / "y.safetensors")
    again = read_adapter(tmp_path / "y.safetensors")
    assert (again.header.kind, again.header.family) == ("loha", "sd1")
    assert verify(tmp_path / "y.safetensors", adapter, tiny_base).ok
    wrong = {k: t * (2 if k.endswith("hada_w1_a") else 1) for k, t in load_file(file.path).items()}
    save_file(wrong, tmp_path / "z.safetensors")
    verdict = verify(tmp_path / "z.safetensors", adapter, tiny_base)
    assert verdict.max_relative_difference == pytest.approx(1.0, abs=1e-3)


def test_changes_by_hand() -> None:
    """Worked out on paper from the papers' formulas, each of a 2 x 2 weight of ones."""
    ones = torch.ones(2, 2)

    def column(*values: float) -> torch.Tensor:
        return torch.tensor([[value] for value in values])

    def row(*values: float) -> torch.Tensor:
        return torch.tensor([values])

    loha = {"hada_w1_a": column(1, 2), "hada_w1_b": row(1, 3)}  # [[1, 3], [2, 6]]
    loha |= {"hada_w2_a": column(1, 1), "hada_w2_b": row(2, 0.5)}  # [[2, .5], [2, .5]]
    loha |= {"alpha": torch.tensor([2.0])}  # twice [[2, 1.5], [4, 3]]
    assert changed_weight(ones, loha).tolist() == [[5, 4], [9, 7]]
    lokr = {"lokr_w1": row(1, 2), "lokr_w2": column(3, 4), "alpha": torch.tensor([9.0])}
    assert changed_weight(ones, lokr).tolist() == [[4, 7], [5, 9]]  # whole factors know no alpha
    lokr = {"lokr_w1": row(1, 2), "lokr_w2_a": column(3, 4), "lokr_w2_b": row(1)}
    assert changed_weight(ones, lokr | {"alpha": torch.tensor([2.0])}).tolist() == [
        [7, 13],
        [9, 17],
    ]
    # Cayley of [[0, 1], [-1, 0]]: (I - Q)(I + Q)^-1 = [[0, -1], [1, 0]], a quarter turn.
    turned = changed_weight(row(3.0, 5.0), {"oft_R.weight": row(1.0)})
    torch.testing.assert_close(turned, row(-5.0, 3.0))
    # Of outputs LyCORIS' way, with Q = B - B^T the same: (I + Q)(I - Q)^-1 = [[0, 1], [-1, 0]], transposed.
    blocks = torch.tensor([[[0.5, 1.25], [0.25, 7.0]]])
    torch.testing.assert_close(
        changed_weight(column(3.0, 5.0), {"oft_blocks": blocks}), column(-5.0, 3.0)
    )


def test_a_foreign_rotation_is_held_to_its_limit(
    tiny_base: BaseModel, trained: Any, tmp_path: Path
) -> None:
    """LyCORIS limits Q's length by alpha times the layer's rows; ComfyUI by alpha alone."""
    adapter = trained(**DIAG_OFT)
    (file,) = export(adapter, tiny_base, tmp_path, "x", formats=[], dtype="fp32")
    content = load_file(file.path)
    limited = {k: t + (0.01 if k.endswith(".alpha") else 0) for k, t in content.items()}
    save_file(limited, tmp_path / "y.safetensors", metadata={"ss_network_module": "lycoris.kohya"})
    again = read_adapter(tmp_path / "y.safetensors")
    lengths = {k: torch.linalg.vector_norm(t - t.mT) for k, t in again.tensors.items()}
    rows = {k: t.shape[0] * t.shape[1] for k, t in again.tensors.items()}
    assert all(lengths[k] == pytest.approx(0.01 * rows[k], rel=1e-4) for k in lengths)
    known = format_named("diag_oft", "kohya")
    assert verify(tmp_path / "y.safetensors", again, tiny_base).ok
    assert not verify(tmp_path / "y.safetensors", adapter, tiny_base).ok
    tools = tool_verdicts(tmp_path / "y.safetensors", known, again, tiny_base)
    assert {tool.tool for tool in tools if tool.works} == {"A1111", "kohya"}


def test_the_webuis_and_kohya_read_a_rotation_of_outputs(
    tiny_sdxl: BaseModel, tmp_path: Path
) -> None:
    adapter = random_rotations(tiny_sdxl)
    (file,) = export(adapter, tiny_sdxl, tmp_path, "x", formats=[], dtype="fp32")
    assert {tool.tool for tool in file.tools if tool.works} == {
        "A1111",
        "Forge",
        "ComfyUI",
        "kohya",
    }
    save_file(load_file(file.path), tmp_path / "y.safetensors")
    assert read_adapter(tmp_path / "y.safetensors").header.family == "sdxl"
    (refused,) = (tool for tool in file.tools if not tool.works)
    assert "oft_blocks" in refused.because


def test_blocks_that_are_no_squares_are_refused(tmp_path: Path) -> None:
    name = "lora_unet_mid_block_attentions_0_proj_in"
    for shape in ((4, 2, 3), (4, 4)):
        save_file({f"{name}.oft_blocks": torch.ones(shape)}, tmp_path / "x.safetensors")
        with pytest.raises(AdapterError, match="no squares"):
            read_adapter(tmp_path / "x.safetensors")


PEFT: dict[str, tuple[Any, dict[str, Any]]] = {
    "oft": (OFTConfig, OFT),
    "loha": (LoHaConfig, {"variant": "loha", "rank": 2, "alpha": 3.0, "conv_rank": 3}),
    "lokr, thin": (LoKrConfig, {"variant": "lokr", "rank": 1, "alpha": 0.5, "conv_rank": 1}),
    "lokr, whole": (
        LoKrConfig,
        {"variant": "lokr", "rank": 16, "alpha": 4.0, "lokr_factor": 2, "conv_rank": 32},
    ),
}


@pytest.mark.filterwarnings("ignore:Already found a `peft_config`")  # one for each way to build
@pytest.mark.parametrize("name", PEFT)
def test_peft_itself_makes_of_a_file_what_was_trained(
    tiny_base: BaseModel, trained: Any, tmp_path: Path, name: str
) -> None:
    """As the format's documentation says to load it; with layers of several sizes."""
    config_of, settings = PEFT[name]
    adapter = trained(**settings, blocks={"mid_block": {"rank": 8}})
    (file,) = export(adapter, tiny_base, tmp_path, "x", formats=["peft"], dtype="fp32")
    assert read_adapter(file.path).header == adapter.header
    with safe_open(file.path, "pt") as opened:
        configs = json.loads(opened.metadata()["peft_configs"])
    states = torch.linspace(-1, 1, 4 * 32).view(1, 4, 32)
    inputs = torch.ones(1, 4, 8, 8), torch.tensor(3), states
    with torch.no_grad():
        bare = tiny_base.unet(*inputs).sample
    with merged(adapter.tensors, tiny_base), torch.no_grad():
        ours = tiny_base.unet(*inputs).sample
    assert not torch.allclose(ours, bare, atol=1e-2)
    for config in [config for config in configs if config.pop("part") == "unet"]:
        inject_adapter_in_model(config_of(**config), tiny_base.unet)
    state = {k.removeprefix("unet."): t for k, t in load_file(file.path).items() if "unet." in k}
    result: Any = set_peft_model_state_dict(tiny_base.unet, state)
    assert not result.unexpected_keys
    assert len(configs) > 2
    with torch.no_grad():
        torch.testing.assert_close(tiny_base.unet(*inputs).sample, ours, atol=1e-4, rtol=1e-3)


def test_inspect_takes_alphas_from_the_configurations(
    tiny_base: BaseModel, trained: Any, tmp_path: Path
) -> None:
    adapter = trained(variant="loha", rank=2, alpha=3.0)
    files = export(adapter, tiny_base, tmp_path, "x", formats=["kohya", "peft"], dtype="fp32")
    first, second = (
        sorted((layer.alpha, layer.norm) for layer in inspect(file.path).layers) for file in files
    )
    assert {alpha for alpha, _ in second} == {3.0}
    assert [norm for _, norm in second] == pytest.approx([norm for _, norm in first])


def test_a_kronecker_product_that_peft_cannot_split_is_refused(
    tiny_base: BaseModel, trained: Any, tmp_path: Path
) -> None:
    """It splits outputs and inputs by one number."""
    adapter = trained(variant="lokr", rank=16)
    path = "unet.mid_block.attentions.0.proj_in"
    odd = {f"{path}.lokr_w1": torch.ones(8, 4), f"{path}.lokr_w2": torch.ones(2, 4)}
    with pytest.raises(AdapterError, match=f"peft cannot split {path} into factors of 8 x 4"):
        export(
            Adapter(adapter.header, odd), tiny_base, tmp_path, "x", formats=["peft"], dtype="fp32"
        )


@pytest.mark.parametrize("change", [{"use_cayley_neumann": True}, {"coft": True}, None])
def test_rotations_of_another_make_are_refused(
    tiny_base: BaseModel, trained: Any, tmp_path: Path, change: dict[str, Any] | None
) -> None:
    (file,) = export(trained(**OFT), tiny_base, tmp_path, "x", formats=[], dtype="fp32")
    with safe_open(file.path, "pt") as opened:
        metadata = opened.metadata()
    configs = [{**config, **(change or {})} for config in json.loads(metadata.pop("peft_configs"))]
    if change:
        metadata["peft_configs"] = json.dumps(configs)
    save_file(load_file(file.path), tmp_path / "y.safetensors", metadata=metadata)
    with pytest.raises(AdapterError, match="rotat"):
        read_adapter(tmp_path / "y.safetensors")


@pytest.mark.parametrize(("variant", "name"), [("oft", "kohya"), ("loha", "diffusers")])
def test_formats_that_cannot_hold_a_kind_are_not_offered(
    tiny_base: BaseModel, trained: Any, tmp_path: Path, variant: str, name: str
) -> None:
    adapter = trained(variant=variant, rank=4)
    with pytest.raises(AdapterError, match=f"{variant} adapters have no format '{name}'"):
        export(adapter, tiny_base, tmp_path, "x", formats=[name], dtype="fp32")
