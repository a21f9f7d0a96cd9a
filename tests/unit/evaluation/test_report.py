from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from markupsafe import escape
from PIL import Image

from studio.evaluation.copying import CopyingResult
from studio.evaluation.effect import EffectResult
from studio.evaluation.report import render, write_report
from studio.evaluation.result import EvaluationReport
from studio.evaluation.retrieval import FollowingResult, Retrieval
from studio.evaluation.style import StyleResult
from studio.evaluation.verdict import verdict

STYLE = StyleResult(4.0, 1.6, 0.3, 0.6, (0.55, 0.64), {"palette": (4.0, 1.6)})
WEAK = StyleResult(4.0, 3.6, 0.3, 0.1, (0.0, 0.2), {})
ASTRAY = StyleResult(4.0, 4.4, 0.3, -0.1, (-0.2, 0.0), {})
FOLLOWING = FollowingResult(
    Retrieval(0.90, 1.0), Retrieval(0.88, 1.0), Retrieval(0.06, 0.3), -2.0, 16
)
EFFECT = EffectResult(0.12, 0.0)
COPYING = CopyingResult(1.0, 0.95, False, 0.1, 3, 4)


def report(adapter_name: str = "icons", following: FollowingResult | None = FOLLOWING):
    return EvaluationReport(
        adapter_name=adapter_name,
        base_name="pocket",
        strength=1.0,
        prompts=("icons, a <b>cat</b>", "icons, a dog"),
        seeds=(0, 1),
        num_pictures=4,
        num_held_out=12,
        num_training=60,
        style=STYLE,
        following=following,
        effect=EFFECT,
        copying=COPYING,
        seconds=12.3,
        verdict=verdict(STYLE, following, EFFECT, COPYING, 12),
    )


def test_files_are_written_and_the_page_stands_alone(tmp_path: Path) -> None:
    grid = tmp_path / "grid.png"
    Image.new("RGB", (4, 4), "red").save(grid)
    page = write_report(report(), tmp_path / "run", grid)
    html = page.read_text("utf-8")
    assert sorted(p.name for p in page.parent.iterdir()) == ["report.html", "report.json"]
    content = json.loads((page.parent / "report.json").read_text("utf-8"))
    assert EvaluationReport.from_json(content) == report()
    assert "data:image/png;base64," in html
    assert not re.search(r"(src|href)=\"(?!data:)", html)
    for figure in ("60%", "-2 points", "88%", "12%", str(escape(report().verdict))):
        assert figure in html


def test_text_of_the_user_is_escaped() -> None:
    html = render(report("<script>"))
    assert "<script>" not in html
    assert "a &lt;b&gt;cat&lt;/b&gt;" in html


def test_the_page_does_without_grid_and_following() -> None:
    html = render(report(following=None))
    assert "<img" not in html
    assert "prompt following" not in html


def test_verdict_on_success() -> None:
    assert verdict(STYLE, FOLLOWING, EFFECT, COPYING, 12) == (
        "The adapter moves pictures 60% of the way to your set's look (90% sure of 55% to 64%), "
        "and they follow prompts as before "
        "(88% of pictures match their own prompt best, 90% without it)."
    )


def test_where_prompts_are_followed_less_a_lower_strength_is_advised_and_nothing_else() -> None:
    deaf = replace(FOLLOWING, top1_change_points=-20.0)
    told = verdict(STYLE, deaf, EFFECT, COPYING, 12)
    assert told.endswith("prompts count for more there.")
    assert "train longer" not in told
    assert "lower strength" not in verdict(STYLE, FOLLOWING, EFFECT, COPYING, 12)
    assert verdict(WEAK, deaf, EFFECT, COPYING, 12).endswith(
        "train longer, at a lower learning rate."
    )


@pytest.mark.parametrize(
    ("style", "effect", "copying", "held_out", "words"),
    [
        (STYLE, EFFECT, COPYING, 1, "With one held-out picture these are rough figures."),
        (STYLE, EffectResult(0.001, 1.0), COPYING, 12, "hardly changes the pictures"),
        (STYLE, EFFECT, CopyingResult(1.0, 0.5, True, 0.0, 0, 0), 12, "may be copying"),
        (
            ASTRAY,
            EFFECT,
            COPYING,
            12,
            "does not bring pictures nearer",
        ),
        (WEAK, EFFECT, COPYING, 12, "only 10% of the way"),
        (WEAK, EFFECT, COPYING, 12, "train longer, or try a strength above 1"),
        (ASTRAY, EFFECT, COPYING, 12, "try more steps or another learning rate"),
    ],
)
def test_verdict_says_what_the_user_should_know(
    style: StyleResult, effect: EffectResult, copying: CopyingResult, held_out: int, words: str
) -> None:
    assert words in verdict(style, None, effect, copying, held_out)
