"""What diffusers and transformers say on their own, silenced for a block."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from diffusers.utils import logging as diffusers_logging
from transformers.utils import logging as transformers_logging


@contextmanager
def no_progress_bars() -> Iterator[None]:
    """Both libraries draw a bar for each part; one line of our own says more."""
    switches = (
        (transformers_logging, transformers_logging.is_progress_bar_enabled()),
        (diffusers_logging, diffusers_logging.is_progress_bar_enabled()),
    )
    for library, _ in switches:
        library.disable_progress_bar()
    try:
        yield
    finally:
        for library, was_on in switches:
            if was_on:
                library.enable_progress_bar()


@contextmanager
def no_warnings_of_diffusers() -> Iterator[None]:
    """It warns of every number format that is asked for, whether or not a module would mind."""
    verbosity = diffusers_logging.get_verbosity()
    diffusers_logging.set_verbosity_error()
    try:
        yield
    finally:
        diffusers_logging.set_verbosity(verbosity)
