"""What an adapter file's metadata say of it, ours or another tool's, none of it believed to be whole."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from studio.adapters.adapter import AdapterHeader
from studio.adapters.formats import LOW_RANK
from studio.adapters.header import from_metadata
from studio.errors import AdapterError

STRENGTH_KEY, PLACEHOLDER_KEY = "studio.strength", "studio.placeholder"
MAX_TAGS = 5


@dataclass(frozen=True)
class Facts:
    """What the metadata say.

    Attributes:
        trigger: the word or phrase that calls the adapter; empty where none is stated.
        tags: the most frequent words of the training captions, most frequent first.
        resolution: of the training pictures, as ``512x512``; empty where it is not said.
        strength: the recommended one; None where none is stated.
        problems: what is broken in the metadata, a clause each.
    """

    header: AdapterHeader
    trigger: str
    tags: tuple[str, ...]
    resolution: str
    strength: float | None
    problems: tuple[str, ...]


def facts_of(metadata: Mapping[str, str], kind: str) -> Facts:
    """What metadata say of a file that holds tensors of that kind."""
    header, problems = _header(metadata, kind)
    trigger = header.trigger or metadata.get("modelspec.trigger_phrase", "")
    trigger = trigger or metadata.get(PLACEHOLDER_KEY, "")
    tags = tuple(tag for tag in _tags(metadata) if tag != trigger)
    return Facts(
        header, trigger, tags, _resolution(header, metadata), _strength(metadata), problems
    )


def json_table(text: str) -> dict[str, Any]:
    """The JSON object in a text from anywhere; empty where there is none."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _header(metadata: Mapping[str, str], kind: str) -> tuple[AdapterHeader, tuple[str, ...]]:
    stated = metadata.get("studio.kind", kind)
    # A bundle's LoRA, and a folder's, say "lora" of all variants.
    is_known = stated == kind or (stated == "lora" and kind in (*LOW_RANK, "pivotal"))
    problems = () if is_known else (f"it says it is of kind {stated!r}, but holds {kind} tensors",)
    own = {**metadata, "studio.kind": kind} if "studio.kind" in metadata else dict(metadata)
    try:
        return from_metadata(own, kind), problems
    except AdapterError as error:
        foreign = {key: text for key, text in own.items() if not key.startswith("studio.")}
        return from_metadata(foreign, kind), (*problems, str(error))


def _tags(metadata: Mapping[str, str]) -> list[str]:
    """Kohya's ``ss_tag_frequency``: for each folder of pictures, each tag with its count."""
    counts: Counter[str] = Counter()
    for folder in json_table(metadata.get("ss_tag_frequency", "")).values():
        for tag, count in folder.items() if isinstance(folder, dict) else ():
            counts[tag.strip()] += count if type(count) is int else 0
    return [tag for tag, count in counts.most_common(MAX_TAGS) if tag and count > 0]


def _resolution(header: AdapterHeader, metadata: Mapping[str, str]) -> str:
    """Kohya writes ``(512, 512)`` or ``512``, the model standard ``512x512``."""
    if header.resolution_px:
        return f"{header.resolution_px}x{header.resolution_px}"
    said = metadata.get("ss_resolution", "") or metadata.get("modelspec.resolution", "")
    sides = [side.strip() for side in said[:40].strip("()").replace("x", ",").split(",")]
    if not all(side.isascii() and side.isdigit() and int(side) for side in sides):
        return ""
    return "x".join(sides if len(sides) > 1 else sides * 2)


def _strength(metadata: Mapping[str, str]) -> float | None:
    try:
        strength = float(metadata.get(STRENGTH_KEY, ""))
    except ValueError:
        return None
    return strength if math.isfinite(strength) else None
