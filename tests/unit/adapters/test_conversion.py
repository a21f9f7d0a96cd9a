"""Files from format to format without a base: what comes out does what went in did."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from studio.adapters.adapter import Adapter, AdapterHeader
from studio.adapters.files import read_adapter
from studio.adapters.formats import Format, format_named
from studio.adapters.hypernetwork_network import ContextNetwork, structure_of
from studio.adapters.layer_change import added
from studio.adapters.lora_layers import layers_of
from studio.adapters.rework import writing
from studio.adapters.rework.batch import Refused, is_folder_of_adapters
from studio.adapters.rework.conversion import Converted, convert, convert_folder
from studio.adapters.rework.effects import effects, largest_difference
from studio.adapters.rework.nearest_lora import nearest_lora
from studio.adapters.rework.writing import write_adapter
from studio.bases.base_model import BaseModel
from studio.errors import AdapterError, StudioError, VerificationError

HEADER = AdapterHeader("lora", "sd1", "a base", "3" * 64, "{}", steps=9, title="thing")
PLAIN = {
    "layer_structure": [1, 2, 1],
    "activation_func": "relu",
    "add_layer_norm": True,
    "activate_output": False,
}


def word(family: str = "sd1") -> Adapter:
    generator = torch.Generator().manual_seed(1)
    tensors = {"text_encoder.hat": torch.randn(3, 768, generator=generator)}
    if family == "sdxl":
        tensors["text_encoder_2.hat"] = torch.randn(3, 1280, generator=generator)
    header = replace(HEADER, kind="textual_inversion", family=family, trigger="hat")
    return Adapter(header, tensors)


def hypernetwork() -> Adapter:
    settings = json.dumps({"kind": "hypernetwork", **PLAIN})
    generator = torch.Generator().manual_seed(1)
    tensors = {
        f"{width}.{side}.{key}": torch.randn(tensor.shape, generator=generator)
        for width in (64, 320)
        for side in (0, 1)
        for key, tensor in ContextNetwork(width, structure_of(settings)).state_dict().items()
    }
    return Adapter(replace(HEADER, kind="hypernetwork", settings=settings), tensors)


def flat_kind(kind: str, seed: int = 2) -> Adapter:
    """A LoHa, LoKr or OFT on a linear layer and a convolution, flat as LyCORIS has it."""
    generator = torch.Generator().manual_seed(seed)

    def values(*shape: int) -> Tensor:
        return 0.5 * torch.randn(shape, generator=generator)

    tensors: dict[str, Tensor] = {}
    shapes = {
        "unet.mid_block.attentions.0.transformer_blocks.0.attn1.to_q": (16, 16),
        "unet.mid_block.resnets.0.conv1": (12, 16 * 9),
        "text_encoder.encoder.layers.0.self_attn.q_proj": (8, 8),
    }
    for path, (rows, columns) in shapes.items():
        parts = {
            "loha": {
                **{f"hada_w{n}_a": values(rows, 2) for n in (1, 2)},
                **{f"hada_w{n}_b": values(2, columns) for n in (1, 2)},
                "alpha": torch.tensor([1.5]),
            },
            "lokr": {
                "lokr_w1": values(2, 4),
                "lokr_w2_a": values(rows // 2, 3),
                "lokr_w2_b": values(3, columns // 4),
                "alpha": torch.tensor([1.5]),
            },
            "oft": {"oft_R.weight": values(columns // 4, 6)},
            "diag_oft": {"oft_blocks": values(rows // 4, 4, 4)},
        }[kind]
        tensors |= {f"{path}.{name}": tensor for name, tensor in parts.items()}
    return Adapter(replace(HEADER, kind=kind), tensors)


def written(adapter: Adapter, path: Path, known: str, dtype: Any = "fp32") -> Path:
    return write_adapter(adapter, path, format_named(adapter.header.kind, known), dtype).path


def assert_same(found: Adapter, wanted: Adapter, tolerance: float = 1e-6) -> None:
    """Part by part, by this test's own comparison."""
    ours, theirs = effects(found), effects(wanted)
    assert ours.keys() == theirs.keys()
    for name, effect in theirs.items():
        expected = effect()
        largest = expected.abs().max().item()
        assert largest > 0
        torch.testing.assert_close(ours[name](), expected, atol=tolerance * largest, rtol=0)


