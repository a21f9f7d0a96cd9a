"""What a run exports is judged whole, and once: every word of it, and one format of those there are."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from PIL import Image

from studio import session
from studio.adapters.adapter import Adapter, AdapterHeader
from studio.bases.base_model import BaseModel
from studio.bases.identity import BaseIdentity
from studio.cli.places import adapter_file, adapter_files
from studio.curation.manifest import CuratedSet, Picture
from studio.evaluation import evaluate as evaluation
from studio.preview.comparison import Comparison
from studio.preview.pairs import sample_pairs
from studio.preview.sampler import sample
from studio.preview.settings import SamplingSettings
from studio.preview.stack import Stack, applied
from studio.recipe import recipe_from_dict
from studio.reporter import Reporter
from studio.run_folder import RunFolder
from studio.session import Session

SAMPLING = SamplingSettings(num_inference_steps=1, guidance_scale=1.0)
PROMPT = "<a> <b> hat"
WORDS = {"kind": "textual_inversion", "placeholder_tokens": ["<a>", "<b>"]}

NewSession = Callable[..., Session]


def header(base: BaseModel, kind: str) -> AdapterHeader:
    return AdapterHeader(kind, base.family, base.name, base.digest, "{}", title="Judged")


def words(base: BaseModel) -> Adapter:
    """Two words, strong enough to be seen."""
    generator = torch.Generator().manual_seed(0)
    shape = (2, base.text_encoder.config.hidden_size)
    tensors = {
        f"text_encoder.{w}": 3 * torch.randn(shape, generator=generator) for w in ("<a>", "<b>")
    }
    return Adapter(header(base, "textual_inversion"), tensors)


def lora(base: BaseModel) -> Adapter:
    """One layer of attention, changed enough to be seen."""
    generator = torch.Generator().manual_seed(1)
    layer = "mid_block.attentions.0.transformer_blocks.0.attn2.to_v"
    out, into = base.unet.get_submodule(layer).weight.shape
    tensors = {
        f"unet.{layer}.lora_A.weight": torch.randn(2, into, generator=generator),
        f"unet.{layer}.lora_B.weight": torch.randn(out, 2, generator=generator),
        f"unet.{layer}.alpha": torch.tensor([2.0]),
    }
    return Adapter(header(base, "lora"), tensors)


@pytest.fixture
def curated(tmp_path: Path) -> CuratedSet:
    found = []
    for index in range(6):
        path = tmp_path / f"{index}.png"
        Image.radial_gradient("L").rotate(30 * index).resize((64, 64)).convert("RGB").save(path)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        found.append(Picture(path.name, digest, 64, 64, f"thing {index}", "txt"))
    return CuratedSet(source=tmp_path, pictures=tuple(found))


@pytest.fixture
def new_session(small_base: BaseModel, curated: CuratedSet, tmp_path: Path) -> NewSession:
    """``new_session(trainer, formats)``: a run on the small base, with nothing exported yet."""

    def new(trainer: dict[str, Any], formats: list[str]) -> Session:
        recipe = recipe_from_dict(
            {
                "name": "judged",
                "dataset": {"source": str(curated.source)},
                "trainer": trainer,
                "precision": {"num_threads": 1},
                "sampling": {**SAMPLING.model_dump(mode="json"), "prompts": [PROMPT], "seeds": [0]},
                "evaluation": {"prompts": 2, "seeds": [0], "drift_prompts": ["dog"]},
                "export": {"formats": formats, "dtype": "fp32"},
            }
        )
        folder = RunFolder.create(tmp_path / "runs", recipe.name)
        folder.write_recipe(recipe)
        nowhere = cast("BaseIdentity", None)  # it is asked for in training alone
        made = Session(folder, recipe, nowhere, curated, Reporter())
        made.clean_base = small_base
        return made

    return new


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Comparison]:
    """Every comparison that preview and evaluation draw."""
    comparisons: list[Comparison] = []

    def remembered(*args: Any, **kwargs: Any) -> Comparison:
        comparisons.append(sample_pairs(*args, **kwargs))
        return comparisons[-1]

    monkeypatch.setattr(session, "sample_pairs", remembered)
    monkeypatch.setattr(evaluation, "sample_pairs", remembered)
    return comparisons


def shows(comparison: Comparison, adapter: Adapter | Stack, base: BaseModel) -> bool:
    """Whether the comparison's second series is what the base draws with the adapter on it."""
    on = adapter.applied(base, 1.0) if isinstance(adapter, Stack) else applied(adapter, base, 1.0)
    with on:
        expected = sample(base, comparison.prompts, comparison.seeds, comparison.sampling)
    pairs = zip(comparison.series[1].pictures, expected, strict=True)
    return all(np.array_equal(np.asarray(found), np.asarray(picture)) for found, picture in pairs)


def require_judged(adapter: Adapter, base: BaseModel, drawn: list[Comparison]) -> None:
    """Preview, evaluation and drift were drawn, each with the whole adapter, put on once."""
    assert [c.prompts for c in (drawn[0], drawn[2])] == [(PROMPT,), ("dog",)]
    for comparison in drawn:
        assert [s.heading for s in comparison.series] == ["base", "Judged"]
        assert shows(comparison, adapter, base)


def test_all_words_of_a_run_are_judged_together(
    new_session: NewSession, small_base: BaseModel, drawn: list[Comparison]
) -> None:
    run, both = new_session(WORDS, ["a1111", "diffusers"]), words(small_base)
    run.export(both)
    names = [[file.name for file in files] for files in run.folder.adapters()]
    assert names == [
        ["a.safetensors", "b.safetensors"],
        ["a-diffusers.safetensors", "b-diffusers.safetensors"],
    ]
    run.preview()
    run.evaluate()
    require_judged(both, small_base, drawn)
    for file in run.folder.adapters()[0]:
        assert not shows(drawn[0], Stack.read(file), small_base)


def test_of_two_formats_of_one_lora_only_the_first_is_put_on(
    new_session: NewSession, small_base: BaseModel, drawn: list[Comparison]
) -> None:
    run, adapter = new_session({"kind": "lora"}, ["diffusers", "kohya"]), lora(small_base)
    run.export(adapter)
    names = [[file.name for file in files] for files in run.folder.adapters()]
    assert names == [["judged-diffusers.safetensors"], ["judged.safetensors"]]
    run.preview()
    run.evaluate()
    require_judged(adapter, small_base, drawn)
    assert not shows(drawn[0], Stack.read(run.folder.adapter_files()), small_base)


def test_the_command_line_finds_all_words_of_a_run(
    new_session: NewSession, small_base: BaseModel
) -> None:
    run = new_session(WORDS, ["a1111", "diffusers"])
    run.export(words(small_base))
    runs, first = run.folder.path.parent, run.folder.adapter / "a.safetensors"
    assert adapter_files("judged", runs) == (first, first.with_name("b.safetensors"))
    assert adapter_file("judged", runs) == first
    assert adapter_files(str(first), runs) == (first,)
