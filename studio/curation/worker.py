"""A process that looks at pictures one by one: ``python -m studio.curation.worker``.

It is sent a `Measuring`, answers with None once it is ready, and from then on is sent paths. To each
it answers with the file's `Header`, is sent what is wanted, and answers with what it has `Seen`, or
with the exception that a check raised. It ends when nobody sends any more.
"""

from __future__ import annotations

import math
import os
import pickle
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

try:
    import resource
except ImportError:  # Windows; there the parent's clock is the only limit
    resource = None  # type: ignore[assignment]

from studio.curation.measuring import Header, Measuring, Seen

# Several times what 100 megapixels take. A file made to fill the memory fails here, not the machine.
_MAX_BYTES = 4 << 30


def main() -> None:
    """Serve whoever holds the other ends of standard input and output."""
    requests, replies = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what decoders print must not get between the replies
    _limit_memory()
    with suppress(EOFError, BrokenPipeError):
        measuring = pickle.load(requests)
        _send(replies, None)
        while True:
            path = pickle.load(requests)
            _limit_time(measuring.cpu_seconds)
            _send(replies, _reply(measuring, path, requests, replies))


def _reply(
    measuring: Measuring, path: Path, requests: BinaryIO, replies: BinaryIO
) -> Seen | RuntimeError:
    def ask(header: Header) -> Any:
        _send(replies, header)
        return pickle.load(requests)

    try:
        return measuring.look_at(path, ask)
    except RuntimeError as error:
        return error


def _send(stream: BinaryIO, message: object) -> None:
    pickle.dump(message, stream)
    stream.flush()


def _limit_memory() -> None:
    if resource is not None:
        _limit(resource.RLIMIT_DATA, _MAX_BYTES)
        _limit(resource.RLIMIT_CORE, 0)  # a crash leaves nothing in the user's folder


def _limit_time(seconds: int) -> None:
    """End this process when it has computed for so long from now, even within a decoder."""
    if resource is not None:
        used = resource.getrusage(resource.RUSAGE_SELF)
        _limit(resource.RLIMIT_CPU, math.ceil(used.ru_utime + used.ru_stime) + seconds)


def _limit(which: int, value: int) -> None:
    with suppress(ValueError, OSError):  # a lower one may be set already
        resource.setrlimit(which, (value, resource.getrlimit(which)[1]))


if __name__ == "__main__":
    main()