Make = Callable[[BaseModel, Any], Adapter]
KINDS: dict[str, tuple[Make, tuple[str, ...], tuple[str, ...]]] = {
    "lora": (
        lambda base, lora: lora(base, alpha=3.0, unet_targets=("to_q", "conv1", "proj_in")),
        ("kohya", "diffusers"),
        (".safetensors", ".safetensors"),
    ),
    "rslora": (
        lambda base, lora: lora(base, use_rslora=True),
        ("kohya", "diffusers"),
        (".safetensors", ".safetensors"),
    ),
    "dora": (
        lambda base, lora: lora(base, use_dora=True, unet_targets=("to_q", "conv1")),
        ("kohya", "diffusers"),
        (".safetensors", ".safetensors"),
    ),
    "word": (
        lambda _base, _lora: word(),
        ("a1111", "diffusers", "a1111_pt"),
        (".safetensors", ".safetensors", ".pt"),
    ),
    "sdxl word": (
        lambda _base, _lora: word("sdxl"),
        ("a1111", "diffusers", "a1111_pt"),
        (".safetensors", ".safetensors", ".pt"),
    ),
    "hypernetwork": (
        lambda _base, _lora: hypernetwork(),
        ("a1111", "safetensors"),
        (".pt", ".safetensors"),
    ),
    "loha": (lambda _base, _lora: flat_kind("loha"), ("kohya",), (".safetensors",)),
    "lokr": (lambda _base, _lora: flat_kind("lokr"), ("kohya",), (".safetensors",)),
    "oft": (lambda _base, _lora: flat_kind("oft"), ("peft",), (".safetensors",)),
    "diag_oft": (lambda _base, _lora: flat_kind("diag_oft"), ("kohya",), (".safetensors",)),
}


@pytest.mark.parametrize("kind", KINDS)
def test_round_trips(kind: str, tiny_base: BaseModel, lora: Any, tmp_path: Path) -> None:
    make, names, endings = KINDS[kind]
    adapter = make(tiny_base, lora)
    for known, ending in zip(names, endings, strict=True):
        first = written(adapter, tmp_path / f"{known}-first{ending}", known)
        for other, other_ending in zip(names, endings, strict=True):
            there = convert(first, other, out=tmp_path / f"{known}-{other}{other_ending}")
            back = convert(there.file.path, known, out=tmp_path / f"{known}-{other}-back{ending}")
            assert_same(read_adapter(back.file.path), adapter)
            assert there.file.format == other
            if ".pt" not in (ending, other_ending):  # a word's pickle has no header
                assert read_adapter(back.file.path).header == adapter.header


def test_a_pivotal_bundle_comes_apart_and_together(
    tiny_base: BaseModel, lora: Any, tmp_path: Path
) -> None:
    plain = lora(tiny_base)
    header = replace(plain.header, kind="pivotal", method="textual_inversion", trigger="hat")
    adapter = Adapter(header, {**word().tensors, **plain.tensors})
    bundle = written(adapter, tmp_path / "b.safetensors", "bundle")
    folder = convert(bundle, "kohya").file.path
    assert folder == tmp_path / "b-kohya"
    assert sorted(f.name for f in folder.rglob("*.safetensors")) == [
        "hat.safetensors",
        "lora.safetensors",
    ]
    assert not is_folder_of_adapters(folder)
    again = convert(folder, "bundle", out=tmp_path / "again.safetensors")
    assert_same(read_adapter(again.file.path), adapter)


@pytest.mark.parametrize("dtype", ["fp32", "fp16", "bf16"])
def test_the_number_format_stays_unless_another_is_asked_for(
    tiny_base: BaseModel, lora: Any, tmp_path: Path, dtype: Any
) -> None:
    first = written(lora(tiny_base), tmp_path / "x.safetensors", "kohya", dtype)
    done = convert(first, "diffusers")
    assert done.file.path == tmp_path / "x-diffusers.safetensors"
    assert {str(t.dtype) for t in load_file(done.file.path).values()} == {
        {"fp32": "torch.float32", "fp16": "torch.float16", "bf16": "torch.bfloat16"}[dtype]
    }
    back = convert(done.file.path, "kohya", folder=tmp_path / "y", dtype="bf16")
    assert back.file.path == tmp_path / "y" / "x.safetensors"  # without the other format's suffix
    assert back.file.dtype == "bf16"
    assert_same(read_adapter(back.file.path), read_adapter(first), 2e-2)


def test_a_words_file_is_called_by_its_word(tmp_path: Path) -> None:
    first = written(word(), tmp_path / "thing.pt", "a1111_pt")
    done = convert(first, "a1111")
    # The pickle says its word; in the webuis the file's name is the word.
    assert done.file.path == tmp_path / "hat.safetensors"


