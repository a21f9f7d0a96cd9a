"""One run among others: what it took and how well it works, as a row of a table. No torch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from studio.errors import RunError
from studio.evaluation.result import EvaluationReport
from studio.run_folder import RunFolder

HEADINGS = (
    "method", "steps", "training", "peak memory", "file", "effect", "style", "fidelity", "prompts",
    "drift",
)  # fmt: skip
UNKNOWN = "-"


@dataclass(frozen=True)
class Contender:
    """One finished run of a comparison.

    Attributes:
        method: the trainer's kind.
        run: its folder's name.
        steps: optimizer steps.
        training_seconds: wall clock from the first step to the last; of a run that was resumed, all its
            stretches together.
        peak_memory_bytes: the largest resident set of its process: of the whole, from pictures to
            report, where it was watched from outside, else of training.
        file_bytes: of the adapter in its first format, all its files together.
        report: how well it works; None where that was not measured.
    """

    method: str
    run: str
    steps: int
    training_seconds: float
    peak_memory_bytes: int
    file_bytes: int
    report: EvaluationReport | None

    @classmethod
    def of(cls, run: RunFolder, *, peak_memory_bytes: int | None = None) -> Contender:
        """What a finished run's files say.

        Args:
            peak_memory_bytes: where it was watched; else what the run itself has noted.

        Raises:
            RunError: it has not come to its end.
            RecipeError: its recipe was changed by hand and is none any more.
        """
        seconds, ended = _training(run.events.read())
        adapters = run.adapters()
        if ended is None or not adapters:
            raise RunError(
                f'the run "{run.name}" has not come to its end; finish it with: studio resume {run.name}'
            )
        report = run.report()
        return cls(
            method=run.recipe().trainer.kind,
            run=run.name,
            steps=ended["step"],
            training_seconds=seconds,
            peak_memory_bytes=peak_memory_bytes or ended.get("peak_memory_bytes") or 0,
            file_bytes=sum(map(_bytes_of, adapters[0])),
            report=None if report is None else EvaluationReport.from_json(report),
        )

    def cells(self) -> tuple[str, ...]:
        """The row of the table, in the order of ``HEADINGS``."""
        return (
            self.method,
            str(self.steps),
            f"{self.training_seconds:.0f} s",
            f"{self.peak_memory_bytes / 2**20:.0f} MiB" if self.peak_memory_bytes else UNKNOWN,
            size_text(self.file_bytes),
            *_measured(self.report),
        )


def table(contenders: Sequence[Contender]) -> list[str]:
    """Lines of a Markdown table, columns aligned."""
    rows = [HEADINGS, *(c.cells() for c in contenders)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    rows.insert(1, tuple("-" * width for width in widths))
    return [f"| {' | '.join(map(str.ljust, row, widths))} |" for row in rows]


def size_text(count: int) -> str:
    """So many bytes, for people."""
    kib = count / 1024
    if kib < 1024:
        return f"{kib:.0f} KiB"
    mib = kib / 1024
    return f"{mib:.1f} MiB" if mib < 1024 else f"{mib / 1024:.1f} GiB"


def _training(events: Iterable[Mapping[str, Any]]) -> tuple[float, Mapping[str, Any] | None]:
    """Seconds of training, and the event at its end. A run may have been stopped after any step: the time
    from there until it was resumed is no training.
    """
    seconds, ended = 0.0, None
    before: float | None = None
    for event in events:
        name, time = event["event"], event["time"]
        if name == "training_started":
            before = time
        elif name in ("step", "training_ended") and before is not None:
            seconds, before = seconds + time - before, time
            ended = event if name == "training_ended" else ended
    return seconds, ended


def _measured(report: EvaluationReport | None) -> tuple[str, ...]:
    if report is None:
        return (UNKNOWN,) * 5
    following, fidelity, drift = report.following, report.fidelity, report.drift
    return (
        f"{report.effect.mean_change:.1%}",
        f"{report.style.relative_fall:+z.0%}",
        f"{fidelity.relative_gain:+z.0%}"
        if fidelity and fidelity.training > fidelity.base
        else UNKNOWN,
        f"{following.top1_change_points:+.0f} points" if following else UNKNOWN,
        f"{drift.share_of_effect:.0%}" if drift else UNKNOWN,
    )


def _bytes_of(exported: Path) -> int:
    files = [exported] if exported.is_file() else [p for p in exported.rglob("*") if p.is_file()]
    return sum(path.stat().st_size for path in files)
