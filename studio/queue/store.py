"""The jobs and their order, as rows: every change is one transaction, whoever makes it.

Rows say what was last written down. What is true of a job that is said to run, `studio.queue.Queue`
finds out.
"""

from __future__ import annotations

import secrets
import sqlite3
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from studio.errors import QueueError
from studio.queue import database
from studio.queue.jobs import Job, Kind, State

_WITH_PLACE = """
select job.*, case state when 'waiting' then
    (select count(*) from job j where j.state = 'waiting' and j.position <= job.position)
end as place from job
"""
_IN_ORDER = f"""
{_WITH_PLACE} order by
    case state when 'running' then 0 when 'waiting' then 1 else 2 end, place, ended desc, id desc
"""
_LAST = "(select coalesce(max(position), 0) + 1 from job)"
_FIRST = "(select min(position) - 1 from job)"
_STILL = "id = ? and state = 'running' and started = ?"


class JobStore:
    """The rows of one queue. May be used by several threads and processes.

    Args:
        path: the SQLite file; made when a job is first added.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def add(
        self, kind: Kind, name: str, recipe: str, *, folder: Path, run: str | None = None
    ) -> Job:
        """A new job behind all that wait.

        Raises:
            QueueError: a job that has not come to its end goes on with the same run.
        """
        database.create(self._path)
        with self._writing() as connection:
            for job in _jobs(connection):
                if run is not None and job.run == run and job.state not in ("done", "cancelled"):
                    raise QueueError(
                        f'the run "{run}" is that of job {job.id}, which is {job.state}; see to that one'
                    )
            columns = (secrets.token_hex(8), kind, name, recipe, str(folder), run, time.time())
            row = connection.execute(
                "insert into job (key, kind, name, recipe, folder, run, added, position) "
                f"values (?, ?, ?, ?, ?, ?, ?, {_LAST}) returning id",
                columns,
            )
            return _job(connection, row.fetchone()["id"])

    def jobs(self) -> list[Job]:
        """What runs, then what waits in its order, then what has ended, newest first."""
        if not self._path.exists():
            return []
        with database.transaction(self._path, writes=False) as connection:
            return _jobs(connection)

    def job(self, number: int) -> Job:
        """One job.

        Raises:
            QueueError: there is none of that number.
        """
        self._require_there(number)
        with database.transaction(self._path, writes=False) as connection:
            return _job(connection, number)

    def running(self) -> Job | None:
        """The job that was last taken and whose end has not been written down."""
        return self._first("running")

    def next(self) -> Job | None:
        """The job that waits in front."""
        return self._first("waiting")

    def take(self, pid: int, claim: Callable[[Job], bool]) -> Job | None:
        """Make the process the trainer of the job that waits in front; None where none waits, another
        runs, or ``claim`` says no. Nobody hears of it before ``claim`` is done.
        """
        if not self._path.exists():
            return None
        with self._writing() as connection:
            job = _first(connection, "waiting")
            if job is None or _first(connection, "running") or not claim(job):
                return None
            connection.execute(
                "update job set state = 'running', pid = ?, attempts = attempts + 1, "
                "stop_wanted = 0, started = ?, ended = null, error = null where id = ?",
                (pid, time.time(), job.id),
            )
            return _job(connection, job.id)

    def set_run(self, job: Job, run: str) -> None:
        """Note which run a job has made."""
        with self._writing() as connection:
            connection.execute("update job set run = ? where id = ?", (run, job.id))

    def end(self, job: Job, state: State, error: str | None = None) -> None:
        """Note how a job that ran has ended, unless it has been taken up again since."""
        with self._writing() as connection:
            connection.execute(
                f"update job set state = ?, error = ?, ended = ? where {_STILL}",
                (state, error, time.time(), job.id, job.started),
            )

    def again(self, job: Job) -> None:
        """Put a job whose trainer has died in front of all that wait."""
        with self._writing() as connection:
            connection.execute(
                f"update job set state = 'waiting', position = {_FIRST} where {_STILL}",
                (job.id, job.started),
            )

    def move(self, number: int, place: int) -> Job:
        """Give a job that waits another place among those, from 1; beyond the end is the end.

        Raises:
            QueueError: it does not wait, or there is no such place.
        """
        if place < 1:
            raise QueueError(f"there is no place {place}; the first is 1")
        with self._changing(number) as (connection, job):
            _require(job, {"waiting"}, "only a job that waits can be moved")
            waiting = [j.id for j in _jobs(connection) if j.state == "waiting" and j.id != job.id]
            waiting.insert(place - 1, job.id)
            connection.executemany(
                "update job set position = ? where id = ?", list(enumerate(waiting))
            )
            return _job(connection, number)

    def cancel(self, number: int) -> Job:
        """Take a job that waits out of the line.

        Raises:
            QueueError: it does not wait.
        """
        with self._changing(number) as (connection, job):
            _require(job, {"waiting"}, "only a job that waits can be cancelled")
            connection.execute(
                "update job set state = 'cancelled', ended = ? where id = ?", (time.time(), number)
            )
            return _job(connection, number)

    def want_stop(self, number: int) -> Job:
        """Note that a job that runs is to stop.

        Raises:
            QueueError: it does not run.
        """
        with self._changing(number) as (connection, job):
            _require(job, {"running"}, "only a job that runs can be stopped")
            connection.execute("update job set stop_wanted = 1 where id = ?", (number,))
            return _job(connection, number)

    def resume(self, number: int, is_trained: Callable[[Job], bool]) -> Job:
        """Put a job that did not come to its end behind all that wait, its attempts forgotten.

        Raises:
            QueueError: it waits, runs or is done.
        """
        with self._changing(number) as (connection, job):
            if job.state != "running" or is_trained(job):
                _require(
                    job, {"interrupted", "failed", "cancelled"}, "there is nothing to go on with"
                )
            connection.execute(
                "update job set state = 'waiting', attempts = 0, stop_wanted = 0, error = null, "
                f"ended = null, position = {_LAST} where id = ?",
                (number,),
            )
            return _job(connection, number)

    def _first(self, state: State) -> Job | None:
        if not self._path.exists():
            return None
        with database.transaction(self._path, writes=False) as connection:
            return _first(connection, state)

    @contextmanager
    def _changing(self, number: int) -> Iterator[tuple[sqlite3.Connection, Job]]:
        self._require_there(number)
        with self._writing() as connection:
            yield connection, _job(connection, number)

    def _require_there(self, number: int) -> None:
        if not self._path.exists():
            raise QueueError(_no_job(number))

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with database.transaction(self._path, writes=True) as connection:
            yield connection


def _jobs(connection: sqlite3.Connection) -> list[Job]:
    return [_from_row(row) for row in connection.execute(_IN_ORDER)]


def _first(connection: sqlite3.Connection, state: State) -> Job | None:
    rows = connection.execute(f"{_WITH_PLACE} where state = ? order by position limit 1", (state,))
    row = rows.fetchone()
    return None if row is None else _from_row(row)


def _job(connection: sqlite3.Connection, number: int) -> Job:
    row = connection.execute(f"{_WITH_PLACE} where id = ?", (number,)).fetchone()
    if row is None:
        raise QueueError(_no_job(number))
    return _from_row(row)


def _from_row(row: sqlite3.Row) -> Job:
    content = {key: row[key] for key in row.keys() if key != "position"}  # noqa: SIM118 - of values
    folder, stop_wanted = Path(content.pop("folder")), bool(content.pop("stop_wanted"))
    return Job(**content, folder=folder, stop_wanted=stop_wanted)


def _no_job(number: int) -> str:
    return f"there is no job {number}; `studio queue list` shows what there is"


def _require(job: Job, states: Collection[State], otherwise: str) -> None:
    if job.state not in states:
        raise QueueError(f"job {job.id} is {job.state}; {otherwise}")
