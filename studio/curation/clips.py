"""Where a clip's frames are kept beside its poster, the first frame, which stands for it everywhere."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

PICTURES_OF_FRAMES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")
VIDEOS = (".mp4", ".webm", ".mov")
ANIMATIONS = (".gif",)
DIGEST_KEY = "clip_sha256"
"""Of a poster's text: the digest of all frames, so that another clip never has the same poster file."""


def poster_name(stem: str) -> str:
    """The poster's, below the folder of a set."""
    return f"{stem}.png"


def frames_folder(poster: str) -> str:
    """The folder with the frames of a poster; hidden, so that no scan takes them for pictures."""
    path = PurePosixPath(poster)
    return str(path.with_name(f".{path.stem}.frames"))


def frames_of(poster: Path) -> Sequence[Path]:
    """The frames of a clip in order; none where the picture is no clip's poster."""
    folder = poster.with_name(PurePosixPath(frames_folder(poster.name)).name)
    return sorted(folder.iterdir()) if folder.is_dir() else ()
