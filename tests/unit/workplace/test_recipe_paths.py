"""Every path in a recipe stays within the roots, and none is forgotten."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from studio import registry
from studio.errors import RootsError
from studio.place import place_of
from studio.recipe import recipe_from_dict
from studio.recipe.fields import dotted, known_fields, section_of
from studio.recipe.schema import Recipe
from studio.settings import Section
from studio.workplace.recipe_paths import places, refused, require_allowed
from studio.workplace.roots import Roots
from studio.workplace.sample_sets import SETS, shipped

SPEAKS_OF_FILES = re.compile(r"\b(folder|file|path|archive|\.safetensors)\b", re.IGNORECASE)
NO_PATHS = {
    "dataset.curation.keep": "names below the source",
    "dataset.curation.drop": "names below the source",
    "export.formats": "names of formats",
    "name": "names the run's own folder",
    "trainer.target_modules": "ends of layers' names",
    "trainer.text_target_modules": "ends of layers' names",
    "trainer.placeholder_tokens": "words",
}


def content(root: Path, **more: Any) -> dict[str, Any]:
    return {
        "name": "x",
        "dataset": {"source": str(root)},
        "trainer": {"kind": "lora"},
    } | more


@pytest.fixture
def roots(tmp_path: Path) -> Roots:
    (tmp_path / "in").mkdir()
    return Roots.of([tmp_path / "in"])


@pytest.mark.parametrize("kind", registry.plugins())
def test_no_setting_that_speaks_of_files_is_forgotten(kind: str) -> None:
    for path, field in known_fields(Recipe, kind):
        if section_of(field.annotation, kind) or dotted(path) in NO_PATHS:
            continue
        takes_text = "str" in str(field.annotation) or "Path" in str(field.annotation)
        if takes_text and SPEAKS_OF_FILES.search(field.description or ""):
            assert place_of(field), f"{dotted(path)}: mark it (studio.place), or say here why not"


PLACES: list[tuple[str, dict[str, Any]]] = [
    ("base_model", {"base_model": "{}"}),
    ("base.vae", {"base": {"vae": "{}"}}),
    ("dataset.source", {"dataset": {"source": "{}"}}),
    ("dataset.caption_folder", {"dataset": {"caption_folder": "{}"}}),
    (
        "dataset.mask_folder",
        {"dataset": {"mask": "folder", "mask_folder": "{}"}, "loss": {"masked_loss": True}},
    ),
    ("dataset.curation.content_model", {"dataset": {"curation": {"content_model": "{}"}}}),
    ("sampling.refiner", {"sampling": {"refiner": "{}"}}),
    ("sampling.refiner_base", {"sampling": {"refiner_base": "{}"}}),
    ("evaluation.clip_model", {"evaluation": {"clip_model": "{}"}}),
    ("trainer.init_from", {"trainer": {"kind": "lora", "init_from": "{}"}}),
    (
        "trainer.class_pictures",
        {
            "trainer": {
                "kind": "dreambooth",
                "prior": "class_pictures",
                "class_prompt": "a toy",
                "instance_prompt": "a zorp toy",
                "class_pictures": "{}",
            }
        },
    ),
    (
        "trainer.pivotal.init_from",
        {
            "trainer": {
                "kind": "textual_inversion",
                "placeholder_tokens": ["zorp"],
                "pivotal": {"init_from": "{}"},
            }
        },
    ),
]


def filled(template: Any, text: str) -> Any:
    if isinstance(template, dict):
        return {key: filled(value, text) for key, value in template.items()}
    return text if template == "{}" else template


@pytest.mark.parametrize(("path", "template"), PLACES, ids=[path for path, _ in PLACES])
def test_a_path_outside_is_refused_wherever_it_stands(
    roots: Roots, tmp_path: Path, path: str, template: dict[str, Any]
) -> None:
    inside = tmp_path / "in"
    for given, is_allowed in ((inside / "x", True), (tmp_path / "out", False), ("/etc", False)):
        sections = filled(template, str(given))
        if "dataset" in sections:
            sections["dataset"] = {"source": str(inside)} | sections["dataset"]
        recipe = recipe_from_dict(content(inside, **sections))
        assert (path, str(given)) in list(places(recipe))
        problems = refused(recipe, roots)
        assert [p.partition(": ")[0] for p in problems] == ([] if is_allowed else [path])


class Nested(Section):
    """As somebody else's plugin may have it."""

    files: dict[str, list[Path]]


def test_a_path_is_found_however_deep_it_lies() -> None:
    nested = Nested(files={"a": [Path("/x")], "b": [Path("/y"), Path("/z")]})
    assert list(places(nested)) == [
        ("files.a[0]", "/x"),
        ("files.b[0]", "/y"),
        ("files.b[1]", "/z"),
    ]


def test_names_that_are_no_paths_are_left_alone(roots: Roots, tmp_path: Path) -> None:
    recipe = recipe_from_dict(
        content(
            tmp_path / "in",
            base_model="runwayml/stable-diffusion-v1-5",
            base={"vae": "owner/vae"},
            dataset={"source": "hf:owner/name", "curation": {"content_model": "pocket"}},
        )
    )
    assert list(places(recipe)) == []
    require_allowed(recipe, roots)


def test_a_hub_id_that_is_a_folder_here_is_a_path(
    roots: Roots, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "owner" / "model").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    recipe = recipe_from_dict(content(tmp_path / "in", base_model="owner/model"))
    with pytest.raises(RootsError, match="base_model: owner/model is outside"):
        require_allowed(recipe, roots)


def test_links_and_patterns_do_not_lead_out(roots: Roots, tmp_path: Path) -> None:
    (tmp_path / "in" / "1").symlink_to(tmp_path)
    for source in ("in/../..", "in/1/x.tar", "in/{0..2}/x.tar", "in/{0..99999}.tar"):
        given = f"{tmp_path}/{source}"
        recipe = recipe_from_dict(content(tmp_path, dataset={"source": given}))
        with pytest.raises(RootsError, match=r"dataset\.source: "):
            require_allowed(recipe, roots)


def test_the_sample_sets_may_be_used_anywhere(roots: Roots) -> None:
    samples = shipped(SETS)
    assert samples is not None
    require_allowed(recipe_from_dict(content(samples / "mascot")), roots)
