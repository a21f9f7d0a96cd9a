"""The base of the last drawing is kept for the next, and for nothing else."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from studio.bases.settings import BaseSettings
from studio.errands import base_at_hand as room
from studio.errands.base_at_hand import base_at_hand
from studio.preview.settings import SamplingSettings


def test_it_is_loaded_once_until_another_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[str] = []

    def load(name: str, settings: BaseSettings, **_: object) -> SimpleNamespace:
        loaded.append(name)
        return SimpleNamespace(name=name)

    monkeypatch.setattr(room, "_newest", [])
    monkeypatch.setattr(room, "load_base", load)
    monkeypatch.setattr(room, "load_partner", lambda *_: None)
    monkeypatch.setattr(
        room, "identify_base", lambda name, **_: SimpleNamespace(digest=f"digest of {name}")
    )
    plain, skipping = BaseSettings(), BaseSettings(clip_skip=2)
    first = base_at_hand("one", plain, SamplingSettings())
    # Neither prompts nor steps are the base's.
    again = base_at_hand("one", plain, SamplingSettings(prompts=("a",), num_inference_steps=5))
    assert first is again
    base_at_hand("one", skipping, SamplingSettings())
    base_at_hand("two", plain, SamplingSettings())
    base_at_hand("one", plain, SamplingSettings())
    assert loaded == ["one", "one", "two", "one"]
