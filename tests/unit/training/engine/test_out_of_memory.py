"""Batches that are too large for memory: the same run in smaller parts, or one line that helps."""

from __future__ import annotations

import subprocess
import sys
import weakref
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from typing import Any

import pytest
import torch
from torch import Tensor

from studio.bases.conditioning import Conditioning
from studio.errors import UserError
from studio.examples.batch import Batch
from studio.training.diffusion import denoising_loss
from studio.training.micro_batches import split
from studio.training.out_of_memory import is_out_of_memory

ABSURD = 10**15
Message = Callable[[pytest.ExceptionInfo[UserError]], str]


def exhaust() -> None:
    """The CPU's own out-of-memory error, from torch's allocator."""
    torch.empty(ABSURD)


class Memory:
    """Stands in for `denoising_loss`: really out of memory for more than ``fits`` pictures."""

    def __init__(self, fits: int, first_call: int = 0) -> None:
        self.fits = fits
        self.sizes: list[int] = []
        self._first_call = first_call

    def __call__(self, base: Any, batch: Batch, *more: Any) -> Tensor:
        self.sizes.append(len(batch.items))
        loss = denoising_loss(base, batch, *more)
        if len(batch.items) > self.fits and len(self.sizes) > self._first_call:
            exhaust()
        return loss


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Memory]:
    def limit(fits: int, first_call: int = 0) -> Memory:
        limited = Memory(fits, first_call)
        monkeypatch.setattr("studio.training.trainer.denoising_loss", limited)
        return limited

    return limit


def assert_close(first: Any, second: Any) -> None:
    for name, tensor in first.adapter.tensors.items():
        torch.testing.assert_close(tensor, second.adapter.tensors[name], atol=2e-5, rtol=1e-3)


def example(value: Any, place: int) -> Any:
    """What a batch, or anything in it, says of one example."""
    if is_dataclass(value):
        return [example(getattr(value, field.name), place) for field in fields(value)]
    return value[place].tolist() if isinstance(value, Tensor) else value and value[place]


@pytest.mark.parametrize(("size", "lengths"), [(1, [1] * 5), (2, [2, 2, 1]), (3, [3, 2]), (5, [5])])
def test_parts_hold_each_example_once_whole_and_in_order(
    make_batch: Callable[..., Batch], size: int, lengths: list[int]
) -> None:
    def full(items: range, **more: Any) -> Batch:
        return make_batch(
            items,
            conditioning=Conditioning(torch.randn(5, 16, 32), torch.randn(5, 7)),
            captions=[f"caption {item}" for item in items],
            views=[item + 1 for item in items],
            weights=torch.rand(5),
            masks=torch.rand(5, 1, 8, 8),
            time_ids=torch.rand(5, 6),
            **more,
        )

    batch = full(range(5), prior=full(range(5, 10)))
    assert all(getattr(batch, field.name) is not None for field in fields(batch))
    parts = split(batch, size)
    assert [len(part.items) for part in parts] == lengths
    got = [example(part, place) for part in parts for place in range(len(part.items))]
    assert got == [example(batch, place) for place in range(5)]


def test_what_a_batch_lacks_its_parts_lack(make_batch: Callable[..., Batch]) -> None:
    part = split(make_batch(range(4), conditioning=None), 2)[1]
    assert (part.conditioning, part.masks, part.time_ids, part.prior) == (None,) * 4
    assert part.addresses == [(0, 2), (0, 3)]


