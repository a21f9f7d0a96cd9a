"""The work queue: runs that train one after another in the background, whatever happens to their callers.

::

    from studio.queue import Queue

    queue = Queue(Path("runs"))
    job = queue.add(load_recipe("my.yaml"))
    queue.move(job.id, 1)
    queue.start_worker()                 # detached; one for each folder of runs
    for job in queue.jobs():             # what is true now, read from files and locks
        print(job.id, job.state, job.run)

Three processes, each of which may die at any moment::

    whoever calls        adds, moves, stops: rows in ``queue.sqlite``
    the worker           starts trainers, and writes down how they ended
    the trainer          ``studio train`` or ``studio resume`` of one job, in a session of its own

Who lives is told by locks that the system takes away with the process, never by a note that a process
left behind. A worker that starts waits for a trainer that it finds, and lets one that died go on from
its newest checkpoint. Needs POSIX.
"""

from studio.errors import QueueError
from studio.queue.jobs import Job, Kind, State
from studio.queue.queue import Queue

__all__ = ["Job", "Kind", "Queue", "QueueError", "State"]