@pytest.mark.parametrize("kind", ["loha", "lokr"])
def test_of_other_kinds_the_nearest_lora_is_made(kind: str, tmp_path: Path) -> None:
    adapter = flat_kind(kind)
    first = written(adapter, tmp_path / "x.safetensors", "kohya")
    done = convert(first, "diffusers", rank=3)
    found = read_adapter(done.file.path)
    assert found.header.kind == "lora"
    stated = json.loads(found.header.settings)["approximated"]
    assert (stated["kind"], stated["rank"]) == (kind, 3)
    lost = whole = 0.0
    for path, parts in layers_of(adapter).items():
        change = added(parts).flatten(1).double()
        values = torch.linalg.svdvals(change).square()
        error = (added(layers_of(found)[path]).flatten(1) - change).square().sum().item()
        assert error == pytest.approx(values[3:].sum().item(), rel=1e-4, abs=1e-9)
        lost, whole = lost + error, whole + values.sum().item()
    assert done.kept_share == pytest.approx(1 - lost / whole, rel=1e-5)
    assert lost > 0
    convolution = layers_of(found)["unet.mid_block.resnets.0.conv1"]
    assert convolution["lora_A.weight"].shape == (3, 16, 3, 3)
    assert convolution["lora_B.weight"].shape == (12, 3, 1, 1)


def refused(call: Callable[[], Any], match: str, error: type[StudioError] = AdapterError) -> None:
    with pytest.raises(error, match=match) as found:
        call()
    assert "\n" not in str(found.value)


def test_what_cannot_be_expressed(
    tiny_base: BaseModel, lora: Any, whole: Any, tmp_path: Path
) -> None:
    files = {
        kind: written(flat_kind(kind), tmp_path / f"{kind}.safetensors", known)
        for kind, known in (("loha", "kohya"), ("oft", "peft"))
    }
    plain = written(lora(tiny_base), tmp_path / "lora.safetensors", "kohya")
    save_file({"emb_params": torch.ones(2, 768)}, tmp_path / "word.safetensors")
    full = tmp_path / "full.safetensors"
    save_file({"model.diffusion_model.out.2.bias": torch.ones(4)}, full)
    before = {file: file.read_bytes() for file in tmp_path.iterdir()}

    def to(file: Path, known: str, **options: Any) -> Callable[[], Any]:
        return lambda: convert(file, known, **options)

    refused(
        to(files["loha"], "diffusers"),
        "loha adapters have no format 'diffusers'; give --rank to make",
    )
    refused(
        to(files["oft"], "kohya"),
        "oft adapters have no format 'kohya'; give --rank and --base to make .* --to peft",
    )
    refused(
        to(files["oft"], "peft", rank=4),
        "this is an OFT, whose change depends on the base .*; name the base with --base",
    )
    refused(to(plain, "a1111"), "lora adapters have no format 'a1111'; there are: kohya, diff")
    refused(to(plain, "diffusers", rank=2), "studio adapter resize")
    refused(to(full, "diffusers"), "whole weights.*use: studio export")
    refused(to(plain, "diffusers", out=full), "full.safetensors is there already")
    refused(to(plain, "kohya"), "lora.safetensors is there already")
    refused(to(plain, "diffusers", out=tmp_path / "x.pt"), r"ends with \.safetensors")
    refused(to(tmp_path / "word.safetensors", "kohya"), "textual_inversion adapters have no format")
    refused(to(tmp_path / "nowhere.safetensors", "kohya"), "is no file")
    assert {file: file.read_bytes() for file in tmp_path.iterdir()} == before


def test_a_format_that_wants_the_base_says_so(
    tiny_base: BaseModel, whole: Any, tmp_path: Path
) -> None:
    adapter, target = whole(tiny_base), format_named("full", "checkpoint")
    refused(
        lambda: write_adapter(adapter, tmp_path / "x.safetensors", target, "fp16"),
        "the format checkpoint needs the base model's weights; use studio export",
    )
    assert list(tmp_path.iterdir()) == []


WRONG = {
    "another value": lambda key, t: {key: t * 1.01},
    "another layer": lambda key, t: {key.replace("to_q", "to_v"): t},
    "one layer less": lambda key, t: {} if "to_q" in key else {key: t},
    "another scale": lambda key, t: {key: t + 1} if key.endswith("alpha") else {key: t},
}


