"""The errand ``export``: an adapter in files that a tool reads, or the model card of a run.

Arguments are an `ExportOrder`. The result, for a tool::

    format    of the files; empty where no format works in it
    kind      of what they hold
    files     path of each, or of a folder's archive, its name and size
    verdict   what reading the first one back has shown
    tools     what each tool makes of all of them
    refusals  by format, why a tool of the target will not work with it

and without a tool ``card``, the text of a README.md.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from studio import atomic
from studio.adapters.adapter import Adapter
from studio.adapters.export import ExportedFile, export_file
from studio.adapters.exported import AdapterFiles
from studio.adapters.files import format_of, naming, read_adapter
from studio.adapters.for_tools import Reading, Target, best, target_named, worth_trying
from studio.adapters.formats import Format
from studio.bases.base_model import BaseModel
from studio.errands.base_at_hand import base_at_hand
from studio.errands.checkpoint_files import checkpoint_files
from studio.errands.export_order import ExportOrder
from studio.errands.kinds import Tell
from studio.errands.newest import keep_newest
from studio.preview.settings import SamplingSettings
from studio.recipe import validated
from studio.run_folder import RunFolder
from studio.sharing.card import model_card

RECORD = "record.json"
KEPT = 24
"""Adapters whose files for other tools stay; they are written anew when they are asked for again."""

Record = Mapping[str, Any]
"""``kind``, ``paths``, ``verdict`` and ``tools`` of the files of one format."""


def export(arguments: Mapping[str, Any], _folder: Path, tell: Tell) -> dict[str, Any]:
    """Write and verify what is ordered, unless it is there already.

    Raises:
        UserError: the adapter or the base will not do.
        VerificationError: a file does not read back as what was trained.
    """
    order = validated(ExportOrder, dict(arguments))
    if not order.target:
        tell("writing the model card", 0, 0)
        return {"card": model_card(RunFolder.open(order.run or ""))}
    return _Export(order, target_named(order.target), tell).result()


class _Export:
    """One adapter on its way to one tool."""

    def __init__(self, order: ExportOrder, target: Target, tell: Tell) -> None:
        self._order, self._target, self._tell = order, target, tell
        self._folder = order.folder / _source_key(order)
        self._records = _own_records(order) | _kept_records(self._folder)

    def result(self) -> dict[str, Any]:
        found = best(self._target, self._readings())
        if found is None or found.refusals(self._target):
            self._try_the_others()
            found = best(self._target, self._readings())
        refusals = {r.format: r.refusals(self._target) for r in self._readings()}
        told = {"target": self._target.key, "refusals": refusals}
        if found is None:
            return {**told, "format": "", "kind": "", "files": [], "verdict": {}, "tools": []}
        record = self._records[found.format]
        files = [self._handed(Path(path)) for path in record["paths"]]
        if self._folder.is_dir():
            keep_newest(self._order.folder, KEPT, self._folder)
        return {
            **told,
            "format": found.format,
            "kind": record["kind"],
            "files": files,
            "verdict": record["verdict"],
            "tools": record["tools"],
        }

    def _handed(self, path: Path) -> dict[str, Any]:
        """What a browser can take: the file, or an archive of the folder."""
        handed = path if path.is_file() else _archived(path, self._folder)
        return {"path": str(handed), "name": handed.name, "size_bytes": handed.stat().st_size}

    def _readings(self) -> list[Reading]:
        return [Reading.of(name, record["tools"]) for name, record in self._records.items()]

    def _try_the_others(self) -> None:
        """Write one format after another, until one works wherever it should."""
        self._tell("loading the base model", 0, 0)
        order = self._order
        base = base_at_hand(order.base_model, order.base, SamplingSettings())
        adapters = {path: read_adapter(path) for path in self._sources(base)}
        header = next(iter(adapters.values())).header
        for known in worth_trying(header.kind, header.family, self._readings()):
            self._tell(f"writing and reading back: {known.name}", 0, 0)
            self._records[known.name] = self._written(adapters, known, base)
            reading = Reading.of(known.name, self._records[known.name]["tools"])
            if not reading.refusals(self._target):
                return

    def _sources(self, base: BaseModel) -> AdapterFiles:
        adapter = self._order.adapter
        if adapter.run is None or adapter.checkpoint is None:
            return adapter.files
        self._tell(f"restoring the checkpoint of step {adapter.checkpoint}", 0, 0)
        cache = self._order.folder.parent / "checkpoint-adapters"
        return checkpoint_files(adapter.run, adapter.checkpoint, base, cache)

    def _written(
        self, adapters: Mapping[Path, Adapter], known: Format, base: BaseModel
    ) -> dict[str, Any]:
        folder = self._folder / known.name
        files = []
        for source, adapter in adapters.items():
            with naming(source):
                path = folder / known.file_name(source.stem)
                files.append(export_file(adapter, base, path, known, self._order.dtype))
        record = {
            "kind": known.kind,
            "paths": [str(file.path) for file in files],
            "verdict": files[0].verdict.to_json(),
            "tools": _together(files),
        }
        atomic.write_json(folder / RECORD, record)
        return record


def _source_key(order: ExportOrder) -> str:
    """Another folder for other files, for the same files written anew, and for other numbers."""
    adapter = order.adapter.model_dump(mode="json", exclude={"strength"})
    text = json.dumps([adapter, order.base_model, order.dtype], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _own_records(order: ExportOrder) -> dict[str, Record]:
    """What the run has exported and verified by itself, in the same numbers."""
    if order.run is None or order.adapter.checkpoint is not None:
        return {}
    run = RunFolder.open(order.run)
    events = {e["file"]: e for e in run.events.read() if e["event"] == "exported"}
    records: dict[str, Record] = {}
    for files in run.adapters():
        told = [events[path.name] for path in files if path.name in events]
        if len(told) == len(files) and all(e["dtype"] == order.dtype for e in told):
            records[told[0]["format"]] = {
                "kind": format_of(files[0]).kind,
                "paths": [str(path) for path in files],
                "verdict": {k: v for k, v in told[0].items() if k not in ("tools", "time")},
                "tools": [verdict for event in told for verdict in event["tools"]],
            }
    return records


def _kept_records(folder: Path) -> dict[str, Record]:
    records = {}
    for path in sorted(folder.glob(f"*/{RECORD}")):
        record: Record = json.loads(path.read_text("utf-8"))
        if all(Path(file).exists() for file in record["paths"]):
            records[path.parent.name] = record
    return records


def _together(files: Iterable[ExportedFile]) -> list[dict[str, Any]]:
    return [verdict.to_json() for file in files for verdict in file.tools]


def _archived(folder: Path, into: Path) -> Path:
    """The folder as a zip file; weights hardly shrink, so they are stored as they are."""
    path = into / f"{folder.name}.zip"
    if not path.is_file():
        with atomic.replacing(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
            for file in sorted(p for p in folder.rglob("*") if p.is_file()):
                archive.write(file, f"{folder.name}/{file.relative_to(folder)}")
    return path
