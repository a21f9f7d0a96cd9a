"""The folder of one set: what was decided, what was found, and who may write when.

::

    set.json         `PictureSet`
    captions/        captions edited by hand; never beside the user's own pictures
    manifest.json    the newest judgement, as `studio curate --out` writes it
    judged.json      what that judgement knew: `SetFolder.stamp`
    report.html      the same as a page, once someone has asked for it
    pictures/        what came in through the browser, or an archive beside this list
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from filelock import FileLock

from studio import atomic
from studio.curation.manifest import CuratedSet
from studio.errors import DatasetError
from studio.workplace.judgement import Judgement
from studio.workplace.picture_set import PictureSet

SET_NAME = "set.json"
_JUDGEMENTS_AT_HAND = 8


class SetFolder:
    """Reads and writes it; making the object touches nothing."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.set_path = path / SET_NAME
        self.captions = path / "captions"
        self.manifest_path = path / "manifest.json"
        self.judged_path = path / "judged.json"
        self.report_path = path / "report.html"
        self.pictures = path / "pictures"

    def read(self) -> PictureSet:
        """Raises:
        DatasetError: there is no set, or its file is damaged.
        """
        try:
            content = json.loads(self.set_path.read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise DatasetError(
                f"no set can be read from {self.set_path} ({type(error).__name__}); add it again"
            ) from error
        return PictureSet.from_json(content, self.set_path)

    def write(self, picture_set: PictureSet) -> None:
        atomic.write_json(self.set_path, picture_set.to_json())

    def change(self, changed: Callable[[PictureSet], PictureSet]) -> PictureSet:
        """Read, change and write, while nobody else does: two tabs must not undo each other."""
        self.read()  # where there is no set, no lock is left behind
        with self.lock():
            before = self.read()
            after = changed(before)
            if after != before:
                self.write(after)
            return after

    def lock(self) -> FileLock:
        return FileLock(self.path / ".lock")

    def stamp(self, picture_set: PictureSet) -> str:
        """What a judgement depends on, in 16 digits: the set, and the source's own time of change.

        A picture that is changed deep in its folder is not noticed; `Look again` is for that.
        """
        try:
            changed = Path(picture_set.source).stat().st_mtime_ns
        except OSError:
            changed = 0
        text = json.dumps([picture_set.to_json(), changed])
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def keep_judgement(self, curated: CuratedSet, stamp: str) -> None:
        """Write the manifest, then what it knew: after a crash between them it is judged again."""
        curated.save(self.manifest_path)
        atomic.write_json(self.judged_path, {"stamp": stamp})

    def forget_judgement(self) -> None:
        """So that the set counts as changed; what was found can still be shown."""
        self.judged_path.unlink(missing_ok=True)

    def judgement(self) -> Judgement | None:
        """The newest; None where there is none that can be read."""
        try:
            status = self.manifest_path.stat()
            return _loaded(self.manifest_path, status.st_mtime_ns, status.st_ino)
        except (OSError, DatasetError):
            return None

    def is_stale(self) -> bool:
        """Whether there is no judgement, or the set has changed since."""
        try:
            judged = json.loads(self.judged_path.read_text("utf-8"))["stamp"]
        except (OSError, ValueError, KeyError, TypeError):
            return True
        return bool(judged != self.stamp(self.read())) or not self.manifest_path.is_file()


@lru_cache(_JUDGEMENTS_AT_HAND)
def _loaded(path: Path, _changed_ns: int, _inode: int) -> Judgement:
    """Of a file that is replaced as a whole, each new one has another inode or time."""
    return Judgement(CuratedSet.load(path))
