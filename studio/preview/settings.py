"""The recipe's ``sampling:`` section: the pictures drawn to see what an adapter does."""

from __future__ import annotations

from typing import Any

from pydantic import Field, field_validator

from studio.bases.settings import ModelName, Offload
from studio.preview.prompt import first_tag
from studio.preview.schedulers import SchedulerWord, scheduler_word
from studio.settings import Section


class SamplingSettings(Section):
    """Prompts, seeds and sampler of the pictures drawn during and after training."""

    prompts: tuple[str, ...] = ()
    """What to draw, in the webuis' syntax: ``(word:1.2)``, ``[word]``, ``BREAK``; ``\\(`` is the
    bracket itself. Empty: captions of the set, with the trigger word."""

    seeds: tuple[int, ...] = (0, 1)
    """Each prompt is drawn once for every seed. A preview of clips draws the first seed alone."""

    every_steps: int = Field(0, ge=0)
    """Optimizer steps between samples during training; 0 draws none. Samples never change a run."""

    scheduler: SchedulerWord = "DDIM"
    """How the noise is taken away, by the webuis' names: "Euler a", "DPM++ 2M Karras" and so on.
    Clips keep the base's own."""

    num_inference_steps: int = Field(25, ge=1, le=1000)
    """Denoising steps of the sampler."""

    guidance_scale: float = Field(5.0, ge=1.0, le=30.0)
    """How strongly the prompt is followed; 1 is no guidance. Of clips it is the last frame's: the
    first has 1, and 3 is usual."""

    negative_prompt: str = ""
    """What to stay away from, in the syntax of ``prompts``."""

    clip_skip: int | None = Field(None, ge=1, le=12)
    """Which layer of the text encoder is read, counted from the end: 1 is the last, as most bases
    were trained; some of SD 1.x's descendants want 2. SDXL reads the second from the end at 1 and 2.
    Empty: as in training (``base.clip_skip``)."""

    strength: float = Field(1.0, ge=-4.0, le=4.0)
    """How strongly the adapter is applied; 0 is the bare base model."""

    refiner: ModelName = ""
    """SDXL's refiner, which finishes the pictures that an SDXL base begins: a folder, a file or a hub
    id. Empty: the base draws alone."""

    refiner_base: ModelName = ""
    """For a run on the refiner itself: the SDXL base that begins its pictures."""

    refiner_switch_at: float = Field(0.8, gt=0, lt=1)
    """Share of the denoising after which the refiner takes over; it was trained on the last fifth."""

    offload: Offload = "auto"
    """Whether the base model's parts wait in main memory and visit the GPU one at a time: ``model`` always,
    slower; ``none`` never; ``auto`` where they do not fit. Without a GPU it means nothing."""

    @field_validator("scheduler", mode="before")
    @classmethod
    def _scheduler_in_any_case(cls, value: Any) -> Any:
        return scheduler_word(value) if isinstance(value, str) else value

    @field_validator("prompts", "negative_prompt")
    @classmethod
    def _no_adapters_by_name(cls, value: tuple[str, ...] | str) -> tuple[str, ...] | str:
        # Refused before training: nobody would look for the file when the pictures are drawn.
        texts = (value,) if isinstance(value, str) else value
        if tag := next(filter(None, map(first_tag, texts)), None):
            raise ValueError(
                f"{tag} calls an adapter, which works in `studio preview --prompt` alone; take it out"
            )
        return value
