"""An evaluation as files: ``report.json`` for programs, ``report.html`` for people."""

from __future__ import annotations

import base64
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from studio import atomic
from studio.evaluation.result import EvaluationReport


def write_report(report: EvaluationReport, folder: Path, grid: Path | None = None) -> Path:
    """Write ``report.json`` and ``report.html`` into ``folder``, each whole or not at all.

    Args:
        grid: a PNG file to show on the page; its bytes go into the page, so that it can be moved.

    Returns:
        The page.
    """
    atomic.write_json(folder / "report.json", report.to_json())
    page = folder / "report.html"
    atomic.write_text(page, render(report, None if grid is None else grid.read_bytes()))
    return page


def render(report: EvaluationReport, grid_png: bytes | None = None) -> str:
    """The page: one file without links to anything outside it."""
    environment = Environment(
        loader=PackageLoader("studio.evaluation", "templates"),
        autoescape=select_autoescape(["html"], default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    picture = None if grid_png is None else base64.b64encode(grid_png).decode("ascii")
    template = environment.get_template("report.html.j2")
    return template.render(report=report, picture=picture, tiles=_tiles(report))


def _tiles(report: EvaluationReport) -> list[tuple[str, str, str]]:
    """The figures that matter most: (value, what it is, how to read it)."""
    style = report.style
    low, high = style.interval
    tiles = [
        (
            _percent(style.relative_fall),
            "of the way to the set's look",
            f"style distance {style.base:.2f} → {style.adapter:.2f}, training pictures "
            f"{style.training:.2f}; 90% sure of {_percent(low)} to {_percent(high)}",
        )
    ]
    if report.following is not None:
        following = report.following
        tiles.append(
            (
                f"{following.top1_change_points:+.0f} points",
                "prompt following",
                f"{_percent(following.base.top1)} → {_percent(following.adapter.top1)} best match "
                f"among {following.num_texts} texts; chance {_percent(following.chance.top1)}",
            )
        )
    if report.drift is not None:
        tiles.append(
            (
                _percent(report.drift.share_of_effect),
                "drift",
                f"how far {len(report.drift.prompts)} prompts about other things move, as a share of "
                "the set's own; low for a subject, near 100% for a style without a trigger",
            )
        )
    if report.fidelity is not None:
        fidelity = report.fidelity
        tiles.append(
            (
                _percent(fidelity.relative_gain),
                "fidelity gained",
                f"likeness to held-out pictures {fidelity.base:.2f} → {fidelity.adapter:.2f}, "
                f"training pictures {fidelity.training:.2f}",
            )
        )
    tiles += [
        (
            _percent(report.effect.mean_change),
            "change of a picture",
            f"mean over {report.num_pictures} pairs of the same prompt and seed",
        ),
        (
            "suspected" if report.copying.suspected else "none seen",
            "copying",
            f"nearness to training against held-out pictures {report.copying.base:.2f} → "
            f"{report.copying.adapter:.2f}; much below the base's is suspect",
        ),
    ]
    return tiles


def _percent(share: float) -> str:
    return f"{100 * share:.0f}%"
