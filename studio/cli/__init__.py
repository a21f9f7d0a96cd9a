"""The command ``studio``: thin commands over the rooms, imported only when one of them runs."""

from studio.cli.entry import main

__all__ = ["main"]
