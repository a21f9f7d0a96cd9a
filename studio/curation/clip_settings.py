"""The recipe's ``dataset.clip:`` section: how clips are read, for a base model that learns from them."""

from __future__ import annotations

from pydantic import Field

from studio.settings import Section


class ClipSettings(Section):
    """What is taken of each clip, and what the base is told of it. Read by Stable Video Diffusion only."""

    num_frames: int | None = Field(None, ge=2, le=128)
    """Frames to learn from, from the beginning of each clip; shorter clips are left out. Memory grows
    with them. Empty: as many as the base model makes, 14 or 25."""

    frame_step: int = Field(1, ge=1, le=60)
    """Take every so many frames. 4 brings a clip of 30 frames a second to about 7, which the base was
    trained on."""

    fps: int = Field(7, ge=1, le=60)
    """Frames a second, as the base is told; what is learned comes at this rate. Usual: 6 to 10."""

    motion_bucket_id: int = Field(127, ge=0, le=255)
    """How much moves, as the base is told: 1 hardly anything, 255 very much."""

    @property
    def are_read(self) -> bool:
        """Whether the source is read as clips: known once the base model is (`for_base`)."""
        return self.num_frames is not None
