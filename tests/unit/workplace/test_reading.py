"""Which base model a set is judged for: by name, by its description, by a path that may be read."""

from __future__ import annotations

from pathlib import Path

import pytest

from studio.errors import BaseModelError, RootsError
from studio.workplace.picture_set import PictureSet
from studio.workplace.reading import allowed_base, base_of, reader_of
from studio.workplace.roots import Roots


def test_a_known_base_is_taken_by_its_name(tmp_path: Path) -> None:
    assert allowed_base(" pocket ", Roots.of([tmp_path])) == "pocket"
    published = "stabilityai/stable-diffusion-xl-base-1.0"
    assert allowed_base(published, Roots.of([tmp_path])) == published
    assert base_of(PictureSet("x", "x", base_model=published)).resolution_px == 1024


@pytest.mark.parametrize("name", ["/etc/passwd", "../../x", "~root/x"])
def test_a_path_outside_the_roots_is_refused(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RootsError):
        allowed_base(name, Roots.of([tmp_path]))


def test_what_is_no_base_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.safetensors").write_bytes(b"nothing")
    for name in ("none/such", str(tmp_path / "x.safetensors")):
        with pytest.raises(BaseModelError):
            allowed_base(name, Roots.of([tmp_path]))


def test_tokens_are_counted_with_the_trigger_and_an_unknown_base_counts_none() -> None:
    alone = reader_of(PictureSet("x", "x"))
    with_trigger = reader_of(PictureSet("x", "x", trigger="zorp zorp"))
    assert alone is not None
    assert with_trigger is not None
    assert with_trigger.read("a cat").tokens > alone.read("a cat").tokens
    assert reader_of(PictureSet("x", "x", base_model="none/such")) is None
