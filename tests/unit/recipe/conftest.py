from __future__ import annotations

from pathlib import Path

import pytest

MINIMAL = "name: x\ndataset: {source: pictures}\ntrainer: {kind: lora}\n"


class RecipeFile:
    """A recipe on disk whose text a test gives."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __call__(self, text: str) -> Path:
        self.path.write_text(text, "utf-8")
        return self.path

    def with_minimum(self, text: str) -> Path:
        """The least that a recipe needs, and ``text`` below it."""
        return self(MINIMAL + text)


@pytest.fixture
def recipe_file(tmp_path: Path) -> RecipeFile:
    return RecipeFile(tmp_path / "demo.yaml")
