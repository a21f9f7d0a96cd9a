"""The families of base models: what is known of each before any weight is read. No torch.

How a family is spoken to - texts in, predictions out, pictures drawn - stands in the module that its
record names, in `studio.bases.architectures`; nothing else in the studio asks for a family by name to
decide what to compute.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

Family = Literal["sd1", "sd2", "sdxl", "sdxl_refiner", "svd"]

_UNET, _VAE = "diffusers.UNet2DConditionModel", "diffusers.AutoencoderKL"
_CLIP, _PROJECTED = "transformers.CLIPTextModel", "transformers.CLIPTextModelWithProjection"


@dataclass(frozen=True)
class FamilyRecord:
    """What all models of a family have in common.

    Attributes:
        title: as people call it.
        modules: by part, in the order of loading, the class that holds its weights; a part is also the
            name of its folder.
        architecture: ``module:Class`` of the `studio.bases.architectures.Architecture`.
        checkpoint_keys: how the names of its text (or picture) encoder begin in a single file of the
            original naming. Widths do not tell a family, for models of other widths exist.
        in_channels: what the U-Net reads: latents, and whatever it is given beside them.
        last_timestep: the last one that its U-Net was trained on.
    """

    title: str
    modules: Mapping[str, str]
    architecture: str
    checkpoint_keys: str
    in_channels: int = 4
    last_timestep: int = 999

    @property
    def text_encoders(self) -> tuple[str, ...]:
        """Their folders' names, which are also their part in a tensor's name."""
        return tuple(part for part in self.modules if part.startswith("text_encoder"))

    @property
    def makes_clips(self) -> bool:
        """Whether it makes a clip of a picture, which it reads by an encoder, and knows no text."""
        return "image_encoder" in self.modules

    @property
    def tokenizers(self) -> tuple[str, ...]:
        """The folders of the text encoders' tokenizers."""
        return tuple(part.replace("text_encoder", "tokenizer") for part in self.text_encoders)


def _modules(**parts: str) -> Mapping[str, str]:
    return MappingProxyType({"unet": _UNET, "vae": _VAE} | parts)


FAMILIES: Mapping[Family, FamilyRecord] = MappingProxyType(
    {
        "sd1": FamilyRecord(
            title="Stable Diffusion 1.x",
            modules=_modules(text_encoder=_CLIP),
            architecture="studio.bases.architectures.sd:StableDiffusion",
            checkpoint_keys="cond_stage_model.transformer.",
        ),
        "sd2": FamilyRecord(
            title="Stable Diffusion 2.x",
            modules=_modules(text_encoder=_CLIP),
            architecture="studio.bases.architectures.sd:StableDiffusion",
            checkpoint_keys="cond_stage_model.model.",
        ),
        "sdxl": FamilyRecord(
            title="Stable Diffusion XL",
            modules=_modules(text_encoder=_CLIP, text_encoder_2=_PROJECTED),
            architecture="studio.bases.architectures.sdxl:StableDiffusionXL",
            checkpoint_keys="conditioner.embedders.0.transformer.",
        ),
        "sdxl_refiner": FamilyRecord(
            title="SDXL's refiner",
            modules=_modules(text_encoder_2=_PROJECTED),
            architecture="studio.bases.architectures.sdxl:Refiner",
            checkpoint_keys="conditioner.embedders.0.model.",
            last_timestep=199,
        ),
        "svd": FamilyRecord(
            title="Stable Video Diffusion",
            modules=_modules(
                unet="diffusers.UNetSpatioTemporalConditionModel",
                vae="diffusers.AutoencoderKLTemporalDecoder",
                image_encoder="transformers.CLIPVisionModelWithProjection",
            ),
            architecture="studio.bases.architectures.svd:StableVideoDiffusion",
            checkpoint_keys="conditioner.embedders.0.open_clip.",
            in_channels=8,
        ),
    }
)

DRAWN_FROM_TEXT: tuple[Family, ...] = ("sd1", "sd2", "sdxl")
"""Those that make a picture from a text and nothing else."""
