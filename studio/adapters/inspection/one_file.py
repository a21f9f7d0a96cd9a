"""What an adapter file is, what it says of itself, and how large its change is: for anyone's file.

Nothing is put on a base model, and nothing is refused that can be told: a file with values that are not
finite, with layers of no base that the studio knows, or half broken is still described.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import prod
from pathlib import Path
from typing import Any

from studio.adapters.formats import formats
from studio.adapters.inspection.content import AdapterContent, open_content
from studio.adapters.inspection.facts import PLACEHOLDER_KEY, Facts, facts_of, json_table
from studio.adapters.inspection.family import family_of
from studio.adapters.inspection.findings import Block, blocks_of, judged
from studio.adapters.inspection.groups import WORD, groups_of
from studio.adapters.inspection.layers import Layer, State, finite_or_none, measured_layers
from studio.adapters.inspection.names import (
    Naming,
    is_spatial,
    naming_of,
    rank_of,
)
from studio.adapters.inspection.remarks import remarks_on
from studio.errors import AdapterError

_ROTATION = "the numbers that say how far it rotates (the skew parameters), not of the change"
MEASURED = {
    "full": "the weights themselves, for without the base no change can be told",
    "hypernetwork": "the networks' weights",
    "textual_inversion": "the words' vectors",
    "oft": _ROTATION,
    "diag_oft": _ROTATION,
}
"""What the norms are of, where it is not the change of the layers' weights."""
PARTS_KEY = "studio.parts"
_VARIANT_NAMES = {
    "lora": "LoRA",
    "loha": "LoHa",
    "lokr": "LoKr",
    "oft": "OFT",
    "diag_oft": "OFT",
    "diff": "difference",
}


@dataclass(frozen=True)
class Overview:
    """What a file's names, shapes and metadata tell; none of its numbers are read for it.

    Attributes:
        stated_family, told_family: of the base, by the metadata, and by names and shapes; empty where
            they leave it open.
        trigger: the word or phrase that calls it; empty where there is none.
        ranks: how many layers have each rank, the commonest first.
    """

    naming: Naming
    stated_family: str
    told_family: str
    facts: Facts
    trigger: str
    ranks: dict[int, int]

    @property
    def family(self) -> str:
        return self.stated_family or self.told_family


@dataclass(frozen=True)
class Inspection:
    """All that can be told of one adapter file.

    Attributes:
        variant: ``LoRA``, ``DoRA``, ``LoCon`` (with convolutions) and so on; empty for other kinds.
        layers: in the order of the base's parts and blocks.
        blocks: the norms put together block by block.
        measured: what the norms are of.
        changes: the base's parts that it changes, with the number of layers of each.
        remarks: what to know before trusting the rest, a sentence each.
    """

    content: AdapterContent
    overview: Overview
    variant: str
    layers: list[Layer]
    blocks: list[Block]
    measured: str
    changes: dict[str, int]
    remarks: list[str]

    @property
    def alphas(self) -> dict[float, int]:
        """How many layers have each alpha, the commonest first."""
        return dict(Counter(x.alpha for x in self.layers if x.alpha is not None).most_common())

    @property
    def dtypes(self) -> dict[str, int]:
        """How many tensors have each number format, ``fp16`` and the like, the commonest first."""
        names = Counter(_dtype(entry.dtype) for entry in self.content.entries.values())
        return dict(names.most_common())

    @property
    def num_parameters(self) -> int:
        return sum(map(prod, self.content.shapes.values()))

    def having(self, state: State) -> list[Layer]:
        return [layer for layer in self.layers if layer.state == state]

    def to_json(self) -> dict[str, Any]:
        """Everything, layer by layer; the header's fields stand beside the rest as they are stated."""
        overview = self.overview
        facts = overview.facts
        alphas = [(finite_or_none(alpha), count) for alpha, count in self.alphas.items()]
        return {
            "file": str(self.content.path),
            **asdict(facts.header),
            "kind": overview.naming.kind,
            "format": overview.naming.format,
            "variant": self.variant,
            "family": overview.family,
            "family_is_stated": bool(overview.stated_family),
            "trigger": overview.trigger,
            "tags": list(facts.tags),
            "resolution": facts.resolution,
            "strength": facts.strength,
            "settings": json_table(facts.header.settings or "{}"),
            "changes": self.changes,
            "ranks": [{"rank": rank, "layers": n} for rank, n in overview.ranks.items()],
            "alphas": [{"alpha": alpha, "layers": n} for alpha, n in alphas],
            "dtypes": self.dtypes,
            "size_bytes": self.content.size_bytes,
            "num_tensors": len(self.content.entries),
            "num_parameters": self.num_parameters,
            "num_dead": len(self.having("dead")),
            "num_silent": len(self.having("silent")),
            "num_exploded": len(self.having("exploded")),
            "num_broken": len(self.having("broken")),
            "norms_of": self.measured,
            "blocks": [block.to_json() for block in self.blocks],
            "layers": [layer.to_json() for layer in self.layers],
            "remarks": self.remarks,
        }


