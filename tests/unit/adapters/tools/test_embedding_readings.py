"""A word's file as each tool reads it: the vectors that it would use, or why it would use none."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from studio.adapters.adapter import Adapter, AdapterHeader
from studio.adapters.formats import format_named
from studio.adapters.legacy_pickle import legacy_bytes
from studio.adapters.restricted_pickle import load_restricted
from studio.adapters.tensor_bytes import Dtype
from studio.adapters.tools.verdicts import TOOLS, tool_verdicts
from studio.bases.base_model import BaseModel
from studio.errors import VerificationError

BASES = {"sd1": "tiny_base", "sd2": "tiny_sd2", "sdxl": "tiny_sdxl"}
EVERYBODY = set(TOOLS)
Spoil = Callable[[dict[Any, Any]], None]


@pytest.fixture(params=BASES)
def base(request: pytest.FixtureRequest) -> BaseModel:
    found: BaseModel = request.getfixturevalue(BASES[request.param])
    return found


def word(base: BaseModel, num_vectors: int = 3) -> Adapter:
    generator = torch.Generator().manual_seed(4)
    header = AdapterHeader(
        kind="textual_inversion",
        method="textual_inversion",
        family=base.family,
        base_name=base.name,
        base_digest=base.digest,
        settings=json.dumps({"kind": "textual_inversion"}),
        trigger="<hat>",
    )
    tensors = {
        f"{part}.<hat>": torch.randn(num_vectors, encoder.config.hidden_size, generator=generator)
        for part, encoder in base.named_text_encoders.items()
    }
    return Adapter(header, tensors)


def written(
    adapter: Adapter, base: BaseModel, folder: Path, name: str = "a1111", dtype: Dtype = "fp32"
) -> Path:
    known = format_named("textual_inversion", name)
    path = folder / f"hat{known.extension}"
    known.load().write(adapter, path, dtype, base)
    return path


def refusals(path: Path, adapter: Adapter, base: BaseModel) -> dict[str, str]:
    name = "a1111_pt" if path.suffix == ".pt" else "a1111"
    verdicts = tool_verdicts(path, format_named("textual_inversion", name), adapter, base)
    assert [v.tool for v in verdicts] == list(TOOLS)
    assert all(v.works == (not v.because) for v in verdicts)
    return {v.tool: v.because for v in verdicts if not v.works}


def spoiled(path: Path, spoil: Spoil) -> Path:
    if path.suffix == ".pt":
        table: Any = load_restricted(path)
        spoil(table)
        path.write_bytes(legacy_bytes(table))
    else:
        tensors = load_file(path)
        spoil(tensors)
        save_file(tensors, path)
    return path


def test_what_we_write_works_everywhere(base: BaseModel, tmp_path: Path) -> None:
    adapter = word(base)
    dtypes: tuple[Dtype, ...] = ("fp32", "fp16", "bf16")
    for dtype in dtypes:
        for name in ("a1111", "a1111_pt", "diffusers"):
            path = written(adapter, base, tmp_path, name, dtype)
            assert refusals(path, adapter, base) == {}, (name, dtype)


@pytest.mark.parametrize("name", ["a1111", "a1111_pt"])
def test_other_vectors_are_seen(base: BaseModel, name: str, tmp_path: Path) -> None:
    def change(tensors: dict[Any, Any]) -> None:
        inner = tensors.get("string_to_param", tensors)
        key = "clip_g" if "clip_g" in inner else next(iter(inner))
        inner[key] = inner[key] * 1.01

    adapter = word(base)
    said = refusals(spoiled(written(adapter, base, tmp_path, name), change), adapter, base)
    assert said.keys() == EVERYBODY
    part = list(base.named_text_encoders)[-1]
    assert all(f"{part} is off by 1.00%" in because for because in said.values())


def test_rounding_is_no_difference_and_more_than_rounding_is(
    tiny_base: BaseModel, tmp_path: Path
) -> None:
    def change(tensors: dict[Any, Any]) -> None:
        tensors["emb_params"] = tensors["emb_params"] * 1.01

    adapter = word(tiny_base)
    path = written(adapter, tiny_base, tmp_path, dtype="fp16")
    assert refusals(path, adapter, tiny_base) == {}
    assert refusals(spoiled(path, change), adapter, tiny_base).keys() == EVERYBODY


def test_the_zip_layout_of_newer_torch_stops_a1111_alone(base: BaseModel, tmp_path: Path) -> None:
    adapter = word(base)
    path = written(adapter, base, tmp_path, "a1111_pt")
    torch.save(load_restricted(path), path)
    said = refusals(path, adapter, base)
    assert said.keys() == {"A1111"}
    assert "safety check does not know" in said["A1111"]


def test_the_zip_layout_of_older_torch_stops_nobody(tiny_base: BaseModel, tmp_path: Path) -> None:
    adapter = word(tiny_base)
    path, new = written(adapter, tiny_base, tmp_path, "a1111_pt"), tmp_path / "new.pt"
    torch.save(load_restricted(path), new)
    known = ("data.pkl", "version", "byteorder", ".data/serialization_id", "data/0")
    with zipfile.ZipFile(new) as source, zipfile.ZipFile(path, "w") as target:
        for name in source.namelist():
            if name.partition("/")[2] in known:
                target.writestr(name, source.read(name))
    assert refusals(path, adapter, tiny_base) == {}


def test_two_terms_in_one_file(tiny_base: BaseModel, tmp_path: Path) -> None:
    def double(tensors: dict[Any, Any]) -> None:
        tensors["second"] = tensors["emb_params"] + 1

    adapter = word(tiny_base)
    said = refusals(spoiled(written(adapter, tiny_base, tmp_path), double), adapter, tiny_base)
    several = "it refuses a file of several terms"
    unused = "it leaves 1 tensors unused, the first is second"
    assert said == {
        "diffusers": "it wants one term, or string_to_param with a name",
        "A1111": several,
        "Forge": several,
        "ComfyUI": unused,
        "kohya": unused,
    }


def test_two_terms_in_one_pickle(tiny_base: BaseModel, tmp_path: Path) -> None:
    def double(table: dict[Any, Any]) -> None:
        table["string_to_param"]["second"] = table["string_to_param"]["*"] + 1

    adapter = word(tiny_base)
    path = spoiled(written(adapter, tiny_base, tmp_path, "a1111_pt"), double)
    said = refusals(path, adapter, tiny_base)
    assert said.keys() == EVERYBODY
    assert said["Forge"] == "it refuses a file of several terms"
    assert "string_to_param.second" in said["diffusers"]


def test_a_misspelled_encoder_is_half_read_at_best(tiny_sdxl: BaseModel, tmp_path: Path) -> None:
    def misspell(tensors: dict[Any, Any]) -> None:
        tensors["clip_x"] = tensors.pop("clip_g")

    adapter = word(tiny_sdxl)
    said = refusals(spoiled(written(adapter, tiny_sdxl, tmp_path), misspell), adapter, tiny_sdxl)
    assert said.keys() == EVERYBODY
    assert said["ComfyUI"] == "it finds vectors of 32 numbers for text_encoder_2, which takes 40"
    assert said["kohya"] == "it looks for clip_g, which is not there"
    assert said["diffusers"] == "clip_g cannot be handed to it, for it is not there"


def test_comfyui_takes_the_first_tensor_for_what_it_does_not_find(
    tiny_sdxl: BaseModel, tmp_path: Path
) -> None:
    def misspell(tensors: dict[Any, Any]) -> None:
        tensors["clip_gg"] = tensors.pop("clip_g")  # before clip_l in the file

    adapter = word(tiny_sdxl)
    said = refusals(spoiled(written(adapter, tiny_sdxl, tmp_path), misspell), adapter, tiny_sdxl)
    assert said.keys() == EVERYBODY - {"ComfyUI"}


def test_a_word_of_another_family(
    tiny_base: BaseModel, tiny_sdxl: BaseModel, tmp_path: Path
) -> None:
    adapter = word(tiny_base)
    said = refusals(written(adapter, tiny_base, tmp_path), adapter, tiny_sdxl)
    assert said.keys() == EVERYBODY
    passed_over = "it passes over vectors of 32 numbers, for the model takes 72"
    assert said["A1111"] == said["Forge"] == passed_over
    large = word(tiny_sdxl)
    said = refusals(written(large, tiny_sdxl, tmp_path), large, tiny_base)
    assert said.keys() == EVERYBODY
    assert "vectors of 72 numbers, for the model takes 32" in said["Forge"]
    assert "unused, the first is clip_g" in said["ComfyUI"]


def test_a_single_row_is_a_vector_but_not_for_kohya(tiny_base: BaseModel, tmp_path: Path) -> None:
    adapter = word(tiny_base, num_vectors=1)
    path = written(adapter, tiny_base, tmp_path)
    assert refusals(path, adapter, tiny_base) == {}

    def flatten(tensors: dict[Any, Any]) -> None:
        tensors["emb_params"] = tensors["emb_params"][0].clone()

    said = refusals(spoiled(path, flatten), adapter, tiny_base)
    assert said == {"kohya": "it takes each number of a single row for a vector"}


@pytest.mark.parametrize("lost", ["name", "*"])
def test_diffusers_wants_a_pickled_word_to_be_named(
    tiny_base: BaseModel, lost: str, tmp_path: Path
) -> None:
    def rename(table: dict[Any, Any]) -> None:
        if lost == "name":
            del table["name"]
        else:
            table["string_to_param"] = {"hat": table["string_to_param"]["*"]}

    adapter = word(tiny_base)
    path = spoiled(written(adapter, tiny_base, tmp_path, "a1111_pt"), rename)
    assert refusals(path, adapter, tiny_base).keys() == {"diffusers"}


@pytest.mark.parametrize(
    ("cut", "because"),
    [
        (lambda t: t[:2].clone(), "it finds 2 vectors for text_encoder, 3 were trained"),
        (lambda t: t[:, :16].clone(), "16 numbers"),
    ],
)
def test_vectors_of_another_shape(
    tiny_base: BaseModel, cut: Callable[[Tensor], Tensor], because: str, tmp_path: Path
) -> None:
    def change(tensors: dict[Any, Any]) -> None:
        tensors["emb_params"] = cut(tensors["emb_params"])

    adapter = word(tiny_base)
    said = refusals(spoiled(written(adapter, tiny_base, tmp_path), change), adapter, tiny_base)
    assert said.keys() == EVERYBODY
    assert all(because in each for each in said.values())


@pytest.mark.parametrize("content", [{"string_to_param": None}, {"words": "none"}, {}])
def test_a_pickle_without_vectors(
    tiny_base: BaseModel, content: dict[str, Any], tmp_path: Path
) -> None:
    path = tmp_path / "hat.pt"
    path.write_bytes(legacy_bytes(content))
    assert refusals(path, word(tiny_base), tiny_base).keys() == EVERYBODY


def test_more_beside_sdxls_pair(tiny_sdxl: BaseModel, tmp_path: Path) -> None:
    def add(table: dict[Any, Any]) -> None:
        table["name"] = "hat"

    adapter = word(tiny_sdxl)
    path = spoiled(written(adapter, tiny_sdxl, tmp_path, "a1111_pt"), add)
    said = refusals(path, adapter, tiny_sdxl)
    assert said.keys() == {"A1111", "Forge"}
    assert "beside clip_l and clip_g" in said["Forge"]


def test_a_broken_file_is_nobodys_verdict(tiny_base: BaseModel, tmp_path: Path) -> None:
    adapter = word(tiny_base)
    for name in ("a1111", "a1111_pt"):
        path = written(adapter, tiny_base, tmp_path, name)
        path.write_bytes(path.read_bytes()[:-40])
        with pytest.raises(VerificationError):
            refusals(path, adapter, tiny_base)
