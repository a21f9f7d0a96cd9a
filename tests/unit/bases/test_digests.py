"""Gigabytes are hashed once: within a run, and from one run to the next."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from studio.bases import digests
from studio.bases.digests import file_digest
from studio.bases.identity import identify_base


def test_a_large_file_is_read_once_and_once_more_when_it_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two gigabytes with no room taken on the disk; the reads are counted, the numbers are not hashed."""
    file = tmp_path / "model.safetensors"
    with file.open("wb") as out:
        out.truncate(2 << 30)
    reads: list[Path] = []

    def hashed(path: Path) -> str:
        reads.append(path)
        return f"{len(reads):064x}"

    monkeypatch.setattr(digests, "_hash", hashed)
    first = [file_digest(file) for _ in range(3)]
    link = tmp_path / "snapshot.safetensors"
    link.symlink_to(file)  # as the hub's cache has it
    assert {*first, file_digest(link)} == {f"{1:064x}"}
    assert reads == [file]
    file.touch()
    with file.open("r+b") as out:
        out.truncate((2 << 30) + 8)
    assert file_digest(file) == f"{2:064x}"
    assert len(reads) == 2


def test_another_process_reads_no_weight_again(tmp_path: Path, cache_home: Path) -> None:
    file = tmp_path / "x.safetensors"
    save_file({"a": torch.ones(3)}, file)
    digest = file_digest(file)
    code = (
        "import sys; from pathlib import Path; from studio.bases import digests\n"
        "digests._hash = lambda path: sys.exit('hashed anew')\n"
        "print(digests.file_digest(Path(sys.argv[1])))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(file)], check=False, capture_output=True, text=True
    )
    assert (done.stdout.strip(), done.stderr) == (digest, "")


def test_loading_hashes_no_more_than_naming_did(
    saved_base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from studio.bases.loading import load_base

    digest = identify_base(str(saved_base)).digest
    monkeypatch.setattr(digests, "_hash", lambda path: pytest.fail(f"{path} hashed again"))
    assert load_base(str(saved_base)).digest == digest