def inspect(path: Path) -> Inspection:
    """Look through one adapter file or folder, the studio's own or another tool's.

    Raises:
        AdapterError: it is missing, truncated, hostile, or holds no adapter.
    """
    content = open_content(path)
    seen = overview(content)
    kind = seen.naming.kind
    groups = groups_of(kind, content.entries, seen.family, _word(content))
    layers = judged(measured_layers(content, groups))
    used = sum(len(group.keys) for group in groups)
    return Inspection(
        content=content,
        overview=seen,
        variant=_variant(content, layers),
        layers=layers,
        blocks=blocks_of(layers),
        measured=MEASURED.get(kind, "the change at strength 1"),
        changes=_changes(content, layers),
        remarks=remarks_on(seen, layers, num_unused=len(content.entries) - used),
    )


def overview(content: AdapterContent) -> Overview:
    """What names, shapes and metadata tell.

    Raises:
        AdapterError: it holds no adapter.
    """
    shapes = content.shapes
    naming = naming_of(shapes, content.layers, content.extension)
    if naming is None:
        kinds = ", ".join(sorted({known.kind for known in formats()}))
        first = next(iter(shapes), "nothing")
        raise AdapterError(
            f"{content.path} cannot be read: it holds no adapter (it has {first[:80]!r}); "
            f"known kinds are: {kinds}"
        )
    facts = facts_of(content.metadata, naming.kind)
    ranks = Counter(filter(None, map(rank_of, content.layer_shapes())))
    return Overview(
        naming=naming,
        stated_family=facts.header.family,
        told_family=family_of(shapes, content.layers),
        facts=facts,
        trigger=facts.trigger or _words(content, naming.kind),
        ranks=dict(ranks.most_common()),
    )


def _word(content: AdapterContent) -> str:
    """What a textual inversion's one word is called: by the file, or else by the file's name."""
    named = content.metadata.get(PLACEHOLDER_KEY, "")
    if content.extension == ".pt":
        named = named or content.metadata.get("ss_output_name", "")
    return named or content.path.stem


def _words(content: AdapterContent, kind: str) -> str:
    """The words that a file brings along, where its metadata name no trigger."""
    if kind not in ("textual_inversion", "pivotal"):
        return ""
    groups = groups_of(kind, content.entries, "", _word(content))
    words = [group.path.partition(".")[2] for group in groups if group.variant == WORD]
    return " ".join(dict.fromkeys(words))


def _variant(content: AdapterContent, layers: Sequence[Layer]) -> str:
    found = Counter(layer.variant for layer in layers if layer.variant in _VARIANT_NAMES)
    names = [_VARIANT_NAMES[variant] for variant, _ in found.most_common()]
    if names == ["LoRA"]:
        if any(layer.has_magnitude for layer in layers):
            return "DoRA"
        return "LoCon" if any(map(is_spatial, content.layer_shapes())) else "LoRA"
    return " and ".join(names)


def _changes(content: AdapterContent, layers: Sequence[Layer]) -> dict[str, int]:
    """Of whole weights the parts that were trained, where the file says so."""
    counts = Counter(layer.part for layer in layers if layer.state not in ("silent", "dead"))
    trained = [part for part in content.metadata.get(PARTS_KEY, "").split(",") if part in counts]
    return {part: counts[part] for part in trained or counts}


def _dtype(name: str) -> str:
    return {"F32": "fp32", "F16": "fp16", "BF16": "bf16"}.get(name, name.lower())
