from __future__ import annotations

import shutil
import signal
from pathlib import Path

import pytest

from studio.errors import BaseModelError, DatasetError, RunError, UserError
from studio.queue import Queue, QueueError
from studio.queue.queue import DIED
from studio.recipe import Recipe, load_recipe, recipe_from_dict
from studio.run_folder import RunFolder, list_runs

TRAINER = """
import os, signal, sys, time
from pathlib import Path
from studio.queue.places import Places
from studio.queue.store import JobStore
from studio.queue.trainer import _hold
places = Places(Path(sys.argv[1]))
assert JobStore(places.database).take(os.getpid(), lambda job: _hold(places, job))
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where the tests run behind an `&`
print("ready", flush=True)
try:
    time.sleep(60)
except KeyboardInterrupt:
    pass
"""


@pytest.fixture
def trainer(elsewhere, queue: Queue):
    """A process that takes the job in front as a trainer does, and then does nothing."""
    return lambda: elsewhere(TRAINER, queue.places.runs)


def test_a_recipe_is_kept_as_it_was_when_it_was_added(queue: Queue, recipe: Recipe) -> None:
    job = queue.add(recipe)
    assert (job.state, job.place, job.kind, job.name) == ("waiting", 1, "train", "demo")
    assert (job.folder, job.run, job.error) == (Path.cwd(), None, None)
    kept = queue.places.recipe_file(job)
    assert kept.read_text("utf-8").startswith(f"# queued as job {job.key}\nname: demo\n")
    assert load_recipe(kept).model_dump() == recipe.model_dump()


def test_a_lock_still_binds(queue: Queue, recipe: Recipe) -> None:
    content = recipe.model_dump(mode="json")
    section = {"recipe_digest": "a", "dataset_digest": "b", "base_digest": "c", "steps": 12}
    locked = recipe_from_dict({**content, "lock": section})
    kept = load_recipe(queue.places.recipe_file(queue.add(locked)))
    assert kept.lock == locked.lock


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"base_model": "/no/model"}, BaseModelError, "/no/model"),
        ({"dataset": {"source": "/no/pictures"}}, DatasetError, "/no/pictures"),
        ({"dataset": {"source": str(Path(__file__).parent)}}, DatasetError, "no picture"),
    ],
)
def test_what_is_wrong_is_found_before_it_is_queued(
    queue: Queue, recipe: Recipe, changes, error, message
) -> None:
    wrong = recipe_from_dict({**recipe.model_dump(mode="json"), **changes})
    with pytest.raises(error, match=message):
        queue.add(wrong)
    assert queue.jobs() == []
    assert not queue.places.runs.exists()


def test_only_what_lives_is_running(queue: Queue, add, trainer) -> None:
    add("one")
    process = trainer()
    [job] = queue.jobs()
    assert (job.state, job.pid, job.attempts, job.place) == ("running", process.pid, 1, None)
    process.kill()
    process.wait()
    [job] = queue.jobs()
    assert (job.state, job.error) == ("interrupted", DIED)
    assert queue.job(job.id) == job


def test_a_run_that_finished_unseen_is_done(queue: Queue, add, trainer, recipe: Recipe) -> None:
    """Its trainer came to the end, and nobody was left to write that down."""
    job = add("one")
    process = trainer()
    for name in ("one", "one-2"):  # the first is somebody else's
        run = RunFolder.create(queue.places.runs, name)
        run.write_recipe(recipe)
    shutil.copy(queue.places.recipe_file(job), run.recipe_path)
    assert queue.job(job.id).run == "one-2"
    run.set_state("finished")
    process.kill()
    process.wait()
    assert (queue.job(job.id).state, queue.job(job.id).run) == ("done", "one-2")


def test_a_job_that_runs_is_stopped_by_ctrl_c(queue: Queue, add, trainer) -> None:
    job = add("one")
    process = trainer()
    with pytest.raises(QueueError, match="job 1 is running; only a job that waits"):
        queue.cancel(job.id)
    with pytest.raises(QueueError, match="job 1 is running; there is nothing"):
        queue.resume(job.id)
    assert queue.stop(job.id).stop_wanted
    assert process.wait(timeout=10) == 0
    assert (queue.job(job.id).state, queue.job(job.id).error) == ("interrupted", None)


def test_what_died_can_be_stopped_and_resumed_without_a_worker(queue: Queue, add, trainer) -> None:
    job = add("one")
    for state in ("interrupted", "waiting"):
        process = trainer()
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert (queue.stop if state == "interrupted" else queue.resume)(job.id).state == state
        if state == "interrupted":
            assert queue.store.job(job.id).state == "interrupted"
            queue.resume(job.id)
    assert (queue.job(job.id).place, queue.job(job.id).attempts) == (1, 0)


def test_a_run_from_outside_goes_on_in_the_queue(queue: Queue, recipe: Recipe) -> None:
    runs = queue.places.runs
    run = RunFolder.create(runs, "mine")
    run.write_recipe(recipe)
    job = queue.add_run("mine")
    assert (job.kind, job.run, job.state) == ("resume", "mine", "waiting")
    with pytest.raises(QueueError, match='the run "mine" is that of job 1, which is waiting'):
        queue.add_run(run.path)
    queue.cancel(job.id)
    run.set_state("finished")
    for given, error in (("mine", QueueError), ("none", RunError)):
        with pytest.raises(error):
            queue.add_run(given)
    with pytest.raises(UserError, match="is not in"):
        Queue(runs.parent / "others").add_run(run.path)


def test_the_queue_is_no_run(queue: Queue, add, trainer) -> None:
    add("one")
    trainer()
    assert list_runs(queue.places.runs) == []
