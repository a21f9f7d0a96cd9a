from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest
from pydantic import ValidationError

from studio.training.objective import Objective
from studio.training.settings import LossSettings


def test_the_engine_reads_every_setting_and_has_its_defaults() -> None:
    assert {f.name: f.default for f in fields(Objective)} == LossSettings().model_dump()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"snr_gamma": 5, "debiased": True}, "two weightings"),
        ({"zero_terminal_snr": True, "prediction_type": "epsilon"}, "use v_prediction"),
        ({"min_timestep": 10, "max_timestep": 9}, "no timestep is left"),
        ({"huber_c": 0.2}, "no effect without loss_type: huber or smooth_l1"),
        ({"huber_schedule": "constant"}, "no effect without loss_type"),
        ({"logit_mean": 1}, "no effect without timestep_distribution: logit_normal"),
        ({"logit_std": 2, "timestep_distribution": "power"}, "logit_normal"),
        ({"timestep_exponent": 2}, "no effect without timestep_distribution: power"),
        ({"multires_noise_discount": 0.5}, "no effect without multires_noise_iterations"),
        ({"unmasked_weight": 0.1}, "no effect without masked_loss: true"),
        ({"loss_type": "l2"}, "'mse', 'huber' or 'smooth_l1'"),
    ],
)
def test_what_cannot_work_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        LossSettings(**settings)


def test_what_belongs_together_is_taken() -> None:
    settings = LossSettings(
        loss_type="huber",
        huber_c=0.2,
        timestep_distribution="logit_normal",
        logit_mean=1,
        multires_noise_iterations=6,
        multires_noise_discount=0.2,
        masked_loss=True,
        unmasked_weight=0.1,
        zero_terminal_snr=True,
        debiased=True,
    )
    # A lock holds every setting; read back, it must be as good.
    assert LossSettings(**settings.model_dump()) == settings
