"""Inspecting adapter files: every kind, norms against the formed change, and what is wrong told by name."""

from __future__ import annotations

import json
import math
import struct
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor

from studio.adapters.adapter import Adapter, AdapterHeader
from studio.adapters.blocks import block_of
from studio.adapters.export import export
from studio.adapters.files import format_of, read_adapter
from studio.adapters.formats import format_named, formats
from studio.adapters.hypernetwork_network import ContextNetwork, structure_of
from studio.adapters.inspection.content import flat_tensors
from studio.adapters.inspection.findings import Block
from studio.adapters.inspection.folder import Listed, listed
from studio.adapters.inspection.layers import Layer
from studio.adapters.inspection.names import naming_of
from studio.adapters.inspection.norms import change_norm
from studio.adapters.inspection.one_file import Inspection, inspect
from studio.adapters.inspection.plot import norms_chart, save_norms
from studio.adapters.layer_change import added, scale_of
from studio.adapters.lora_layers import layers_of
from studio.bases.base_model import BaseModel
from studio.errors import AdapterError

pytestmark = pytest.mark.usefixtures("no_tool_verdicts")

AdapterMaker = Callable[..., Adapter]
KOHYA_Q = "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn2_to_q"
KOHYA_K = "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn2_to_k"
EVERY_FORMAT = [(known.kind, known.name) for known in formats() if known.name != "extracted"]


