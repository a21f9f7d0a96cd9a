"""The interface of a source that is no folder of pictures yet. A new kind is one file."""

from __future__ import annotations

from abc import ABC, abstractmethod

from studio.curation.sources.unpacking import Unpacking


class Source(ABC):
    """Pictures that must be unpacked before they can be looked at.

    Attributes:
        title: what the user gave, in messages.
    """

    title: str

    @abstractmethod
    def identity(self) -> str:
        """What tells its content from any other: the same text, the same pictures and captions.

        Raises:
            DatasetError: it cannot be read.
        """

    @abstractmethod
    def unpack(self, into: Unpacking) -> None:
        """Write every picture and caption, one at a time.

        Raises:
            DatasetError: it is damaged, unsafe, too large, or not what it seemed to be.
        """
