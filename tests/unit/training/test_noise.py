from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch.nn import functional

from studio.examples.batch import Batch
from studio.training.noise import draw_noise
from studio.training.objective import Objective
from studio.training.randomness import RandomStreams

STREAMS = RandomStreams(3)
PYRAMID = Objective(multires_noise_iterations=6, multires_noise_discount=0.5)


@pytest.fixture
def many(make_batch: Callable[..., Batch]) -> Batch:
    latents = torch.zeros(400, 4, 16, 12)
    return make_batch(range(400), latents=latents)


def roughness(noise: torch.Tensor) -> float:
    """Mean squared difference of neighbours; 2 for independent values of variance 1."""
    return (noise[..., 1:] - noise[..., :-1]).square().mean().item()


def test_plain_noise_is_standard_normal(many: Batch) -> None:
    noise = draw_noise(many, Objective(), STREAMS)
    assert noise.shape == many.latents.shape
    assert noise.mean().item() == pytest.approx(0, abs=0.01)
    assert noise.var().item() == pytest.approx(1, rel=0.01)
    assert roughness(noise) == pytest.approx(2, rel=0.02)


def test_noise_offset_moves_whole_channels(many: Batch) -> None:
    """Variances of independent parts add up: 1 / 192 of the mean of the noise, and 0.5^2."""
    plain = draw_noise(many, Objective(), STREAMS)
    moved = draw_noise(many, Objective(noise_offset=0.5), STREAMS)
    offsets = moved - plain
    torch.testing.assert_close(offsets, offsets[..., :1, :1].expand_as(offsets), atol=1e-5, rtol=0)
    assert offsets[:, :, 0, 0].var().item() == pytest.approx(0.25, rel=0.15)


def test_multires_noise_keeps_a_mean_square_of_one_and_is_smoother(many: Batch) -> None:
    noise = draw_noise(many, PYRAMID, STREAMS)
    of_each = noise.square().mean(dim=(1, 2, 3))
    torch.testing.assert_close(of_each, torch.ones_like(of_each))
    assert noise.mean().item() == pytest.approx(0, abs=0.02)
    assert roughness(noise) < 1.8
    # The plain noise of variance 1 is left in a share that the coarser levels make smaller.
    whole_channels = noise.mean(dim=(2, 3)).var().item()
    assert whole_channels > 2 / (16 * 12)


def test_one_coarser_level_by_hand(make_batch: Callable[..., Batch]) -> None:
    batch = make_batch([5])
    ours = draw_noise(batch, Objective(multires_noise_iterations=1), STREAMS)
    shrinkage = 2 + 2 * STREAMS.uniform("multires_shrinkage_1", 0, 5)
    side = int(8 / shrinkage)
    coarse = STREAMS.normal((4, side, side), "multires_noise_1", 0, 5)
    enlarged = functional.interpolate(coarse[None], size=(8, 8), mode="bilinear")
    total = STREAMS.normal((4, 8, 8), "noise", 0, 5) + 0.3 * enlarged
    torch.testing.assert_close(ours, total / total.square().mean().sqrt())


def test_a_single_value_is_the_coarsest_level(make_batch: Callable[..., Batch]) -> None:
    """8 px shrink below 1 in three levels at most, so a fourth and a tenth change nothing."""
    batch = make_batch([0, 1])
    four = draw_noise(batch, Objective(multires_noise_iterations=4), STREAMS)
    ten = draw_noise(batch, Objective(multires_noise_iterations=10), STREAMS)
    assert four.equal(ten)


def test_an_example_draws_the_same_in_any_company(make_batch: Callable[..., Batch]) -> None:
    objective = Objective(multires_noise_iterations=6, noise_offset=0.1)
    together = draw_noise(make_batch([3, 5]), objective, STREAMS)
    assert draw_noise(make_batch([5]), objective, STREAMS)[0].equal(together[1])
