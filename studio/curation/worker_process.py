"""The parent's end of a worker: starting it, talking to it, and telling what it died of."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from studio.curation.measuring import Ask, Header, Seen

# A worker limits its own computing; this is for one that waits, say for a disk. A picture on a busy
# machine may rightly take minutes.
TIME_LIMIT_SECONDS = 600.0
_ROOT = Path(__file__).resolve().parents[2]
# As many processes as cores: threads of theirs would only get into each other's way.
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OPENCV_FOR_THREADS_NUM")


class CannotStartError(Exception):
    """Processes cannot be used here: an unusual interpreter, no more processes allowed."""


class WorkerDiedError(Exception):
    """The process ended while it held a picture; the message says of what."""


class WorkerProcess:
    """One process, which looks at one picture at a time.

    A bare interpreter and two pipes rather than `multiprocessing`, which would run the caller's main
    module once more in each worker: a script without a guard would start itself again and again, a
    Streamlit page be drawn in every process. And one process to a picture rather than a pool with a
    queue between, so that it is known which picture a process died of.

    Raises:
        CannotStartError: the process does not start, or cannot read ``measuring``.
    """

    def __init__(self, measuring: bytes) -> None:
        """``measuring`` is a pickled `Measuring`."""
        self.time_limit_seconds = TIME_LIMIT_SECONDS
        self._timed_out = False
        try:
            self._process = _started()
        except (OSError, ValueError, TypeError) as error:
            raise CannotStartError(str(error)) from error
        try:
            self._exchange(measuring)
        except WorkerDiedError as error:
            self.stop()
            raise CannotStartError(str(error)) from error

    @property
    def is_alive(self) -> bool:
        return self._process.poll() is None

    def look_at(self, path: Path, ask: Ask) -> Seen:
        """As `Measuring.look_at`, but over there; the time that ``ask`` takes does not count.

        Raises:
            WorkerDiedError: the picture took too long or brought the process down, which is gone.
            RuntimeError: a check failed.
        """
        reply = self._exchange(pickle.dumps(path))
        if isinstance(reply, Header):
            reply = self._exchange(pickle.dumps(ask(reply)))
        if isinstance(reply, RuntimeError):
            raise reply
        if not isinstance(reply, Seen):
            raise TypeError(f"a worker answered with {reply!r}")
        return reply

    def stop(self) -> None:
        """End the process, whatever it is doing. May be called from any thread, and again."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            with suppress(OSError):
                pipe.close()  # type: ignore[union-attr]

    def _exchange(self, message: bytes) -> Any:
        requests, replies = self._process.stdin, self._process.stdout
        assert requests is not None
        assert replies is not None
        try:
            with self._time_limit():
                requests.write(message)
                requests.flush()
                return pickle.load(replies)
        # A pipe that another thread closed raises ValueError.
        except (EOFError, OSError, ValueError, pickle.UnpicklingError) as error:
            raise WorkerDiedError(self._cause()) from error

    @contextmanager
    def _time_limit(self) -> Iterator[None]:
        timer = threading.Timer(self.time_limit_seconds, self._time_out)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _time_out(self) -> None:
        self._timed_out = True
        self._process.kill()

    def _cause(self) -> str:
        self._process.kill()
        status = self._process.wait()
        if self._timed_out or status == -getattr(signal, "SIGXCPU", 24):
            return "it takes too long to read, as files made to do harm do"
        if status == -getattr(signal, "SIGKILL", 9):
            return "the system stopped the process that read it, most likely for want of memory"
        if status < 0:
            name = signal.Signals(-status).name
            return f"it brings its decoder down ({name})"
        return f"the process that read it ended with status {status}"


def _started() -> subprocess.Popen[bytes]:
    # Where `studio` was found, and what the caller added, is found there too; -P keeps a user's
    # random.py in the working folder from being taken for Python's.
    paths = [str(_ROOT), *(path for path in sys.path if path)]
    single = dict.fromkeys(_THREADS, "1")
    environment = {**os.environ, **single, "PYTHONPATH": os.pathsep.join(paths)}
    return subprocess.Popen(
        [sys.executable, "-P", "-W", "ignore", "-m", "studio.curation.worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment,
        # Ctrl-C is for the parent alone, which then ends its workers.
        process_group=None if sys.platform == "win32" else 0,
        creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
    )
