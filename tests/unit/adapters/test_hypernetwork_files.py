"""Hypernetwork files: the published layout, A1111's and ComfyUI's own ways to read it, and back."""

from __future__ import annotations

import json
import pickle
from collections import OrderedDict
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from studio.adapters.adapter import Adapter, AdapterHeader
from studio.adapters.export import export
from studio.adapters.files import read_adapter
from studio.adapters.hypernetwork_network import ContextNetwork, networks_of, structure_of
from studio.adapters.legacy_pickle import legacy_bytes
from studio.adapters.restricted_pickle import load_restricted
from studio.adapters.verify import verify
from studio.bases.base_model import BaseModel
from studio.errors import AdapterError, VerificationError

pytestmark = pytest.mark.usefixtures("no_tool_verdicts")

PLAIN = {
    "layer_structure": [1, 2, 1],
    "activation_func": "linear",
    "add_layer_norm": False,
    "activate_output": False,
}
WIDTHS = (16, 32)  # of the tiny base: a self-attention's and the text's


def hypernetwork(base: BaseModel, **settings: Any) -> Adapter:
    """Random weights, as a trainer hands them over."""
    header = AdapterHeader(
        kind="hypernetwork",
        method="hypernetwork",
        family=base.family,
        base_name="/home/me/secret/tiny",
        base_digest=base.digest,
        settings=json.dumps({"kind": "hypernetwork", **PLAIN, **settings}),
        steps=120,
        seed=7,
        trigger="flat icon",
        title="icons",
    )
    structure = structure_of(header.settings)
    generator = torch.Generator().manual_seed(1)
    tensors = {
        f"{width}.{side}.{key}": 0.3 * torch.randn(tensor.shape, generator=generator)
        for width in WIDTHS
        for side in (0, 1)
        for key, tensor in ContextNetwork(width, structure).state_dict().items()
    }
    return Adapter(header, tensors)


def a1111_network(width: int, state: dict[str, Tensor] | None, table: dict[str, Any]) -> nn.Module:
    """A1111 1.10.1's way from a file's fields to a network, in short."""
    multiples, members = table["layer_structure"], []
    for i in range(len(multiples) - 1):
        members.append(nn.Linear(int(width * multiples[i]), int(width * multiples[i + 1])))
        if table["activation_func"] != "linear" and (
            i < len(multiples) - 2 or table["activate_output"]
        ):
            members.append({"relu": nn.ReLU, "swish": nn.Hardswish}[table["activation_func"]]())
        if table["is_layer_norm"]:
            members.append(nn.LayerNorm(int(width * multiples[i + 1])))
        if table["dropout_structure"][i + 1] > 0:
            members.append(nn.Dropout(table["dropout_structure"][i + 1]))
    network = nn.Sequential(OrderedDict(linear=nn.Sequential(*members))).eval()
    if state is not None:
        network.load_state_dict(state, strict=True)
    return network


class A1111Check(pickle.Unpickler):
    """The names that A1111's safety check lets pass in a file of this kind."""

    def persistent_load(self, pid: Any) -> Any:
        assert pid[0] == "storage"
        return torch.storage.TypedStorage(0, dtype=torch.float32, _internal=True)

    def find_class(self, module: str, name: str) -> Any:
        allowed = {
            "collections": ("OrderedDict",),
            "torch._utils": ("_rebuild_tensor_v2", "_rebuild_parameter"),
            "torch": ("FloatStorage", "HalfStorage"),
        }
        assert name in allowed.get(module, ()), f"{module}.{name} is forbidden"
        return (lambda *_: None) if module == "torch._utils" else super().find_class(module, name)


@torch.no_grad()
def outputs(network: nn.Module, width: int) -> Tensor:
    context = torch.randn((5, width), generator=torch.Generator().manual_seed(width))
    result: Tensor = network(context)
    return result


