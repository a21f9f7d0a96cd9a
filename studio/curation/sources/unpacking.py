"""The folder that a source is being unpacked into."""

from __future__ import annotations

import errno
import json
from collections.abc import Callable, Iterable
from pathlib import Path

from studio.curation.sources.entry_names import is_picture
from studio.curation.sources.limits import require_space
from studio.curation.summary import printable
from studio.errors import DatasetError

CHUNK_BYTES = 1 << 20
METADATA = "metadata.jsonl"
# What is wrong with a name rather than with the disk.
_BAD_NAMES = {errno.ENAMETOOLONG, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.EINVAL}

Progress = Callable[[int, int], None]


class Unpacking:
    """An image folder in the making: pictures with their bytes as they are, captions beside them.

    Args:
        folder: empty, and nobody's yet.
        title: the source, in messages.
        progress: called with how much is done and how much there is, in any unit.
    """

    def __init__(self, folder: Path, title: str, progress: Progress | None = None) -> None:
        self.folder, self.title = folder, title
        self.progress = progress or (lambda _done, _total: None)
        self.pictures = 0
        self.files = 0
        self.bytes = 0
        self._captions: dict[str, str] = {}

    def require_space(self, needed_bytes: int) -> None:
        """See `limits.require_space`."""
        require_space(self.folder, needed_bytes, self.title)

    def add(self, name: str, chunks: Iterable[bytes]) -> None:
        """Write one file.

        Args:
            name: below the folder, as `entry_names.safe_name` gives it.

        Raises:
            DatasetError: there is one of that name already, or the name cannot be a file's.
        """
        path = self.folder / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("xb") as file:
                for chunk in chunks:
                    file.write(chunk)
                    self.bytes += len(chunk)
            path.chmod(0o444)  # what lies in the cache is no place to edit
        except (OSError, ValueError) as error:
            if isinstance(error, OSError) and error.errno not in _BAD_NAMES:
                raise
            raise DatasetError(
                f"{self.title} holds {printable(name)}, which cannot be unpacked "
                f"({_why(error)}); rename it"
            ) from error
        self.files += 1
        self.pictures += is_picture(name)

    def caption(self, picture: str, text: str) -> None:
        """The caption of a picture that has no file of its own."""
        self._captions[picture] = text

    def finish(self) -> None:
        """Write the captions.

        Raises:
            DatasetError: there was no picture.
        """
        if not self.pictures:
            raise DatasetError(f"no pictures in {self.title}; check that it is the right one")
        if self._captions:
            self._write_metadata()

    def _write_metadata(self) -> None:
        rows = ({"file_name": name, "text": text} for name, text in self._captions.items())
        lines = [json.dumps(row, ensure_ascii=False) for row in rows]
        path = self.folder / METADATA
        if path.exists():  # the source's own; what is named twice counts as it stands first
            lines.append(path.read_bytes().decode("utf-8-sig", "replace"))
            self.bytes -= path.stat().st_size
            self.files -= 1
            path.unlink()
        self.add(METADATA, ["\n".join([*lines, ""]).encode("utf-8", "replace")])


def _why(error: OSError | ValueError) -> str:
    if isinstance(error, FileExistsError):
        return "there are two of that name"
    return error.strerror or str(error) if isinstance(error, OSError) else str(error)
