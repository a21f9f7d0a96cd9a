"""Will a file work in the tools that people use? A verdict for each, with the reason where it will not."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from studio.adapters.adapter import Adapter
from studio.adapters.embedding_vectors import weights_and_words
from studio.adapters.formats import LOW_RANK, Format, format_named
from studio.adapters.lora_layers import trained_changes
from studio.adapters.measurement import Measurement
from studio.adapters.original_names import has_original_names
from studio.adapters.readback import FileContent, load_content
from studio.adapters.tools import (
    a1111,
    checkpoints,
    comfyui,
    diffusers,
    embeddings,
    hypernetworks,
    kohya,
    model_folders,
    networks_a1111,
    networks_comfyui,
    pivotal,
)
from studio.adapters.verify import TOLERANCES
from studio.adapters.weight_changes import Reader, compare_changes
from studio.bases.base_model import BaseModel

A1111, FORGE, COMFYUI = "A1111", "Forge", "ComfyUI"
DIFFUSERS, KOHYA = "diffusers", "kohya"
TOOLS = (DIFFUSERS, A1111, FORGE, COMFYUI, KOHYA)

_READERS: Mapping[str, Reader] = {
    DIFFUSERS: diffusers.read_back,
    A1111: a1111.read_back,
    FORGE: comfyui.read_back,
    COMFYUI: comfyui.read_back,
    KOHYA: kohya.read_back,
}
_WORD_READERS: Mapping[str, embeddings.WordReader] = {
    DIFFUSERS: embeddings.by_diffusers,
    A1111: embeddings.by_a1111,
    FORGE: embeddings.by_forge,
    COMFYUI: embeddings.by_comfyui,
    KOHYA: embeddings.by_kohya,
}
_NETWORK_READERS: Mapping[str, hypernetworks.NetworkReader] = {
    DIFFUSERS: hypernetworks.by_none,
    A1111: networks_a1111.read_networks,
    FORGE: hypernetworks.by_forge,
    COMFYUI: networks_comfyui.read_networks,
    KOHYA: hypernetworks.by_none,
}
_WhyNot = Callable[[Path, Adapter, BaseModel], str]
"""Why a tool will not do with a file what was trained, as a clause; empty where it will."""
_WORDS = {tool: partial(embeddings.why_not, read) for tool, read in _WORD_READERS.items()}
_NETWORKS = {tool: partial(hypernetworks.why_not, read) for tool, read in _NETWORK_READERS.items()}
_READINGS: Mapping[tuple[str, str], Mapping[str, _WhyNot]] = {
    ("textual_inversion", "a1111"): _WORDS,
    ("textual_inversion", "a1111_pt"): _WORDS,
    ("textual_inversion", "diffusers"): _WORDS,
    ("hypernetwork", "a1111"): _NETWORKS,
    ("hypernetwork", "safetensors"): _NETWORKS,
    ("full", "checkpoint"): {
        **dict.fromkeys(TOOLS, checkpoints.by_layout),
        DIFFUSERS: checkpoints.by_diffusers,
    },
    ("full", "diffusers"): {
        **dict.fromkeys(TOOLS, model_folders.by_none),
        DIFFUSERS: model_folders.by_diffusers,
        KOHYA: model_folders.by_kohya,
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
    """A verdict for each of `TOOLS` on a file that is itself whole, as `verify` has shown; none on a
    plugin's own format, of which nobody knows how they read it.

    Raises:
        VerificationError: it is no whole file of floating point numbers.
    """
    if known.kind in LOW_RANK:
        return _of_low_rank(path, adapter, base)
    if (known.kind, known.name) == ("full", "extracted"):
        return _of_low_rank(path, _written_lora(path), base)
    if (known.kind, known.name) == ("pivotal", "bundle"):
        return _of_bundle(path, adapter, base)
    if (known.kind, known.name) == ("pivotal", "kohya"):
        return _of_folder(path, adapter, base)
    readings = _READINGS.get((known.kind, known.name), {})
    reasons = {why_not: why_not(path, adapter, base) for why_not in set(readings.values())}
    return _verdicts({tool: reasons[why_not] for tool, why_not in readings.items()})


def told(tools: Sequence[ToolVerdict]) -> list[str]:
    """For people: where a file works in one line, then each refusal in one of its own."""
    works = [each.tool for each in tools if each.works]
    refused = [each.sentence() for each in tools if not each.works]
    return [*([f"works in {', '.join(works)}"] if works else []), *refused]


def _verdicts(reasons: Mapping[str, str]) -> tuple[ToolVerdict, ...]:
    return tuple(ToolVerdict(tool, not because, because) for tool, because in reasons.items())


def _written_lora(path: Path) -> Adapter:
    """The LoRA that was written for whole weights: all that its rank can hold, as `verify` has shown."""
    content = load_content(path)
    tensors = {name: tensor.float() for name, tensor in content.tensors.items()}
    return format_named("lora", "kohya").load().read(tensors, content.metadata)


def _of_bundle(path: Path, adapter: Adapter, base: BaseModel) -> tuple[ToolVerdict, ...]:
    content, (weights, words) = load_content(path), weights_and_words(adapter)
    because = _of_layers(pivotal.without_words(content), weights, base)
    reasons: dict[str, str] = {}
    for tool, read in _READERS.items():
        if tool == A1111:
            stays_out = pivotal.why_not_bundled_by_a1111(content, words, base)
        elif tool == FORGE:
            stays_out = pivotal.why_not_bundled_by_forge(read, content, base)
        else:
            stays_out = pivotal.why_not_bundled(read, content, base)
        reasons[tool] = because[tool] or stays_out
    return _verdicts(reasons)


def _of_folder(path: Path, adapter: Adapter, base: BaseModel) -> tuple[ToolVerdict, ...]:
    weights, words = weights_and_words(adapter)
    lora = {v.tool: v.because for v in _of_low_rank(path / "lora.safetensors", weights, base)}
    folder = path / "embeddings"
    return _verdicts(
        {
            tool: lora[tool] or pivotal.why_not_beside(read, folder, words, base)
            for tool, read in _WORD_READERS.items()
        }
    )


def _of_low_rank(path: Path, adapter: Adapter, base: BaseModel) -> tuple[ToolVerdict, ...]:
    return _verdicts(_of_layers(load_content(path), adapter, base))


def _of_layers(content: FileContent, adapter: Adapter, base: BaseModel) -> dict[str, str]:
    """By tool, why it will not change the base's layers as trained; empty where it will.

    Of a family whose layers have no names in the original code, only diffusers' reading is known.
    """
    is_named = has_original_names(base.family)
    known = _READERS if is_named else {DIFFUSERS: _READERS[DIFFUSERS]}
    readers = list(dict.fromkeys(known.values()))
    found = compare_changes(content, readers, trained_changes(adapter), base)
    reasons = dict(zip(readers, map(_because, found), strict=True))
    return {tool: reasons[read] for tool, read in known.items()}


def _because(found: Measurement) -> str:
    if found.unmatched and found.unmatched[0].startswith(diffusers.REFUSAL):
        return found.unmatched[0]
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
