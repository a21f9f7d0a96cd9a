"""The small parts of the engine: budget, optimizer, learning rate, average, timer, progress, events."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console
from torch import nn

from studio.training import budget as budget_module
from studio.training.budget import MEASURED_STEPS, measure_steps, total_steps
from studio.training.ema import Ema
from studio.training.events import EventListener
from studio.training.listeners import Listeners, StartReport, StepReport, ValidationReport
from studio.training.lr_schedulers import make_lr_scheduler
from studio.training.optimizers import make_optimizer
from studio.training.progress import ProgressBar
from studio.training.settings import BudgetSettings, OptimizerSettings
from studio.training.trainer import ParamGroup


def test_steps_of_a_budget_by_hand() -> None:
    assert total_steps(BudgetSettings(steps=7), 10, 4, 2) == 7
    # 100 views of 10 pictures are 1000 pictures, 8 to a step.
    assert total_steps(BudgetSettings(steps_per_image=100), 10, 4, 2) == 125
    assert total_steps(BudgetSettings(steps_per_image=0.1), 10, 4, 2) == 1
    assert total_steps(BudgetSettings(minutes=3), 10, 4, 2) is None


class Clock:
    """Time that passes only when something is done."""

    now = 0.0

    def perf_counter(self) -> float:
        return self.now

    def work(self, first: float, later: float) -> Callable[[int], None]:
        def rehearse(step: int) -> None:
            self.now += first if step == 0 else later

        return rehearse


def test_a_measured_budget_counts_the_measuring(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(budget_module, "time", clock)
    # 60 s less 1 + 8 x 0.5 s of measuring, at 0.5 s a step.
    assert measure_steps(1.0, clock.work(first=1.0, later=0.5)) == 110
    assert clock.now == 1.0 + MEASURED_STEPS * 0.5


def test_a_short_budget_is_measured_in_brief(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(budget_module, "time", clock)
    assert measure_steps(0.1, clock.work(first=2.0, later=2.0)) == 1
    assert clock.now == 4.0


def groups() -> list[ParamGroup]:
    return [
        ParamGroup("unet", {"a": nn.Parameter(torch.ones(2))}),
        ParamGroup("text_encoder", {"b": nn.Parameter(torch.ones(2))}, learning_rate=1e-5),
    ]


@pytest.mark.parametrize("name", ["adamw", "sgd"])
def test_each_group_has_its_learning_rate(name: Any) -> None:
    settings = OptimizerSettings(name=name, learning_rate=1e-3, weight_decay=0.5)
    optimizer = make_optimizer(groups(), settings)
    assert [group["lr"] for group in optimizer.param_groups] == [1e-3, 1e-5]
    assert {group["weight_decay"] for group in optimizer.param_groups} == {0.5}


def rates(total: int, **settings: Any) -> list[float]:
    chosen = OptimizerSettings(learning_rate=1.0, **settings)
    optimizer = make_optimizer(groups()[:1], chosen)
    lr_scheduler = make_lr_scheduler(optimizer, chosen, total)
    course = []
    for _ in range(total):
        course.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        lr_scheduler.step()
    return course


def test_the_learning_rate_rises_and_falls() -> None:
    course = rates(100, lr_scheduler="linear", lr_warmup_steps=4)
    assert course[:5] == pytest.approx([0, 0.25, 0.5, 0.75, 1.0])
    assert course[-1] == pytest.approx(1 / 96)


def test_the_warm_up_of_a_short_run_is_short() -> None:
    assert rates(20, lr_scheduler="cosine", lr_warmup_steps=500)[2] == pytest.approx(1.0)
    assert rates(5, lr_scheduler="constant", lr_warmup_steps=500) == [1.0] * 5


def test_the_average_by_hand() -> None:
    parameter = nn.Parameter(torch.tensor([0.0]))
    ema = Ema({"p": parameter}, decay=0.9)
    parameter.data.fill_(11.0)
    ema.update(step=1)  # decay (1 + 1) / (10 + 1)
    assert ema.average["p"].item() == pytest.approx(9.0)
    ema.update(step=1000)
    assert ema.average["p"].item() == pytest.approx(0.9 * 9.0 + 0.1 * 11.0)
    with ema.in_place():
        assert parameter.item() == pytest.approx(9.2)
    assert parameter.item() == 11.0


STEP = StepReport(
    3,
    10,
    loss=0.25,
    learning_rate=1e-4,
    images_per_second=2.0,
    eta_seconds=65.0,
    gradient_norm=0.5,
)
VALIDATION = ValidationReport(3, loss=0.125, by_timestep={100: 0.25, 900: float("nan")})


def test_progress_shows_loss_pace_and_time_left() -> None:
    screen = io.StringIO()
    with ProgressBar(Console(file=screen, force_terminal=True, width=100)) as bar:
        bar.on_start(StartReport(2, 10, num_images=5, images_per_step=4))
        bar.on_step(STEP)
        bar.on_validation(VALIDATION)
        bar.on_warning("checkpoint [bold]x[/bold] is damaged")
    shown = screen.getvalue()
    for part in (
        "3/10",
        "0.2500",
        "2.0 images/s",
        "0:01:05 left",
        "held out 0.1250",
        "[bold]x[/bold] is damaged",
    ):
        assert part in shown


def test_events_are_plain_dictionaries_in_order() -> None:
    events: list[dict[str, Any]] = []
    listener = Listeners(EventListener(events.append))
    listener.on_start(StartReport(0, 10, num_images=5, images_per_step=4))
    listener.on_step(STEP)
    listener.on_validation(VALIDATION)
    listener.on_checkpoint(3, Path("checkpoints/step-000003"))
    listener.on_warning("hm")
    listener.on_end(10)
    names = ["training_started", "step", "validation", "checkpoint", "warning", "training_ended"]
    assert [event["event"] for event in events] == names
    assert events[0]["total_steps"] == 10
    assert events[1]["loss"] == 0.25
    assert events[1]["gradient_norm"] == 0.5
    by_timestep = {"100": 0.25, "900": None}
    assert events[2] == {
        "event": "validation",
        "step": 3,
        "loss": 0.125,
        "by_timestep": by_timestep,
    }
    assert events[3] == {"event": "checkpoint", "step": 3, "folder": "step-000003"}