@pytest.mark.parametrize(
    ("settings", "members"),
    [
        ({}, [0, 1]),
        ({"activation_func": "relu"}, [0, 2]),
        ({"activation_func": "relu", "activate_output": True}, [0, 2]),
        ({"activation_func": "relu", "add_layer_norm": True}, [0, 2, 3, 4]),
        ({"add_layer_norm": True}, [0, 1, 2, 3]),
        (
            {"activation_func": "swish", "add_layer_norm": True, "activate_output": True},
            [0, 2, 3, 5],
        ),
        ({"activation_func": "relu", "layer_structure": [1, 2, 0.5, 1]}, [0, 2, 4]),
        ({"activation_func": "relu", "dropout_structure": [0, 0.3, 0]}, [0, 2]),
    ],
)
def test_a1111_loads_what_was_written(
    tiny_base: BaseModel, tmp_path: Path, settings: dict[str, Any], members: list[int]
) -> None:
    adapter = hypernetwork(tiny_base, **settings)
    (file,) = export(adapter, tiny_base, tmp_path, "icons", formats=["a1111"], dtype="fp32")
    assert file.path == tmp_path / "icons.pt"
    assert file.verdict.ok
    assert file.verdict.layers == 2 * len(WIDTHS)
    with file.path.open("rb") as pickled:
        for _ in range(5):
            A1111Check(pickled).load()
    table = torch.load(file.path, weights_only=True)
    assert [key for key in table if type(key) is int] == list(WIDTHS)
    trained = networks_of(adapter)
    for width in WIDTHS:
        for side, state in enumerate(table[width]):
            assert sorted({int(key.split(".")[1]) for key in state}) == members
            network = a1111_network(width, state, table)
            torch.testing.assert_close(
                outputs(network, width), outputs(trained[width][side], width)
            )


def test_every_field_of_the_format_is_there(tiny_base: BaseModel, tmp_path: Path) -> None:
    adapter = hypernetwork(tiny_base, activation_func="swish", weight_init="kaiming_uniform")
    (file,) = export(adapter, tiny_base, tmp_path, "icons", formats=["a1111"], dtype="fp16")
    table = torch.load(file.path, weights_only=True)
    assert {key: value for key, value in table.items() if key not in (*WIDTHS, "studio")} == {
        "step": 120,
        "name": "icons",
        "layer_structure": [1, 2, 1],
        "activation_func": "swish",
        "is_layer_norm": False,
        "weight_initialization": "KaimingUniform",
        "use_dropout": False,
        "dropout_structure": [0, 0, 0],
        "last_layer_dropout": False,
        "activate_output": False,
        "sd_checkpoint": tiny_base.digest[:10],
        "sd_checkpoint_name": "tiny",
        "optional_info": "trigger: flat icon",
    }
    assert {t.dtype for pair in (table[w] for w in WIDTHS) for s in pair for t in s.values()} == {
        torch.float16
    }
    assert b"secret" not in file.path.read_bytes()


@pytest.mark.parametrize("activation_func", ["linear", "relu", "mish"])
def test_comfyui_which_counts_weights_only_computes_the_same(
    tiny_base: BaseModel, tmp_path: Path, activation_func: str
) -> None:
    """It takes linear layers in the order of the file's keys, whatever their numbers say."""
    settings = {"activation_func": activation_func, "layer_structure": [1, 2, 2, 1]}
    adapter = hypernetwork(tiny_base, **settings)
    adapter = replace(adapter, tensors=dict(sorted(adapter.tensors.items(), reverse=True)))
    (file,) = export(adapter, tiny_base, tmp_path, "x", formats=["a1111"], dtype="fp32")
    table = torch.load(file.path, weights_only=True)
    activation = {"linear": nn.Identity, "relu": nn.ReLU, "mish": nn.Mish}[activation_func]()
    for width in WIDTHS:
        hidden = context = torch.randn((5, width), generator=torch.Generator().manual_seed(width))
        state = table[width][1]
        layers = [key.removesuffix(".weight") for key in state if key.endswith(".weight")]
        for layer in layers:
            hidden = hidden @ state[f"{layer}.weight"].T + state[f"{layer}.bias"]
            hidden = hidden if layer == layers[-1] else activation(hidden)
        expected = networks_of(adapter)[width][1](context)
        torch.testing.assert_close(hidden, expected)


@pytest.mark.parametrize("dtype", ["fp32", "fp16", "bf16"])
def test_both_formats_bring_back_what_was_exported(
    tiny_base: BaseModel, tmp_path: Path, dtype: Any
) -> None:
    adapter = hypernetwork(tiny_base, activation_func="mish", add_layer_norm=True)
    files = export(adapter, tiny_base, tmp_path, "x", formats=["a1111", "safetensors"], dtype=dtype)
    read = [read_adapter(file.path) for file in files]
    for one in read:
        assert one.header == replace(adapter.header, base_name="tiny")
        assert one.tensors.keys() == adapter.tensors.keys()
        for name, tensor in adapter.tensors.items():
            torch.testing.assert_close(one.tensors[name], tensor, rtol=8e-3, atol=1e-6)
    again = export(
        read[1], tiny_base, tmp_path / "again", "x", formats=["a1111", "safetensors"], dtype=dtype
    )
    assert [file.digest for file in again] == [file.digest for file in files]


