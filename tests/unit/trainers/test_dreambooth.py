"""DreamBooth over each kind of weights and each way to keep the class."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from pydantic import ValidationError
from torch import Tensor

from studio.bases.base_model import BaseModel
from studio.bases.conditioning import Conditioning
from studio.errors import AdapterError, DatasetError
from studio.examples.batch import Batch
from studio.examples.captions import encode_captions
from studio.examples.example import Example
from studio.examples.tensor_store import content_digest
from studio.preview.sampler import sample
from studio.preview.settings import SamplingSettings
from studio.registry import plugins
from studio.training.diffusion import add_noise_to, denoising_loss
from studio.training.objective import Objective
from studio.training.randomness import RandomStreams
from studio.training.trainer import Trainer, TrainingContext
from trainers.dreambooth import class_pictures
from trainers.dreambooth.settings import DreamBoothSettings
from trainers.dreambooth.trainer import DreamBoothTrainer

STREAMS = RandomStreams(3)
CLASS = "a photo of a dog"
COMBINATIONS = [
    {"weights": weights, "prior": prior, "train_text_encoder": text}
    for weights, prior, text in (
        ("lora", "output", False),
        ("lora", "class_pictures", True),
        ("full", "none", True),
        ("full", "output", True),
        ("full", "class_pictures", False),
    )
]


def new_trainer(
    base: BaseModel, *, folder: Path = Path(".cache"), trigger: str = "", **settings: Any
) -> DreamBoothTrainer:
    given = {"rank": 4} if settings.get("weights") != "full" else {}
    stated = {"class_prompt": CLASS, **given, **settings}
    context = TrainingContext(resolution_px=64, seed=3, trigger=trigger, cache_folder=folder)
    return DreamBoothTrainer(DreamBoothSettings(**stated), base, context)


def batch_of(caption: str, number: int, prior: Batch | None = None) -> Batch:
    return Batch(
        latents=STREAMS.normal((2, 4, 8, 8), "latents", number),
        conditioning=None,
        captions=[caption] * 2,
        items=[2 * number, 2 * number + 1],
        views=[0, 0],
        weights=torch.ones(2),
        prior=prior,
    )


@pytest.fixture
def batch() -> Batch:
    return batch_of("a photo of sks", 0, prior=batch_of(CLASS, 1))


@torch.no_grad()
def predict(base: BaseModel, caption: str = "a photo of sks") -> Tensor:
    latents = STREAMS.normal((1, 4, 8, 8), "prediction", 0)
    text = encode_captions(base, [caption]).hidden_states.to(base.unet.dtype)
    prediction: Tensor = base.unet(latents.to(base.unet.dtype), torch.tensor(500), text).sample
    return prediction.float()


def train(
    trainer: DreamBoothTrainer, batch: Batch, steps: int, lr: float = 1e-3, *, anew: bool = False
) -> list[float]:
    """Steps on one batch; its noise is the same in all of them, or drawn anew for each."""
    parameters = [p for group in trainer.attach() for p in group.parameters.values()]
    optimizer = torch.optim.AdamW(parameters, lr=lr, weight_decay=0)
    losses = []
    for step in range(steps):
        views = [step * anew] * len(batch.items)
        loss = trainer.loss(replace(batch, views=views), STREAMS)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        trainer.after_step()
        losses.append(loss.item())
    return losses


def digest(base: BaseModel) -> str:
    parts = (base.unet, base.vae, *base.text_encoders)
    grads = [p.requires_grad for part in parts for p in part.parameters()]
    return "\n".join([*(content_digest(part.state_dict()) for part in parts), str(grads)])


def names(combination: dict[str, Any]) -> str:
    return "-".join(str(value) for value in combination.values())


@pytest.mark.parametrize("combination", COMBINATIONS, ids=names)
class TestCombination:
    def test_it_is_an_identity_and_takes_itself_out(
        self, tiny_base: BaseModel, combination: dict[str, Any], batch: Batch
    ) -> None:
        before, clean = digest(tiny_base), predict(tiny_base)
        trainer = new_trainer(tiny_base, **combination)
        groups = trainer.attach()
        assert torch.equal(predict(tiny_base), clean)
        parts = {name.partition("/")[0] for name in (group.name for group in groups)}
        wanted = {"unet", "text_encoder"} if combination["train_text_encoder"] else {"unet"}
        assert parts == wanted
        assert trainer.trains_text_encoder == combination["train_text_encoder"]
        own = {id(p) for group in groups for p in group.parameters.values()}
        trainer.loss(batch, STREAMS).backward()
        for part in (tiny_base.unet, tiny_base.vae, tiny_base.text_encoder):
            for parameter in part.parameters():
                assert id(parameter) in own or parameter.grad is None
        with trainer.detached():
            assert digest(tiny_base) == before

    def test_a_file_does_what_training_did(
        self, tiny_base: BaseModel, combination: dict[str, Any], batch: Batch
    ) -> None:
        trainer = new_trainer(tiny_base, **combination)
        clean, before = predict(tiny_base), digest(tiny_base)
        losses = train(trainer, batch, 4)
        assert losses[-1] < losses[0]
        attached = predict(tiny_base)
        assert not torch.allclose(attached, clean, atol=1e-3)
        adapter = trainer.adapter()
        header = adapter.header
        assert (header.kind, header.method) == (combination["weights"], "dreambooth")
        assert DreamBoothSettings(**json.loads(header.settings)) == trainer.settings
        with trainer.detached():
            with DreamBoothTrainer.apply(adapter, tiny_base):
                torch.testing.assert_close(predict(tiny_base), attached, atol=1e-4, rtol=1e-4)
            with DreamBoothTrainer.apply(adapter, tiny_base, 0.0):
                torch.testing.assert_close(predict(tiny_base), clean, atol=1e-5, rtol=1e-5)
            assert digest(tiny_base) == before
        assert torch.equal(predict(tiny_base), attached)


@pytest.mark.parametrize("weights", ["lora", "full"])
def test_same_seed_same_bytes(tiny_base: BaseModel, batch: Batch, weights: str) -> None:
    digests = []
    with ExitStack() as stack:
        for disturbance in (1, 2):
            torch.manual_seed(disturbance)
            trainer = new_trainer(tiny_base, weights=weights, prior="output")
            train(trainer, batch, 2)
            digests.append(content_digest(trainer.adapter().tensors))
            stack.enter_context(trainer.detached())  # the next trainer gets a clean base
    assert digests[0] == digests[1]


def noise_errors(base: BaseModel, batch: Batch) -> Tensor:
    """The squared error of the noise, as in the paper's first term: no weighting, epsilon."""
    noised = add_noise_to(base, batch, Objective(), STREAMS)
    text = encode_captions(base, batch.captions).hidden_states
    model_pred = base.unet(noised.noisy_latents, noised.timesteps, text).sample
    return (model_pred - noised.noise).square().mean()


