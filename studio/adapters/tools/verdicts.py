"""Will a file work in the tools that people use? A verdict for each, with the reason where it will not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from studio.adapters.adapter import Adapter
from studio.adapters.formats import Format
from studio.adapters.lora_layers import trained_changes
from studio.adapters.measurement import Measurement
from studio.adapters.readback import load_content
from studio.adapters.tools import a1111, comfyui, diffusers, kohya
from studio.adapters.verify import TOLERANCES
from studio.adapters.weight_changes import Reader, compare_changes
from studio.bases.base_model import BaseModel

A1111, FORGE, COMFYUI = "A1111", "Forge", "ComfyUI"
DIFFUSERS, KOHYA = "diffusers", "kohya"
TOOLS = (DIFFUSERS, A1111, FORGE, COMFYUI, KOHYA)

LOW_RANK = ("lora", "loha", "lokr", "oft")
_READERS: Mapping[str, Reader] = {
    DIFFUSERS: diffusers.read_back,
    A1111: a1111.read_back,
    FORGE: comfyui.read_back,
    COMFYUI: comfyui.read_back,
    KOHYA: kohya.read_back,
}
_NO_HYPERNETWORKS = "it knows no hypernetworks"
_FILES_ALONE = "it loads checkpoints of one file; export as checkpoint"
_WORDS_STAY_OUT = "it reads the LoRA of a bundle and leaves its words out; export as kohya"
# By kind and format, the tools that will not do, and why; all others do with the file what was trained.
_REFUSALS: Mapping[tuple[str, str], Mapping[str, str]] = {
    ("hypernetwork", "a1111"): {
        DIFFUSERS: _NO_HYPERNETWORKS,
        FORGE: "it loads hypernetworks without any effect",
        KOHYA: _NO_HYPERNETWORKS,
    },
    ("hypernetwork", "safetensors"): dict.fromkeys(
        TOOLS, "hypernetworks are read as .pt alone; export as a1111"
    ),
    ("full", "diffusers"): {A1111: _FILES_ALONE, FORGE: _FILES_ALONE, COMFYUI: _FILES_ALONE},
    ("pivotal", "bundle"): {
        DIFFUSERS: "it takes a file with words in it for none of its own; export as kohya",
        COMFYUI: _WORDS_STAY_OUT,
        KOHYA: _WORDS_STAY_OUT,
    },
}


@dataclass(frozen=True)
class ToolVerdict:
    """What one tool makes of a file.

    Attributes:
        tool: its name.
        works: it uses every tensor, and does to the base what was trained.
        because: why not, as a clause; empty where it works.
    """

    tool: str
    works: bool
    because: str = ""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def sentence(self) -> str:
        """For people: ``works in ComfyUI``, or ``will not work in A1111: …``."""
        how = f"works in {self.tool}"
        return how if self.works else f"will not work in {self.tool}: {self.because}"


def tool_verdicts(
    path: Path, known: Format, adapter: Adapter, base: BaseModel
) -> tuple[ToolVerdict, ...]:
    """A verdict for each of `TOOLS` on a file that is itself whole, as `verify` has shown.

    Raises:
        VerificationError: it is no whole safetensors file of floating point numbers.
    """
    if known.kind in LOW_RANK:
        return _of_low_rank(path, adapter, base)
    refusals = _REFUSALS.get((known.kind, known.name), {})
    return tuple(ToolVerdict(t, t not in refusals, refusals.get(t, "")) for t in TOOLS)


def told(tools: Sequence[ToolVerdict]) -> list[str]:
    """For people: where a file works in one line, then each refusal in one of its own."""
    works = [each.tool for each in tools if each.works]
    refused = [each.sentence() for each in tools if not each.works]
    return [*([f"works in {', '.join(works)}"] if works else []), *refused]


def _of_low_rank(path: Path, adapter: Adapter, base: BaseModel) -> tuple[ToolVerdict, ...]:
    readers = list(dict.fromkeys(_READERS.values()))
    found = compare_changes(load_content(path), readers, trained_changes(adapter), base)
    reasons = dict(zip(readers, map(_because, found), strict=True))
    return tuple(
        ToolVerdict(tool, not reasons[read], reasons[read]) for tool, read in _READERS.items()
    )


def _because(found: Measurement) -> str:
    if found.unmatched and not found.differences:
        return f"it uses none of the {found.tensors} tensors, the first is {found.unmatched[0]}"
    if found.unmatched:
        return f"it leaves {len(found.unmatched)} tensors unused, the first is {found.unmatched[0]}"
    if found.missing:
        return f"{len(found.missing)} layers are not changed, the first is {found.missing[0]}"
    worst = max(found.differences, key=lambda layer: found.differences[layer])
    off = found.differences[worst]
    if off <= TOLERANCES[found.dtype]:
        return ""
    return f"it reads these tensors otherwise: {worst} is off by {off:.0%} of its change"
