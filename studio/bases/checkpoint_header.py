"""What a single file holds, by its header or its pickle: names, shapes and a few facts. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from studio.bases.tensor_file import LONGEST_MISTAKEN, TensorFileError, mistaken, read_layout
from studio.errors import BaseModelError
from studio.pickled.machine import PickledTensor, RefusedPickleError
from studio.pickled.torch_file import BrokenPickleError, TorchFile, read_torch_file

SAFETENSORS = ".safetensors"
PICKLED = frozenset({".ckpt", ".pt", ".pth", ".bin"})


class Shaped(Protocol):
    """A tensor's entry."""

    @property
    def shape(self) -> tuple[int, ...]: ...


@dataclass(frozen=True)
class CheckpointHeader:
    """What is known of a single file without its numbers.

    Attributes:
        tensors: by name, in the file's order.
        metadata: a safetensors file's; empty of a pickled one.
        global_step: steps of training, where the file says.
    """

    tensors: Mapping[str, Shaped]
    metadata: Mapping[str, str]
    global_step: int | None = None


def is_checkpoint(path: Path) -> bool:
    """Whether it is called as single files are."""
    return path.suffix.lower() in {SAFETENSORS, *PICKLED}


def is_pickled(path: Path) -> bool:
    """Whether it is called as pickled files are."""
    return path.suffix.lower() in PICKLED


def read_checkpoint_header(path: Path, name: str) -> CheckpointHeader:
    """Look at a single file.

    Raises:
        BaseModelError: it is broken, no checkpoint, or its pickle asks for more than tensors; the
            message begins with ``name``.
    """
    if is_pickled(path):
        file = read_pickled_checkpoint(path, name)
        step = _table(file.content).get("global_step")
        return CheckpointHeader(pickled_tensors(file), {}, step if isinstance(step, int) else None)
    try:
        layout = read_layout(path)
    except TensorFileError as error:
        raise BaseModelError(f"base model {name!r} cannot be read: {error.with_remedy}") from error
    except OSError as error:
        raise BaseModelError(f"base model {name!r} cannot be read: {error}") from error
    return CheckpointHeader(layout.tensors, layout.metadata)


def read_pickled_checkpoint(path: Path, name: str) -> TorchFile:
    """A pickled single file, its leftovers of training as placeholders.

    Raises:
        BaseModelError: it is broken, no file of ``torch.save``, or it wants to run something.
    """
    try:
        with path.open("rb") as file:
            what = mistaken(file.read(LONGEST_MISTAKEN), path.stat().st_size)
        if what:
            raise BaseModelError(f"base model {name!r} cannot be read: {what}")
        return read_torch_file(path, lenient=True)
    except RefusedPickleError as error:
        raise BaseModelError(
            f"base model {name!r} was not opened, and nothing in it was run: {error}; get it from "
            "elsewhere, as .safetensors"
        ) from error
    except BrokenPickleError as error:
        raise BaseModelError(
            f"base model {name!r} is no whole file of torch.save ({error}); fetch it anew"
        ) from error
    except OSError as error:
        raise BaseModelError(f"base model {name!r} cannot be read: {error}") from error


def pickled_tensors(file: TorchFile) -> dict[str, PickledTensor]:
    """A pickled checkpoint's tensors by name, out of however many ``state_dict`` they lie in."""
    content = _table(file.content)
    for _ in range(8):  # a table may hold itself
        inner = content.get("state_dict")
        if not isinstance(inner, dict):
            break
        content = inner
    return {
        name: tensor
        for name, tensor in content.items()
        if isinstance(name, str) and isinstance(tensor, PickledTensor)
    }


def _table(content: object) -> dict[Any, Any]:
    return content if isinstance(content, dict) else {}
