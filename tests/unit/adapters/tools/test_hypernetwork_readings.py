"""A hypernetwork's file as A1111 and ComfyUI read it; where they differ, one of them is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from studio.adapters.adapter import Adapter, AdapterHeader
from studio.adapters.formats import format_named
from studio.adapters.hypernetwork_network import ContextNetwork, structure_of
from studio.adapters.legacy_pickle import legacy_bytes
from studio.adapters.restricted_pickle import load_restricted
from studio.adapters.tensor_bytes import Dtype
from studio.adapters.tools.verdicts import TOOLS, tool_verdicts
from studio.bases.base_model import BaseModel

WIDTHS = (16, 32)  # of the tiny base: a self-attention's and the text's
PLAIN = {
    "layer_structure": [1, 2, 1],
    "activation_func": "linear",
    "add_layer_norm": False,
    "activate_output": False,
}
RELU = {"activation_func": "relu"}
BOTH, A1111_ALONE, COMFYUI_ALONE = {"A1111", "ComfyUI"}, {"A1111"}, {"ComfyUI"}
Spoil = Callable[[dict[Any, Any]], None]


@pytest.fixture(scope="module")
def base(_tiny_base_once: BaseModel) -> BaseModel:
    """One for all of these tests, for they only look at it."""
    return _tiny_base_once


def hypernetwork(base: BaseModel, widths: tuple[int, ...] = WIDTHS, **settings: Any) -> Adapter:
    header = AdapterHeader(
        kind="hypernetwork",
        method="hypernetwork",
        family=base.family,
        base_name=base.name,
        base_digest=base.digest,
        settings=json.dumps({"kind": "hypernetwork", **PLAIN, **settings}),
    )
    structure = structure_of(header.settings)
    generator = torch.Generator().manual_seed(1)
    tensors = {
        f"{width}.{side}.{key}": 0.3 * torch.randn(tensor.shape, generator=generator)
        for width in widths
        for side in (0, 1)
        for key, tensor in ContextNetwork(width, structure).state_dict().items()
    }
    return Adapter(header, tensors)


def written(adapter: Adapter, base: BaseModel, folder: Path, dtype: Dtype = "fp32") -> Path:
    path = folder / "x.pt"
    format_named("hypernetwork", "a1111").load().write(adapter, path, dtype, base)
    return path


def verdicts(
    path: Path, adapter: Adapter, base: BaseModel, name: str = "a1111"
) -> tuple[set[str], dict[str, str]]:
    """The tools that it works in, and what is said of the others."""
    found = tool_verdicts(path, format_named("hypernetwork", name), adapter, base)
    assert [v.tool for v in found] == list(TOOLS)
    return {v.tool for v in found if v.works}, {v.tool: v.because for v in found if not v.works}


def spoiled(path: Path, spoil: Spoil) -> Path:
    table: Any = load_restricted(path)
    spoil(table)
    path.write_bytes(legacy_bytes(table))
    return path


def renumbered(table: dict[Any, Any], numbers: dict[int, int]) -> None:
    """Members of every network under other numbers."""
    for width in WIDTHS:
        table[width] = tuple(
            {
                f"linear.{numbers.get(int(key.split('.')[1]), int(key.split('.')[1]))}."
                f"{key.split('.')[2]}": tensor
                for key, tensor in state.items()
            }
            for state in table[width]
        )


@pytest.mark.parametrize(
    ("settings", "works"),
    [
        ({}, BOTH),
        (RELU, BOTH),
        ({**RELU, "activate_output": True}, BOTH),
        ({"activation_func": "swish", "layer_structure": [1, 2, 2, 1]}, BOTH),
        ({"activation_func": "softsign"}, BOTH),
        ({"activation_func": "mish", "layer_structure": [1, 1.5, 1]}, BOTH),
        ({"add_layer_norm": True}, BOTH),
        ({**RELU, "add_layer_norm": True, "activate_output": True}, BOTH),
        ({**RELU, "add_layer_norm": True}, A1111_ALONE),  # ComfyUI activates the output too
        ({"activation_func": "gelu"}, A1111_ALONE),
        ({"activation_func": "silu"}, A1111_ALONE),
        ({"activation_func": "rrelu"}, A1111_ALONE),
    ],
)
def test_which_structures_work_where(
    settings: dict[str, Any], works: set[str], base: BaseModel, tmp_path: Path
) -> None:
    adapter = hypernetwork(base, **settings)
    dtypes: tuple[Dtype, ...] = ("fp32", "fp16")
    for dtype in dtypes:
        found, said = verdicts(written(adapter, base, tmp_path, dtype), adapter, base)
        assert found == works, said
    assert said["Forge"] == "it loads hypernetworks without any effect"
    assert said["kohya"] == said["diffusers"] == "it knows no hypernetworks"


def test_comfyui_says_what_is_wrong(base: BaseModel, tmp_path: Path) -> None:
    adapter = hypernetwork(base, activation_func="gelu")
    _, said = verdicts(written(adapter, base, tmp_path), adapter, base)
    assert said["ComfyUI"].startswith("it knows no activation 'gelu'; it knows linear, relu,")
    adapter = hypernetwork(base, **RELU, add_layer_norm=True)
    _, said = verdicts(written(adapter, base, tmp_path), adapter, base)
    assert said["ComfyUI"].startswith("it makes another network of these tensors")


def set_fields(**fields: Any) -> Spoil:
    return lambda table: table.update(fields)


def lose(field: Any) -> Spoil:
    return lambda table: table.pop(field)


def misnumber(table: dict[Any, Any]) -> None:
    renumbered(table, {2: 1})


def shuffle(table: dict[Any, Any]) -> None:
    for width in WIDTHS:
        table[width] = tuple(dict(reversed(state.items())) for state in table[width])


def swap(table: dict[Any, Any]) -> None:
    table[16] = table[16][::-1]


def scale(table: dict[Any, Any]) -> None:
    table[16][1]["linear.0.weight"] *= 1.05


def name_by_text(table: dict[Any, Any]) -> None:
    for width in WIDTHS:
        table[str(width)] = table.pop(width)


def add_width(table: dict[Any, Any]) -> None:
    table[8] = tuple(
        {
            "linear.0.weight": torch.zeros(16, 8),
            "linear.0.bias": torch.zeros(16),
            "linear.2.weight": torch.zeros(8, 16),
            "linear.2.bias": torch.zeros(8),
        }
        for _ in range(2)
    )


def lose_bias(table: dict[Any, Any]) -> None:
    del table[16][0]["linear.2.bias"]


def cut(table: dict[Any, Any]) -> None:
    table[16][0]["linear.0.weight"] = table[16][0]["linear.0.weight"][:, :12].clone()


@pytest.mark.parametrize(
    ("spoil", "works"),
    [
        (set_fields(activate_output=True), set()),
        (lose("activate_output"), COMFYUI_ALONE),  # A1111 takes it for true
        (lose("activation_func"), set()),
        (lose("layer_structure"), BOTH),
        (lose("dropout_structure"), BOTH),
        (set_fields(activation_func="ReLU"), set()),
        (set_fields(activation_func="threshold"), set()),  # wants arguments
        (set_fields(activation_func="tanh"), set()),
        (set_fields(is_layer_norm=True), set()),
        (set_fields(layer_structure=[1, 3, 1]), COMFYUI_ALONE),  # goes by the shapes
        (set_fields(layer_structure=[2, 2, 1]), COMFYUI_ALONE),
        (set_fields(dropout_structure=[0.0, 0.3, 0.0]), COMFYUI_ALONE),  # goes by the order
        (set_fields(dropout_structure=[0.0]), COMFYUI_ALONE),
        (misnumber, COMFYUI_ALONE),
        (shuffle, A1111_ALONE),
        (swap, set()),
        (scale, set()),
        (name_by_text, set()),
        (lose(32), set()),
        (add_width, set()),
        (lose_bias, set()),
        (cut, set()),
        (set_fields(step=7, name="other"), BOTH),
    ],
)
def test_spoiled_files(spoil: Spoil, works: set[str], base: BaseModel, tmp_path: Path) -> None:
    adapter = hypernetwork(base, **RELU)
    path = spoiled(written(adapter, base, tmp_path), spoil)
    found, said = verdicts(path, adapter, base)
    assert found == works, said
    assert all(said.values())


def test_dropouts_are_members_for_a1111_and_noise_for_comfyui(
    base: BaseModel, tmp_path: Path
) -> None:
    adapter = hypernetwork(base, **RELU, layer_structure=[1, 2, 2, 1])

    def drop(table: dict[Any, Any]) -> None:
        renumbered(table, {2: 3, 4: 5})  # linear, relu, dropout, linear, relu, linear
        table["dropout_structure"] = [0.0, 0.3, 0.0, 0.0]

    path = spoiled(written(adapter, base, tmp_path), drop)
    assert verdicts(path, adapter, base)[0] == BOTH
    for layout in (set_fields(use_dropout=True), lose("dropout_structure")):  # as newer and older
        found, said = verdicts(spoiled(path, layout), adapter, base)
        assert found == A1111_ALONE
        assert said["ComfyUI"] == "it leaves dropout switched on while it draws"


def test_dropout_behind_the_last_inner_layer(base: BaseModel, tmp_path: Path) -> None:
    adapter = hypernetwork(base, **RELU)

    def drop(table: dict[Any, Any]) -> None:
        renumbered(table, {2: 3})
        del table["dropout_structure"]
        table |= {"use_dropout": True, "last_layer_dropout": True}

    path = spoiled(written(adapter, base, tmp_path), drop)
    assert verdicts(path, adapter, base)[0] == A1111_ALONE
    path = spoiled(path, set_fields(last_layer_dropout=False))
    assert verdicts(path, adapter, base)[0] == COMFYUI_ALONE  # A1111 counts no dropout now


def test_the_first_files_had_names_for_their_layers(base: BaseModel, tmp_path: Path) -> None:
    adapter = hypernetwork(base)

    def rename(table: dict[Any, Any]) -> None:
        for width in WIDTHS:
            table[width] = [
                {
                    key.replace("linear.0.", "linear1.").replace("linear.1.", "linear2."): tensor
                    for key, tensor in state.items()
                }
                for state in table[width]
            ]

    path = spoiled(written(adapter, base, tmp_path), rename)
    assert verdicts(path, adapter, base)[0] == BOTH


def test_the_zip_layout_of_newer_torch_stops_a1111(base: BaseModel, tmp_path: Path) -> None:
    adapter = hypernetwork(base)
    path = written(adapter, base, tmp_path)
    torch.save(load_restricted(path), path)
    found, said = verdicts(path, adapter, base)
    assert found == COMFYUI_ALONE
    assert "safety check" in said["A1111"]


def test_nobody_reads_the_safetensors_twin(base: BaseModel, tmp_path: Path) -> None:
    adapter, path = hypernetwork(base), tmp_path / "x.tmp"
    format_named("hypernetwork", "safetensors").load().write(adapter, path, "fp32", base)
    found, said = verdicts(path, adapter, base, "safetensors")
    assert found == set()
    assert said["A1111"] == said["Forge"]
    assert said["A1111"] == "it lists hypernetworks as .pt alone; export as a1111"
    assert said["ComfyUI"] == "it finds no networks in it, for they stand under no numbers"


def test_a_width_that_the_base_does_not_read(base: BaseModel, tmp_path: Path) -> None:
    adapter = hypernetwork(base, widths=(16, 24))
    found, said = verdicts(written(adapter, base, tmp_path), adapter, base)
    assert found == set()
    assert said["A1111"] == "no attention of the base reads contexts of width 24"
