"""Optimizers by their name in the recipe: torch's, or a library's own. None is ours."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torch import optim

from studio.errors import UserError
from studio.training.optimizer_settings import OptimizerSettings
from studio.training.trainer import ParamGroup

Params = list[dict[str, Any]]


def make_optimizer(groups: Sequence[ParamGroup], settings: OptimizerSettings) -> optim.Optimizer:
    """An optimizer over the groups, each with its own learning rate or else the recipe's.

    Raises:
        UserError: groups with several learning rates, and prodigy, which finds one for all.
    """
    params: Params = [
        {"params": list(g.parameters.values()), "lr": _learning_rate(g, settings)} for g in groups
    ]
    if settings.name == "prodigy":
        _require_one_learning_rate(groups, settings)
    if settings.name in ("adamw_8bit", "lion", "lion_8bit"):
        _make_contiguous(groups)
    return _MAKERS[settings.name](params, settings)


def _adamw(params: Params, settings: OptimizerSettings) -> optim.Optimizer:
    return optim.AdamW(params, **_common(settings), betas=settings.betas)


def _sgd(params: Params, settings: OptimizerSettings) -> optim.Optimizer:
    return optim.SGD(params, **_common(settings))


def _adamw_8bit(params: Params, settings: OptimizerSettings) -> optim.Optimizer:
    from bitsandbytes.optim import AdamW8bit

    optimizer: optim.Optimizer = AdamW8bit(params, **_common(settings), betas=settings.betas)
    return optimizer


def _lion(params: Params, settings: OptimizerSettings) -> optim.Optimizer:
    from bitsandbytes.optim import Lion

    optimizer: optim.Optimizer = Lion(params, **_common(settings), betas=settings.betas)
    return optimizer


def _lion_8bit(params: Params, settings: OptimizerSettings) -> optim.Optimizer:
    from bitsandbytes.optim import Lion8bit

    optimizer: optim.Optimizer = Lion8bit(params, **_common(settings), betas=settings.betas)
    return optimizer


def _adafactor(params: Params, settings: OptimizerSettings) -> optim.Optimizer:
    """With an absolute step, as AdamW's.

    torch's own Adafactor always scales the step by the weights' size, and half of an adapter's weights
    begin at zero, where it would stay for a thousand steps.
    """
    from transformers.optimization import Adafactor

    return Adafactor(  # type: ignore[no-untyped-call]
        params, **_common(settings), scale_parameter=False, relative_step=False
    )


def _prodigy(params: Params, settings: OptimizerSettings) -> optim.Optimizer:
    """With the bias correction and the safeguard that its authors advise for diffusion and warm-ups."""
    from prodigyopt import Prodigy

    # Set for each group: given to the constructor, it prints a line to stdout.
    decaying = [{**group, "weight_decay": settings.weight_decay} for group in params]
    optimizer: optim.Optimizer = Prodigy(
        decaying,
        lr=settings.learning_rate,
        betas=settings.betas,
        d_coef=settings.d_coef,
        use_bias_correction=True,
        safeguard_warmup=True,
    )
    return optimizer


def _adamw_schedule_free(params: Params, settings: OptimizerSettings) -> optim.Optimizer:
    """Its warm-up is the lr_scheduler's: the average weighs each step by its learning rate squared."""
    from schedulefree import AdamWScheduleFree

    optimizer: optim.Optimizer = AdamWScheduleFree(
        params, **_common(settings), betas=settings.betas
    )
    return optimizer


_MAKERS: dict[str, Callable[[Params, OptimizerSettings], optim.Optimizer]] = {
    "adamw": _adamw,
    "adamw_8bit": _adamw_8bit,
    "lion": _lion,
    "lion_8bit": _lion_8bit,
    "adafactor": _adafactor,
    "prodigy": _prodigy,
    "adamw_schedule_free": _adamw_schedule_free,
    "sgd": _sgd,
}


def _common(settings: OptimizerSettings) -> dict[str, Any]:
    return {"lr": settings.learning_rate, "weight_decay": settings.weight_decay}


def _learning_rate(group: ParamGroup, settings: OptimizerSettings) -> float:
    rate = settings.learning_rate if group.learning_rate is None else group.learning_rate
    return rate * group.learning_rate_ratio


def _require_one_learning_rate(groups: Sequence[ParamGroup], settings: OptimizerSettings) -> None:
    for group in groups:
        rate = _learning_rate(group, settings)
        if rate != settings.learning_rate:
            raise UserError(
                f'prodigy finds one learning rate for all weights, but the group "{group.name}" asks '
                f"for {rate:g} and the recipe for {settings.learning_rate:g}; leave the trainer's own "
                "learning rates out"
            )


def _make_contiguous(groups: Sequence[ParamGroup]) -> None:
    """As bitsandbytes does in its first step: done now, a resumed run computes in the same layout."""
    for group in groups:
        for parameter in group.parameters.values():
            parameter.data = parameter.data.contiguous()
