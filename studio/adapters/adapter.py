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
        kind: what the file holds: ``lora``, ``loha``, ``lokr``, ``oft``, ``diag_oft``,
            ``hypernetwork``, ``textual_inversion``, ``pivotal`` (a LoRA with its new words), ``full``
            (whole new weights), or a plugin's own.
        family: the base model's family, e.g. ``sd1``.
        base_name, base_digest: the base model it was trained on; the digest is what is checked.
        settings: the trainer's settings as JSON.
        recipe_digest, dataset_digest: SHA-256 of the locked recipe and of the curated set.
        dataset_verdict: what curation said of that set, in counts; names no picture.
        steps: optimizer steps behind these weights.
        seed: the run's seed.
        trigger: the trigger word or phrase; empty where there is none.
        title: the run's name.
        resolution_px: side of the training bucket's square equivalent.
        num_pictures: kept pictures of the curated set.
        strength: what it is recommended to be put on with; 1 is as it was trained.
        clip_skip: the layer of the text encoders that it was trained with, counted from the end.
        method: the trainer plugin that made it; empty in other tools' files, where the kind names it.
    """

    kind: str
    family: str
    base_name: str
    base_digest: str
    settings: str
    recipe_digest: str = ""
    dataset_digest: str = ""
    dataset_verdict: str = ""
    steps: int = 0
    seed: int = 0
    trigger: str = ""
    title: str = ""
    resolution_px: int = 0
    num_pictures: int = 0
    strength: float = 1.0
    clip_skip: int = 1
    method: str = ""

    @property
    def plugin_kind(self) -> str:
        """The trainer plugin that can apply it."""
        return self.method or self.kind


@dataclass(frozen=True)
class Adapter:
    """Tensors under the *neutral* names of their kind, with the header that goes with them.

    For ``lora`` the neutral names are peft's own, by module path of the live model, prefixed with the
    part they belong to: ``unet.down_blocks.0.….to_q.lora_A.weight``, ``text_encoder.….lora_B.weight``,
    ``….lora_magnitude_vector``, (out,), for DoRA, and ``….alpha``, (1,): the layer's change is scaled by
    alpha / rank, whatever rule the trainer had. ``loha``, ``lokr``, ``oft`` and ``diag_oft`` have
    ``hada_w1_a``, ``lokr_w1``, ``oft_R.weight``, ``oft_blocks`` and so on behind the path. For the other
    kinds:

    - ``hypernetwork``: ``768.0.linear.0.weight``: the context's width, 0 for keys or 1 for values, then
      A1111's own key.
    - ``textual_inversion``: ``text_encoder.<placeholder>`` and for SDXL ``text_encoder_2.<placeholder>``,
      each (num_vectors, width).
    - ``pivotal``: a LoRA's and a textual inversion's names together.
    - ``full``: ``unet.<parameter>``, ``text_encoder.<parameter>``: the whole new weights of the parts
      that were trained, by their names in the live model without ``text_model.``.

    Each file format of `studio/adapters/` maps these to its own keys and back.
    """

    header: AdapterHeader
    tensors: dict[str, torch.Tensor]
