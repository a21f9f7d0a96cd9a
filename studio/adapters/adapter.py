"""An adapter in memory: what a trainer hands over for export, and what a file is read back into."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class AdapterHeader:
    """What a file says of itself; `studio/adapters/header.py` maps it to and from metadata keys.

    Attributes:
        kind: the trainer plugin's kind, e.g. ``lora``.
        family: the base model's family, e.g. ``sd1``.
        base_name, base_digest: the base model it was trained on; the digest is what is checked.
        settings: the trainer's settings as JSON.
        recipe_digest, dataset_digest: SHA-256 of the locked recipe and of the curated set.
        steps: optimizer steps behind these weights.
        seed: the run's seed.
        trigger: the trigger word or phrase; empty where there is none.
        title: the run's name.
        resolution_px: side of the training bucket's square equivalent.
        num_pictures: kept pictures of the curated set.
    """

    kind: str
    family: str
    base_name: str
    base_digest: str
    settings: str
    recipe_digest: str = ""
    dataset_digest: str = ""
    steps: int = 0
    seed: int = 0
    trigger: str = ""
    title: str = ""
    resolution_px: int = 0
    num_pictures: int = 0


@dataclass(frozen=True)
class Adapter:
    """Tensors under the *neutral* names of their kind, with the header that goes with them.

    For ``lora`` the neutral names are peft's own, by module path of the live model, prefixed with the
    part they belong to: ``unet.down_blocks.0.….to_q.lora_A.weight``, ``text_encoder.….lora_B.weight``,
    ``….lora_magnitude_vector`` for DoRA. The scale alpha / rank (or alpha / sqrt(rank)) is in
    ``header.settings``. Each file format of `studio/adapters/` maps these to its own keys and back.
    """

    header: AdapterHeader
    tensors: dict[str, torch.Tensor]
