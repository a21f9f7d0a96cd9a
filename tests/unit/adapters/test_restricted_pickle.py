"""Pickled files: what torch writes is read in both layouts, and nothing that a file asks for is run."""

from __future__ import annotations

import io
import pickle
import random
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from studio.adapters.legacy_pickle import legacy_bytes
from studio.adapters.restricted_pickle import load_restricted
from studio.errors import AdapterError

LAYOUTS = pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])


def saved(path: Path, content: object, zipped: bool) -> Path:
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    return path


def archive(path: Path, pickled: bytes, members: dict[str, bytes] | None = None) -> Path:
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("archive/data.pkl", pickled)
        for name, data in (members or {}).items():
            file.writestr(f"archive/{name}", data)
    return path


class Attack:
    """Pickles as a call of whatever it is given."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> Any:
        return self.call


@LAYOUTS
def test_what_torch_saves_is_read(tmp_path: Path, zipped: bool) -> None:
    whole = torch.arange(12.0)
    content = {
        768: (nn.Linear(3, 2).state_dict(), {"half": torch.ones(2, dtype=torch.float16)}),
        "numbers": [1, -70_000, 2**80, 0.5, True, None, "ä", (1, (2, 3, 4, 5))],
        "views": [whole, whole.view(3, 4)[1:, ::2], whole.view(3, 4).T],
        "formats": [torch.ones(1, dtype=d) for d in (torch.bfloat16, torch.int64, torch.bool)],
        "parameter": nn.Parameter(torch.ones(2)),
        "scalar": torch.tensor(3.0),
        "empty": torch.empty(0, 4),
    }
    read = load_restricted(saved(tmp_path / "a.pt", content, zipped))
    expected = torch.load(tmp_path / "a.pt", weights_only=True)
    assert isinstance(read, dict)
    assert list(read) == list(content)
    assert read["numbers"] == content["numbers"]
    torch.testing.assert_close(read[768], expected[768], rtol=0, atol=0)
    for name in ("views", "formats", "scalar", "empty"):
        torch.testing.assert_close(read[name], expected[name], rtol=0, atol=0)
    assert torch.equal(read["parameter"], torch.ones(2))


def test_a_parameter_dict_is_read_as_a_dict(tmp_path: Path) -> None:
    """Embeddings made by the first scripts for textual inversion hold one."""
    vectors = nn.ParameterDict({"*": nn.Parameter(torch.ones(2, 3))})
    read = load_restricted(saved(tmp_path / "a.pt", {"string_to_param": vectors}, zipped=True))
    assert isinstance(read, dict)
    assert torch.equal(read["string_to_param"]["*"], torch.ones(2, 3))


@LAYOUTS
@pytest.mark.parametrize(
    ("attack", "named"),
    [
        (Attack(exec, "raise SystemExit"), "exec"),
        (Attack(__import__("os").system, "true"), "posix.system"),
        (Attack(Path.touch, Path("touched")), "getattr|pathlib"),
        (Attack(getattr, "text", "upper"), "getattr"),
        (nn.Linear(1, 1), "Linear|storage"),
        (torch.float32, "torch.float32"),
    ],
    ids=["exec", "system", "method", "getattr", "module", "dtype"],
)
def test_what_a_file_wants_to_run_is_named_and_not_run(
    tmp_path: Path, attack: object, named: str, zipped: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = saved(tmp_path / "a.pt", {"*": attack}, zipped)
    with pytest.raises(AdapterError, match=named) as refused:
        load_restricted(path)
    assert "\n" not in str(refused.value)
    assert not Path("touched").exists()


@pytest.mark.parametrize(
    ("pickled", "message"),
    [
        (pickle.dumps(Attack(exec, "1"), 4), "wants to run 'builtins.exec'"),
        (b"\x80\x04\x8c\x0bcollections\x8c\x0fOrderedDict.pop\x93.", "OrderedDict.pop"),
        (b"cos\nsystem\n(S'true'\ntR.", "os.system"),
        (b"(S'true'\nios\nsystem\n.", "opcode STRING"),
        (b"\x80\x02}(K\x01K\x02u}b.", "is no whole file|opcode"),
        (b"\x80\x02ccollections\nOrderedDict\n}b.", "sets the state of 'collections.OrderedDict'"),
        (b"\x80\x02](K\x01K\x02u.", "sets items of"),
        (b"\x80\x02ccollections\nOrderedDict\n]K\x01a\x85R.", "calls 'collections.OrderedDict'"),
        (b"\x80\x02U\x04evilQ.", "is no storage"),
        (b"\x80\x02", "no whole file"),
        (b"", "no whole file"),
    ],
)
def test_odd_pickles_are_refused(tmp_path: Path, pickled: bytes, message: str) -> None:
    path = archive(tmp_path / "a.pt", pickled)
    if pickled.endswith(b"}b."):  # a state for a plain dict is passed over, as state dicts have one
        message = message if b"Ordered" in pickled else ""
    if message:
        with pytest.raises(AdapterError, match=message):
            load_restricted(path)
    else:
        assert load_restricted(path) == {1: 2}


def test_a_memo_of_any_size_takes_no_room(tmp_path: Path) -> None:
    """Python's own unpickler makes a list as long as the largest number that a file mentions."""
    assert load_restricted(archive(tmp_path / "a.pt", b"\x80\x02}r\xff\xff\xff\x7f.")) == {}


