"""The held-out loss: worked out by hand, the same at every call, and blind to what training varies."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from pydantic import ValidationError

from studio.bases.base_model import BaseModel
from studio.curation.manifest import CuratedSet
from studio.curation.settings import CaptionSettings, DatasetSettings
from studio.examples.captions import encode_captions
from studio.examples.encoding import encode_examples
from studio.examples.example import Example
from studio.examples.loader import ExampleLoader
from studio.registry import plugin
from studio.training.objective import Objective
from studio.training.randomness import RandomStreams
from studio.training.settings import ValidationSettings
from studio.training.trainer import TrainingContext
from studio.training.validation import Validation, held_out_settings, prepare_validation

STREAMS = RandomStreams(4)
TIMESTEPS = (100, 900)
VARIED = DatasetSettings(
    source="pictures",
    flip_probability=1.0,
    caption_dropout=1.0,
    crop="random",
    mask="alpha",
    caption=CaptionSettings(shuffle_tags=True, tag_dropout=1.0, prefix="picture of"),
)
SETTINGS = ValidationSettings(timesteps=TIMESTEPS)


def validation_of(
    base: BaseModel, examples: list[Example], cache: Path, objective: Objective | None = None
) -> Validation:
    encoded = encode_examples(examples, base, held_out_settings(VARIED), cache, encode_text=True)
    return Validation(base, encoded, SETTINGS, objective or Objective(), STREAMS)


@torch.no_grad()
def test_it_is_the_mean_squared_error_at_fixed_timesteps_and_noise(
    tiny_base: BaseModel, tiny_examples: list[Example], tmp_path: Path
) -> None:
    """Noised by diffusers' scheduler, one forward pass for each picture and timestep."""
    examples = tiny_examples[2:4]  # of two buckets
    objective = Objective(noise_offset=0.5, snr_gamma=5.0, min_timestep=950)
    report = validation_of(tiny_base, examples, tmp_path, objective)(step=7)

    encoded = encode_examples(
        examples, tiny_base, DatasetSettings(source="pictures"), tmp_path, encode_text=True
    )
    expected: dict[int, list[float]] = {t: [] for t in TIMESTEPS}
    for item, renditions in enumerate(encoded.renditions):
        moments = renditions[0].moments
        posterior = STREAMS.normal(moments.mean.shape, "posterior", 0, item)
        latents = moments.latents(posterior, encoded.scaling_factor)[None]
        states = encode_captions(tiny_base, [f"picture of thing {item + 2}"]).hidden_states
        for t in TIMESTEPS:
            noise = STREAMS.normal(latents.shape[1:], "validation_noise", t, item)[None]
            noisy = tiny_base.noise_scheduler.add_noise(latents, noise, torch.tensor([t]))
            model_pred = tiny_base.unet(noisy, torch.tensor([t]), states).sample
            expected[t].append((model_pred - noise).square().mean().item())

    assert report.step == 7
    for t in TIMESTEPS:
        assert report.by_timestep[t] == pytest.approx(sum(expected[t]) / 2, rel=1e-4)
    assert report.loss == pytest.approx(sum(report.by_timestep.values()) / 2)


def test_it_draws_from_no_global_state(
    tiny_base: BaseModel, tiny_examples: list[Example], tmp_path: Path
) -> None:
    validate = validation_of(tiny_base, tiny_examples[:2], tmp_path)
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = validate(0)
    assert torch.get_rng_state().equal(before)
    torch.manual_seed(2)
    assert validate(0) == first


def test_pictures_are_measured_as_they_are(
    tiny_base: BaseModel, tiny_examples: list[Example], tmp_path: Path
) -> None:
    plain = held_out_settings(VARIED)
    encoded = encode_examples(tiny_examples, tiny_base, plain, tmp_path, encode_text=True)
    loader = ExampleLoader(encoded, 1, STREAMS, torch.device("cpu"))
    batches = [loader.batch(number) for number in range(len(tiny_examples))]
    assert sorted(batch.items[0] for batch in batches) == [0, 1, 2, 3, 4]
    assert {batch.views[0] for batch in batches} == {0}
    assert sorted(batch.captions[0] for batch in batches) == [
        f"picture of thing {i}" for i in range(5)
    ]
    assert all(batch.masks is None for batch in batches)
    assert [len(renditions) for renditions in encoded.renditions] == [1] * 5
    assert not any(r.framing.flipped for renditions in encoded.renditions for r in renditions)


def test_sdxl_is_measured_too(
    tiny_sdxl: BaseModel, tiny_examples: list[Example], tmp_path: Path
) -> None:
    report = validation_of(tiny_sdxl, tiny_examples[:1], tmp_path)(0)
    assert list(report.by_timestep) == list(TIMESTEPS)
    assert all(loss > 0 for loss in report.by_timestep.values())


def test_only_so_many_pictures_are_prepared(
    tiny_base: BaseModel,
    tiny_examples: list[Example],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lora = plugin("lora")
    context = TrainingContext(resolution_px=64, seed=4, cache_folder=tmp_path / "cache")
    trainer = lora.load()(lora.settings(), tiny_base, context)
    monkeypatch.setattr(trainer, "examples", lambda _curated: tiny_examples)
    settings = ValidationSettings(timesteps=TIMESTEPS, max_pictures=2)
    seen: list[tuple[int, int]] = []
    held_out = CuratedSet.__new__(
        CuratedSet
    )  # `examples` is replaced, and nothing else looks at it
    validate = prepare_validation(
        trainer, held_out, VARIED, settings, lambda done, total: seen.append((done, total))
    )
    assert seen == [(1, 2), (2, 2)]
    assert validate(0) == validation_of(tiny_base, tiny_examples[:2], tmp_path)(0)


def test_timesteps_are_named_once_and_exist() -> None:
    with pytest.raises(ValidationError, match="names a timestep twice"):
        ValidationSettings(timesteps=(5, 5))
    with pytest.raises(ValidationError, match="less than or equal to 999"):
        ValidationSettings(timesteps=(1000,))