def test_the_safetensors_twin_says_what_it_is(tiny_base: BaseModel, tmp_path: Path) -> None:
    adapter = hypernetwork(tiny_base, activation_func="relu")
    (file,) = export(adapter, tiny_base, tmp_path, "x", formats=["safetensors"], dtype="fp16")
    assert load_file(file.path).keys() == adapter.tensors.keys()
    with safe_open(file.path, "pt") as opened:
        metadata = opened.metadata()
    assert metadata["modelspec.architecture"] == "stable-diffusion-v1/hypernetwork"
    assert json.loads(metadata["hypernetwork.layer_structure"]) == [1, 2, 1]
    assert json.loads(metadata["hypernetwork.activation_func"]) == "relu"
    # Another tool's file, with no header of ours, is usable by these words alone.
    own = {key: text for key, text in metadata.items() if key.startswith("hypernetwork.")}
    save_file(load_file(file.path), file.path, own)
    read = read_adapter(file.path)
    assert structure_of(read.header.settings) == structure_of(adapter.header.settings)
    save_file(load_file(file.path), file.path)
    with pytest.raises(AdapterError, match="does not say"):
        read_adapter(file.path)


def foreign(
    path: Path, widths: tuple[int, ...], zipped: bool = True, **fields: Any
) -> dict[Any, Any]:
    """A file as A1111 writes them, its networks' dropouts counted."""
    table: dict[Any, Any] = {
        "layer_structure": [1.0, 2.0, 2.0, 1.0],
        "activation_func": "relu",
        "is_layer_norm": False,
        "activate_output": False,
        "dropout_structure": [0, 0, 0, 0],
        **fields,
    }
    torch.manual_seed(0)
    pairs = {w: tuple(a1111_network(w, None, table).state_dict() for _ in range(2)) for w in widths}
    torch.save(pairs | table, path, _use_new_zipfile_serialization=zipped)
    return pairs | table


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
@pytest.mark.parametrize(
    "fields",
    [
        {"dropout_structure": [0, 0.3, 0.1, 0], "use_dropout": True},
        {"dropout_structure": [0, 0, 0.5, 0]},
        {"is_layer_norm": True, "dropout_structure": [0, 0.3, 0.3, 0], "activate_output": True},
        {"layer_structure": [1, 1], "dropout_structure": [0, 0]},
        {"step": 4000, "name": "foreign", "sd_checkpoint_name": "model", "optional_info": None},
    ],
)
def test_files_of_a1111_are_read_with_their_dropouts(
    tmp_path: Path, fields: dict[str, Any], zipped: bool
) -> None:
    path = tmp_path / "foreign.pt"
    table = foreign(path, (12, 20), zipped, **fields)
    adapter = read_adapter(path)
    for width, pair in networks_of(adapter).items():
        for side, network in enumerate(pair):
            expected = a1111_network(width, table[width][side], table)
            torch.testing.assert_close(outputs(network, width), outputs(expected, width))
    assert (adapter.header.kind, adapter.header.method) == ("hypernetwork", "")
    assert adapter.header.steps == fields.get("step", 0)
    assert adapter.header.base_name == fields.get("sd_checkpoint_name", "")


@pytest.mark.parametrize(
    ("fields", "shares"),
    [
        ({"use_dropout": True, "last_layer_dropout": True}, [0, 0.3, 0.3, 0]),
        ({"use_dropout": True}, [0, 0.3, 0, 0]),
        ({"use_dropout": False, "last_layer_dropout": True}, [0, 0, 0, 0]),
    ],
)
def test_files_from_before_the_dropout_structure_are_read(
    tmp_path: Path, fields: dict[str, Any], shares: list[float]
) -> None:
    path = tmp_path / "foreign.pt"
    table = foreign(path, (12,), dropout_structure=shares)
    del table["dropout_structure"]
    torch.save(table | fields, path)
    network = networks_of(read_adapter(path))[12][0]
    expected = a1111_network(12, table[12][0], table | {"dropout_structure": shares})
    torch.testing.assert_close(outputs(network, 12), outputs(expected, 12))


def test_the_oldest_files_are_read(tmp_path: Path) -> None:
    """Two linear layers by names of their own, and not a word about their structure."""
    first, second = nn.Linear(768, 1536), nn.Linear(1536, 768)
    state = {
        f"linear{number}.{name}": tensor
        for number, layer in ((1, first), (2, second))
        for name, tensor in layer.state_dict().items()
    }
    torch.save({768: (state, state), "name": "old"}, tmp_path / "old.pt")
    adapter = read_adapter(tmp_path / "old.pt")
    assert adapter.header.family == "sd1"
    context = torch.randn(3, 768)
    expected = second(first(context))
    torch.testing.assert_close(networks_of(adapter)[768][1](context), expected)