def test_the_prior_loss_by_hand(tiny_base: BaseModel, batch: Batch) -> None:
    """Ruiz et al., equation 2: the subject's error plus lambda times the class pictures' error."""
    trainer = new_trainer(tiny_base, prior="class_pictures", prior_loss_weight=0.3)
    trainer.attach()
    assert batch.prior is not None
    expected = noise_errors(tiny_base, batch) + 0.3 * noise_errors(tiny_base, batch.prior)
    torch.testing.assert_close(trainer.loss(batch, STREAMS), expected)


def test_the_output_preserving_loss_by_hand(tiny_base: BaseModel, batch: Batch) -> None:
    """The subject's error plus lambda times the squared distance from the base's own answer."""
    trainer = new_trainer(tiny_base, prior="output", prior_loss_weight=0.3, weights="full")
    plain = noise_errors(tiny_base, batch)
    noised = add_noise_to(tiny_base, batch, Objective(), STREAMS)
    text = encode_captions(tiny_base, [CLASS] * 2).hidden_states
    base_says = tiny_base.unet(noised.noisy_latents, noised.timesteps, text).sample.detach()
    groups = trainer.attach()
    torch.testing.assert_close(trainer.loss(batch, STREAMS), plain)  # nothing has drifted yet
    with torch.no_grad():
        for parameter in groups[0].parameters.values():
            parameter.add_(0.02)
    now_says = tiny_base.unet(noised.noisy_latents, noised.timesteps, text).sample
    drift = (now_says - base_says).square().mean()
    assert drift > 1e-4
    expected = noise_errors(tiny_base, batch) + 0.3 * drift
    torch.testing.assert_close(trainer.loss(batch, STREAMS), expected)


@pytest.mark.parametrize(("learns", "expected"), [(False, 1), (True, 6)])
def test_the_class_is_read_anew_only_where_reading_is_learned(
    tiny_base: BaseModel,
    batch: Batch,
    monkeypatch: pytest.MonkeyPatch,
    learns: bool,
    expected: int,
) -> None:
    """Three steps; where the text encoder learns, each asks the base's own and the trained one."""
    read: list[Sequence[str]] = []

    def counted(base: BaseModel, captions: Sequence[str]) -> Conditioning:
        read.append(captions)
        return encode_captions(base, captions)

    monkeypatch.setattr("trainers.dreambooth.trainer.encode_captions", counted)
    train(new_trainer(tiny_base, prior="output", train_text_encoder=learns), batch, 3)
    assert read == [[CLASS]] * expected


