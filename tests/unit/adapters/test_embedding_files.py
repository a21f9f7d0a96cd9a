"""Words in files: what is written is what was trained, in the keys that each tool looks up."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from studio.adapters.adapter import Adapter, AdapterHeader
from studio.adapters.export import export
from studio.adapters.files import read_adapter
from studio.adapters.formats import format_named
from studio.adapters.verify import verify
from studio.bases.base_model import BaseModel
from studio.errors import AdapterError, VerificationError
from studio.preview.stack import applied
from studio.preview.stages import pipeline

FORMATS = ("a1111", "diffusers", "a1111_pt")


def words(base: BaseModel, *placeholders: str, num_vectors: int = 3) -> Adapter:
    generator = torch.Generator().manual_seed(4)
    header = AdapterHeader(
        kind="textual_inversion",
        method="textual_inversion",
        family=base.family,
        base_name=base.name,
        base_digest=base.digest,
        settings=json.dumps({"kind": "textual_inversion"}),
        steps=120,
        trigger=" ".join(placeholders),
        title="words",
    )
    tensors = {
        f"{part}.{placeholder}": torch.randn(num_vectors, width, generator=generator)
        for placeholder in placeholders
        for part, width in zip(("text_encoder", "text_encoder_2"), widths(base), strict=False)
    }
    return Adapter(header, tensors)


def widths(base: BaseModel) -> list[int]:
    return [e.get_input_embeddings().weight.shape[1] for e in base.text_encoders]


def written(adapter: Adapter, base: BaseModel, folder: Path, *formats: str) -> list[Path]:
    files = export(adapter, base, folder, "run", formats=formats, dtype="fp32")
    return [file.path for file in files]


@pytest.mark.parametrize("name", ["tiny_base", "tiny_sdxl"])
@pytest.mark.parametrize("known", FORMATS)
def test_every_format_comes_back_whole(
    known: str, name: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    base: BaseModel = request.getfixturevalue(name)
    adapter = words(base, "<m>" if known != "a1111_pt" else "m")  # SDXL's .pt has its name alone
    (path,) = written(adapter, base, tmp_path, known)
    if path.suffix == ".pt" and name == "tiny_base":
        return  # no header says the family, and of a tiny base's width it cannot be told; verified above
    found = read_adapter(path)
    assert path.suffix == ".pt" or found.header == adapter.header
    assert found.tensors.keys() == adapter.tensors.keys()
    assert all(torch.equal(found.tensors[n], t) for n, t in adapter.tensors.items())


def test_the_keys_are_those_that_tools_look_up(
    tiny_base: BaseModel, tiny_sdxl: BaseModel, tmp_path: Path
) -> None:
    files = written(words(tiny_base, "<m>"), tiny_base, tmp_path, *FORMATS)
    assert [f.name for f in files] == ["m.safetensors", "m-diffusers.safetensors", "m.pt"]
    assert load_file(files[0]).keys() == {"emb_params"}
    assert load_file(files[1]).keys() == {"<m>"}
    table = torch.load(files[2], weights_only=True)
    assert table["string_to_param"]["*"].shape == (3, 32)
    assert (table["name"], table["step"], table["string_to_token"]) == ("<m>", 120, {"*": 265})
    assert not files[2].read_bytes().startswith(b"PK"), "the zip layout is refused by A1111"
    for path in written(words(tiny_sdxl, "<x>"), tiny_sdxl, tmp_path, "a1111", "diffusers"):
        assert load_file(path).keys() == {"clip_l", "clip_g"}


def test_several_words_are_several_files(tiny_base: BaseModel, tmp_path: Path) -> None:
    adapter = words(tiny_base, "<a>", "b-c")
    files = written(adapter, tiny_base, tmp_path)
    assert [f.name for f in files] == ["a.safetensors", "b-c.safetensors"]
    assert [read_adapter(f).header.trigger for f in files] == ["<a>", "b-c"]
    together = {n: t for f in files for n, t in read_adapter(f).tensors.items()}
    assert together.keys() == adapter.tensors.keys()
    known = format_named("textual_inversion", "a1111")
    with pytest.raises(AdapterError, match=r"2 words \(<a>, b-c\)"):
        known.load().write(adapter, tmp_path / "both.safetensors", "fp32", tiny_base)


@pytest.mark.parametrize("known", ["a1111", "a1111_pt"])
@pytest.mark.parametrize("dtype", ["fp16", "bf16"])
def test_half_precision_is_within_its_rounding(
    tiny_base: BaseModel, tmp_path: Path, known: str, dtype: str
) -> None:
    files = export(words(tiny_base, "<m>"), tiny_base, tmp_path, "r", formats=[known], dtype=dtype)  # type: ignore[arg-type]
    verdict = files[0].verdict
    assert (verdict.ok, verdict.dtype) == (True, dtype)
    assert 0 < verdict.max_relative_difference < verdict.tolerance


def test_a_wrong_file_does_not_verify(tiny_base: BaseModel, tmp_path: Path) -> None:
    adapter = words(tiny_base, "<m>")
    (path,) = written(adapter, tiny_base, tmp_path, "a1111")
    vectors = adapter.tensors["text_encoder.<m>"]
    faults = {
        "off by": {"emb_params": -vectors},
        "not those trained": {"emb_params": vectors[:2]},
        "does not fit": {"emb_params": vectors[:, :-1].contiguous()},
        "no text encoder": {"clip_l": vectors, "clip_g": 2 * vectors},
        "unused": {"emb_params": vectors, "emb_param": 2 * vectors},
    }
    known = format_named("textual_inversion", "a1111")
    for message, tensors in faults.items():
        save_file(tensors, path)
        verdict = verify(path, adapter, tiny_base, known)
        assert not verdict.ok
        assert message in verdict.problem()
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(VerificationError, match="truncated"):
        verify(path, adapter, tiny_base, known)


def test_other_tools_files_are_called_by_their_names(tmp_path: Path) -> None:
    vectors = torch.ones(2, 768)
    save_file({"emb_params": vectors}, tmp_path / "Easy.v1.safetensors")
    save_file({"<cat>": vectors[0]}, tmp_path / "learned.safetensors")
    save_file({"clip_l": vectors, "clip_g": torch.ones(2, 1280)}, tmp_path / "xl.safetensors")
    parameter = {"*": torch.nn.Parameter(torch.ones(2, 1024))}
    torch.save({"string_to_param": parameter, "name": None}, tmp_path / "old.pt")
    found = {path.name: read_adapter(path) for path in tmp_path.iterdir()}
    assert {n: (a.header.family, a.header.trigger) for n, a in found.items()} == {
        "Easy.v1.safetensors": ("sd1", "easy-v1"),
        "learned.safetensors": ("sd1", "<cat>"),
        "xl.safetensors": ("sdxl", "xl"),
        "old.pt": ("sd2", "old"),
    }
    assert found["learned.safetensors"].tensors["text_encoder.<cat>"].shape == (1, 768)
    assert all(a.header.plugin_kind == "textual_inversion" for a in found.values())


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({"emb_params": torch.ones(2, 900)}, "900 wide"),
        ({"emb_params": torch.ones(2, 3, 768)}, "shape"),
        ({"emb_params": torch.zeros(0, 768)}, "shape"),
        ({"clip_l": torch.ones(2, 768), "clip_g": torch.ones(3, 1280)}, "different numbers"),
        ({"emb_params": torch.full((1, 768), torch.nan)}, "not finite"),
    ],
)
def test_files_that_are_no_word_are_refused_in_one_line(
    tmp_path: Path, tensors: dict[str, torch.Tensor], message: str
) -> None:
    save_file(tensors, tmp_path / "w.safetensors")
    with pytest.raises(AdapterError, match=message) as caught:
        read_adapter(tmp_path / "w.safetensors")
    assert "\n" not in str(caught.value)


def test_a_pickle_that_wants_to_run_code_is_refused(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[object, ...]:
            return pytest.fail, ("the pickle was run",)

    torch.save({"string_to_param": {"*": Bomb()}}, tmp_path / "bomb.pt")
    with pytest.raises(AdapterError):
        read_adapter(tmp_path / "bomb.pt")


@pytest.mark.parametrize("known", ["a1111", "diffusers"])
def test_diffusers_reads_our_files(tiny_base: BaseModel, tmp_path: Path, known: str) -> None:
    """Its pipeline, with our file loaded, encodes as the studio does with the adapter applied."""
    adapter = words(tiny_base, "<m>")
    (path,) = written(adapter, tiny_base, tmp_path, known)
    prompt = "a <m> b"
    with torch.no_grad(), applied(adapter, tiny_base, 1.0):
        expected, _ = pipeline(tiny_base).encode_prompt(prompt, "cpu", 1, False)
    pipe = pipeline(replace(tiny_base, tokenizers=copy.deepcopy(tiny_base.tokenizers)))
    token = None if known == "diffusers" else "<m>"
    pipe.load_textual_inversion(str(tmp_path), weight_name=path.name, token=token)
    with torch.no_grad():
        found, _ = pipe.encode_prompt(prompt, "cpu", 1, False)
    torch.testing.assert_close(found, expected)
