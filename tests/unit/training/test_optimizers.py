"""Every optimizer on a problem of its own: it learns, resumes to the same bytes, and stops where asked."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_args

import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional

from studio.errors import UserError
from studio.examples.tensor_store import content_digest
from studio.recipe.starter import starter_recipe
from studio.training import optimizer_settings
from studio.training.fit import FitResult, FitSettings, fit
from studio.training.listeners import FitListener, StepReport, ValidationReport
from studio.training.optimizers import make_optimizer
from studio.training.randomness import RandomStreams
from studio.training.settings import (
    BudgetSettings,
    CheckpointSettings,
    OptimizerSettings,
    PrecisionSettings,
)
from studio.training.trainer import ParamGroup

NAMES = get_args(OptimizerSettings.model_fields["name"].annotation)
LEARNING_RATES = {"sgd": 10.0, "prodigy": 1.0}
WIDTH = 64
STEPS = 8


def settings_of(name: str, **changes: Any) -> OptimizerSettings:
    chosen = {
        "name": name,
        "learning_rate": LEARNING_RATES.get(name, 1e-2),
        "weight_decay": 0.1,
        "gradient_accumulation_steps": 2,
        "lr_warmup_steps": 2,
    }
    return OptimizerSettings(**chosen | changes)


@dataclass(frozen=True)
class Header:
    steps: int = 0


@dataclass(frozen=True)
class Weights:
    tensors: dict[str, Tensor]
    header: Header = field(default_factory=Header)


class Numbers:
    """A loader whose batches are their own numbers."""

    num_examples = 3
    digest = "numbers"

    def batch(self, number: int) -> int:
        return number


class Regression:
    """Learns a linear map: 4096 weights, which 8-bit optimizers quantise, and 64, which they do not."""

    trains_text_encoder = False

    def __init__(self, stop_after: float | None = None) -> None:
        self.base = SimpleNamespace(
            unet=nn.Identity(), text_encoders=[], device=torch.device("cpu")
        )
        self.target = RandomStreams(1).normal((WIDTH, WIDTH), "target", 0)
        self.matrix = nn.Parameter(0.01 * RandomStreams(2).normal((WIDTH, WIDTH), "start", 0))
        self.shift = nn.Parameter(torch.ones(WIDTH))
        self.stop_after = stop_after

    def attach(self) -> list[ParamGroup]:
        return [
            ParamGroup("shift", {"b": self.shift}, stop_after=self.stop_after),
            ParamGroup("matrix", {"w": self.matrix}),
        ]

    def loss(self, number: int, streams: RandomStreams) -> Tensor:
        x = streams.normal((16, WIDTH), "x", number)
        error = functional.dropout(x, 0.1) @ self.matrix + self.shift - x @ self.target
        return error.square().mean()

    def after_step(self) -> None: ...

    def detached(self) -> nullcontext[None]:
        return nullcontext()

    def adapter(self) -> Weights:
        tensors = {"w": self.matrix, "b": self.shift}
        return Weights({name: p.detach().clone() for name, p in tensors.items()})


class Killed(Exception):
    """In the place of SIGKILL."""


class Watcher(FitListener):
    """Keeps what the steps left; may end the run between two of them."""

    def __init__(self, trainer: Regression, kill_at: int | None = None) -> None:
        self._trainer = trainer
        self._kill_at = kill_at
        self.shifts: list[Tensor] = []
        self.reports: list[StepReport] = []

    def on_step(self, report: StepReport) -> None:
        self.shifts.append(self._trainer.shift.detach().clone())
        self.reports.append(report)
        if report.step == self._kill_at:
            raise Killed


def train(
    folder: Path,
    optimizer: OptimizerSettings,
    *,
    trainer: Regression | None = None,
    kill_at: int | None = None,
    looks: bool = False,
    steps: int = STEPS,
    checkpoint_every: int = 3,
) -> tuple[FitResult, Watcher]:
    """`fit`, from scratch or the newest checkpoint; ``looks``: samples and validates at every step."""
    trainer = trainer or Regression()
    watcher = Watcher(trainer, kill_at)
    result = fit(
        trainer,  # type: ignore[arg-type]
        trainer.attach(),
        Numbers(),  # type: ignore[arg-type]
        FitSettings(
            run_name="run",
            recipe_digest="recipe",
            seed=3,
            budget=BudgetSettings(steps=steps),
            optimizer=optimizer,
            precision=PrecisionSettings(num_threads=1),
            checkpoints=CheckpointSettings(every_steps=checkpoint_every, keep=99),
            sample_every_steps=int(looks),
            validate_every_steps=int(looks),
        ),
        folder,
        listeners=[watcher],
        sample=(lambda _adapter, _step: None) if looks else None,
        validate=(lambda step: ValidationReport(step, 0.0, {})) if looks else None,
    )
    return result, watcher


def trained_bytes(folder: Path, step: int = STEPS) -> dict[str, bytes]:
    checkpoint = folder / f"step-{step:06d}"
    return {p.name: p.read_bytes() for p in checkpoint.glob("*.safetensors")}


def trained(folder: Path, step: int) -> dict[str, Tensor]:
    return load_file(folder / f"step-{step:06d}" / "adapter.safetensors")


def optimizer_state(folder: Path, step: int = STEPS) -> dict[str, Any]:
    saved: dict[str, Any] = torch.load(folder / f"step-{step:06d}" / "optimizer.pt")["optimizer"]
    return saved


@pytest.mark.parametrize("name", NAMES)
def test_it_resumes_to_the_same_bytes_however_often(name: str, tmp_path: Path) -> None:
    optimizer = settings_of(name, ema_decay=0.0 if name == "adamw_schedule_free" else 0.9)
    straight, _ = train(tmp_path / "straight", optimizer)
    with pytest.raises(Killed):
        train(tmp_path / "killed", optimizer, kill_at=4, looks=True)
    with pytest.raises(Killed):
        train(tmp_path / "killed", optimizer, kill_at=7)
    resumed, watcher = train(tmp_path / "killed", optimizer, looks=True)

    assert [report.step for report in watcher.reports] == [7, 8]
    assert content_digest(resumed.adapter.tensors) == content_digest(straight.adapter.tensors)
    assert trained_bytes(tmp_path / "killed") == trained_bytes(tmp_path / "straight")
    states = [optimizer_state(tmp_path / run)["state"] for run in ("killed", "straight")]
    torch.testing.assert_close(states[0], states[1], rtol=0, atol=0)


@pytest.mark.parametrize("name", NAMES)
def test_it_learns(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    optimizer = settings_of(
        name,
        learning_rate={"sgd": 10.0, "prodigy": 1.0}.get(name, 4e-2),
        weight_decay=0.01,
        lr_scheduler="constant_with_warmup",
        max_grad_norm=100.0,
    )
    steps = 200 if name == "prodigy" else 40  # it begins with a step of a millionth
    _, watcher = train(tmp_path, optimizer, steps=steps, checkpoint_every=steps)
    losses = [report.loss for report in watcher.reports]
    assert losses[-1] < 0.6 * losses[0]
    assert all(report.gradient_norm > 0 for report in watcher.reports)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("name", NAMES)
def test_a_stopped_group_does_not_move(name: str, tmp_path: Path) -> None:
    """Not by weight decay, not by momentum, not after a resume."""
    optimizer = settings_of(name)
    with pytest.raises(Killed):
        train(tmp_path, optimizer, trainer=Regression(0.5), kill_at=7)
    first = torch.load(tmp_path / "step-000006" / "optimizer.pt")
    trainer = Regression(0.5)
    result, watcher = train(tmp_path, optimizer, trainer=trainer)
    shifts = [trained(tmp_path, step)["shift/b"] for step in (3, 6, 8)]
    assert not shifts[0].equal(shifts[1])
    assert shifts[1].equal(shifts[2])
    assert watcher.shifts[0].equal(watcher.shifts[1])
    assert [report.learning_rate for report in watcher.reports] == [0.0, 0.0]
    assert first["optimizer"]["param_groups"][1]["lr"] > 0
    assert not result.adapter.tensors["w"].equal(Regression().matrix)


def test_a_group_trains_for_its_share_of_the_steps(tmp_path: Path) -> None:
    trainer = Regression(0.5)
    _, watcher = train(tmp_path, settings_of("adamw"), trainer=trainer)
    moved = [
        not before.equal(after)
        for before, after in zip(watcher.shifts, watcher.shifts[1:], strict=False)
    ]
    assert moved == [True, True, True, False, False, False, False]
    rates = [report.learning_rate for report in watcher.reports]
    assert all(rate > 0 for rate in rates[:4])
    assert rates[4:] == [0, 0, 0, 0]


def test_a_run_whose_groups_have_all_stopped_ends_in_peace(tmp_path: Path) -> None:
    class Short(Regression):
        def attach(self) -> list[ParamGroup]:
            return [ParamGroup("all", {"w": self.matrix, "b": self.shift}, stop_after=0.5)]

    result, _ = train(tmp_path, settings_of("adamw"), trainer=Short())
    assert result.steps == STEPS


def test_eight_bits_are_eight_bits(tmp_path: Path) -> None:
    for name in ("adamw_8bit", "lion_8bit"):
        train(tmp_path / name, settings_of(name))
        shift, matrix = optimizer_state(tmp_path / name)["state"].values()
        stored = [state["__bnb_optimizer_quant_state__"]["state1"] for state in (shift, matrix)]
        assert [tensor.dtype for tensor in stored] == [torch.float32, torch.uint8]


def one_step(name: str, weights: Tensor, gradient: Tensor, **changes: Any) -> Tensor:
    parameter = nn.Parameter(weights.clone())
    parameter.grad = gradient.clone()
    optimizer = make_optimizer([ParamGroup("g", {"p": parameter})], settings_of(name, **changes))
    optimizer.step()
    return parameter.detach()


def test_first_steps_by_the_papers() -> None:
    weights, gradient = torch.tensor([[1.0, -2.0]]), torch.tensor([[0.3, 0.4]])
    decayed = weights * (1 - 0.01 * 0.1)
    # AdamW's first step is the gradient's sign, for both moments are corrected for their start.
    torch.testing.assert_close(one_step("adamw", weights, gradient), decayed - 0.01)
    # Lion, Chen et al., 2023 (arXiv 2302.06675): the sign of the interpolated momentum.
    torch.testing.assert_close(one_step("lion", weights, gradient), decayed - 0.01)
    # Adafactor, Shazeer & Stern, 2018 (arXiv 1804.04235): with a factored second moment of one row,
    # g / sqrt(g^2), clipped to a root mean square of 1, at an absolute learning rate.
    torch.testing.assert_close(one_step("adafactor", weights, gradient), decayed - 0.01)


def test_eight_bit_adamw_is_adamw_to_begin_with() -> None:
    weights, gradient = Regression().matrix.detach(), Regression().target
    plain, quantised = (one_step(n, weights, gradient) for n in ("adamw", "adamw_8bit"))
    torch.testing.assert_close(plain, quantised, rtol=0, atol=1e-6)


def test_schedule_free_exports_the_average_and_trains_on(tmp_path: Path) -> None:
    """Against the library alone on the same gradients: its ``eval`` is what is exported, bit for bit."""
    from schedulefree import AdamWScheduleFree

    optimizer = settings_of("adamw_schedule_free", lr_scheduler="constant", max_grad_norm=1e9)
    result, _ = train(tmp_path, optimizer, looks=True)

    trainer, streams = Regression(), RandomStreams(3)
    parameters = [trainer.shift, trainer.matrix]
    reference = AdamWScheduleFree(parameters, lr=1e-2, betas=optimizer.betas, weight_decay=0.1)
    reference.train()
    for step in range(STEPS):
        for number in (2 * step, 2 * step + 1):
            with streams.seeding_torch("dropout", number):
                (trainer.loss(number, streams) / 2).backward()
        reference.step()
        reference.zero_grad()
    gradient_point = trainer.matrix.detach().clone()
    reference.eval()

    torch.testing.assert_close(result.adapter.tensors["w"], trainer.matrix.detach(), rtol=0, atol=0)
    kept = trained(tmp_path, STEPS)["matrix/w"]
    torch.testing.assert_close(kept, gradient_point, rtol=0, atol=0)
    assert not kept.equal(result.adapter.tensors["w"])


def test_prodigy_finds_a_larger_step_than_it_began_with(tmp_path: Path) -> None:
    estimates = []
    for d_coef in (1.0, 2.0):
        optimizer, folder = settings_of("prodigy", d_coef=d_coef), tmp_path / f"{d_coef}"
        train(folder, optimizer, steps=30, checkpoint_every=30)
        estimates.append(optimizer_state(folder, 30)["param_groups"][0]["d"])
    assert estimates[1] > estimates[0] > 1e-6


def test_prodigy_refuses_several_learning_rates() -> None:
    groups = [
        ParamGroup("unet", {"a": nn.Parameter(torch.ones(2))}),
        ParamGroup("text_encoder", {"b": nn.Parameter(torch.ones(2))}, learning_rate=1e-5),
    ]
    with pytest.raises(
        UserError, match=r'one learning rate.*"text_encoder" asks for 1e-05.*for 1;'
    ):
        make_optimizer(groups, OptimizerSettings(name="prodigy"))


def test_what_is_left_out_suits_the_algorithm() -> None:
    assert OptimizerSettings().learning_rate == 1e-4
    assert OptimizerSettings(name="prodigy").learning_rate == 1.0
    assert OptimizerSettings(name="lion").learning_rate == 3e-5
    assert OptimizerSettings(name="adamw_schedule_free").lr_scheduler == "constant_with_warmup"
    for name in NAMES:
        resolved = OptimizerSettings(name=name).model_dump(mode="json")
        assert OptimizerSettings(**resolved) == OptimizerSettings(name=name)


@pytest.mark.parametrize(
    ("chosen", "place", "sentence"),
    [
        ({"name": "prodigy", "learning_rate": 1e-4}, "learning_rate", "0.0001 is a factor.*set 1"),
        ({"name": "adamw", "d_coef": 2}, "d_coef", "2 is read by prodigy alone, not by adamw"),
        (
            {"name": "adamw_schedule_free", "lr_scheduler": "cosine"},
            "lr_scheduler",
            '"cosine" works against adamw_schedule_free',
        ),
        ({"name": "adamw_schedule_free", "ema_decay": 0.9}, "ema_decay", "averaged already"),
        ({"name": "adamw_schedule_free", "betas": (0, 0.9)}, "betas", "set it to 0.9"),
    ],
)
def test_what_does_not_go_together_is_refused(
    chosen: dict[str, Any], place: str, sentence: str
) -> None:
    with pytest.raises(ValidationError, match=sentence) as refusal:
        OptimizerSettings(**chosen)
    assert [error["loc"] for error in refusal.value.errors()] == [(place,)]


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(optimizer_settings, "find_spec", lambda _name: None)
    with pytest.raises(ValidationError, match="missing here: pip install prodigyopt"):
        OptimizerSettings(name="prodigy")
    assert OptimizerSettings(name="adafactor").name == "adafactor"


def test_a_starter_recipe_leaves_prodigy_its_learning_rate(tmp_path: Path) -> None:
    recipe = starter_recipe(tmp_path, overrides=["optimizer.name=prodigy"])
    assert recipe.optimizer.learning_rate == 1.0
    assert starter_recipe(tmp_path).optimizer.learning_rate < 0.01
