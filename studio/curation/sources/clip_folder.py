"""A folder of clips: sub-folders of numbered frames, videos and animated GIFs.

Each clip becomes a poster, its first frame, which curation judges as it judges any picture, with the
frames that are learned from in a hidden folder beside (`studio.curation.clips`). Longer clips are read
from their beginning; one that shall give several examples is cut beforehand.
"""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import dataclass
from pathlib import Path

from PIL import PngImagePlugin

from studio.bases.digests import file_digest
from studio.curation.clips import ANIMATIONS, DIGEST_KEY, VIDEOS, frames_folder, poster_name
from studio.curation.decode import open_rgb
from studio.curation.manifest import Finding
from studio.curation.sources.clip_frames import Clip, Frame, UnreadableClipError, find_clips
from studio.curation.sources.source import Source
from studio.curation.sources.unpacking import Unpacking
from studio.curation.summary import printable
from studio.errors import DatasetError

_LEFT_OUT = ".left_out.json"


@dataclass(frozen=True)
class ClipFolder(Source):
    """See `Source`.

    Attributes:
        folder: where the clips are.
        num_frames, frame_step: what is taken of each.
    """

    folder: Path
    num_frames: int
    frame_step: int
    title: str

    def identity(self) -> str:
        files = (
            f"{clip.path.name} {path.name} {file_digest(path)}"
            for clip in find_clips(self.folder)
            for path in clip.files
        )
        return "\n".join([f"clips {self.num_frames} {self.frame_step}", *files])

    def unpack(self, into: Unpacking) -> None:
        clips = find_clips(self.folder)
        if not clips:
            endings = " ".join((*VIDEOS, *ANIMATIONS))
            raise DatasetError(
                f"no clips in {self.title}: looked for {endings} and folders of numbered frames; a "
                "base model of Stable Video Diffusion learns from clips"
            )
        reasons: dict[str, str] = {}
        for done, clip in enumerate(clips, start=1):
            if reason := self._take(clip, into):
                reasons[clip.path.name] = reason
            into.progress(done, len(clips))
        if len(reasons) == len(clips):
            name, reason = next(iter(reasons.items()))
            raise DatasetError(f"none of the {len(clips)} clips can be used: {name} {reason}")
        if reasons:
            into.add(_LEFT_OUT, [json.dumps(reasons).encode()])

    def _take(self, clip: Clip, into: Unpacking) -> str:
        """Write one clip; or why not, as a clause."""
        try:
            frames = clip.frames(self.num_frames, self.frame_step)
        except UnreadableClipError as error:
            return f"cannot be read ({error})"
        if len(frames) < self.num_frames:
            every = f" (every {self.frame_step}.)" if self.frame_step > 1 else ""
            return (
                f"has {len(frames)} frames{every}, fewer than {self.num_frames}; lower "
                "dataset.clip.num_frames or leave it out"
            )
        poster = poster_name(clip.stem)
        try:
            content = _poster(frames, into.folder)
        except DatasetError:
            return "cannot be read (its first frame is damaged)"
        into.add(poster, [content])
        for number, frame in enumerate(frames):
            into.add(f"{frames_folder(poster)}/{number:04d}{frame.ending}", [frame.content])
        return ""


def clips_left_out(folder: Path) -> list[Finding]:
    """What was found out while a folder of clips was unpacked: why some are not among the posters."""
    try:
        reasons = json.loads((folder / _LEFT_OUT).read_text("utf-8"))
    except FileNotFoundError:
        return []
    return [
        Finding("clip", "warn", 1, 0, f"{printable(name)} is left out: it {reason}", {"file": name})
        for name, reason in reasons.items()
    ]


def _poster(frames: list[Frame], folder: Path) -> bytes:
    """The first frame as PNG, with the digest of all; the same bytes for the same frames."""
    digest = hashlib.sha256()
    for frame in frames:
        digest.update(hashlib.sha256(frame.content).digest())
    # Decoded as all pictures are, which takes a file.
    first = folder / f".first{frames[0].ending}"
    first.write_bytes(frames[0].content)
    try:
        picture = open_rgb(first)
    finally:
        first.unlink()
    note = PngImagePlugin.PngInfo()
    note.add_text(DIGEST_KEY, digest.hexdigest())
    packed = io.BytesIO()
    picture.save(packed, "PNG", pnginfo=note)
    return packed.getvalue()
