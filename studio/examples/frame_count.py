"""How many frames are read of each clip: known once the base model is. No torch."""

from __future__ import annotations

from studio.bases.identity import BaseIdentity
from studio.curation.clip_settings import ClipSettings
from studio.curation.settings import DatasetSettings
from studio.errors import RecipeError


def for_base(settings: DatasetSettings, identity: BaseIdentity) -> DatasetSettings:
    """The settings with the number of frames that the base makes, where it makes clips.

    Raises:
        RecipeError: they say how clips are read, but the base learns from pictures; or the reverse.
    """
    if identity.num_frames is None:
        if settings.clip != ClipSettings():
            raise RecipeError(
                [
                    f"dataset.clip: {identity.name} learns from pictures and reads no clips; leave it "
                    "out, or give a base_model of Stable Video Diffusion"
                ]
            )
        return settings
    if settings.mask != "none":
        raise RecipeError([f"dataset.mask: {settings.mask}, but clips have no masks; leave it out"])
    if settings.clip.num_frames is not None:
        return settings
    clip = settings.clip.model_copy(update={"num_frames": identity.num_frames})
    return settings.model_copy(update={"clip": clip})
