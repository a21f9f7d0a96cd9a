"""The published base models as the studio knows them: configurations, for single files hold none.

Each folder is laid out as a diffusers model without its weights, and without the vocabulary that all
share (`studio.bases.clip_vocabulary`). Custom widths need a folder of their own beside the file.
"""

from __future__ import annotations

from pathlib import Path

from studio.bases.families import Family

PUBLISHED = Path(__file__).parent / "published"
SD2_EPSILON, SD2_V = "sd2_512", "sd2_768"
SVD_25_FRAMES = "svd_xt"
HUB_IDS: dict[str, str] = {
    "CompVis/stable-diffusion-v1-4": "sd1",
    "runwayml/stable-diffusion-v1-5": "sd1",
    "stable-diffusion-v1-5/stable-diffusion-v1-5": "sd1",
    "stabilityai/stable-diffusion-2-base": SD2_EPSILON,
    "stabilityai/stable-diffusion-2-1-base": SD2_EPSILON,
    "stabilityai/stable-diffusion-2": SD2_V,
    "stabilityai/stable-diffusion-2-1": SD2_V,
    "stabilityai/stable-diffusion-xl-base-1.0": "sdxl",
    "stabilityai/stable-diffusion-xl-refiner-1.0": "sdxl_refiner",
    "stabilityai/stable-video-diffusion-img2vid": "svd",
    "stabilityai/stable-video-diffusion-img2vid-xt": SVD_25_FRAMES,
}
"""Where a hub id's configuration lies in `PUBLISHED`."""


def published_folder(family: Family, *, predicts_v: bool = False, is_xt: bool = False) -> Path:
    """The configuration of a family's published model.

    Args:
        predicts_v: of SD 2.x the one of 768 px, which was trained to predict v.
        is_xt: of Stable Video Diffusion the one of 25 frames.
    """
    if family == "sd2":
        return PUBLISHED / (SD2_V if predicts_v else SD2_EPSILON)
    return PUBLISHED / (SVD_25_FRAMES if family == "svd" and is_xt else family)


def is_published(folder: Path) -> bool:
    """Whether a configuration is the studio's own, without a vocabulary."""
    return folder.is_relative_to(PUBLISHED)