@pytest.mark.parametrize(
    ("widths", "family"),
    [((320, 768), "sd1"), ((320, 768, 1024), "sd1"), ((320, 1024), "sd2"), ((640, 2048), "sdxl")],
)
def test_the_family_is_told_by_the_texts_width(
    tmp_path: Path, widths: tuple[int, ...], family: str
) -> None:
    foreign(tmp_path / "a.pt", widths, layer_structure=[1, 0.01, 1], dropout_structure=[0, 0, 0])
    assert read_adapter(tmp_path / "a.pt").header.family == family


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"activation_func": "softmax"}, "'softmax' cannot be applied"),
        ({"layer_structure": [2, 1]}, "from 1 to 1"),
        ({"layer_structure": [1, float("inf"), 1]}, "from 1 to 1"),
        ({"layer_structure": "1, 2, 1"}, "no list of numbers"),
        ({"layer_structure": [1, 3, 1], "dropout_structure": None}, "no place|wants"),
        ({"dropout_structure": [0, 0.5]}, "does not fit 4 widths"),
        ({"is_layer_norm": True}, "wants"),
        ({12: ({}, {})}, "without any tensor"),
        ({12: ({},)}, "no pair"),
        ({12: "weights"}, "no pair"),
        ({12: ({"linear.0.weight": "text"}, {})}, "no pair"),
    ],
)
def test_files_that_make_no_sense_are_refused(
    tmp_path: Path, change: dict[Any, Any], message: str
) -> None:
    path = tmp_path / "a.pt"
    path.write_bytes(legacy_bytes(foreign(path, (12,)) | change))
    with pytest.raises(AdapterError, match=message):
        read_adapter(path)


def test_a_header_that_contradicts_the_file_is_refused(
    tiny_base: BaseModel, tmp_path: Path
) -> None:
    adapter = hypernetwork(tiny_base, activation_func="relu")
    (file,) = export(adapter, tiny_base, tmp_path, "x", formats=["a1111"], dtype="fp32")
    table = load_restricted(file.path)
    assert isinstance(table, dict)
    file.path.write_bytes(legacy_bytes(table | {"activation_func": "tanh"}))
    with pytest.raises(AdapterError, match="another layer structure"):
        read_adapter(file.path)


def spoiled(path: Path, adapter: Adapter, base: BaseModel, fault: str) -> str:
    """The problem that verifying an exported file finds after one fault was put into it."""
    (file,) = export(adapter, base, path, "x", formats=["a1111"], dtype="fp32")
    table = load_restricted(file.path)
    assert isinstance(table, dict)
    keys, values = table[16]
    match fault:
        case "swapped":
            table[16] = (values, keys)
        case "activation":
            table["activation_func"] = "tanh"
        case "layer norm":
            table["is_layer_norm"] = True
        case "number":
            keys["linear.3.weight"] = keys.pop("linear.2.weight")
        case "missing width":
            del table[32]
        case "strange width":
            table[24] = table[32]
        case "text for a width":
            table["16"] = table.pop(16)
        case "values":
            keys["linear.0.bias"] += 0.01
    file.path.write_bytes(legacy_bytes(table))
    return verify(file.path, adapter, base).problem()


@pytest.mark.parametrize(
    ("fault", "found"),
    [
        ("swapped", "off by"),
        ("activation", "off by"),
        ("layer norm", "unused"),
        ("number", "linear.3.weight is not looked up"),
        ("missing width", "32.0"),
        ("strange width", "no attention of the base"),
        ("text for a width", "16.0"),
        ("values", "16.0 is off by"),
    ],
)
def test_verifying_finds_every_fault(
    tiny_base: BaseModel, tmp_path: Path, fault: str, found: str
) -> None:
    adapter = hypernetwork(tiny_base, activation_func="relu")
    assert found in spoiled(tmp_path, adapter, tiny_base, fault)


def test_a_new_hypernetwork_that_adds_nothing_passes(tiny_base: BaseModel, tmp_path: Path) -> None:
    adapter = hypernetwork(tiny_base, activation_func="relu")
    for name, tensor in adapter.tensors.items():
        if ".linear.2." in name:
            tensor.zero_()
    files = export(
        adapter, tiny_base, tmp_path, "x", formats=["a1111", "safetensors"], dtype="fp16"
    )
    assert all(file.verdict.ok for file in files)


def test_a_truncated_file_cannot_be_verified(tiny_base: BaseModel, tmp_path: Path) -> None:
    adapter = hypernetwork(tiny_base)
    (file,) = export(adapter, tiny_base, tmp_path, "x", formats=["a1111"], dtype="fp16")
    file.path.write_bytes(file.path.read_bytes()[:100])
    with pytest.raises(VerificationError):
        verify(file.path, adapter, tiny_base)