def test_masks_do_not_open_a_hole_in_the_prior(tiny_base: BaseModel, batch: Batch) -> None:
    trainer = new_trainer(tiny_base, prior="output", weights="full")
    trainer.context.objective = Objective(masked_loss=True)
    hidden = replace(batch, masks=torch.zeros(2, 1, 8, 8))
    groups = trainer.attach()
    assert trainer.loss(hidden, STREAMS).item() == 0
    with torch.no_grad():
        for parameter in groups[0].parameters.values():
            parameter.add_(0.02)
    assert trainer.loss(hidden, STREAMS).item() > 1e-4


@torch.no_grad()
def answers_to_the_class(base: BaseModel, batch: Batch) -> Tensor:
    """At noise and timesteps that no training step has drawn."""
    answers = []
    for view in (1000, 1001):
        noised = add_noise_to(base, replace(batch, views=[view, view]), Objective(), STREAMS)
        text = encode_captions(base, [CLASS] * 2).hidden_states
        answers.append(base.unet(noised.noisy_latents, noised.timesteps, text).sample)
    return torch.cat(answers)


@pytest.mark.parametrize("weights", ["lora", "full"])
def test_the_class_drifts_less_where_it_is_kept(
    tiny_base: BaseModel, batch: Batch, weights: str
) -> None:
    clean = answers_to_the_class(tiny_base, batch)
    drift: dict[str, float] = {}
    with ExitStack() as stack:
        for prior in ("none", "output"):
            trainer = new_trainer(tiny_base, weights=weights, prior=prior, prior_loss_weight=3)
            train(trainer, batch, 6, lr=6e-3 if weights == "lora" else 6e-4, anew=True)
            drift[prior] = (answers_to_the_class(tiny_base, batch) - clean).norm().item()
            stack.enter_context(trainer.detached())  # the next trainer gets a clean base
    assert drift["output"] < 0.6 * drift["none"], drift


def test_validation_batches_have_no_prior(tiny_base: BaseModel, batch: Batch) -> None:
    trainer = new_trainer(tiny_base, prior="class_pictures")
    trainer.attach()
    alone = replace(batch, prior=None)
    expected = denoising_loss(tiny_base, alone, Objective(), STREAMS)
    assert torch.equal(trainer.loss(alone, STREAMS), expected)


def test_whole_weights_train_in_fp32_on_a_half_precision_base(
    tiny_base: BaseModel, batch: Batch
) -> None:
    for part in (tiny_base.unet, tiny_base.text_encoder):
        part.to(torch.bfloat16)
    before = digest(tiny_base)
    trainer = new_trainer(tiny_base, weights="full", prior="output", train_text_encoder=True)
    losses = train(trainer, batch, 2, lr=1e-5)
    assert {p.dtype for p in tiny_base.unet.parameters()} == {torch.float32}
    moved = trainer.adapter().tensors
    assert {t.dtype for t in moved.values()} == {torch.float32}
    # Steps as small as these are lost in bfloat16.
    assert any(not torch.equal(t, t.bfloat16().float()) for t in moved.values())
    assert np.isfinite(losses).all()
    with trainer.detached():
        assert digest(tiny_base) == before
        assert tiny_base.unet.dtype == torch.bfloat16


def test_the_base_answers_with_its_own_weights_under_autocast(
    tiny_base: BaseModel, batch: Batch
) -> None:
    """Autocast keeps half-precision copies of weights by parameter, which are swapped here."""
    trainer = new_trainer(tiny_base, weights="full", prior="output")
    groups = trainer.attach()
    with torch.no_grad():
        for parameter in groups[0].parameters.values():
            parameter.add_(0.05)
    with torch.autocast("cpu", torch.bfloat16):
        under_autocast = trainer.loss(batch, STREAMS)
    torch.testing.assert_close(
        under_autocast.float(), trainer.loss(batch, STREAMS), rtol=0.1, atol=0
    )


def test_strength_leads_in_a_straight_line(tiny_base: BaseModel, batch: Batch) -> None:
    trainer = new_trainer(tiny_base, weights="full")
    train(trainer, batch, 2)
    adapter = trainer.adapter()
    name = "conv_in.weight"
    with trainer.detached():
        old = tiny_base.unet.get_parameter(name).clone()
        new = adapter.tensors[f"unet.{name}"]
        with DreamBoothTrainer.apply(adapter, tiny_base, 0.25):
            torch.testing.assert_close(tiny_base.unet.get_parameter(name), old + 0.25 * (new - old))
        with DreamBoothTrainer.apply(adapter, tiny_base):
            assert torch.equal(tiny_base.unet.get_parameter(name), new)
        for wrong in (
            replace(adapter.header, family="sdxl"),
            replace(adapter.header, kind="hypernetwork"),
            replace(adapter.header, settings="[]"),
            replace(adapter.header, settings="{"),
        ):
            broken = replace(adapter, header=wrong)
            with pytest.raises(AdapterError), DreamBoothTrainer.apply(broken, tiny_base):
                pytest.fail("applied")


