"""Which file for which tool, by what the tools were found to make of each format."""

from __future__ import annotations

import pytest

from studio.adapters.for_tools import TARGETS, Reading, best, target_named, worth_trying
from studio.adapters.tools.verdicts import TOOLS

WEBUI = target_named("webui")


def verdict(tool: str, because: str = "") -> dict[str, object]:
    return {"tool": tool, "works": not because, "because": because}


def test_every_tool_that_is_judged_is_a_target() -> None:
    assert {tool for target in TARGETS for tool in target.readers} == set(TOOLS)


def test_what_works_in_both_comes_before_what_works_in_one() -> None:
    one = Reading.of("one", [verdict("A1111"), verdict("Forge", "no")])
    both = Reading.of("both", [verdict("A1111"), verdict("Forge")])
    none = Reading.of("none", [verdict("A1111", "no"), verdict("Forge", "no")])
    assert best(WEBUI, [none, one, both]) is both
    assert best(WEBUI, [none, one]) is one
    assert one.refusals(WEBUI) == {"Forge": "no"}
    assert best(WEBUI, [none]) is None
    assert best(WEBUI, []) is None


def test_one_file_that_will_not_do_spoils_the_others() -> None:
    words = Reading.of("a1111", [verdict("A1111", "no"), verdict("A1111"), verdict("Forge")])
    assert words.refusals(WEBUI) == {"A1111": "no"}


def test_a_tool_that_was_not_asked_is_not_taken_to_work() -> None:
    assert set(Reading.of("plugin", []).refusals(WEBUI)) == {"A1111", "Forge"}


def test_what_is_known_is_not_tried_again_nor_what_cannot_hold_the_family() -> None:
    assert [one.name for one in worth_trying("lora", "sd1", [])] == ["kohya", "diffusers"]
    known = [Reading("kohya", {})]
    assert [one.name for one in worth_trying("lora", "sd1", known)] == ["diffusers"]
    assert [one.name for one in worth_trying("lora", "svd", [])] == ["diffusers"]


@pytest.mark.parametrize(
    ("target", "kind", "format_name", "place", "prompt"),
    [
        ("comfyui", "lora", "kohya", "ComfyUI/models/loras", "zorp"),
        ("comfyui", "textual_inversion", "a1111", "ComfyUI/models/embeddings", "embedding:file"),
        ("webui", "lokr", "kohya", "stable-diffusion-webui/models/Lora", "<lora:file:1>, zorp"),
        (
            "webui",
            "hypernetwork",
            "a1111",
            "stable-diffusion-webui/models/hypernetworks",
            "<hypernet:file:1>, zorp",
        ),
        ("webui", "full", "checkpoint", "stable-diffusion-webui/models/Stable-diffusion", "zorp"),
        (
            "webui",
            "full",
            "extracted",
            "stable-diffusion-webui/models/Lora",
            "<lora:file:1>, zorp",
        ),
    ],
)
def test_where_it_goes_and_how_a_prompt_calls_it(
    target: str, kind: str, format_name: str, place: str, prompt: str
) -> None:
    known = target_named(target)
    assert known.place(kind, format_name) == place
    assert known.prompt(kind, format_name, "file", "zorp") == prompt
