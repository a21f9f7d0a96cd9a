"""Training state on disk, to resume from: ``checkpoints/step-000100/``, whole or not at all.

::

    adapter.safetensors   the weights that train, fp32, as ``group/name``
    ema.safetensors       their moving average, where there is one
    optimizer.pt          state of optimizer, lr_scheduler and loss scaler: tensors and numbers only
    checkpoint.json       step, what it belongs to, versions, a digest of each file; written last
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from studio import atomic
from studio.errors import RunError
from studio.machine import packages

FORMAT_VERSION = 1


@dataclass(frozen=True)
class Fingerprint:
    """What a checkpoint belongs to; both are SHA-256, hexadecimal."""

    recipe_digest: str
    examples_digest: str


@dataclass(frozen=True)
class Checkpoint:
    """Everything that a run needs to go on; random streams need nothing.

    Attributes:
        step: optimizer steps done.
        total_steps: of the whole run, as fixed when it began.
        weights: the adapter's parameters, as ``group/name``.
        average: their moving average; empty where there is none.
        optimizer: state dicts of optimizer, lr_scheduler and scaler.
        micro_batch_size: pictures at once, where a batch turned out too large for memory; None: whole
            batches, as far as is known.
    """

    step: int
    total_steps: int
    weights: dict[str, Tensor]
    average: dict[str, Tensor]
    optimizer: dict[str, Any]
    micro_batch_size: int | None = None

    @property
    def is_finite(self) -> bool:
        """Whether every weight is a number; nothing can be learned from there on otherwise."""
        tensors = [*self.weights.values(), *self.average.values()]
        return all(tensor.isfinite().all() for tensor in tensors)


class CheckpointFolder:
    """The checkpoints of one run.

    Args:
        folder: e.g. ``runs/demo/checkpoints``; made when first needed.
        keep: how many of the newest to keep.
        fingerprint: the run that they belong to.
    """

    def __init__(self, folder: Path, keep: int, fingerprint: Fingerprint) -> None:
        self._folder = folder
        self._keep = keep
        self._fingerprint = fingerprint

    def save(self, checkpoint: Checkpoint) -> Path:
        """Write a checkpoint, then remove those that are too many."""
        path = self._folder / f"step-{checkpoint.step:06d}"
        with atomic.replacing_folder(path) as temporary:
            save_file(checkpoint.weights, temporary / "adapter.safetensors")
            if checkpoint.average:
                save_file(checkpoint.average, temporary / "ema.safetensors")
            torch.save(checkpoint.optimizer, temporary / "optimizer.pt")
            description = {
                "version": FORMAT_VERSION,
                "step": checkpoint.step,
                "total_steps": checkpoint.total_steps,
                "micro_batch_size": checkpoint.micro_batch_size,
                **asdict(self._fingerprint),
                "packages": packages(),
                "files": {f.name: _file_digest(f) for f in sorted(temporary.iterdir())},
            }
            atomic.write_json(temporary / "checkpoint.json", description)
        self._prune()
        return path

    def newest(self, on_warning: Callable[[str], None]) -> Checkpoint | None:
        """The newest undamaged checkpoint; None where there is none.

        Args:
            on_warning: told of each damaged checkpoint that is passed over.

        Raises:
            RunError: the checkpoint belongs to another recipe or to other pictures.
        """
        for path in reversed(self._paths()):
            description = _read_description(path)
            if description is None:
                on_warning(f"checkpoint {path.name} is damaged; going on from the one before it")
                continue
            _refuse_stranger(path, description, self._fingerprint)
            return _load(path, description)
        return None

    def newest_path(self) -> Path | None:
        """The newest checkpoint's folder, damaged or not."""
        return next(reversed(self._paths()), None)

    def _paths(self) -> list[Path]:
        return sorted(self._folder.glob("step-*"), key=lambda p: int(p.name.removeprefix("step-")))

    def _prune(self) -> None:
        # Names with a dot are what an earlier process left unfinished when it was killed.
        for path in [*self._paths()[: -self._keep], *self._folder.glob(".step-*")]:
            shutil.rmtree(path)


def read_checkpoint(path: Path) -> Checkpoint:
    """The checkpoint in a folder, whichever run it belongs to.

    Raises:
        RunError: it is missing or damaged.
    """
    description = _read_description(path)
    if description is None:
        raise RunError(f"{path} is no whole checkpoint; choose another")
    return _load(path, description)


def _read_description(path: Path) -> dict[str, Any] | None:
    """The content of checkpoint.json, or None where it or a file it names is not as written."""
    try:
        description: dict[str, Any] = json.loads((path / "checkpoint.json").read_text("utf-8"))
        intact = all(
            _file_digest(path / name) == digest for name, digest in description["files"].items()
        )
    except (OSError, ValueError, KeyError):
        return None
    return description if intact else None


def _refuse_stranger(path: Path, description: dict[str, Any], fingerprint: Fingerprint) -> None:
    for key, what in (("recipe_digest", "recipe"), ("examples_digest", "set of pictures")):
        if description[key] != getattr(fingerprint, key):
            raise RunError(
                f"{path} was written with another {what}; put the old one back to go on, "
                "or train under a new name"
            )


def _load(path: Path, description: dict[str, Any]) -> Checkpoint:
    average = path / "ema.safetensors"
    return Checkpoint(
        step=description["step"],
        total_steps=description["total_steps"],
        weights=load_file(path / "adapter.safetensors"),
        average=load_file(average) if average.exists() else {},
        optimizer=torch.load(path / "optimizer.pt", map_location="cpu", weights_only=True),
        micro_batch_size=description.get("micro_batch_size"),
    )


def _file_digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
