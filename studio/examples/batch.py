"""What one forward pass learns from: examples of one bucket, encoded, on the device."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from studio.bases.conditioning import Conditioning


@dataclass
class Batch:
    """Examples of one bucket, encoded.

    Attributes:
        latents: (batch, 4, height/8, width/8), scaled by the VAE's scaling factor, fp32; of clips
            (batch, frames, 4, height/8, width/8).
        conditioning: the captions, encoded, or the clips' first pictures; None where captions must be
            encoded in the step.
        captions: the texts, after caption dropout.
        items: each example's index in the trainer's list.
        views: how often each example had been seen before in this run.
        weights: (batch,) factors on the loss, fp32.
        masks: (batch, 1, height/8, width/8) in [0, 1], how much each place counts; None: all alike.
        time_ids: (batch, 6) original height and width, crop's top and left, target height and width,
            in pixels; read by SDXL only. Of clips (batch, 3); see `studio.examples.clips`.
        prior: class examples of the same size, to hold the base to what it knows; their items count
            on from the last of the ordinary examples, so that no address is taken twice.
    """

    latents: Tensor
    conditioning: Conditioning | None
    captions: list[str]
    items: list[int]
    views: list[int]
    weights: Tensor
    masks: Tensor | None = None
    time_ids: Tensor | None = None
    prior: Batch | None = None

    @property
    def addresses(self) -> list[tuple[int, int]]:
        """(view, item) of each example: the counters of its random draws, never twice in a run."""
        return list(zip(self.views, self.items, strict=True))