def test_archives_that_grow_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("archive/data.pkl", b"\x80\x02}.")
        file.writestr("archive/data/0", bytes(1 << 20))
    with pytest.raises(AdapterError, match="compressed"):
        load_restricted(path)
    spoiled = bytearray(archive(path, b"\x80\x02}.", {"data/0": b"1234"}).read_bytes())
    entry = spoiled.rindex(b"PK\x01\x02")
    spoiled[entry + 20 : entry + 28] = (1 << 30).to_bytes(4, "little") * 2
    path.write_bytes(spoiled)
    with pytest.raises(AdapterError, match="more bytes than it has"):
        load_restricted(path)


STORAGE = object()


class _Claims(pickle.Pickler):
    """Refers to a storage of a length of its own choosing."""

    length = 1 << 45

    def persistent_id(self, obj: Any) -> Any:
        if obj is not STORAGE:
            return None
        return ("storage", torch.FloatStorage, "0", "cpu", self.length, None)


def test_sizes_are_believed_only_as_far_as_the_file_is_long(tmp_path: Path) -> None:
    rebuild = Attack(torch._utils._rebuild_tensor_v2, STORAGE, 0, (1,), (1,), False, OrderedDict())
    start = legacy_bytes({}).partition(b"\x80\x02}.\x80\x02].")[0]
    file = io.BytesIO()
    _Claims(file, 2).dump(rebuild)
    path = tmp_path / "a.pt"
    path.write_bytes(start + file.getvalue() + pickle.dumps(["0"], 2))
    with pytest.raises(AdapterError, match="claims"):
        load_restricted(path)
    for zipped in (True, False):
        huge = torch.zeros(1).expand(1 << 40)
        with pytest.raises(AdapterError, match="larger than its data"):
            load_restricted(saved(path, {"*": huge}, zipped))


@LAYOUTS
def test_spoiled_files_are_refused_or_read_but_nothing_else(tmp_path: Path, zipped: bool) -> None:
    path = saved(tmp_path / "a.pt", {"*": torch.arange(6.0), "name": "x"}, zipped)
    whole = path.read_bytes()
    chance = random.Random(0)
    for cut in chance.sample(range(len(whole)), 60):
        path.write_bytes(whole[:cut])
        with pytest.raises(AdapterError):
            load_restricted(path)
    for _ in range(150):
        spoiled = bytearray(whole)
        spoiled[chance.randrange(len(whole))] = chance.randrange(256)
        path.write_bytes(spoiled)
        try:
            load_restricted(path)
        except AdapterError as error:
            assert "\n" not in str(error)  # noqa: PT017 - most are refused, not all


def test_what_is_no_file_of_torch_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AdapterError, match="is no file"):
        load_restricted(tmp_path / "nowhere.pt")
    (tmp_path / "a.pt").write_bytes(pickle.dumps({"a": 1}, 2) * 5)
    with pytest.raises(AdapterError, match="does not start as"):
        load_restricted(tmp_path / "a.pt")


def test_legacy_bytes_are_what_torch_reads(tmp_path: Path) -> None:
    content = {
        320: ({"linear.0.weight": torch.randn(3, 2).half()}, {"b": torch.randn(4, 2).T}),
        "name": "x",
        "layers": [1.0, 2, True, None],
        "slice": torch.arange(6.0).view(2, 3)[:, 1],
        "bf16": torch.ones(2, dtype=torch.bfloat16),
        "empty": torch.empty(0),
    }
    (tmp_path / "a.pt").write_bytes(legacy_bytes(content))
    for read in (
        torch.load(tmp_path / "a.pt", weights_only=True),
        load_restricted(tmp_path / "a.pt"),
    ):
        torch.testing.assert_close(read[320], content[320], rtol=0, atol=0)
        assert [read["name"], read["layers"]] == [content["name"], content["layers"]]
        for name in ("slice", "bf16", "empty"):
            torch.testing.assert_close(read[name], content[name], rtol=0, atol=0)


def test_equal_content_gives_equal_bytes() -> None:
    """Whether two equal strings are one object in memory is chance, and so are addresses."""
    name = "linear"
    again = "".join(["lin", "ear"])
    tensor = torch.ones(2)
    once = legacy_bytes({name: tensor, "b": [name, tensor]})
    assert legacy_bytes({again: torch.ones(2), "b": [name, torch.ones(2)]}) == once
