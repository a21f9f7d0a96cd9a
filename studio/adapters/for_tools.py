"""Which file for which tool: chosen by what the tools were found to make of each format. No torch.

No table says what works where; `studio.adapters.tools` reads each file as the tool does and judges.
Only the folders are written down here, for no file tells them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from studio.adapters.formats import Format, formats

WORDS, NETWORKS, MODELS = "textual_inversion", "hypernetwork", "full"


@dataclass(frozen=True)
class Target:
    """A tool, or two that share their files, to which an adapter is handed on.

    Attributes:
        key: in addresses and files.
        title: as people call it.
        readers: the tools of `studio.adapters.tools.verdicts` that are to read the file.
        places: where a file belongs, by the kind of what it holds; ``""`` for all other kinds.
        calls: how a prompt calls a file ``NAME``, by kind; none, where a prompt calls no files.
    """

    key: str
    title: str
    readers: tuple[str, ...]
    places: Mapping[str, str] = field(repr=False)
    calls: Mapping[str, str] = field(default_factory=dict, repr=False)

    def place(self, kind: str, format_name: str) -> str:
        """Where a file of a format belongs."""
        return self.places.get(_held(kind, format_name), self.places[""])

    def prompt(self, kind: str, format_name: str, name: str, trigger: str) -> str:
        """What a prompt begins with there.

        Args:
            name: the file's, without its ending.
        """
        held = _held(kind, format_name)
        call = self.calls.get(held, self.calls.get("", "")).replace("NAME", name)
        # A word's file bears its name, so that one of the two says it.
        words = "" if held == WORDS and call else trigger
        return ", ".join(part for part in (call, words) if part)


TARGETS: tuple[Target, ...] = (
    Target(
        "comfyui",
        "ComfyUI",
        ("ComfyUI",),
        {
            "": "ComfyUI/models/loras",
            WORDS: "ComfyUI/models/embeddings",
            NETWORKS: "ComfyUI/models/hypernetworks",
            MODELS: "ComfyUI/models/checkpoints",
        },
        {"": "", WORDS: "embedding:NAME"},
    ),
    Target(
        "webui",
        "A1111 / Forge",
        ("A1111", "Forge"),
        {
            "": "stable-diffusion-webui/models/Lora",
            WORDS: "stable-diffusion-webui/embeddings",
            NETWORKS: "stable-diffusion-webui/models/hypernetworks",
            MODELS: "stable-diffusion-webui/models/Stable-diffusion",
        },
        {"": "<lora:NAME:1>", NETWORKS: "<hypernet:NAME:1>", WORDS: "NAME", MODELS: ""},
    ),
    Target(
        "diffusers",
        "diffusers",
        ("diffusers",),
        {
            "": 'pipe.load_lora_weights("FILE")',
            WORDS: 'pipe.load_textual_inversion("FILE")',
            MODELS: 'StableDiffusionPipeline.from_single_file("FILE"), or from_pretrained of a folder',
        },
    ),
    Target(
        "kohya",
        "kohya",
        ("kohya",),
        {
            "": "gen_img.py --network_module networks.lora --network_weights FILE",
            WORDS: "gen_img.py --textual_inversion_embeddings FILE",
            MODELS: "gen_img.py --ckpt FILE",
        },
    ),
)


@dataclass(frozen=True)
class Reading:
    """What tools make of the files of one format.

    Attributes:
        because: by tool, why it will not work there; empty where it does.
    """

    format: str
    because: Mapping[str, str]

    @classmethod
    def of(cls, name: str, verdicts: Iterable[Mapping[str, Any]]) -> Reading:
        """From the verdicts on every file of a format; one that will not do spoils the rest."""
        because: dict[str, str] = {}
        for verdict in verdicts:
            told = str(verdict["because"] or "") if not verdict["works"] else ""
            because[verdict["tool"]] = because.get(verdict["tool"]) or told
        return cls(name, because)

    def refusals(self, target: Target) -> dict[str, str]:
        """By tool of the target, why not; of one that nobody asked, that."""
        asked = {
            tool: self.because.get(tool, "nobody knows how it reads this format")
            for tool in target.readers
        }
        return {tool: because for tool, because in asked.items() if because}


def _held(kind: str, format_name: str) -> str:
    """What a file is to a tool; a LoRA made of whole weights is a LoRA."""
    return "" if (kind, format_name) == (MODELS, "extracted") else kind


def target_named(key: str) -> Target:
    """The target of that key.

    Raises:
        KeyError: there is none.
    """
    return {target.key: target for target in TARGETS}[key]


def best(target: Target, readings: Sequence[Reading]) -> Reading | None:
    """The first that works in most of a target's tools; None where none works in any."""
    working = [r for r in readings if len(r.refusals(target)) < len(target.readers)]
    return min(working, key=lambda reading: len(reading.refusals(target)), default=None)


def worth_trying(kind: str, family: str, readings: Iterable[Reading]) -> list[Format]:
    """The formats of a kind that can hold a family and of which nothing is known yet."""
    known = {reading.format for reading in readings}
    return [one for one in formats(kind) if one.holds(family) and one.name not in known]
