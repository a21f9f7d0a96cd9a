"""Every method on a base in few bits: it learns there, and its file does on it what training did."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from studio.adapters.export import export
from studio.bases.base_model import BaseModel
from studio.bases.number_format import number_format_of
from studio.bases.quantization import Quantization, QuantizedLinear, quantize
from studio.errors import AdapterError
from studio.examples.captions import encode_captions
from studio.preview.sampler import sample
from studio.preview.settings import SamplingSettings
from studio.training.trainer import Trainer, TrainingContext
from trainers.dreambooth.class_pictures import draw_class_pictures
from trainers.dreambooth.settings import DreamBoothSettings
from trainers.dreambooth.trainer import DreamBoothTrainer
from trainers.hypernetwork.settings import HypernetworkSettings
from trainers.hypernetwork.trainer import HypernetworkTrainer
from trainers.lora.settings import LoraSettings
from trainers.lora.trainer import LoraTrainer
from trainers.textual_inversion.settings import TextualInversionSettings
from trainers.textual_inversion.trainer import TextualInversionTrainer

WORD = "<toy>"
LORA: dict[str, dict[str, Any]] = {
    "lora": {"train_text_encoder": True, "conv_rank": 2, "dropout": 0.1},
    "dora": {"use_dora": True},
    "loha": {"variant": "loha", "rank": 3},
    "lokr": {"variant": "lokr", "rank": 1},
    "oft": {"variant": "oft", "rank": 4, "train_text_encoder": True},
    "diag_oft": {"variant": "diag_oft", "rank": 4},
}


def in_bf16(base: BaseModel) -> BaseModel:
    for part in (base.unet, *base.text_encoders):
        part.to(torch.bfloat16)
    return base


def quantized(base: BaseModel, quantization: Quantization) -> BaseModel:
    for part in (base.unet, *base.text_encoders):
        quantize(part, quantization)
    return base


def predict(base: BaseModel) -> Tensor:
    latents = torch.linspace(-1, 1, 4 * 8 * 8).view(1, 4, 8, 8).to(base.unet.dtype)
    states = encode_captions(base, [f"a {WORD}"]).hidden_states.to(base.unet.dtype)
    prediction: Tensor = base.unet(latents, torch.tensor(300), states).sample
    return prediction.float()


def learn(trainer: Trainer[Any], steps: int, lr: float) -> list[float]:
    """The losses on one fixed batch: an answer that the base does not give."""
    parameters = [p for group in trainer.attach() for p in group.parameters.values()]
    assert {p.dtype for p in parameters} == {torch.float32}
    optimizer = torch.optim.AdamW(parameters, lr=lr, weight_decay=0)
    for part in (trainer.base.unet, *trainer.base.text_encoders):
        part.train()
    with torch.no_grad():
        target = predict(trainer.base) + 1
    losses = []
    for step in range(steps):
        torch.manual_seed(step)
        loss = (predict(trainer.base) - target).square().mean()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    for part in (trainer.base.unet, *trainer.base.text_encoders):
        part.eval()
    return losses


def check_applied_as_trained(trainer: Trainer[Any]) -> None:
    base, adapter = trainer.base, trainer.adapter()
    with torch.no_grad():
        trained = predict(base)
        with trainer.detached():
            with type(trainer).apply(adapter, base):
                applied = predict(base)
            layers = [m for m in base.unet.modules() if isinstance(m, QuantizedLinear)]
            assert layers
            assert not any(layer.changes for layer in layers)
    torch.testing.assert_close(applied, trained, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize(
    ("variant", "quantization"), [*((v, "nf4") for v in LORA), ("lora", "int8")]
)
def test_low_rank_weights(variant: str, quantization: Quantization, tiny_base: BaseModel) -> None:
    base = quantized(tiny_base, quantization)
    with torch.no_grad():
        clean = predict(base)
    trainer = LoraTrainer(LoraSettings(**LORA[variant]), base, TrainingContext(64, seed=3))
    losses = learn(trainer, 3, 3e-2)
    assert losses[2] < losses[1] < losses[0]
    check_applied_as_trained(trainer)
    with trainer.detached(), torch.no_grad():
        assert torch.equal(predict(base), clean)


def test_what_nf4_trained_works_on_the_whole_base(tiny_base: BaseModel, tmp_path: Path) -> None:
    """QLoRA on the CPU from end to end: the file is verified on the base as it came, and drawn with."""
    clean = copy.deepcopy(tiny_base)
    # Not to_q: the deepest attention of this base reads one token, and what it learns is rounding.
    targets = ("to_v", "to_out.0", "ff.net.2", "proj_out")
    settings = LoraSettings(rank=4, conv_rank=4, target_modules=targets)
    trainer = LoraTrainer(settings, quantized(tiny_base, "nf4"), TrainingContext(64, seed=3))
    losses = learn(trainer, 6, 3e-2)
    assert losses[-1] < 0.8 * losses[0]
    adapter = trainer.adapter()
    (file,) = export(adapter, clean, tmp_path, "x", formats=["kohya"], dtype="fp32")
    assert file.verdict.ok
    sampling = SamplingSettings(num_inference_steps=2)
    with torch.no_grad(), LoraTrainer.apply(adapter, clean):
        with_adapter = predict(clean)
        pictures = sample(clean, ["a toy"], [0], sampling)
    with torch.no_grad():
        change, trained = with_adapter - predict(clean), predict(trainer.base)
        with trainer.detached():
            change_there = trained - predict(trainer.base)
    assert pictures[0].tobytes() != sample(clean, ["a toy"], [0], sampling)[0].tobytes()
    # What was learned on the rounded base is what the whole base does with it, or nearly.
    likeness = torch.cosine_similarity(change.flatten(), change_there.flatten(), dim=0)
    assert likeness > 0.9


def test_samples_are_those_of_the_module_that_trains(tiny_base: BaseModel) -> None:
    trainer = LoraTrainer(LoraSettings(), quantized(tiny_base, "nf4"), TrainingContext(64, seed=3))
    learn(trainer, 2, 5e-2)
    settings = SamplingSettings(num_inference_steps=2)
    adapter, base = trainer.adapter(), trainer.base
    live = sample(base, ["a toy"], [0], settings)[0]
    with trainer.detached():
        bare = sample(base, ["a toy"], [0], settings)[0]
        with LoraTrainer.apply(adapter, base):
            applied = sample(base, ["a toy"], [0], settings)[0]
    difference = [abs(a - b) for a, b in zip(live.tobytes(), applied.tobytes(), strict=True)]
    assert max(difference) <= 1
    assert bare.tobytes() != applied.tobytes()


def test_two_adapters_lie_on_each_other_as_on_a_whole_base(tiny_base: BaseModel) -> None:
    """DoRA sees the weight as those before it left it; and an adapter of another base is refused."""
    base = quantized(tiny_base, "int8")
    adapters = []
    for seed in (1, 2):
        trainer = LoraTrainer(LoraSettings(use_dora=True), base, TrainingContext(64, seed=seed))
        learn(trainer, 2, 2e-2)
        adapters.append(trainer.adapter())
        with trainer.detached():
            whole = copy.deepcopy(base)
        base = whole
    for name, layer in list(whole.unet.named_modules()):
        if isinstance(layer, QuantizedLinear):
            plain = torch.nn.Linear(layer.in_features, layer.out_features)
            plain.weight.data, plain.bias = layer.weight, layer.bias
            whole.unet.set_submodule(name, plain)
    answers = []
    for model in (base, whole):
        with (
            torch.no_grad(),
            LoraTrainer.apply(adapters[0], model),
            LoraTrainer.apply(adapters[1], model, 0.5),
        ):
            answers.append(predict(model))
    torch.testing.assert_close(*answers, atol=1e-4, rtol=1e-3)
    name, tensor = next(iter(adapters[0].tensors.items()))
    adapters[0].tensors[name] = torch.zeros(*[n + 1 for n in tensor.shape])
    with pytest.raises(AdapterError), LoraTrainer.apply(adapters[0], base):
        pass


@pytest.mark.parametrize(
    ("kind", "settings", "lr"),
    [
        (HypernetworkTrainer, HypernetworkSettings(), 1e-2),
        (TextualInversionTrainer, TextualInversionSettings(), 1.0),
        (DreamBoothTrainer, DreamBoothSettings(), 2e-2),
    ],
)
def test_other_methods(kind: Any, settings: Any, lr: float, tiny_base: BaseModel) -> None:
    context = TrainingContext(64, seed=3, trigger=WORD)
    trainer = kind(settings, quantized(tiny_base, "nf4"), context)
    losses = learn(trainer, 3, lr)
    assert losses[-1] < losses[0]
    check_applied_as_trained(trainer)


@pytest.mark.parametrize("variant", ["dora", "loha", "oft"])
def test_a_base_in_bf16(variant: str, tiny_base: BaseModel) -> None:
    settings = LoraSettings(**LORA[variant])
    losses = learn(LoraTrainer(settings, in_bf16(tiny_base), TrainingContext(64, seed=3)), 3, 3e-2)
    assert losses[-1] < losses[0]


def test_whole_weights_train_in_fp32_on_a_base_in_bf16(tiny_base: BaseModel) -> None:
    settings = DreamBoothSettings(weights="full", train_text_encoder=True)
    trainer = DreamBoothTrainer(settings, in_bf16(tiny_base), TrainingContext(64, seed=3))
    losses = learn(trainer, 3, 1e-3)
    assert losses[-1] < 0.8 * losses[0]
    with trainer.detached():
        assert tiny_base.unet.dtype == torch.bfloat16


def test_class_pictures_of_a_rounded_base_are_its_own(tiny_base: BaseModel, tmp_path: Path) -> None:
    sampling = SamplingSettings(num_inference_steps=1)
    whole = copy.deepcopy(tiny_base)
    bases = (whole, quantized(tiny_base, "nf4"))
    drawn = [draw_class_pictures(b, "a dog", 1, sampling, folder=tmp_path)[0] for b in bases]
    assert drawn[0].parent != drawn[1].parent
    assert [number_format_of(b.unet) for b in bases] == ["float32", "nf4 and float32"]
