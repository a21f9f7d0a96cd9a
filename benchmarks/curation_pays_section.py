"""The section "Curation pays" of docs/results.md, as text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from crossed_bootstrap import CONFIDENCE, Estimate
from strangers import ARMS, CLEAN, CURATED, KINDS, MIXED, Trial

from studio.machine import cpu_name, packages

SECTION = """\
## Curation pays: fewer pictures rather than bad ones

Written by `make curation-pays`. A LoRA learns {clean_size} pictures of the set `flat-icons`: once clean,
once with {strangers} of them replaced by the same things in another material or of poor quality, and once
what `curate` leaves of the latter when every picture is left out that it drops or warns of. Nothing tells
it which they are. Recipe, seeds and budget are the same for all three, {steps} steps of four pictures; each
is run with {seeds} seeds, and each seed has other strangers.

{curation}

The adapters draw the captions of {prompts} held-out pictures, from the same noise, and what they draw is
measured against these pictures.

{fidelity}

{differences}

![The same prompts and noise after each training](images/curation-pays.png)

- **style**: share of the way from the base's pictures to the held-out ones, by statistics of palette,
  background, edges, texture and flatness.
- **film**: where the pictures stand between the held-out ones (0%) and the same on film (100%), by the
  same statistics: means, brought down on the straight line between the two.
- In both, held-out pictures are seen as the base's autoencoder gives them back: what is lost there no
  adapter could bring.
- In brackets: {confidence:.0%} intervals by a bootstrap over seeds and prompts; differences are of pairs.

Measured on {cpu}, {cores} core(s) idle at the start, two runs at a time
with a thread each; Python {python}, torch {torch}, diffusers {diffusers}, peft {peft}.
"""


def section(
    trials: Sequence[Trial],
    style: Mapping[str, Estimate],
    film: Mapping[str, Estimate],
    *,
    prompts: int,
    steps: int,
    cores: int,
) -> str:
    """Markdown, from the sets of every seed and the figures of every arm and pair of arms."""
    return SECTION.format(
        clean_size=len(trials[0].names),
        strangers=len(trials[0].strangers),
        seeds=len(trials),
        steps=steps,
        prompts=prompts,
        cores=cores,
        curation=_table(_curation_rows(trials)),
        fidelity=_table(_fidelity_rows(trials, style, film)),
        differences=_table(_difference_rows(style, film)),
        confidence=CONFIDENCE,
        cpu=cpu_name(),
        **packages(),
    )


def _curation_rows(trials: Sequence[Trial]) -> list[tuple[str, ...]]:
    rows = [("in the sets of all seeds", "pictures", "left out by curation")]
    for kind in KINDS:
        there = [
            (trial, name) for trial in trials for name, k in trial.strangers.items() if k == kind
        ]
        rows.append((kind, str(len(there)), str(sum(name in t.left_out for t, name in there))))
    clean = [(t, name) for t in trials for name in t.names if name not in t.strangers]
    rows.append((CLEAN, str(len(clean)), str(sum(name in t.left_out for t, name in clean))))
    return rows


def _fidelity_rows(
    trials: Sequence[Trial], style: Mapping[str, Estimate], film: Mapping[str, Estimate]
) -> list[tuple[str, ...]]:
    size = len(trials[0].names)
    left = sum(len(t.names) - len(t.left_out) for t in trials) / len(trials)
    pictures = {CLEAN: f"{size}", MIXED: f"{size}", CURATED: f"{left:.0f}"}
    rows = [("set", "pictures", "style", "film")]
    return rows + [(arm, pictures[arm], _share(style[arm]), _share(film[arm])) for arm in ARMS]


def _difference_rows(
    style: Mapping[str, Estimate], film: Mapping[str, Estimate]
) -> list[tuple[str, ...]]:
    rows = [("difference", "style", "film")]
    for earlier, later in ((CLEAN, MIXED), (MIXED, CURATED), (CLEAN, CURATED)):
        pair = f"{later} - {earlier}"
        rows.append((f"{later}, against {earlier}", _points(style[pair]), _points(film[pair])))
    return rows


def _share(estimate: Estimate) -> str:
    return f"{estimate.value:+.0%} [{estimate.low:+.0%}, {estimate.high:+.0%}]"


def _points(estimate: Estimate) -> str:
    value, low, high = (100 * v for v in (estimate.value, estimate.low, estimate.high))
    return f"{value:+.1f} points [{low:+.1f}, {high:+.1f}]"


def _table(rows: Sequence[tuple[str, ...]]) -> str:
    """A Markdown table, columns aligned; the first row is its heading."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [f"| {' | '.join(map(str.ljust, row, widths))} |" for row in rows]
    lines.insert(1, f"| {' | '.join('-' * width for width in widths)} |")
    return "\n".join(lines)
