"""Looking at many pictures in several processes, within a bounded memory."""

from __future__ import annotations

import os
import pickle
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack, contextmanager
from pathlib import Path
from queue import LifoQueue

from studio.curation.measuring import Ask, Header, Measuring, Seen
from studio.curation.worker_process import CannotStartError, WorkerDiedError, WorkerProcess

# Each takes some 80 MB before its first picture.
MAX_PROCESSES = 8
# For the pictures at hand: four of 24 megapixels, or one of 100.
MAX_PICTURE_BYTES = 1 << 30


def available_cores() -> int:
    """Cores that this process may use, as containers and batch systems set them."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class Room:
    """So many bytes at once; who wants more waits until others are done."""

    def __init__(self, total_bytes: int) -> None:
        self._total = self._free = total_bytes
        self._changed = threading.Condition()

    @contextmanager
    def taken(self, count: int) -> Iterator[None]:
        """One larger than the room has it for itself."""
        share = min(count, self._total)
        with self._changed:
            self._changed.wait_for(lambda: self._free >= share)
            self._free -= share
        try:
            yield
        finally:
            with self._changed:
                self._free += share
                self._changed.notify_all()


class WorkerPool:
    """Processes that are started when first needed, and anew when one died of its picture.

    To be used in a ``with`` block, at the end of which they are gone.
    """

    def __init__(self, measuring: Measuring, processes: int) -> None:
        self._measuring = _pickled(measuring)
        self._threads = ThreadPoolExecutor(processes, "curation")
        self._room = Room(MAX_PICTURE_BYTES)
        self._idle: LifoQueue[WorkerProcess | None] = LifoQueue()
        self._alive: set[WorkerProcess] = set()
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        for _ in range(processes):
            self._idle.put(None)

    def __enter__(self) -> WorkerPool:
        return self

    def __exit__(self, *_error: object) -> None:
        # Ctrl-C must wait neither for the thousands of pictures in line nor for those at hand.
        self._threads.shutdown(wait=False, cancel_futures=True)
        with self._lock:
            self._stopped.set()
            for worker in self._alive:
                worker.stop()
        self._threads.shutdown()

    def look_at(self, paths: Mapping[int, Path], ask: Ask) -> Iterator[tuple[int, Seen]]:
        """The key of every path with what was seen, as they are done.

        Raises:
            CannotStartError: no process can be started.
            RuntimeError: a check failed.
        """
        keys = {self._threads.submit(self._look_at, path, ask): key for key, path in paths.items()}
        for done in as_completed(list(keys)):
            yield keys.pop(done), done.result()

    def _look_at(self, path: Path, ask: Ask) -> Seen:
        worker = self._idle.get()
        try:
            if worker is None or not worker.is_alive:
                worker = self._in_place_of(worker)
            with ExitStack() as held:

                def ask_within_room(header: Header) -> Sequence[str] | None:
                    wanted = ask(header)
                    if wanted is not None:
                        held.enter_context(self._room.taken(header.memory_bytes))
                    return wanted

                return worker.look_at(path, ask_within_room)
        except WorkerDiedError as error:
            return Seen("", unreadable=str(error))
        finally:
            self._idle.put(worker)

    def _in_place_of(self, dead: WorkerProcess | None) -> WorkerProcess:
        if self._stopped.is_set():
            raise CannotStartError("the pool was stopped")
        started = WorkerProcess(self._measuring)
        with self._lock:
            self._alive.add(started)
            if dead is not None:
                self._alive.discard(dead)
                dead.stop()
            if self._stopped.is_set():
                started.stop()
        return started


def _pickled(measuring: Measuring) -> bytes:
    try:
        return pickle.dumps(measuring)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise CannotStartError(str(error)) from error