def test_out_of_memory_is_told_from_other_errors() -> None:
    with pytest.raises(RuntimeError) as raised:
        exhaust()
    assert is_out_of_memory(raised.value)
    assert is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate"))
    assert is_out_of_memory(RuntimeError("MPS backend out of memory (MPS allocated: 9 GB)"))
    assert is_out_of_memory(RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling"))
    assert is_out_of_memory(MemoryError())
    assert not is_out_of_memory(RuntimeError("shapes cannot be multiplied"))
    assert not is_out_of_memory(ValueError("out of memory"))


LIMITED = """
import resource, torch
from studio.training.out_of_memory import is_out_of_memory
torch.set_num_threads(1)
layer = torch.nn.Conv2d(4, 64, 3)
held = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (held + 2**28, held + 2**28))
failed = []
for count in (256, 1):
    try:
        layer(torch.ones(count, 4, 128, 128)).square().mean().backward()
    except Exception as error:
        assert is_out_of_memory(error), repr(error)
        failed.append(count)
print(failed)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits a process's addresses")
def test_a_convolution_in_too_small_a_process_is_out_of_memory() -> None:
    command = [sys.executable, "-c", LIMITED]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout.strip() == "[256]", done.stderr


def test_halving_leaves_the_run_as_it_is_and_is_told_once(
    engine: Any, memory: Callable[..., Memory]
) -> None:
    watcher, recorder = engine.Recorder(), engine.Recorder()
    straight = engine.fit("straight", watcher)
    limited = memory(2)
    halved = engine.fit("halved", recorder)
    assert limited.sizes == [4] + [2] * 8
    assert_close(straight, halved)
    assert recorder.warnings == [
        "out of memory at step 1 with 4 pictures at once; going on with 2, 2 passes to a batch: the "
        "same gradient, only slower; optimizer.train_batch_size: 2 with "
        "gradient_accumulation_steps: 2 asks for it from the start"
    ]
    losses = [report.loss for report in watcher.steps]
    assert [report.loss for report in recorder.steps] == pytest.approx(losses, rel=1e-4)


def test_an_odd_batch_is_weighed_by_its_parts_lengths(
    engine: Any, memory: Callable[..., Memory]
) -> None:
    straight = engine.fit("straight", batch_size=3)
    limited, recorder = memory(2), engine.Recorder()
    halved = engine.fit("halved", recorder, batch_size=3)
    assert limited.sizes == [3] + [2, 1] * 4
    assert_close(straight, halved)
    assert recorder.warnings[0].endswith(
        "with 3 pictures at once; going on with 2, 2 passes to a "
        "batch: the same gradient, only slower"
    )


@pytest.mark.parametrize("failing_call", [1, 2, 4])
def test_what_a_failed_step_had_gathered_does_not_count(
    engine: Any, monkeypatch: pytest.MonkeyPatch, failing_call: int
) -> None:
    """Two batches to a step; memory runs out in any of the first step's or the second's."""
    straight = engine.fit("straight", accumulation=2)
    calls = 0

    def once(*arguments: Any) -> Tensor:
        nonlocal calls
        calls += 1
        if calls == failing_call:
            exhaust()
        return denoising_loss(*arguments)

    monkeypatch.setattr("studio.training.trainer.denoising_loss", once)
    assert_close(straight, engine.fit("halved", accumulation=2))


def test_a_backward_pass_that_broke_off_does_not_count(engine: Any) -> None:
    straight = engine.fit("straight")
    gathered: list[int] = []

    def break_off_once(trainer: Any) -> None:
        trained = [p for p in trainer.base.unet.parameters() if p.requires_grad]

        def break_off(_: Tensor) -> None:
            if not gathered:
                gathered.append(sum(p.grad is not None for p in trained))
                exhaust()

        trained[len(trained) // 2].register_post_accumulate_grad_hook(break_off)

    assert_close(straight, engine.fit("halved", prepare=break_off_once))
    assert gathered[0] > 1


def test_the_failed_passs_activations_are_gone_before_the_next(
    engine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    held: list[weakref.ref[Tensor]] = []

    def hungry(base: Any, batch: Batch, *more: Any) -> Tensor:
        assert all(tensor() is None for tensor in held)
        loss = denoising_loss(base, batch, *more)
        if len(batch.items) == 4:
            held.append(weakref.ref(loss))
            exhaust()
        return loss

    monkeypatch.setattr("studio.training.trainer.denoising_loss", hungry)
    engine.fit("run", steps=1)
    assert len(held) == 1


def test_a_resumed_run_goes_on_with_the_size_that_was_found(
    engine: Any, memory: Callable[..., Memory]
) -> None:
    """Halved in the third step; resumed where memory would do for whole batches again."""
    memory(2, first_call=2)
    straight = engine.fit("straight", steps=6, dropout=0.2)
    memory(2, first_call=2)
    recorder = engine.Recorder(kill_at_step=4)
    with pytest.raises(engine.Killed):
        engine.fit("killed", recorder, steps=6, dropout=0.2)
    assert recorder.checkpoints == [3]
    roomy = memory(100)
    resumed = engine.fit("killed", steps=6, dropout=0.2)
    assert roomy.sizes == [2] * 6
    assert engine.digest(resumed) == engine.digest(straight)


def test_one_picture_too_many_is_one_line_that_helps(
    engine: Any, memory: Callable[..., Memory], one_line: Message
) -> None:
    memory(0, first_call=3)
    recorder = engine.Recorder()
    with pytest.raises(UserError) as raised:
        engine.fit("run", recorder, checkpoint_every=2)
    assert [warning.partition(";")[0] for warning in recorder.warnings] == [
        "out of memory at step 4 with 4 pictures at once",
        "out of memory at step 4 with 2 pictures at once",
    ]
    assert one_line(raised) == (
        "out of memory at step 4 with one picture at once; close other programs and go on from "
        f"{engine.folder / 'run' / 'step-000002'} with: studio resume run; or train anew with "
        "precision.gradient_checkpointing: true, precision.base_dtype: nf4, a lower dataset.resolution, "
        "a lower trainer.rank or optimizer.name: adamw_8bit"
    )
    assert engine.checkpoint_names("run") == ["step-000002"]


def test_no_memory_for_the_optimizer_is_one_line_too(engine: Any, one_line: Message) -> None:
    def prepare(trainer: Any) -> None:
        trainer.after_step = exhaust

    precision = {"gradient_checkpointing": True, "base_dtype": "nf4"}
    with pytest.raises(UserError) as raised:
        engine.fit("run", prepare=prepare, precision=precision)
    assert one_line(raised).startswith(
        "out of memory while training; there is no checkpoint yet; close other programs; or train anew "
        "with a lower dataset.resolution, "
    )


def test_samples_that_do_not_fit_are_left_out(engine: Any) -> None:
    straight = engine.fit("straight")
    recorder = engine.Recorder()
    result = engine.fit("run", recorder, sample=lambda *_: exhaust(), sample_every=2)
    assert recorder.warnings == [
        f"out of memory: left out the samples of step {step}; training goes on" for step in (2, 4)
    ]
    assert engine.digest(result) == engine.digest(straight)


def test_other_errors_pass_through(engine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> Tensor:
        raise RuntimeError("shapes cannot be multiplied")

    monkeypatch.setattr("studio.training.trainer.denoising_loss", broken)
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        engine.fit("run")
