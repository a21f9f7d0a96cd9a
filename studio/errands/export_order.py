"""What is to be exported, and the card that is to be written. No torch."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from studio.bases.settings import BaseSettings
from studio.errands.drawing_order import Applied
from studio.errands.errand import Errand
from studio.settings import Section

NumberFormat = Literal["fp16", "bf16", "fp32"]


class ExportOrder(Section):
    """One adapter for one tool; or, without a tool, the card of its run."""

    adapter: Applied
    """Its strength is not consulted: files hold an adapter as it was trained."""

    base_model: str
    """The base that the files are read back and compared on."""

    base: BaseSettings = BaseSettings()
    """As in a recipe."""

    run: Path | None = None
    """The run that it is of, whose own files are used where they will do."""

    folder: Path
    """For files that are written."""

    target: str = ""
    """Of `studio.adapters.for_tools`; empty: the model card of ``run``."""

    dtype: NumberFormat = "fp16"
    """Of the tensors in the file."""

    def errand(self) -> Errand:
        """To ask for at the desk."""
        return Errand("export", self.model_dump(mode="json"))
