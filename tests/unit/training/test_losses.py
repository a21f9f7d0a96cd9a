from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from studio.examples.batch import Batch
from studio.training.losses import (
    huber_errors,
    masked_mean,
    reconstruction_loss,
    scheduled_huber_c,
    smooth_l1_errors,
)
from studio.training.noising import Noised
from studio.training.objective import Objective

TIMESTEPS = torch.tensor([0, 400, 999])
ALPHAS_CUMPROD = torch.tensor([0.999, 0.36, 0.0])


def noised(examples: int = 3) -> Noised:
    nothing = torch.zeros(examples, 4, 8, 8)
    return Noised(nothing, nothing, TIMESTEPS[:examples], ALPHAS_CUMPROD[:examples])


def loss(batch: Batch, model_pred: Tensor, **objective: Any) -> float:
    target = torch.zeros_like(model_pred)
    state = noised(len(batch.items))
    return reconstruction_loss(
        model_pred, target, state, batch, Objective(**objective), "epsilon"
    ).item()


@pytest.mark.parametrize("error", [-3.0, -1e-4, 0.0, 0.2, 50.0])
@pytest.mark.parametrize("c", [0.01, 1.0])
def test_pseudo_huber_is_the_formula(error: float, c: float) -> None:
    prediction, nothing, huber_c = torch.tensor(error), torch.tensor(0.0), torch.tensor(c)
    distance = math.sqrt(error**2 + c**2) - c
    ours = huber_errors(prediction, nothing, huber_c).item()
    assert ours == pytest.approx(2 * c * distance, rel=1e-5)
    ours = smooth_l1_errors(prediction, nothing, huber_c).item()
    assert ours == pytest.approx(2 * distance, rel=1e-5)


def test_small_errors_weigh_as_in_mse_and_large_ones_as_distances() -> None:
    nothing, c = torch.tensor(0.0), torch.tensor(0.1)
    assert huber_errors(torch.tensor(1e-3), nothing, c).item() == pytest.approx(1e-6, rel=1e-3)
    assert huber_errors(torch.tensor(1e3), nothing, c).item() == pytest.approx(
        2 * 0.1 * 1e3, rel=1e-3
    )
    assert smooth_l1_errors(torch.tensor(1e3), nothing, c).item() == pytest.approx(2e3, rel=1e-3)


def test_an_exact_prediction_has_a_gradient_of_zero() -> None:
    prediction = torch.zeros(2, requires_grad=True)
    huber_errors(prediction, torch.zeros(2), torch.tensor(0.1)).sum().backward()
    assert prediction.grad is not None
    assert prediction.grad.tolist() == [0, 0]


def test_huber_schedules_by_the_papers_formulas() -> None:
    """sigma^2 = (1 - a)/a: 0.001/0.999, 0.64/0.36, infinite."""
    constant = scheduled_huber_c(noised(), Objective(huber_schedule="constant"))
    assert constant.tolist() == pytest.approx([0.1, 0.1, 0.1])
    exponential = scheduled_huber_c(noised(), Objective(huber_schedule="exponential"))
    by_hand = [math.exp(math.log(0.1) * t / 1000) for t in (0, 400, 999)]
    assert exponential.tolist() == pytest.approx(by_hand)
    snr = scheduled_huber_c(noised(), Objective(huber_schedule="snr"))
    sigmas = [math.sqrt(0.001 / 0.999), 0.8 / 0.6, math.inf]
    assert snr.tolist() == pytest.approx([0.9 / (1 + s) ** 2 + 0.1 for s in sigmas])


def test_an_outlier_pulls_less_with_huber(make_batch: Callable[..., Batch]) -> None:
    batch, prediction = make_batch([0, 1, 2]), torch.full((3, 4, 8, 8), 0.01)
    outlier = prediction.clone()
    outlier[2] = 10
    squared = loss(batch, outlier) / loss(batch, prediction)
    robust = loss(batch, outlier, loss_type="huber") / loss(batch, prediction, loss_type="huber")
    assert robust < squared / 10


def test_every_loss_falls_on_the_same_exact_answer(make_batch: Callable[..., Batch]) -> None:
    for loss_type in ("mse", "huber", "smooth_l1"):
        assert loss(make_batch([0, 1]), torch.zeros(2, 4, 8, 8), loss_type=loss_type) == 0


def test_a_mask_by_hand() -> None:
    """Errors 8 on the masked quarter and 2 elsewhere; weights 1 and 0.5: (8 + 3 * 0.5 * 2) / 2.5."""
    errors = torch.full((1, 3, 2, 2), 2.0)
    errors[..., 0, 0] = 8
    masks = torch.zeros(1, 1, 2, 2)
    masks[..., 0, 0] = 1
    assert masked_mean(errors, masks, 0.0).item() == pytest.approx(8)
    assert masked_mean(errors, masks, 0.5).item() == pytest.approx((8 + 3) / 2.5)
    assert masked_mean(errors, masks, 1.0).item() == pytest.approx(errors.mean().item())
    assert masked_mean(errors, torch.ones_like(masks), 0.0).item() == pytest.approx(3.5)


def test_an_example_masked_out_everywhere_counts_nothing() -> None:
    errors = torch.ones(2, 4, 2, 2)
    masks = torch.stack([torch.zeros(1, 2, 2), torch.full((1, 2, 2), 0.25)])
    assert masked_mean(errors, masks, 0.0).tolist() == pytest.approx([0.0, 1.0])


def test_masks_count_only_where_they_are_asked_for(make_batch: Callable[..., Batch]) -> None:
    masks = torch.zeros(1, 1, 8, 8)
    masks[..., :4] = 1
    prediction = torch.ones(1, 4, 8, 8)
    prediction[..., 4:] = 5
    batch = make_batch([0], masks=masks)
    assert loss(batch, prediction) == pytest.approx(13)
    assert loss(batch, prediction, masked_loss=True) == pytest.approx(1)
    assert loss(make_batch([0]), prediction, masked_loss=True) == pytest.approx(13)


def test_where_the_mask_is_black_nothing_is_learned(make_batch: Callable[..., Batch]) -> None:
    masks = torch.zeros(1, 1, 8, 8)
    masks[..., 2:5, 2:5] = 1
    prediction = torch.ones(1, 4, 8, 8, requires_grad=True)
    objective = Objective(masked_loss=True, loss_type="huber")
    reconstruction_loss(
        prediction,
        torch.zeros(1, 4, 8, 8),
        noised(1),
        make_batch([0], masks=masks),
        objective,
        "epsilon",
    ).backward()
    assert prediction.grad is not None
    assert prediction.grad.ne(0).equal(masks.expand_as(prediction).ne(0))


def test_snr_weights_are_those_of_the_timesteps(make_batch: Callable[..., Batch]) -> None:
    """Errors 1 at alphas_cumprod 0.999, 0.36, 0: min-SNR 5/999, 1, 1; debiased 1/sqrt(999), 4/3, 0."""
    batch, prediction = make_batch([0, 1, 2]), torch.ones(3, 4, 8, 8)
    min_snr = loss(batch, prediction, snr_gamma=5.0)
    assert min_snr == pytest.approx((5 / 999 + 1 + 1) / 3, rel=1e-4)
    debiased = loss(batch, prediction, debiased=True)
    assert debiased == pytest.approx((1 / math.sqrt(999) + 4 / 3) / 3, rel=1e-4)
