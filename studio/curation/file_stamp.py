"""What tells, without reading it, that a file is still the one that was read."""

from __future__ import annotations

import os
from dataclasses import dataclass

# File systems count time in steps, FAT in steps of two seconds: a file written again within the step
# in which it was read looks the same.
_STEP_NS = 2_000_000_000


@dataclass(frozen=True)
class FileStamp:
    """Equal stamps mean an unchanged file, unless it `was_fresh`.

    Attributes:
        changed_ns: the inode's time, which cannot be set back as that of the content can.
    """

    size: int
    modified_ns: int
    changed_ns: int
    inode: int

    @classmethod
    def of(cls, status: os.stat_result) -> FileStamp:
        # SQLite's integers have a sign; some file systems number inodes beyond.
        inode = status.st_ino - (1 << 64) * (status.st_ino >= 1 << 63)
        return cls(status.st_size, status.st_mtime_ns, status.st_ctime_ns, inode)

    def was_fresh(self, read_ns: int) -> bool:
        """Whether the file may have changed since it was read and still have this stamp.

        Args:
            read_ns: when reading began, nanoseconds since 1970.
        """
        return read_ns - max(self.modified_ns, self.changed_ns) <= _STEP_NS
