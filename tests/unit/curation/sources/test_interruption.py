"""A source that is being unpacked when the power goes."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap

import pytest

from studio.curation.sources.folder import as_folder

KILLED = """
    import time
    from studio.curation.sources import unpacking
    from studio.curation.sources.folder import as_folder
    add = unpacking.Unpacking.add
    def slow(self, name, chunks):
        add(self, name, chunks)
        if self.files == 3:
            print("now", flush=True)
            time.sleep(60)
    unpacking.Unpacking.add = slow
    as_folder({source!r})
"""


def test_a_kill_half_way_leaves_nothing_that_is_used(captioned, cache, pack, contents):
    source = pack("set.zip")
    code = textwrap.dedent(KILLED).format(source=str(source))
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert process.stdout
    assert process.stdout.readline() == b"now\n"
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert [path for path in cache.iterdir() if not path.name.startswith(".")] == []
    assert contents(as_folder(str(source))) == contents(captioned)
    assert len([path for path in cache.iterdir() if path.is_dir()]) == 1, "the rest is swept up"


def test_an_interrupt_leaves_nothing(cache, pack):
    def interrupt(_done: int, _total: int) -> None:
        raise KeyboardInterrupt

    source = pack("set.zip")
    with pytest.raises(KeyboardInterrupt):
        as_folder(str(source), progress=interrupt)
    assert [path for path in cache.iterdir() if path.is_dir()] == []