def test_both_text_encoders_of_sdxl_train(tiny_sdxl: BaseModel) -> None:
    trainer = new_trainer(
        tiny_sdxl,
        weights="full",
        train_text_encoder=True,
        text_encoder_learning_rate=1e-6,
        text_encoder_stop_after=0.4,
    )
    groups = {group.name: group for group in trainer.attach()}
    assert list(groups) == ["unet", "text_encoder", "text_encoder_2"]
    assert (groups["unet"].learning_rate, groups["unet"].stop_after) == (None, None)
    for part in ("text_encoder", "text_encoder_2"):
        assert (groups[part].learning_rate, groups[part].stop_after) == (1e-6, 0.4)


# What is learned from


def test_every_picture_is_called_by_the_instance_prompt(
    tiny_base: BaseModel, tiny_examples: list[Example], monkeypatch: pytest.MonkeyPatch
) -> None:
    curated: Any = object()
    monkeypatch.setattr(Trainer, "examples", lambda self, curated: tiny_examples)
    found = new_trainer(tiny_base, instance_prompt="a photo of sks dog").examples(curated)
    assert {example.caption for example in found} == {"a photo of sks dog"}
    assert [example.path for example in found] == [example.path for example in tiny_examples]
    by_trigger = new_trainer(tiny_base, trigger="my dog").examples(curated)
    assert {example.caption for example in by_trigger} == {"a photo of my dog"}
    assert new_trainer(tiny_base, use_captions=True).examples(curated) == tiny_examples


Counted = list[list[int]]


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> Counted:
    """Stands for the sampler: gray pictures by seed; which seeds each call was asked for."""
    calls: Counted = []

    def gray(
        base: BaseModel, prompts: list[str], seeds: list[int], settings: Any, *, literal: bool
    ) -> list[Any]:
        assert prompts == [CLASS]
        assert literal
        calls.append(list(seeds))
        return [Image.new("RGB", (64, 64), (seed, seed, seed)) for seed in seeds]

    monkeypatch.setattr(class_pictures, "sample", gray)
    monkeypatch.setattr(class_pictures, "pictures_at_once", lambda base: 3)
    return calls


def with_pictures(base: BaseModel, folder: Path, **settings: Any) -> DreamBoothTrainer:
    return new_trainer(
        base, folder=folder, prior="class_pictures", **{"num_class_images": 7, **settings}
    )


def test_class_pictures_are_drawn_once(
    tiny_base: BaseModel, tmp_path: Path, drawn: Counted
) -> None:
    seen: list[tuple[int, int]] = []
    examples = with_pictures(tiny_base, tmp_path).prior_examples(lambda *n: seen.append(n))
    assert drawn == [[0, 1, 2], [3, 4, 5], [6, 7, 8]]
    assert seen == [(3, 7), (6, 7), (7, 7)]
    assert {example.caption for example in examples} == {CLASS}
    assert {(example.width_px, example.height_px) for example in examples} == {(64, 64)}
    assert len({example.digest for example in examples}) == 7
    drawn.clear()
    assert with_pictures(tiny_base, tmp_path).prior_examples() == examples
    assert with_pictures(tiny_base, tmp_path, num_class_images=4).prior_examples() == examples[:4]
    assert drawn == []
    examples[5].path.unlink()
    assert with_pictures(tiny_base, tmp_path, num_class_images=9).prior_examples()[:7] == examples
    assert drawn == [[3, 4, 5]]


@pytest.mark.parametrize(
    "change",
    [
        lambda base: (base, {"class_num_inference_steps": 3}),
        lambda base: (base, {"class_guidance_scale": 2.0}),
        lambda base: (replace(base, digest="f" * 64), {}),
    ],
)
def test_other_class_pictures_are_not_taken_for_these(
    tiny_base: BaseModel,
    tmp_path: Path,
    drawn: Counted,
    change: Callable[[BaseModel], tuple[BaseModel, dict[str, Any]]],
) -> None:
    with_pictures(tiny_base, tmp_path).prior_examples()
    drawn.clear()
    base, settings = change(tiny_base)
    with_pictures(base, tmp_path, **settings).prior_examples()
    assert sum(map(len, drawn)) == 9


