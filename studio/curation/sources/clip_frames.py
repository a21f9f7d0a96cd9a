"""The first frames of one clip, as files: out of a folder, an animation or a video."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import cv2
from PIL import Image, ImageSequence, UnidentifiedImageError

from studio.curation.clips import ANIMATIONS, PICTURES_OF_FRAMES, VIDEOS

_NUMBER = re.compile(r"(\d+)$")
_DAMAGE = (UnidentifiedImageError, OSError, ValueError, EOFError, SyntaxError)


class Frame(NamedTuple):
    """A frame as a picture file: its ending, and its bytes."""

    ending: str
    content: bytes


class UnreadableClipError(Exception):
    """A clip cannot be decoded; the message says why, as a clause."""


@dataclass(frozen=True)
class Clip:
    """One entry of a folder of clips.

    Attributes:
        path: a folder of numbered frames, or a file.
    """

    path: Path

    @property
    def stem(self) -> str:
        return self.path.name if self.path.is_dir() else self.path.stem

    @property
    def files(self) -> Sequence[Path]:
        """All that its content lies in, in order."""
        return numbered_frames(self.path) if self.path.is_dir() else (self.path,)

    def frames(self, count: int, step: int) -> list[Frame]:
        """The first ``count`` of every ``step``-th frame; fewer where it is shorter.

        Raises:
            UnreadableClipError: it is damaged, or of a kind that cannot be decoded here.
        """
        try:
            return list(islice(self._every(step), count))
        except _DAMAGE as error:
            raise UnreadableClipError(str(error).partition("\n")[0] or "it is damaged") from error

    def _every(self, step: int) -> Iterator[Frame]:
        if self.path.is_dir():
            return (Frame(p.suffix.lower(), p.read_bytes()) for p in self.files[::step])
        ending = self.path.suffix.lower()
        return (
            _of_animation(self.path, step) if ending in ANIMATIONS else _of_video(self.path, step)
        )


def find_clips(folder: Path) -> list[Clip]:
    """The clips directly in a folder, by name; what is none is passed over, hidden entries too."""
    entries = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    return [Clip(path) for path in entries if _is_clip(path)]


def has_videos(folder: Path) -> bool:
    """Whether a folder holds what can only be clips."""
    return any(path.suffix.lower() in VIDEOS for path in folder.iterdir() if path.is_file())


def numbered_frames(folder: Path) -> Sequence[Path]:
    """The pictures in a folder by the numbers that their names end in; none where one has none."""
    pictures = [p for p in folder.iterdir() if p.suffix.lower() in PICTURES_OF_FRAMES]
    numbers = {path: match for path in pictures if (match := _NUMBER.search(path.stem))}
    if len(numbers) < len(pictures):
        return ()
    return sorted(pictures, key=lambda path: (int(numbers[path][1]), path.name))


def _is_clip(path: Path) -> bool:
    if path.is_dir():
        return len(numbered_frames(path)) > 1
    return path.suffix.lower() in (*VIDEOS, *ANIMATIONS)


def _of_animation(path: Path, step: int) -> Iterator[Frame]:
    with Image.open(path, formats=["GIF"]) as animation:
        for frame in islice(ImageSequence.Iterator(animation), 0, None, step):
            packed = io.BytesIO()
            frame.convert("RGB").save(packed, "PNG")
            yield Frame(".png", packed.getvalue())


def _of_video(path: Path, step: int) -> Iterator[Frame]:
    video = cv2.VideoCapture(str(path))
    try:
        if not video.isOpened():
            raise ValueError("it cannot be decoded as a video")
        for pixels in islice(_decoded(video), 0, None, step):
            ok, packed = cv2.imencode(".png", pixels)
            if not ok:
                raise ValueError("a frame of it cannot be written as a picture")
            yield Frame(".png", packed.tobytes())
    finally:
        video.release()


def _decoded(video: cv2.VideoCapture) -> Iterator[cv2.typing.MatLike]:
    while True:
        is_there, pixels = video.read()
        if not is_there:
            return
        yield pixels
