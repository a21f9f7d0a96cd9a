"""Clips from a base model, bare or with an adapter on it, from the pictures they begin with.

A clip depends on the base, the picture, the seed and the settings, and on nothing else. The drawing is
diffusers' own `StableVideoDiffusionPipeline`, with the sampler that the base came with: others know
nothing of its continuous noise scale.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any

import torch
from PIL import Image

from studio.bases.architectures import architecture_of
from studio.bases.base_model import BaseModel
from studio.bases.placement import visiting
from studio.curation.clip_settings import ClipSettings
from studio.examples.buckets import choose_bucket, make_buckets
from studio.examples.clips import NOISE_AUG_STRENGTH
from studio.examples.framing import Framing
from studio.preview.sampler import Progress, evaluating
from studio.preview.settings import SamplingSettings

Clip = tuple[Image.Image, ...]
"""The frames of a drawn clip, in order."""

GUIDANCE_SCALE = 3.0
"""Of the last frame, where the settings name none; the first has 1. What the base was published with."""

DECODED_FRAMES = 8
"""Frames that the VAE decodes at once: fewer flicker, more take memory."""

MAX_ASPECT_RATIO = 2.0


@torch.no_grad()
def sample_clips(
    base: BaseModel,
    pictures: Sequence[Image.Image],
    seeds: Sequence[int],
    settings: SamplingSettings,
    clip: ClipSettings,
    *,
    progress: Progress | None = None,
) -> list[Clip]:
    """Draw a clip from every picture with every seed, picture by picture.

    Each is as large as the base's own training pictures, in the shape that is nearest to its picture's.

    Args:
        clip: frames, and what the base is told of them; empty ``num_frames``: as many as it makes.
        progress: called with the clips finished and the clips in all.

    Raises:
        BaseModelError: the base makes no clips.
    """
    pipe = architecture_of(base).clip_pipeline(base)
    pipe.set_progress_bar_config(disable=True)
    jobs = list(product(pictures, seeds))
    clips: list[Clip] = []
    with evaluating(*base.modules), visiting([pipe], [base], settings.offload):
        for picture, seed in jobs:
            clips.append(_draw(pipe, framed(picture, base.resolution_px), seed, settings, clip))
            if progress is not None:
                progress(len(clips), len(jobs))
    return clips


def framed(picture: Image.Image, resolution_px: int) -> Image.Image:
    """The picture as clips begin with it: scaled and cut as training does."""
    buckets = make_buckets(resolution_px, MAX_ASPECT_RATIO)
    bucket = choose_bucket(picture.width, picture.height, buckets)
    return Framing().applied(picture.convert("RGB"), bucket, Image.Resampling.LANCZOS)


def guidance_of(settings: SamplingSettings) -> float:
    """The settings' own default is a text's."""
    is_given = "guidance_scale" in settings.model_fields_set
    return settings.guidance_scale if is_given else GUIDANCE_SCALE


def _draw(
    pipe: Any, picture: Image.Image, seed: int, settings: SamplingSettings, clip: ClipSettings
) -> Clip:
    num_frames = clip.num_frames or pipe.unet.config.num_frames
    latents = pipe(
        picture,
        height=picture.height,
        width=picture.width,
        num_frames=num_frames,
        num_inference_steps=settings.num_inference_steps,
        max_guidance_scale=guidance_of(settings),
        fps=clip.fps,
        motion_bucket_id=clip.motion_bucket_id,
        noise_aug_strength=NOISE_AUG_STRENGTH,
        generator=torch.Generator().manual_seed(seed),
        output_type="latent",
    ).frames
    # Decoded here, for the VAE may be in another number format than what the pipeline hands it.
    decoded = pipe.decode_latents(latents.to(pipe.vae.dtype), num_frames, DECODED_FRAMES)
    return tuple(pipe.video_processor.postprocess_video(decoded, output_type="pil")[0])