@pytest.mark.parametrize("fault", WRONG)
def test_a_writer_that_does_something_else_leaves_nothing(
    tiny_base: BaseModel, lora: Any, tmp_path: Path, fault: str, monkeypatch: Any
) -> None:
    adapter = lora(tiny_base, unet_targets=("attn1.to_q", "attn2.to_k"), text_targets=())
    rightly = format_named("lora", "kohya").load()

    class Wrongly:
        @staticmethod
        def write(adapter: Adapter, path: Path, dtype: Any, base: Any) -> None:
            rightly.write(adapter, path, dtype, base)
            with safe_open(path, "pt") as opened:
                metadata = opened.metadata()
            tensors: dict[str, Tensor] = {}
            for key, tensor in load_file(path).items():
                tensors |= WRONG[fault](key, tensor)
            save_file(tensors, path, metadata)

    target = Format("lora", "wrong", "", "", "")
    monkeypatch.setattr(Format, "load", lambda known: Wrongly if known == target else rightly)
    refused(
        lambda: write_adapter(adapter, tmp_path / "x.safetensors", target, "fp16"),
        "does not do what it should and was not kept",
        VerificationError,
    )
    assert list(tmp_path.iterdir()) == []


def test_a_reader_that_fails_leaves_nothing(
    tiny_base: BaseModel, lora: Any, tmp_path: Path, monkeypatch: Any
) -> None:
    def broken(_path: Path) -> Adapter:
        raise AdapterError("it is broken")

    monkeypatch.setattr(writing, "read_adapter", broken)
    refused(
        lambda: written(lora(tiny_base), tmp_path / "x.safetensors", "kohya"),
        "x.safetensors cannot be read back: it is broken",
        VerificationError,
    )
    assert list(tmp_path.iterdir()) == []


def test_a_small_layer_counts_beside_itself_and_a_dead_one_beside_the_largest(
    tiny_base: BaseModel, lora: Any
) -> None:
    adapter = lora(tiny_base, text_targets=())
    name = next(n for n in adapter.tensors if n.endswith("lora_B.weight"))
    for size, expected in ((0.1, 0.5), (1e-6, 0.001)):
        small = {**adapter.tensors, name: size * adapter.tensors[name]}
        other = Adapter(adapter.header, {**small, name: 0.5 * small[name]})
        difference, worst = largest_difference(other, Adapter(adapter.header, small))
        assert worst == name.removesuffix(".lora_B.weight")
        assert difference == pytest.approx(expected, abs=5e-4 if size == 0.1 else 1e-3)


def test_a_folder_with_a_broken_file_in_it(tiny_base: BaseModel, lora: Any, tmp_path: Path) -> None:
    source, out = tmp_path / "in", tmp_path / "out"
    written(lora(tiny_base), source / "a.safetensors", "kohya")
    (source / "b.safetensors").write_bytes(b"no tensors at all")
    written(lora(tiny_base, use_dora=True), source / "c-diffusers.safetensors", "diffusers")
    written(flat_kind("loha"), source / "d.safetensors", "kohya")
    (source / "e.pt").write_bytes(b"\x80\x04cos\nsystem\n.")
    (source / "notes.txt").write_text("not an adapter")
    (source / ".hidden.safetensors").write_bytes(b"")
    assert is_folder_of_adapters(source)
    outcomes = convert_folder(source, "diffusers", out)
    kinds = {outcome.source.name: type(outcome) for outcome in outcomes}
    assert kinds == {
        "a.safetensors": Converted,
        "b.safetensors": Refused,
        "c-diffusers.safetensors": Converted,
        "d.safetensors": Refused,
        "e.pt": Refused,
    }
    assert sorted(file.name for file in out.iterdir()) == [
        "a-diffusers.safetensors",
        "c-diffusers.safetensors",
    ]
    reasons = {o.source.name: o.reason for o in outcomes if isinstance(o, Refused)}
    assert "give --rank" in reasons["d.safetensors"]
    assert all("\n" not in reason and name in reason for name, reason in reasons.items()
               if name != "d.safetensors")  # fmt: skip
    # A second time everything is there already, and stays.
    stamps = {file: file.stat().st_mtime_ns for file in out.iterdir()}
    assert all(isinstance(o, Refused) for o in convert_folder(source, "diffusers", out))
    assert {file: file.stat().st_mtime_ns for file in out.iterdir()} == stamps


def test_folders_that_make_no_sense(tmp_path: Path) -> None:
    refused(lambda: convert_folder(tmp_path, "kohya", tmp_path / "x"), "holds no adapter files")
    written(word(), tmp_path / "hat.safetensors", "a1111")
    refused(lambda: convert_folder(tmp_path, "koya", tmp_path / "x"), "no format 'koya'; there are")
    assert not (tmp_path / "x").exists()


def test_only_what_is_no_product_is_approximated(tiny_base: BaseModel, lora: Any) -> None:
    refused(lambda: nearest_lora(lora(tiny_base), 2), "of kind lora")
