"""The ``trainer:`` section of a DreamBooth recipe."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from studio.settings import TrainerSettings
from studio.training.lora.settings import LoraWeights


class DreamBoothSettings(LoraWeights, TrainerSettings):
    """DreamBooth (Ruiz et al., 2023, arXiv 2208.12242), over low-rank or whole weights."""

    kind: Literal["dreambooth"] = "dreambooth"
    """The method."""

    leading: ClassVar[tuple[str, ...]] = ("weights", "rank")

    instance_prompt: str = ""
    """What every picture is called while training: a rare word and the class, such as ``a photo of sks
    dog``, with the dataset's trigger in it; without a trigger, previews ask for the whole of it. Empty:
    ``a photo of`` and the trigger."""

    use_captions: bool = False
    """Train on each picture's own caption, with the trigger in it, rather than on one prompt for all; for
    sets whose captions say what changes from picture to picture."""

    class_prompt: str = ""
    """What the subject is one of, without the rare word: ``a photo of a dog``. Needed by ``prior``."""

    prior: Literal["none", "class_pictures", "output"] = "none"
    """How the class is kept from turning into the subject. ``class_pictures``: pictures of the class are
    learned again beside the subject's, as in the paper. ``output``: the base's own answer to
    ``class_prompt`` is the target, on the subject's pictures; no pictures are needed, a step takes about
    three forward passes for one. ``none``: fastest, and the class drifts."""

    prior_loss_weight: float = Field(1.0, gt=0, le=100)
    """How much keeping the class counts beside learning the subject. Usual: 0.3 to 1."""

    num_class_images: int = Field(200, ge=1, le=100_000)
    """Pictures of the class that are drawn with the base, once, and kept for other runs. Usual: 100 to 300,
    or 100 for each picture of the subject."""

    class_pictures: Path | None = None
    """A folder with pictures of the class of your own: all of them are used and none is drawn."""

    class_num_inference_steps: int = Field(25, ge=1, le=1000)
    """Denoising steps of the class pictures."""

    class_guidance_scale: float = Field(5.0, ge=1.0, le=30.0)
    """How strongly class pictures follow ``class_prompt``. Usual: 5 to 7.5."""

    weights: Literal["lora", "full"] = "lora"
    """``lora``: low-rank weights, by ``rank`` and the settings around it; a small file. ``full``: the whole
    U-Net; learns most, needs several times the memory, a hundredth of the learning rate (1e-6 to 5e-6 on
    Stable Diffusion), and leaves a whole model."""

    train_text_encoder: bool = False
    """Train the text encoder too, of SDXL both: the rare word binds faster and better, and the old meaning
    suffers sooner. Text is then encoded in every step."""

    text_encoder_learning_rate: float | None = Field(None, gt=0, le=10)
    """Learning rate of the text encoder. Empty: as the U-Net's; half to a tenth of it is safer."""

    text_encoder_stop_after: float | None = Field(None, gt=0, le=1)
    """Share of the run after which the text encoder stops learning. Usual: 0.3 to 0.5. Empty: never."""

    extracted_rank: int = Field(64, ge=1, le=1280)
    """Rank of the LoRA that the export format ``extracted`` makes of whole weights. Usual: 32 to 128."""

    @property
    def adapter_kinds(self) -> tuple[str, ...]:
        return ("full",) if self.weights == "full" else (self.variant,)

    @property
    def trains_base_weights(self) -> bool:
        return self.weights == "full"

    def trigger_for(self, dataset_trigger: str) -> str:
        given, prompt = dataset_trigger.strip(), self.instance_prompt.strip()
        if self.use_captions:
            return given
        if not given and not prompt:
            raise ValueError(
                "missing; write a rare word and the class, such as: sks dog, or a whole "
                "trainer.instance_prompt, or set trainer.use_captions: true"
            )
        if prompt and given.lower() not in prompt.lower():
            raise ValueError(
                f'"{given}" would not be learned, for it is not in trainer.instance_prompt, "{prompt}"; '
                "write the same words there, or leave one of the two out"
            )
        return given or prompt

    def instance_prompt_for(self, trigger: str) -> str:
        """What every picture is called where captions are not used, by the words of `trigger_for`."""
        return self.instance_prompt.strip() or f"a photo of {trigger}"

    @model_validator(mode="after")
    def _class_is_named(self) -> Self:
        if self.prior != "none" and not self.class_prompt.strip():
            raise ValueError(
                f"class_prompt: missing, and prior: {self.prior} needs it; name the class, "
                "such as: a photo of a dog"
            )
        return self

    def without_effect(self) -> Iterator[str]:
        """Problems: settings that are given and mean nothing together with the others."""
        given = self.model_dump(mode="json", exclude_defaults=True)
        for name in ("text_encoder_learning_rate", "text_encoder_stop_after"):
            if name in given and not self.train_text_encoder:
                yield _useless(name, given[name], "trainer.train_text_encoder: true")
        if "instance_prompt" in given and self.use_captions:
            yield _useless(
                "instance_prompt", given["instance_prompt"], "trainer.use_captions: false"
            )
        if "class_pictures" in given and self.prior != "class_pictures":
            yield _useless(
                "class_pictures", given["class_pictures"], "trainer.prior: class_pictures"
            )
        if self.weights == "full":
            for name in LoraWeights.model_fields:
                if name in given:
                    yield _useless(name, given[name], "trainer.weights: lora")
        elif "extracted_rank" in given:
            yield _useless("extracted_rank", given["extracted_rank"], "trainer.weights: full")


def _useless(name: str, value: object, needed: str) -> str:
    return f"trainer.{name}: {value} has no effect; set {needed} as well, or leave it out"
