"""Words and a LoRA trained together: both move, both are written, both come back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from studio.adapters.adapter import Adapter
from studio.adapters.export import export
from studio.adapters.files import read_adapter
from studio.adapters.formats import default_format
from studio.bases.base_model import BaseModel
from studio.errors import RecipeError
from studio.examples.batch import Batch
from studio.examples.captions import encode_captions
from studio.examples.tensor_store import content_digest
from studio.preview.stack import applied
from studio.training.randomness import RandomStreams
from studio.training.trainer import TrainingContext
from trainers.textual_inversion.settings import TextualInversionSettings
from trainers.textual_inversion.trainer import TextualInversionTrainer

STREAMS = RandomStreams(2)
PIVOTAL = {"rank": 2, "learning_rate": 1e-4, "target_modules": ["to_k"]}


def new_trainer(base: BaseModel, **settings: Any) -> TextualInversionTrainer:
    context = TrainingContext(resolution_px=64, seed=3, trigger="<m>")
    given = {"num_vectors": 2, "pivotal": PIVOTAL} | settings
    return TextualInversionTrainer(TextualInversionSettings(**given), base, context)


@torch.no_grad()
def shaken(trainer: TextualInversionTrainer) -> Adapter:
    """Every trained parameter gets a value of its own, as training would give it."""
    generator = torch.Generator().manual_seed(0)
    for group in trainer.attach():
        for parameter in group.parameters.values():
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=generator))
    return trainer.adapter()


@torch.no_grad()
def predict(base: BaseModel, text: str = "a <m> b") -> torch.Tensor:
    latents = torch.linspace(-1, 1, 4 * 8 * 8).view(1, 4, 8, 8)
    states = encode_captions(base, [text]).hidden_states
    prediction: torch.Tensor = base.unet(latents, torch.tensor(300), states).sample
    return prediction


def test_words_and_weights_train_together(tiny_base: BaseModel) -> None:
    trainer = new_trainer(tiny_base, learning_rate=1e-3, stop_after=0.5)
    groups = {group.name: group for group in trainer.attach()}
    rates = {n: (g.learning_rate, g.stop_after) for n, g in groups.items()}
    assert rates == {"placeholders": (1e-3, 0.5), "unet": (1e-4, None)}
    parameters = [p for group in groups.values() for p in group.parameters.values()]
    optimizer = torch.optim.AdamW(parameters, lr=1e-2)
    batch = Batch(
        # Several tokens in the middle of the U-Net, for attention to one has no gradient.
        STREAMS.normal((1, 4, 16, 16), "latents", 0),
        None,
        ["<m>"],
        [0],
        [0],
        torch.ones(1),
    )
    start = trainer.adapter()
    for _ in range(2):
        trainer.loss(batch, STREAMS).backward()
        optimizer.step()
        optimizer.zero_grad()
        trainer.after_step()
    adapter = trainer.adapter()
    assert (adapter.header.kind, adapter.header.method) == ("pivotal", "textual_inversion")
    same = [
        name
        for name, tensor in adapter.tensors.items()
        if torch.equal(tensor, start.tensors[name]) and not name.endswith(".alpha")
    ]
    assert not same


def test_text_encoders_get_a_lora_where_asked_for(tiny_sdxl: BaseModel) -> None:
    pivotal = PIVOTAL | {"train_text_encoder": True, "text_encoder_learning_rate": 1e-5}
    before = content_digest(tiny_sdxl.text_encoders[1].state_dict())
    trainer = new_trainer(tiny_sdxl, pivotal=pivotal)
    rates = {group.name: group.learning_rate for group in trainer.attach()}
    assert rates == {
        "placeholders": None,
        "unet": 1e-4,
        "text_encoder": 1e-5,
        "text_encoder_2": 1e-5,
    }
    with trainer.detached():
        assert content_digest(tiny_sdxl.text_encoders[1].state_dict()) == before


@pytest.mark.parametrize("format_name", ["bundle", "kohya"])
@pytest.mark.parametrize(
    ("name", "variant"), [("tiny_base", "lora"), ("tiny_base", "loha"), ("tiny_sdxl", "lora")]
)
def test_a_file_comes_back_whole(
    name: str, variant: str, format_name: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    base: BaseModel = request.getfixturevalue(name)
    trainer = new_trainer(base, pivotal=PIVOTAL | {"variant": variant})
    adapter = shaken(trainer)
    with trainer.detached():
        (file,) = export(adapter, base, tmp_path, "run", formats=[format_name], dtype="fp32")
    assert file.verdict.ok
    found = read_adapter(file.path)
    assert found.header == adapter.header
    assert found.tensors.keys() == adapter.tensors.keys()
    for key, tensor in adapter.tensors.items():
        torch.testing.assert_close(found.tensors[key].view_as(tensor), tensor)


def test_the_file_does_what_training_did(tiny_base: BaseModel, tmp_path: Path) -> None:
    trainer = new_trainer(tiny_base)
    adapter = shaken(trainer)
    attached = predict(tiny_base)
    with trainer.detached():
        clean = predict(tiny_base)
        export(adapter, tiny_base, tmp_path, "run", formats=[], dtype="fp32")
        found = read_adapter(tmp_path / "run.safetensors")
        with applied(found, tiny_base, 1.0):
            torch.testing.assert_close(predict(tiny_base), attached, atol=1e-4, rtol=1e-3)
        with applied(found, tiny_base, 0.0):
            torch.testing.assert_close(predict(tiny_base), clean)
    assert not torch.allclose(attached, clean, atol=1e-2)


def test_the_files_of_the_folder_work_alone(tiny_base: BaseModel, tmp_path: Path) -> None:
    trainer = new_trainer(tiny_base)
    adapter = shaken(trainer)
    with trainer.detached():
        (folder,) = export(adapter, tiny_base, tmp_path, "run", formats=["kohya"], dtype="fp32")
        names = sorted(p.relative_to(folder.path).as_posix() for p in folder.path.rglob("*.*"))
        assert names == ["embeddings/m.safetensors", "lora.safetensors"]
        parts = [read_adapter(folder.path / name) for name in names]
        assert [part.header.kind for part in parts] == ["textual_inversion", "lora"]
        with applied(adapter, tiny_base, 1.0):
            together = predict(tiny_base)
        with applied(parts[0], tiny_base, 1.0), applied(parts[1], tiny_base, 1.0):
            torch.testing.assert_close(predict(tiny_base), together)


def test_the_bundled_names_are_the_webuis(
    tiny_base: BaseModel, tiny_sdxl: BaseModel, tmp_path: Path
) -> None:
    assert default_format("pivotal").name == "bundle"
    expected = {
        "sd1": {"bundle_emb.<m>.string_to_param.*"},
        "sdxl": {"bundle_emb.<m>.clip_l", "bundle_emb.<m>.clip_g"},
    }
    for base in (tiny_base, tiny_sdxl):
        trainer = new_trainer(base)
        adapter = shaken(trainer)
        with trainer.detached():
            export(adapter, base, tmp_path, base.family, formats=[], dtype="fp16")
        keys = load_file(tmp_path / f"{base.family}.safetensors").keys()
        assert {key for key in keys if not key.startswith("lora_unet_")} == expected[base.family]


def test_a_bundle_of_another_tool_is_put_on(tiny_base: BaseModel, tmp_path: Path) -> None:
    from safetensors.torch import save_file

    trainer = new_trainer(tiny_base)
    adapter = shaken(trainer)
    attached = predict(tiny_base)
    with trainer.detached():
        export(adapter, tiny_base, tmp_path, "run", formats=["bundle"], dtype="fp32")
        save_file(load_file(tmp_path / "run.safetensors"), tmp_path / "foreign.safetensors")
        found = read_adapter(tmp_path / "foreign.safetensors")
        assert (found.header.kind, found.header.family) == ("pivotal", "sd1")
        with applied(found, tiny_base, 1.0):
            torch.testing.assert_close(predict(tiny_base), attached, atol=1e-4, rtol=1e-3)


def test_a_lora_that_cannot_be_put_in_leaves_no_words_behind(tiny_base: BaseModel) -> None:
    tokenizers = tiny_base.tokenizers
    with pytest.raises(RecipeError, match="to_kk"):
        new_trainer(tiny_base, pivotal=PIVOTAL | {"target_modules": ["to_kk"]}).attach()
    assert tiny_base.tokenizers is tokenizers
