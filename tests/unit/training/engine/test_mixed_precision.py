"""fp16 and bf16, on the CPU too: computed in half precision, kept in fp32, resumed to the byte."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from studio.errors import StudioError, UserError
from studio.training.diffusion import denoising_loss
from studio.training.environment import make_accelerator
from studio.training.settings import PrecisionSettings

HALVES = {"fp16": torch.float16, "bf16": torch.bfloat16}
LOSS = "studio.training.trainer.denoising_loss"
Message = Callable[[pytest.ExceptionInfo[StudioError]], str]


class Overflow:
    """Stands in for `denoising_loss`: finite itself, its gradient beyond fp16 in the given calls."""

    def __init__(self, calls: range) -> None:
        self._calls = calls
        self._call = 0

    def __call__(self, *arguments: Any) -> Tensor:
        self._call += 1
        loss = denoising_loss(*arguments)
        return loss * 1e30 if self._call in self._calls else loss


@pytest.mark.parametrize("half", HALVES)
def test_it_computes_in_half_learns_and_keeps_fp32(engine: Any, half: str) -> None:
    formats: set[torch.dtype] = set()

    def watch(trainer: Any) -> None:
        trainer.base.unet.conv_in.register_forward_hook(
            lambda _module, _inputs, output: formats.add(output.dtype)
        )

    recorder = engine.Recorder()
    precision = {"mixed_precision": half}
    result = engine.fit("run", recorder, steps=24, precision=precision, prepare=watch)
    losses = [report.loss for report in recorder.steps]
    assert sum(losses[-8:]) < 0.97 * sum(losses[:8])
    assert formats == {HALVES[half]}
    assert all(tensor.dtype == torch.float32 for tensor in result.adapter.tensors.values())


@pytest.mark.parametrize("half", HALVES)
def test_it_resumes_to_the_same_bytes(
    engine: Any, half: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A step left out before the kill has halved fp16's scale, so the scale must be resumed as well."""

    def overflow(*steps: int) -> None:
        calls = range(*steps) if half == "fp16" else range(0)
        monkeypatch.setattr(LOSS, Overflow(calls))

    settings = {"steps": 6, "dropout": 0.2, "precision": {"mixed_precision": half}}
    overflow(2, 3)
    straight = engine.fit("straight", **settings)
    overflow(2, 3)
    with pytest.raises(engine.Killed):
        engine.fit("killed", engine.Recorder(5), checkpoint_every=3, **settings)
    overflow(0, 0)
    assert engine.digest(engine.fit("killed", **settings)) == engine.digest(straight)
    if half == "fp16":
        saved = torch.load(engine.folder / "killed" / "step-000006" / "optimizer.pt")
        assert saved["scaler"]["scale"] == 2.0**15
        assert saved["skipped_steps"] == 1


def test_steps_that_fp16_leaves_out_are_told_where_they_are_many(
    engine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = engine.Recorder()
    monkeypatch.setattr(LOSS, Overflow(range(2, 4)))
    engine.fit("run", recorder, steps=6, precision={"mixed_precision": "fp16"})
    assert recorder.warnings == [
        "fp16 left out 2 of 6 steps, whose gradients overflowed; precision.mixed_precision: bf16 or no "
        "leaves out none"
    ]


def test_a_gradient_that_overflows_at_every_scale_stops_the_run(
    engine: Any, monkeypatch: pytest.MonkeyPatch, one_line: Message
) -> None:
    recorder = engine.Recorder()
    monkeypatch.setattr(LOSS, Overflow(range(4, 100)))
    with pytest.raises(StudioError) as raised:
        engine.fit(
            "run",
            recorder,
            steps=99,
            batch_size=1,
            checkpoint_every=3,
            precision={"mixed_precision": "fp16"},
        )
    message = one_line(raised)
    # From 2^16 to below 2^-10 in 27 steps, after 3 good ones.
    assert message.startswith("training diverged at step 30: the loss is ")
    assert "its gradient overflows fp16 at every loss scale; the last checkpoint is " in message
    assert message.endswith(
        "train anew with precision.mixed_precision: bf16 or no, or a lower optimizer.learning_rate"
    )
    assert len(recorder.steps) == 29
    assert engine.checkpoint_names("run") == ["step-000024", "step-000027"]


@pytest.mark.parametrize("mixed_precision", ["no", "fp16"])
def test_a_loss_that_is_no_number_stops_the_run_at_once(
    engine: Any, monkeypatch: pytest.MonkeyPatch, one_line: Message, mixed_precision: str
) -> None:
    monkeypatch.setattr(LOSS, lambda *arguments: denoising_loss(*arguments) * float("nan"))
    with pytest.raises(StudioError) as raised:
        engine.fit("run", precision={"mixed_precision": mixed_precision})
    assert one_line(raised).startswith(
        "training diverged at step 1: the loss is nan; there is no checkpoint yet; train anew with "
    )


def test_weights_that_are_not_finite_are_never_saved(engine: Any, one_line: Message) -> None:
    steps = 0

    def prepare(trainer: Any) -> None:
        weight = next(p for p in trainer.base.unet.parameters() if p.requires_grad)

        def after_step() -> None:
            nonlocal steps
            steps += 1
            if steps == 4:
                weight.data.view(-1)[0] = float("inf")

        trainer.after_step = after_step

    with pytest.raises(StudioError) as raised:
        engine.fit("run", prepare=prepare, steps=6, checkpoint_every=2)
    message = one_line(raised)
    assert "diverged at step 4: the loss is " in message
    assert "step-000002; train anew with a lower optimizer.learning_rate" in message
    assert engine.checkpoint_names("run") == ["step-000002"]


def test_a_precision_that_the_device_lacks_is_refused_in_one_line(
    monkeypatch: pytest.MonkeyPatch, one_line: Message
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise ValueError("fp16 mixed precision requires a device in ('cuda',)")

    monkeypatch.setattr("studio.training.environment.Accelerator", refuse)
    with pytest.raises(UserError) as raised:
        make_accelerator(PrecisionSettings(mixed_precision="fp16"), torch.device("cpu"))
    assert one_line(raised) == (
        "precision.mixed_precision: fp16 does not work on cpu (fp16 mixed precision requires a device "
        "in ('cuda',)); use no"
    )
