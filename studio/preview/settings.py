"""The recipe's ``sampling:`` section: the pictures drawn to see what an adapter does."""

from __future__ import annotations

from pydantic import Field

from studio.settings import Section


class SamplingSettings(Section):
    """Prompts, seeds and sampler of the pictures drawn during and after training."""

    prompts: tuple[str, ...] = ()
    """What to draw. Empty: captions of the set, with the trigger word."""

    seeds: tuple[int, ...] = (0, 1)
    """Each prompt is drawn once for every seed."""

    every_steps: int = Field(0, ge=0)
    """Optimizer steps between samples during training; 0 draws none. Samples never change a run."""

    num_inference_steps: int = Field(25, ge=1, le=1000)
    """Denoising steps of the sampler."""

    guidance_scale: float = Field(5.0, ge=1.0, le=30.0)
    """How strongly the prompt is followed; 1 is no guidance."""

    negative_prompt: str = ""
    """What to stay away from."""

    strength: float = Field(1.0, ge=-4.0, le=4.0)
    """How strongly the adapter is applied; 0 is the bare base model."""
