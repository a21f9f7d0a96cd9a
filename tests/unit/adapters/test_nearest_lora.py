"""DoRAs and OFTs on a base as plain LoRAs, held against what they do to that base's live weights."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from studio.adapters.adapter import Adapter
from studio.adapters.export import export
from studio.adapters.files import read_adapter
from studio.adapters.formats import format_named
from studio.adapters.layer_change import added, changed_weight
from studio.adapters.lora_layers import layers_of
from studio.adapters.rework.batch import Refused
from studio.adapters.rework.conversion import Converted, convert, convert_folder
from studio.adapters.rework.nearest_lora import nearest_lora
from studio.adapters.rework.weight_files import WeightFiles, WeightReader, find_weights
from studio.adapters.rework.writing import write_adapter
from studio.adapters.verify import verify
from studio.adapters.whole_weights import named_parameters
from studio.bases.base_model import BaseModel
from studio.errors import AdapterError

pytestmark = pytest.mark.usefixtures("no_tool_verdicts")

TARGETS = ("attn1.to_q", "attn2.to_k", "downsamplers.0.conv")
KINDS = ("dora", "oft", "diag_oft")
BASES = [
    ("tiny_base", "checkpoint"),
    ("tiny_base", "diffusers"),
    ("tiny_sd2", "checkpoint"),  # as tests have it, no folder is of this family
    ("tiny_sdxl", "checkpoint"),
]
Make = Callable[..., Adapter]


def bound(kind: str, base: BaseModel, lora: Make) -> Adapter:
    """An adapter of random values whose change depends on the base's weights."""
    dora = lora(base, use_dora=True, unet_targets=TARGETS)
    if kind == "dora":
        return dora
    generator = torch.Generator().manual_seed(6)
    tensors: dict[str, Tensor] = {}
    for path in layers_of(dora):
        rows, columns = live_weight(base, path).flatten(1).shape
        name, shape = {
            "oft": ("oft_R.weight", (columns // 4, 6)),
            "diag_oft": ("oft_blocks", (rows // 4, 4, 4)),
        }[kind]
        tensors[f"{path}.{name}"] = 0.2 * torch.randn(shape, generator=generator)
    return Adapter(replace(dora.header, kind=kind, title=f"some {kind}"), tensors)


def live_weight(base: BaseModel, path: str) -> Tensor:
    return named_parameters(base)[f"{path}.weight"].detach()


def whole_changes(adapter: Adapter, base: BaseModel) -> dict[str, Tensor]:
    weights = {path: live_weight(base, path) for path in layers_of(adapter)}
    return {
        p: changed_weight(weights[p], own) - weights[p] for p, own in layers_of(adapter).items()
    }


def files_of(base: BaseModel, folder: Path, whole: Make, form: str = "checkpoint") -> WeightFiles:
    blank = whole(base, train_text_encoder=True, spread=0.0)
    (file,) = export(blank, base, folder, "base", formats=[form], dtype="fp32")
    return find_weights(str(file.path))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("base_name", "form"), BASES)
def test_at_full_rank_it_is_the_same_change(  # noqa: PLR0917 - fixtures
    base_name: str, form: str, kind: str, lora: Make, whole: Make, tmp_path: Path, request: Any
) -> None:
    base: BaseModel = request.getfixturevalue(base_name)
    adapter = bound(kind, base, lora)
    found = nearest_lora(adapter, 4096, files_of(base, tmp_path, whole, form))
    layers, wanted = layers_of(found.adapter), whole_changes(adapter, base)
    assert layers.keys() == wanted.keys()
    assert {path.partition(".")[0] for path in layers} == {"unet", *base.named_text_encoders}
    for path, change in wanted.items():
        largest = change.abs().max().item()
        assert largest > 1e-3
        got = added(layers[path]).reshape(change.shape)
        torch.testing.assert_close(got, change, atol=1e-4 * largest, rtol=0, msg=path)
        assert layers[path]["lora_A.weight"].shape[1:] == change.shape[1:]
        if kind == "dora":
            lengths = (live_weight(base, path) + got).flatten(1).norm(dim=1)
            stated = adapter.tensors[f"{path}.lora_magnitude_vector"]
            torch.testing.assert_close(lengths, stated, atol=1e-4, rtol=1e-4)
    assert found.kept_share == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_at_a_low_rank_the_share_is_the_true_one(
    kind: str, tiny_base: BaseModel, lora: Make, whole: Make, tmp_path: Path
) -> None:
    adapter = bound(kind, tiny_base, lora)
    found = nearest_lora(adapter, 3, files_of(tiny_base, tmp_path, whole))
    lost = energy = 0.0
    for path, change in whole_changes(adapter, tiny_base).items():
        flat = change.flatten(1).double()
        values = torch.linalg.svdvals(flat).square()
        error = (added(layers_of(found.adapter)[path]).flatten(1) - flat).square().sum().item()
        assert error == pytest.approx(values[3:].sum().item(), rel=1e-3, abs=1e-9)
        share = 1 - error / values.sum().item()
        assert found.kept_by_layer[path] == pytest.approx(share, rel=1e-4)
        lost, energy = lost + error, energy + values.sum().item()
    assert 0.1 < found.kept_share < 0.99
    assert found.kept_share == pytest.approx(1 - lost / energy, rel=1e-4)


def test_the_file_says_what_was_done_and_is_verified_like_any_other(
    tiny_base: BaseModel, lora: Make, whole: Make, tmp_path: Path
) -> None:
    adapter, base = bound("dora", tiny_base, lora), files_of(tiny_base, tmp_path, whole)
    known = format_named("lora", "diffusers")
    source = write_adapter(adapter, tmp_path / "x-diffusers.safetensors", known, "fp32").path
    done = convert(source, "kohya", rank=3, base=base)
    assert done.file.path == tmp_path / "x.safetensors"
    found = read_adapter(done.file.path)
    assert verify(done.file.path, found, tiny_base).ok
    assert not any("magnitude" in name for name in found.tensors)
    settings = json.loads(found.header.settings)
    stated = settings["approximated"]
    assert (stated["kind"], stated["rank"], stated["base"]) == (
        "dora",
        3,
        "base.safetensors",
    )
    assert stated["base_digest"] == base.digest
    assert stated["kept_share"] == pytest.approx(done.kept_share, abs=1e-6)
    assert stated["trained"] == json.loads(adapter.header.settings)
    assert settings["use_dora"] is False
    assert (found.header.title, found.header.steps) == ("icons", 120)
    # The tiny base's digest is not that of its file.
    assert [w.partition(",")[0] for w in done.warnings] == [
        f"the adapter was trained on tiny ({tiny_base.digest[:12]})"
    ]


def test_the_base_is_read_a_layer_at_a_time(
    tiny_base: BaseModel, lora: Make, whole: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    adapter = bound("oft", tiny_base, lora)
    told: list[str] = []
    read = WeightReader.read

    def told_read(reader: WeightReader, name: str) -> Tensor:
        told.append(name)
        return read(reader, name)

    monkeypatch.setattr(WeightReader, "read", told_read)
    nearest_lora(
        adapter,
        2,
        files_of(tiny_base, tmp_path, whole),
        lambda done, total: told.append(f"{done} of {total}"),
    )
    paths = list(layers_of(adapter))
    expected = [
        line
        for done, path in enumerate(paths, 1)
        for line in (f"{path}.weight", f"{done} of {len(paths)}")
    ]
    assert told == expected


def test_a_folder_of_several_kinds(
    tiny_base: BaseModel, lora: Make, whole: Make, tmp_path: Path
) -> None:
    base = files_of(tiny_base, tmp_path / "base", whole)
    source, out = tmp_path / "in", tmp_path / "out"
    for kind in KINDS:
        form = {"oft": "peft"}.get(kind, "kohya")
        adapter = bound(kind, tiny_base, lora)
        known = format_named(adapter.header.kind, form)
        write_adapter(adapter, source / f"{kind}.safetensors", known, "fp32")
    known = format_named("lora", "kohya")
    write_adapter(lora(tiny_base), source / "plain.safetensors", known, "fp32")
    outcomes = convert_folder(source, "kohya", out, rank=2, base=base)
    assert [type(outcome) for outcome in outcomes] == [Converted, Converted, Converted, Refused]
    assert isinstance(outcomes[3], Refused)
    assert "of kind lora" in outcomes[3].reason
    assert sorted(file.stem for file in out.iterdir()) == sorted(KINDS)
    assert all(read_adapter(file).header.kind == "lora" for file in out.iterdir())
    without = convert_folder(source, "kohya", tmp_path / "none", rank=2)
    assert all(isinstance(outcome, Refused) for outcome in without)
    assert not (tmp_path / "none").exists()


def refused(call: Callable[[], Any], match: str) -> None:
    with pytest.raises(AdapterError, match=match) as found:
        call()
    assert "\n" not in str(found.value)


def test_what_does_not_go_together(
    tiny_base: BaseModel, tiny_sdxl: BaseModel, lora: Make, whole: Make, tmp_path: Path
) -> None:
    dora = bound("dora", tiny_base, lora)
    base = files_of(tiny_base, tmp_path, whole)

    def made(adapter: Adapter, rank: int = 2, base: WeightFiles | None = base) -> Any:
        return lambda: nearest_lora(adapter, rank, base)

    refused(made(dora, base=None), "this is a DoRA, .*; name the base with --base")
    refused(made(bound("oft", tiny_base, lora), base=None), "this is an OFT, .* with --base")
    refused(made(bound("dora", tiny_sdxl, lora)), "of family sdxl, which does not fit")
    refused(made(dora, rank=0), "rank 0 is no rank")
    refused(made(lora(tiny_base)), "of kind lora; --rank makes a LoRA of a LoHa, LoKr, DoRA or OFT")
    refused(
        lambda: convert(tmp_path / "x.safetensors", "kohya", base=base), "give its rank with --rank"
    )
    path = next(iter(layers_of(dora)))
    elsewhere = {n.replace(path, "unet.mid_block.nothing"): t for n, t in dora.tensors.items()}
    refused(made(Adapter(dora.header, elsewhere)), "changes 1 layers that .* the first is unet.mid")
    rows = {n: t[:2] if n == f"{path}.lora_B.weight" else t for n, t in dora.tensors.items()}
    refused(made(Adapter(dora.header, rows)), "made for another base model")


def test_rows_of_no_length_are_refused(
    tiny_base: BaseModel, lora: Make, whole: Make, tmp_path: Path
) -> None:
    """A DoRA divides by the lengths of the changed rows."""
    dora = bound("dora", tiny_base, lora)
    path = "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q"
    key = "model.diffusion_model.input_blocks.1.1.transformer_blocks.0.attn1.to_q.weight"
    file = files_of(tiny_base, tmp_path, whole).path
    save_file({**load_file(file), key: torch.zeros_like(live_weight(tiny_base, path))}, file)
    tensors = {n: 0 * t if n == f"{path}.lora_B.weight" else t for n, t in dora.tensors.items()}
    refused(
        lambda: nearest_lora(Adapter(dora.header, tensors), 2, find_weights(str(file))),
        f"{path} would change by values that are not finite",
    )