def numbers(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def layer_named(found: Inspection, path: str) -> Layer:
    (layer,) = [layer for layer in found.layers if layer.path == path]
    return layer


def saved(path: Path, tensors: dict[str, Tensor], **metadata: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, path, metadata or None)
    return path


def pair(
    name: str, *, rank: int = 4, out: int = 6, into: int = 8, seed: int = 0
) -> dict[str, Tensor]:
    """A layer in kohya's naming without alpha."""
    return {
        f"{name}.lora_down.weight": numbers(rank, into, seed=seed),
        f"{name}.lora_up.weight": numbers(out, rank, seed=seed + 1),
    }


def text_layer(number: int, projection: str) -> str:
    return f"lora_te_text_model_encoder_layers_{number}_self_attn_{projection}"


@pytest.fixture
def of_kind(tiny_base: BaseModel, lora: AdapterMaker, whole: AdapterMaker) -> AdapterMaker:
    """An adapter of every kind that the studio makes, for the tiny base."""

    def make(kind: str) -> Adapter:
        plain = lora(tiny_base)
        header = replace(plain.header, kind=kind)
        word = {"text_encoder.<m>": numbers(3, 32)}
        if kind == "full":
            return whole(tiny_base)
        if kind == "textual_inversion":
            return Adapter(replace(header, trigger="<m>"), word)
        if kind == "pivotal":
            return Adapter(replace(header, trigger="<m>"), {**word, **plain.tensors})
        if kind == "hypernetwork":
            return hypernetwork(header)
        return relative(plain, kind) if kind != "lora" else plain

    return make


def relative(plain: Adapter, kind: str) -> Adapter:
    """A LoHa, LoKr or OFT on the layers of a LoRA; large enough that fp32 tells it from the weights."""
    tensors: dict[str, Tensor] = {}
    for path, parts in layers_of(plain).items():
        out, into = parts["lora_B.weight"].shape[0], parts["lora_A.weight"].flatten(1).shape[1]
        named = {
            "loha": {
                "hada_w1_a": (out, 2), "hada_w1_b": (2, into), "hada_w2_a": (out, 2), "hada_w2_b": (2, into)
            },
            "lokr": {"lokr_w1": (2, 2), "lokr_w2_a": (out // 2, 1), "lokr_w2_b": (1, into // 2)},
            "oft": {"oft_R.weight": (into // 2, 1)},
            "diag_oft": {"oft_blocks": (out // 2, 2, 2)},
        }[kind]  # fmt: skip
        tensors |= {f"{path}.{name}": 0.5 * numbers(*shape) for name, shape in named.items()}
        if kind not in ("oft", "diag_oft"):
            tensors[f"{path}.alpha"] = torch.tensor([1.0])
    return Adapter(replace(plain.header, kind=kind, method="lora"), tensors)


def hypernetwork(header: AdapterHeader) -> Adapter:
    settings = {"layer_structure": [1, 2, 1], "activation_func": "linear"}
    settings |= {"add_layer_norm": False, "activate_output": False}
    header = replace(header, settings=json.dumps({"kind": "hypernetwork", **settings}))
    structure = structure_of(header.settings)
    tensors = {
        f"{width}.{side}.{key}": numbers(*tensor.shape, seed=width + side)
        for width in (16, 32)
        for side in (0, 1)
        for key, tensor in ContextNetwork(width, structure).state_dict().items()
    }
    return Adapter(header, tensors)


def written(adapter: Adapter, base: BaseModel, folder: Path, name: str) -> Path:
    (file,) = export(adapter, base, folder, "icons", formats=[name], dtype="fp32")
    return file.path


# Every kind that the studio writes


@pytest.mark.parametrize(("kind", "name"), EVERY_FORMAT)
def test_every_format_is_told_as_the_studio_reads_it(
    kind: str, name: str, of_kind: AdapterMaker, tiny_base: BaseModel, tmp_path: Path
) -> None:
    path = written(of_kind(kind), tiny_base, tmp_path, name)
    found = inspect(path)
    seen = found.overview
    assert seen.naming == (kind, name)
    assert format_of(path).name == name
    assert found.layers
    assert not found.having("exploded") + found.having("broken") + found.having("dead")
    # A1111's .pt of a word, and of a hypernetwork of these widths, know no family.
    assert seen.family == ("" if name == "a1111_pt" else "sd1")
    assert "<m>" in seen.trigger or kind not in ("textual_inversion", "pivotal")
    content = found.to_json()
    json.dumps(content, allow_nan=False)
    assert content["num_tensors"] == len(found.content.entries) > 0
    assert content["num_parameters"] > 0
    assert content["size_bytes"] > 0
    assert "broken" not in " ".join(found.remarks)
    [row] = [one for one in listed(tmp_path) if one.overview]
    assert row.overview == seen


def test_a_lora_of_ours_says_everything(
    tiny_base: BaseModel, lora: AdapterMaker, tmp_path: Path
) -> None:
    path = written(lora(tiny_base), tiny_base, tmp_path, "kohya")
    content = inspect(path).to_json()
    expected = {
        "variant": "LoRA",
        "family": "sd1",
        "family_is_stated": True,
        "trigger": "flat icon",
        "resolution": "64x64",
        "base_name": "tiny",
        "steps": 120,
        "num_pictures": 60,
        "dataset_verdict": "ready: 60 of 64 kept; one material; dropped: 4 near duplicate",
        "changes": {"unet": 128, "text_encoder": 48},
        "ranks": [{"rank": 4, "layers": 176}],
        "alphas": [{"alpha": 6.0, "layers": 176}],
        "dtypes": {"fp32": 528},
        "num_tensors": 528,
        "num_dead": 0,
        "remarks": [],
    }
    assert {key: content[key] for key in expected} == expected
    assert content["settings"]["rank"] == 4
    assert [block["block"] for block in content["blocks"]] == [
        *("unet.down.0", "unet.down.1", "unet.down.2", "unet.mid"),
        *("unet.up.1", "unet.up.2", "unet.up.3", "text_encoder"),
    ]


@pytest.mark.parametrize("name", ["kohya", "diffusers"])
def test_norms_are_those_of_the_formed_change_layer_by_layer_and_block_by_block(
    name: str, tiny_base: BaseModel, lora: AdapterMaker, tmp_path: Path
) -> None:
    adapter = lora(tiny_base, unet_targets=("to_q", "to_k", "conv1", "proj_in"))
    found = inspect(written(adapter, tiny_base, tmp_path, name))
    assert found.variant == "LoCon"
    norms = {path: float(torch.linalg.norm(added(p))) for path, p in layers_of(adapter).items()}
    assert {layer.path: layer.norm for layer in found.layers} == pytest.approx(norms, rel=1e-4)
    for block in found.blocks:
        own = [norm for path, norm in norms.items() if block_of(path) == block.name]
        assert block.norm == pytest.approx(math.hypot(*own), rel=1e-4)
        assert block.num_layers == len(own)


def test_alphas_of_rslora_and_of_single_layers_come_from_pefts_configuration(
    tiny_base: BaseModel, lora: AdapterMaker, tmp_path: Path
) -> None:
    adapter = lora(tiny_base, use_rslora=True)
    first = next(name for name in adapter.tensors if name.endswith(".alpha"))
    adapter.tensors[first] = torch.tensor([1.0])
    found = inspect(written(adapter, tiny_base, tmp_path, "diffusers"))
    assert found.alphas == pytest.approx({12.0: 175, 1.0: 1})
    assert layer_named(found, first.removesuffix(".alpha")).alpha == 1


def test_a_dora_is_told_and_measured_by_its_low_rank_part(
    tiny_base: BaseModel, lora: AdapterMaker, tmp_path: Path
) -> None:
    adapter = lora(tiny_base, use_dora=True)
    found = inspect(written(adapter, tiny_base, tmp_path, "kohya"))
    assert found.variant == "DoRA"
    assert found.remarks[0].startswith("DoRA in 176 layers: the norms are of their low-rank part")
    path, parts = next(iter(layers_of(adapter).items()))
    expected = float(torch.linalg.norm(added(parts)))
    assert layer_named(found, path).norm == pytest.approx(expected, rel=1e-4)


def test_an_sdxl_lora_in_kohyas_names(
    tiny_sdxl: BaseModel, lora: AdapterMaker, tmp_path: Path
) -> None:
    path = written(lora(tiny_sdxl), tiny_sdxl, tmp_path, "kohya")
    found = inspect(path)
    assert set(found.changes) == {"unet", "text_encoder", "text_encoder_2"}
    plain = saved(tmp_path / "foreign.safetensors", load_file(path))
    seen = inspect(plain).overview
    assert (seen.stated_family, seen.told_family) == ("", "sdxl")
    assert not [layer for layer in inspect(plain).layers if layer.part == "other"]


# Norms, each variant against the change formed by hand


def loha(out: int, into: int, rank: int) -> dict[str, Tensor]:
    shapes = {"1_a": (out, rank), "1_b": (rank, into), "2_a": (out, rank), "2_b": (rank, into)}
    return {f"hada_w{n}": numbers(*s, seed=i) for i, (n, s) in enumerate(shapes.items())}


VARIANTS: dict[str, dict[str, Tensor]] = {
    "lora": {"lora_A.weight": numbers(4, 12), "lora_B.weight": numbers(9, 4, seed=1)},
    "lora of full rank": {"lora_A.weight": numbers(20, 3), "lora_B.weight": numbers(2, 20, seed=1)},
    "convolution": {
        "lora_A.weight": numbers(4, 5, 3, 3),
        "lora_B.weight": numbers(6, 4, 1, 1, seed=1),
    },
    "loha by Gram": loha(30, 20, 3),
    "loha formed": loha(5, 4, 3),
    "lokr": {"lokr_w1": numbers(2, 3), "lokr_w2": numbers(4, 5, seed=1)},
    "lokr of a convolution": {"lokr_w1": numbers(2, 3), "lokr_w2": numbers(4, 5, 3, 3, seed=1)},
    "lokr in factors": {
        **{"lokr_w1_a": numbers(4, 2), "lokr_w1_b": numbers(2, 4, seed=1)},
        **{"lokr_w2_a": numbers(6, 2, seed=2), "lokr_w2_b": numbers(2, 8, seed=3)},
    },
}


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("alpha", [None, 3.0])
def test_norms_by_identity_equal_the_formed_changes(variant: str, alpha: float | None) -> None:
    parts = VARIANTS[variant]
    if alpha is not None:
        parts = {**parts, "alpha": torch.tensor(alpha)}
    expected = float(torch.linalg.norm(added(parts)))
    assert abs(scale_of(parts)) * change_norm(parts) == pytest.approx(expected, rel=1e-4)


def test_norms_with_a_core_between_the_factors() -> None:
    """LyCORIS' Tucker forms, as its ``rebuild_tucker`` puts them together."""
    core, core2 = numbers(3, 3, 2, 2), numbers(3, 3, 2, 2, seed=9)

    def rebuilt(t: Tensor, a: Tensor, b: Tensor) -> Tensor:
        return torch.einsum("ijkl,ip,jr->prkl", t, a, b)

    up, down = numbers(7, 3, 1, 1, seed=1), numbers(3, 5, 1, 1, seed=2)
    locon = {"lora_A.weight": down, "lora_B.weight": up, "lora_mid.weight": core}
    formed = rebuilt(core, up.flatten(1).T, down.flatten(1))
    assert change_norm(locon) == pytest.approx(float(formed.norm()), rel=1e-4)
    one, two = (
        (numbers(3, 7, seed=3), numbers(3, 5, seed=4)),
        (numbers(3, 7, seed=5), numbers(3, 5)),
    )
    hada = {"hada_w1_a": one[0], "hada_w1_b": one[1], "hada_w2_a": two[0], "hada_w2_b": two[1]}
    both = rebuilt(core, *one) * rebuilt(core2, *two)
    found = change_norm({**hada, "hada_t1": core, "hada_t2": core2})
    assert found == pytest.approx(float(both.norm()), rel=1e-4)
    lokr = {"lokr_w1": numbers(2, 2), "lokr_w2_a": one[0], "lokr_w2_b": one[1], "lokr_t2": core}
    expected = float(numbers(2, 2).norm() * rebuilt(core, *one).norm())
    assert change_norm(lokr) == pytest.approx(expected, rel=1e-4)


def test_a_change_that_nobody_could_form_is_measured_or_told() -> None:
    """A small file may claim a change of any size."""
    side = 1 << 20
    wide = {"lora_A.weight": torch.ones(1, side), "lora_B.weight": torch.ones(side, 1)}
    assert change_norm(wide) == pytest.approx(float(side))
    tall = {"lora_A.weight": torch.ones(side, 1), "lora_B.weight": torch.ones(1, side)}
    assert change_norm(tall) == pytest.approx(float(side))
    ones = {f"hada_w{n}_a": torch.ones(1 << 14, 200) for n in (1, 2)}
    ones |= {f"hada_w{n}_b": torch.ones(200, 1 << 14) for n in (1, 2)}
    with pytest.raises(ValueError, match="268,435,456 numbers"):
        change_norm(ones)


def test_oft_and_differences_say_what_is_measured(tmp_path: Path) -> None:
    turned = {f"{KOHYA_Q}.oft_blocks": numbers(4, 2, 2), f"{KOHYA_Q}.alpha": torch.tensor(1.0)}
    found = inspect(saved(tmp_path / "oft.safetensors", turned))
    assert (found.overview.naming.kind, found.variant) == ("diag_oft", "OFT")
    assert "skew parameters" in found.measured
    assert found.layers[0].norm == pytest.approx(float(numbers(4, 2, 2).norm()), rel=1e-6)
    whole = inspect(saved(tmp_path / "diff.safetensors", {f"{KOHYA_Q}.diff": numbers(4, 4)}))
    assert (whole.variant, whole.layers[0].rank) == ("difference", None)


# Files of other tools


WIDTHS = [(768, "sd1"), (1024, "sd2"), (2048, "sdxl"), (32, "")]


@pytest.mark.parametrize(("width", "family"), WIDTHS)
def test_a_familys_mark_is_the_width_of_its_text(width: int, family: str, tmp_path: Path) -> None:
    kohya = saved(tmp_path / "k.safetensors", pair(KOHYA_K, into=width))
    assert inspect(kohya).overview.family == family
    path = "unet.mid_block.attentions.0.transformer_blocks.0.attn2"
    old = {
        f"{path}.processor.to_k_lora.down.weight": numbers(4, width),
        f"{path}.processor.to_k_lora.up.weight": numbers(6, 4),
    }
    found = inspect(saved(tmp_path / "o.safetensors", old))
    assert (found.overview.family, found.overview.naming.format) == (family, "diffusers, old")
    assert found.layers[0].path == f"{path}.to_k"
    assert "states no alpha" in found.remarks[0]
    factors = {f"{KOHYA_K}.lokr_w1": numbers(2, 4), f"{KOHYA_K}.lokr_w2": numbers(3, width // 4)}
    assert inspect(saved(tmp_path / "l.safetensors", factors)).overview.family == family


@pytest.mark.parametrize(
    ("tensors", "family"),
    [
        ({"emb_params": numbers(2, 768)}, "sd1"),
        ({"emb_params": numbers(2, 1024)}, "sd2"),
        ({"clip_l": numbers(2, 768), "clip_g": numbers(2, 1280)}, "sdxl"),
        (pair(text_layer(0, "q_proj"), into=768), "sd1"),
        (pair(text_layer(0, "q_proj"), into=1024), "sd2"),
        (pair("lora_te1_text_model_encoder_layers_0_self_attn_q_proj", into=768), "sdxl"),
        (pair("lora_unet_input_blocks_4_1_proj_in", into=640), "sdxl"),
        (pair("lora_unet_double_blocks_0_img_attn_qkv"), ""),
        ({"320.0.linear.0.weight": numbers(2, 2), "2048.0.linear.0.weight": numbers(2, 2)}, "sdxl"),
        ({"768.0.linear.0.weight": numbers(2, 2), "1024.1.linear.0.weight": numbers(2, 2)}, "sd1"),
    ],
)
def test_families_told_by_names_and_shapes(
    tensors: dict[str, Tensor], family: str, tmp_path: Path
) -> None:
    assert inspect(saved(tmp_path / "x.safetensors", tensors)).overview.family == family


def test_what_a_kohya_file_says_of_its_training(tmp_path: Path) -> None:
    metadata = {
        "ss_base_model_version": "sd_v1",
        "ss_sd_model_name": "v1-5.safetensors",
        "ss_steps": "1500",
        "ss_num_train_images": "20",
        "ss_resolution": "(512, 768)",
        "ss_tag_frequency": json.dumps({"10_cat": {"mycat": 20, "sofa": 7}, "reg": {"sofa": 2}}),
        "modelspec.trigger_phrase": "mycat",
        "studio.strength": "0.8",
    }
    found = inspect(saved(tmp_path / "cat.safetensors", pair(KOHYA_K, into=768), **metadata))
    facts = found.overview.facts
    assert (facts.trigger, facts.tags, facts.resolution) == ("mycat", ("sofa",), "512x768")
    assert (facts.strength, facts.header.steps, facts.header.num_pictures) == (0.8, 1500, 20)
    assert found.overview.stated_family == "sd1"
    assert facts.header.base_name == "v1-5.safetensors"


def test_contradictions_are_remarks(tmp_path: Path) -> None:
    metadata = {
        "ss_base_model_version": "sdxl_base_v1-0",
        "ss_tag_frequency": "[{]",
        "ss_steps": "x",
    }
    metadata |= {"ss_resolution": "None", "studio.strength": "nan"}
    path = saved(
        tmp_path / "x.safetensors", pair(KOHYA_K, into=768) | {"odd.thing": numbers(1)}, **metadata
    )
    found = inspect(path)
    assert "it says it is for sdxl, but its tensors are those of sd1" in found.remarks
    assert "1 tensors belong to no layer that is known here" in found.remarks
    facts = found.overview.facts
    assert (facts.tags, facts.resolution, facts.strength) == ((), "", None)
    broken = {"studio.kind": "oft", "studio.steps": "many"}
    remarks = inspect(saved(tmp_path / "y.safetensors", pair(KOHYA_K), **broken)).remarks
    assert "its metadata are broken: it says it is of kind 'oft', but holds lora tensors" in remarks
    assert "its metadata are broken: studio.steps is 'many', not a number" in remarks


def test_names_that_are_none_of_stable_diffusions_are_told(tmp_path: Path) -> None:
    found = inspect(saved(tmp_path / "f.safetensors", pair("lora_unet_double_blocks_0_img_mlp_0")))
    assert (found.blocks[0].name, found.changes) == ("other", {"other": 1})
    assert "1 layers have names that are none of Stable Diffusion's" in found.remarks


def test_ranks_and_alphas_are_counted(tmp_path: Path) -> None:
    tensors = {}
    for n in range(5):
        name = f"lora_unet_down_blocks_0_attentions_{n}_proj_in"
        tensors |= pair(name, rank=8 if n < 2 else 16) | {f"{name}.alpha": torch.tensor(8.0)}
    found = inspect(saved(tmp_path / "x.safetensors", tensors))
    assert list(found.overview.ranks.items()) == [(16, 3), (8, 2)]
    assert found.alphas == {8.0: 5}


def test_number_formats_of_all_widths(tmp_path: Path) -> None:
    down, up = pair(KOHYA_K).values()
    for dtype in (torch.float16, torch.bfloat16, torch.float64, torch.float8_e4m3fn):
        tensors = dict(zip(pair(KOHYA_K), (down.to(dtype), up.to(dtype)), strict=True))
        layer = inspect(saved(tmp_path / "x.safetensors", tensors)).layers[0]
        formed = up.to(dtype).double() @ down.to(dtype).double()
        assert layer.norm == pytest.approx(float(formed.norm()), rel=1e-4)


def test_a_pickled_lora_and_words_of_other_tools(tmp_path: Path) -> None:
    torch.save(pair(KOHYA_K, into=768), tmp_path / "lora.pt")
    assert inspect(tmp_path / "lora.pt").overview.naming == ("lora", "kohya")
    torch.save({"<cat>": numbers(1, 768)}, tmp_path / "learned_embeds.bin")
    found = inspect(tmp_path / "learned_embeds.bin")
    assert (found.overview.naming.kind, found.overview.trigger) == ("textual_inversion", "<cat>")
    table = {"string_to_param": {"*": numbers(2, 768)}, "name": "mycat", "step": 900}
    torch.save(
        {**table, "sd_checkpoint_name": "v1-5", "string_to_token": {"*": 265}}, tmp_path / "e.pt"
    )
    found = inspect(tmp_path / "e.pt")
    assert (found.overview.trigger, found.overview.family) == ("mycat", "sd1")
    assert (found.overview.facts.header.steps, found.overview.facts.header.base_name) == (
        900,
        "v1-5",
    )
    assert [layer.size for layer in found.layers] == [(2, 768)]


def test_a_word_without_a_name_is_called_as_its_file(tmp_path: Path) -> None:
    path = saved(tmp_path / "my-cat.safetensors", {"emb_params": numbers(2, 768)})
    assert inspect(path).overview.trigger == "my-cat"


def test_a_whole_model_of_another_tool_is_described(
    tiny_base: BaseModel, whole: AdapterMaker, tmp_path: Path
) -> None:
    path = written(whole(tiny_base), tiny_base, tmp_path, "checkpoint")
    ours = inspect(path)
    assert set(ours.changes) == {"unet"}
    assert {"vae", "text_encoder", "unet.mid"} <= {block.name for block in ours.blocks}
    foreign = saved(tmp_path / "foreign.safetensors", load_file(path))
    with pytest.raises(AdapterError, match="whole model of another tool"):
        read_adapter(foreign)
    found = inspect(foreign)
    assert (found.overview.naming.kind, found.overview.family) == ("full", "sd1")
    assert "a whole model of another tool" in found.remarks[0]
    assert {layer.path for layer in found.layers} == {layer.path for layer in ours.layers}
    assert "unet.mid_block.attentions.0.proj_in.weight" in {layer.path for layer in found.layers}


def test_a_checkpoint_with_whole_numbers_in_it_is_described(tmp_path: Path) -> None:
    tensors = {
        "model.diffusion_model.out.2.bias": numbers(4),
        "cond_stage_model.transformer.text_model.embeddings.position_ids": torch.arange(77)[None],
    }
    found = inspect(saved(tmp_path / "x.safetensors", tensors))
    assert found.dtypes == {"i64": 1, "fp32": 1}
    assert {layer.path for layer in found.layers} == {
        *("unet.conv_out.bias", "text_encoder.embeddings.position_ids")
    }


# What is wrong with layers


def test_dead_and_silent_layers_are_told_apart(tmp_path: Path) -> None:
    """Zeros beside trained siblings are what kohya files hold on purpose."""
    tensors = {}
    for number in range(2):
        for projection in ("q_proj", "k_proj", "v_proj", "out_proj"):
            tensors |= pair(text_layer(number, projection), into=8)
    for key in tensors:
        if "layers_0" in key and ("k_proj" in key or "out_proj" in key):
            tensors[key] = torch.zeros_like(tensors[key])
    tensors |= pair(KOHYA_Q) | pair(KOHYA_K) | {f"{KOHYA_K}.alpha": torch.tensor(0.0)}
    tensors[f"{KOHYA_Q}.lora_up.weight"].zero_()
    found = inspect(saved(tmp_path / "x.safetensors", tensors))
    path = "text_encoder.encoder.layers.0.self_attn"
    assert [x.path for x in found.having("silent")] == [f"{path}.k_proj", f"{path}.out_proj"]
    dead = {layer.path.rpartition(".")[2]: layer.why for layer in found.having("dead")}
    assert dead == {"to_q": "its change is exactly zero", "to_k": "its alpha is 0"}
    assert found.changes == {"text_encoder": 6}


def test_the_studios_own_silent_siblings_are_no_dead_layers(
    tiny_base: BaseModel, lora: AdapterMaker, tmp_path: Path
) -> None:
    adapter = lora(tiny_base, text_targets=("q_proj", "v_proj"))
    found = inspect(written(adapter, tiny_base, tmp_path, "kohya"))
    assert len(found.having("silent")) == 24
    assert not found.having("dead")


def test_an_exploded_layer_is_named(
    tiny_base: BaseModel, lora: AdapterMaker, tmp_path: Path
) -> None:
    adapter = lora(tiny_base)
    name = next(name for name in adapter.tensors if "mid_block" in name and "lora_B" in name)
    adapter.tensors[name] *= 50
    found = inspect(written(adapter, tiny_base, tmp_path, "kohya"))
    [layer] = found.having("exploded")
    assert layer.path == name.removesuffix(".lora_B.weight")
    assert "times the median of layers like it" in layer.why


def test_values_that_are_not_finite_are_reported_not_refused(
    tiny_base: BaseModel, lora: AdapterMaker, tmp_path: Path
) -> None:
    tensors = load_file(written(lora(tiny_base), tiny_base, tmp_path, "kohya"))
    for value in (math.nan, math.inf):
        tensors[f"{KOHYA_K}.lora_up.weight"][0, 0] = value
        path = saved(tmp_path / "broken.safetensors", tensors)
        with pytest.raises(AdapterError, match="not finite"):
            read_adapter(path)
        found = inspect(path)
        [layer] = found.having("exploded")
        assert layer.why == f"values that are not finite in {KOHYA_K}.lora_up.weight"
        assert all(math.isfinite(block.norm) for block in found.blocks)
        content = found.to_json()
        json.dumps(content, allow_nan=False)
        assert content["num_exploded"] == 1


def test_a_layer_that_is_not_whole_is_told(tmp_path: Path) -> None:
    tensors = pair(KOHYA_Q) | pair(KOHYA_K)
    del tensors[f"{KOHYA_Q}.lora_up.weight"]
    tensors[f"{KOHYA_K}.lora_up.weight"] = numbers(6, 3)
    path = saved(tmp_path / "x.safetensors", tensors)
    to_k, to_q = inspect(path).having("broken")
    assert to_q.why == "it lacks its lora_B.weight"
    assert "do not fit each other: lora_A.weight (4, 8), lora_B.weight (6, 3)" in to_k.why


# Files that are none


def with_header(header: object, data: bytes = b"") -> bytes:
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def entry(start: int, end: int, shape: tuple[int, ...] = (1,)) -> dict[str, Any]:
    return {"dtype": "F32", "shape": shape, "data_offsets": [start, end]}


class Bomb:
    def __reduce__(self) -> tuple[Any, ...]:
        return pytest.fail, ("the pickle was run",)


HOSTILE: dict[str, tuple[bytes, str]] = {
    "empty.safetensors": (b"", "it is empty"),
    "claim.safetensors": (struct.pack("<Q", 10**8) + b"{}", "its header claims 100,000,000 bytes"),
    "overlap.safetensors": (
        with_header({"a.lora_down.weight": entry(0, 4), "b": entry(0, 4)}, bytes(4)),
        "its tensors overlap or leave gaps",
    ),
    "beyond.safetensors": (
        with_header({"a.lora_down.weight": entry(0, 1 << 40, (1 << 38,))}, bytes(4)),
        "it is truncated",
    ),
    "page.safetensors": (b"<!DOCTYPE html><html><body>Log in</body></html>", "it is a web page"),
    "lfs.safetensors": (b"version https://git-lfs.github.com/spec/v1\noid", "Git LFS pointer"),
    "deep.safetensors": (struct.pack("<Q", 200_000) + b"[" * 200_000, "safetensors header"),
    "other.safetensors": (
        with_header({"a.weight": entry(0, 4), "b.weight": entry(4, 8)}, bytes(8)),
        "it holds no adapter (it has 'a.weight')",
    ),
    "text.pt": (b"hello there", "no whole file of torch.save"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_or_mistaken_file_is_one_clear_line(name: str, tmp_path: Path) -> None:
    content, expected = HOSTILE[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(AdapterError) as caught:
        inspect(tmp_path / name)
    assert expected in str(caught.value)
    assert str(tmp_path / name) in str(caught.value)
    assert "\n" not in str(caught.value)
    [one] = listed(tmp_path)
    assert expected in one.problem
    assert str(tmp_path) not in one.problem


def test_a_pickle_is_never_run(tmp_path: Path) -> None:
    torch.save({"string_to_param": Bomb()}, tmp_path / "x.pt")
    with pytest.raises(AdapterError, match="wants to run"):
        inspect(tmp_path / "x.pt")


def test_what_is_not_there_or_no_adapter_folder(tmp_path: Path) -> None:
    with pytest.raises(AdapterError, match="is no file"):
        inspect(tmp_path / "none.safetensors")
    with pytest.raises(AdapterError, match="holds no adapter"):
        inspect(tmp_path)


def test_a_table_that_holds_itself_ends() -> None:
    table: dict[str, Any] = {"a": {"b": numbers(1)}}
    table["a"]["again"] = table
    wide: list[Any] = [numbers(1)]
    for _ in range(40):
        wide = [wide, wide]
    assert list(flat_tensors({**table, "wide": wide})) == ["a.b"]


# Folders


def headed(path: Path, *, rank: int = 4, data_bytes: int = 1 << 30, **metadata: str) -> Path:
    """A LoRA whose numbers are a hole in the file: whoever reads them all reads gigabytes."""
    into = (data_bytes // 2) // (4 * rank)
    half = into * rank * 4
    header = {
        "__metadata__": metadata,
        f"{KOHYA_Q}.lora_down.weight": entry(0, half, (rank, into)),
        f"{KOHYA_Q}.lora_up.weight": entry(half, 2 * half, (into, rank)),
    }
    start = with_header(header)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.write(start)
        file.truncate(len(start) + 2 * half)
    return path


def test_a_thousand_files_are_listed_by_their_headers_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thousand files of 1 GB each in a few megabytes of disk."""
    for n in range(1000):
        headed(tmp_path / f"{n % 10}" / f"{n:04}.safetensors", rank=1 << (n % 4), ss_steps=str(n))

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a tensor was read")

    monkeypatch.setattr("safetensors.safe_open", refuse)
    found = listed(tmp_path)
    assert len(found) == 1000
    assert [one.name for one in found] == sorted(one.name for one in found)
    assert all(one.overview is not None and one.problem == "" for one in found)
    assert {tuple(one.overview.ranks) for one in found if one.overview} == {(1,), (2,), (4,), (8,)}
    assert min(one.size_bytes for one in found) > 1 << 29


def test_listing_headers_imports_no_torch(tmp_path: Path) -> None:
    headed(tmp_path / "a.safetensors")
    script = (
        "import sys; from pathlib import Path\n"
        "from studio.adapters.inspection.folder import listed\n"
        "assert listed(Path(sys.argv[1]))[0].overview is not None\n"
        "assert not {'torch', 'numpy', 'diffusers'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=True)


def test_a_folder_is_looked_through_with_care(
    tiny_base: BaseModel, of_kind: AdapterMaker, tmp_path: Path
) -> None:
    written(of_kind("full"), tiny_base, tmp_path / "models", "diffusers")
    written(of_kind("pivotal"), tiny_base, tmp_path / "b", "kohya")
    written(of_kind("hypernetwork"), tiny_base, tmp_path / "b", "a1111")
    headed(tmp_path / ".hidden" / "x.safetensors")
    headed(tmp_path / "b" / ".x.safetensors")
    (tmp_path / "notes.txt").write_text("no adapter")
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "gone.safetensors").symlink_to(tmp_path / "nowhere")
    found = {one.name: one for one in listed(tmp_path)}
    kinds = {n: one.overview.naming.kind for n, one in found.items() if one.overview}
    assert kinds == {
        "b/icons-kohya": "pivotal",
        "b/icons.pt": "hypernetwork",
        "models/icons-diffusers": "full",
    }
    assert found["gone.safetensors"].problem
    content = found["b/icons-kohya"].to_json()
    assert (content["family"], content["ranks"], content["trigger"]) == ("sd1", [4], "<m>")


def test_a_pickled_model_is_not_read_whole_for_a_line(tmp_path: Path) -> None:
    with (tmp_path / "model.pt").open("wb") as file:
        file.truncate(2 << 30)
    [one] = listed(tmp_path)
    assert one == Listed(
        "model.pt",
        2 << 30,
        None,
        "it has 2,147,483,648 bytes, all of which must be read; inspect it by itself",
    )


def test_formats_of_plugins_are_asked_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("studio.adapters.formats._formats", {**_formats_with_a_plugins()})
    assert naming_of(["scale.x"], {}, ".safetensors") == ("scaler", "plain")
    assert naming_of(["scale.y", "b.z"], {}, ".safetensors") is None


def _formats_with_a_plugins() -> dict[tuple[str, str], Any]:
    class Module:
        @staticmethod
        def recognises(keys: list[str]) -> bool:
            return "scale.x" in keys

    class Plugin:
        kind, name, module, extension = "scaler", "plain", "scaler.formats", ".safetensors"

        def load(self) -> Any:
            return Module

    known = {(f.kind, f.name): format_named(f.kind, f.name) for f in formats()}
    return {**known, ("scaler", "plain"): Plugin()}


# The chart


def test_the_chart_has_a_bar_for_each_block_as_long_as_its_norm(tmp_path: Path) -> None:
    blocks = [
        Block("unet.down.0", 16, 1.0),
        Block("unet.mid", 8, 2.0),
        Block("text_encoder", 48, 0),
    ]
    chart = norms_chart(blocks, "icons.safetensors", "norm by block")
    accent = (0xD4, 0x53, 0x2B)
    widths = []
    for row in range(3):
        line = [chart.getpixel((x, 170 + 44 * row)) for x in range(chart.width)]
        widths.append(line.count(accent))
    assert widths[1] == pytest.approx(2 * widths[0], abs=3)
    assert widths[0] > 100
    assert widths[2] == 0
    save_norms(blocks, "icons", "", tmp_path / "deep" / "norms.png")
    with Image.open(tmp_path / "deep" / "norms.png") as written_chart:
        assert written_chart.size == chart.size
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["norms.png"]
    assert norms_chart([], "empty", "").width == chart.width