def test_a_stop_in_the_middle_loses_one_batch_at_most(
    tiny_base: BaseModel, tmp_path: Path, drawn: Counted
) -> None:
    def stop(done: int, count: int) -> None:
        if done == 6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        with_pictures(tiny_base, tmp_path).prior_examples(stop)
    drawn.clear()
    assert len(with_pictures(tiny_base, tmp_path).prior_examples()) == 7
    assert drawn == [[6, 7, 8]]


def test_class_pictures_are_the_clean_bases_own(
    tiny_base: BaseModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(class_pictures, "pictures_at_once", lambda base: 2)
    settings = {"num_class_images": 1, "class_num_inference_steps": 2}
    with_pictures(tiny_base, tmp_path, **settings).prior_examples()
    settings["num_class_images"] = 2
    examples = with_pictures(tiny_base, tmp_path, **settings).prior_examples()
    sampling = SamplingSettings(num_inference_steps=2)
    _, wanted = sample(tiny_base, [CLASS], [0, 1], sampling)
    assert np.array_equal(np.asarray(Image.open(examples[1].path)), np.asarray(wanted))


def test_class_pictures_of_ones_own(
    tiny_base: BaseModel, tmp_path: Path, tiny_examples: list[Example], drawn: Counted
) -> None:
    folder = tiny_examples[0].path.parent
    (folder / ".hidden.png").write_bytes(b"no picture")
    (folder / "notes.txt").write_text("no picture")
    found = with_pictures(tiny_base, tmp_path, class_pictures=folder).prior_examples()
    assert [example.digest for example in found] == [example.digest for example in tiny_examples]
    assert (found[3].width_px, found[3].height_px) == (80, 40)
    assert drawn == []
    (folder / "z.png").write_bytes(b"no picture")
    with pytest.raises(DatasetError, match=r"class picture .*z\.png cannot be used"):
        with_pictures(tiny_base, tmp_path, class_pictures=folder).prior_examples()
    (tmp_path / "empty").mkdir()
    with pytest.raises(DatasetError, match=r"no pictures in trainer\.class_pictures"):
        with_pictures(tiny_base, tmp_path, class_pictures=tmp_path / "empty").prior_examples()


def test_other_ways_to_keep_the_class_need_no_pictures(tiny_base: BaseModel) -> None:
    for prior in ("none", "output"):
        assert list(new_trainer(tiny_base, prior=prior).prior_examples()) == []


# Settings


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"prior": "output"}, "class_prompt: missing, and prior: output needs it"),
        ({"prior": "class_pictures", "class_prompt": " "}, "class_prompt: missing"),
        ({"prior": "some"}, "prior"),
        ({"use_dora": True, "variant": "loha"}, "use_dora"),
    ],
)
def test_what_cannot_work_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        DreamBoothSettings(**settings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"weights": "full", "rank": 16},
            "trainer.rank: 16 has no effect; set trainer.weights: lora",
        ),
        ({"weights": "full", "use_dora": True}, "trainer.use_dora"),
        ({"extracted_rank": 8}, "trainer.weights: full"),
        ({"text_encoder_stop_after": 0.5}, "trainer.train_text_encoder: true"),
        (
            {"instance_prompt": "a sks dog", "use_captions": True},
            "trainer.instance_prompt: a sks dog has no effect; set trainer.use_captions: false",
        ),
        ({"class_pictures": "."}, "trainer.prior: class_pictures"),
        (
            {"prior": "class_pictures", "class_prompt": CLASS, "class_pictures": "nowhere"},
            "there is no folder nowhere",
        ),
    ],
)
def test_settings_that_do_nothing_are_pointed_out(settings: dict[str, Any], message: str) -> None:
    (problem,) = DreamBoothTrainer.check(DreamBoothSettings(**settings), "sd1")
    assert message in problem


def test_a_locked_recipe_with_all_defaults_has_no_problem() -> None:
    for weights in ("lora", "full"):
        stated = DreamBoothSettings(weights=weights).model_dump(mode="json")
        assert list(DreamBoothTrainer.check(DreamBoothSettings(**stated), "sd1")) == []


def test_the_kind_of_adapter_is_known_from_the_settings() -> None:
    assert plugins()["dreambooth"].produces == ("lora", "loha", "lokr", "oft", "diag_oft", "full")
    assert DreamBoothSettings(weights="full").adapter_kinds == ("full",)
    assert DreamBoothSettings().adapter_kinds == ("lora",)
    assert DreamBoothSettings(variant="lokr").adapter_kinds == ("lokr",)
