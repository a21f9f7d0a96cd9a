"""What can go wrong, as one tree; the command line turns it into one line and an exit code.

::

    StudioError                 exit 1: our fault, unless a subclass says otherwise
    ├── UserError               exit 2: something the user can put right; the message says how
    │   ├── RecipeError         the recipe: every problem at once, each with its path
    │   ├── DatasetError        the pictures: folder, captions, curation's gate
    │   ├── CaptionerError      a captioner's folder: unknown, broken, not supported
    │   ├── EmbedderError       a vision model's folder: the same
    │   ├── BaseModelError      the base model: unknown, broken, wrong family
    │   ├── AdapterError        an adapter file: unreadable, not ours, wrong base
    │   ├── RunError            a run folder: missing, taken, nothing to resume
    │   ├── QueueError          the queue: unreadable, or a job in another state
    │   └── RootsError          a path outside the folders that may be read
    ├── VerificationError       exit 1: an exported file does not read back as what was trained
    └── Interrupted             exit 130: Ctrl-C, after everything worth keeping was written

A message is one line: what happened, the value given, what to do.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar


class StudioError(Exception):
    """Base of all errors that the studio raises on purpose."""

    exit_code: ClassVar[int] = 1


class UserError(StudioError):
    """Something that the user can put right."""

    exit_code = 2


class RecipeError(UserError):
    """A recipe that cannot be run.

    ``problems`` holds one sentence for each fault, so that all can be mended in one go.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


class DatasetError(UserError):
    """Pictures that cannot be trained on."""


class CaptionerError(UserError):
    """A folder that holds no captioner that can be used."""


class EmbedderError(UserError):
    """A folder that holds no vision model that can be used."""


class BaseModelError(UserError):
    """A base model that cannot be loaded or does not fit."""


class AdapterError(UserError):
    """An adapter file that cannot be read or does not fit the base model."""


class RunError(UserError):
    """A run folder that is missing, taken or not what was asked for."""


class QueueError(UserError):
    """A queue that cannot be read, or a job that is not what was asked for."""


class RootsError(UserError):
    """A path outside the folders that may be read."""


class VerificationError(StudioError):
    """An exported adapter that does not read back as what was trained."""


class Interrupted(StudioError):  # noqa: N818 - it is no error
    """The user pressed Ctrl-C; the message says what was kept and how to go on."""

    exit_code = 130
