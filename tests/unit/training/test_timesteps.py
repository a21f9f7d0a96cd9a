from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from diffusers.training_utils import compute_density_for_timestep_sampling

from studio.examples.batch import Batch
from studio.training.objective import Objective
from studio.training.randomness import RandomStreams
from studio.training.timesteps import draw_timesteps

STREAMS = RandomStreams(3)
QUANTILES = torch.tensor([0.1, 0.25, 0.5, 0.75, 0.9])


@pytest.fixture
def many(make_batch: Callable[..., Batch]) -> Batch:
    return make_batch(range(4000), latents=torch.zeros(4000, 1, 1, 1), conditioning=None)


def drawn(batch: Batch, objective: Objective) -> torch.Tensor:
    return draw_timesteps(batch, objective, 1000, STREAMS)


def quantiles(timesteps: torch.Tensor) -> list[float]:
    return timesteps.float().quantile(QUANTILES).tolist()


def test_uniform_timesteps_fill_their_range(many: Batch) -> None:
    timesteps = drawn(many, Objective(min_timestep=300, max_timestep=309))
    assert sorted(set(timesteps.tolist())) == list(range(300, 310))
    assert timesteps.bincount()[300:].min() > 300


def test_logit_normal_timesteps_agree_with_diffusers(many: Batch) -> None:
    ours = drawn(
        many, Objective(timestep_distribution="logit_normal", logit_mean=-0.5, logit_std=0.8)
    )
    theirs = compute_density_for_timestep_sampling(
        "logit_normal", 4000, -0.5, 0.8, generator=torch.Generator().manual_seed(0)
    )
    assert quantiles(ours) == pytest.approx(quantiles(theirs * 1000), abs=20)


@pytest.mark.parametrize("exponent", [0.5, 1.0, 2.0])
def test_the_exponent_moves_timesteps_to_one_end(many: Batch, exponent: float) -> None:
    """The q-quantile of u^e is q^e."""
    timesteps = drawn(many, Objective(timestep_distribution="power", timestep_exponent=exponent))
    assert quantiles(timesteps) == pytest.approx((1000 * QUANTILES**exponent).tolist(), abs=25)


@pytest.mark.parametrize("distribution", ["logit_normal", "power"])
def test_every_distribution_keeps_to_the_range(many: Batch, distribution: str) -> None:
    objective = Objective(
        timestep_distribution=distribution,  # type: ignore[arg-type]
        logit_mean=4,
        timestep_exponent=0.01,
        min_timestep=500,
        max_timestep=509,
    )
    assert sorted(set(drawn(many, objective).tolist()))[-1] == 509
    assert drawn(many, objective).min() >= 500


def test_a_schedule_shorter_than_the_range_ends_it(make_batch: Callable[..., Batch]) -> None:
    timesteps = draw_timesteps(make_batch(range(50)), Objective(min_timestep=98), 100, STREAMS)
    assert set(timesteps.tolist()) == {98, 99}
