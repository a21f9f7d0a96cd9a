"""The tensors and words of an adapter file, opened with care: names and shapes first, numbers on demand.

Of a safetensors file the header alone is read, and checked against the file's size; its tensors are
fetched one by one. A pickled file is read whole, as data. No torch, until numbers are asked for.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from studio.adapters.formats import MAX_HEADER_BYTES, SAFETENSORS
from studio.adapters.inspection.names import NamedLayers, Shapes, layers_in
from studio.bases.tensor_file import TensorFileError, TensorFileLayout, read_layout
from studio.errors import AdapterError

if TYPE_CHECKING:
    from torch import Tensor

PICKLED = frozenset({".pt", ".bin", ".pth", ".ckpt"})
PART_FOLDERS = ("unet", "text_encoder", "text_encoder_2")
INDEX_FILE, HEADER_FILE = "model_index.json", "adapter.json"
LORA_FILE, WORD_FOLDER = "lora.safetensors", "embeddings"
_MAX_DEPTH = 5  # of tables in a pickled file; a hypernetwork's have three

Fetch = Callable[[str], "Tensor"]
"""From a tensor's name to its numbers, on the CPU, in the file's number format."""
Places = Mapping[str, tuple[Path, str]]
"""Each tensor's file and its key there."""
_NamedFiles = list[tuple[Path, Callable[[str], str]]]
"""Files, each with what its keys are called here."""


class TensorEntry(NamedTuple):
    """One tensor: its number format in safetensors' words, ``F16``, and its shape."""

    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class AdapterContent:
    """What an adapter file or folder holds.

    Attributes:
        extension: ``.safetensors``, ``.pt`` for all pickled files, empty for a folder.
        size_bytes: of the file, or of the files in the folder that were looked into.
        entries: the tensors by name; a folder's behind the part they belong to.
        metadata: what the file says of itself, in the words of a safetensors file.
        opened: gives a `Fetch` for the length of a ``with`` block.
    """

    path: Path
    extension: str
    size_bytes: int
    entries: dict[str, TensorEntry]
    metadata: dict[str, str]
    opened: Callable[[], AbstractContextManager[Fetch]]

    @cached_property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        return {name: entry.shape for name, entry in self.entries.items()}

    @cached_property
    def layers(self) -> NamedLayers:
        return layers_in(self.entries)

    def layer_shapes(self) -> list[Shapes]:
        """The shapes of each layer's tensors, by what they are to it."""
        return [
            {part: self.shapes[key] for part, key in keys.items()} for keys in self.layers.values()
        ]


def open_content(path: Path) -> AdapterContent:
    """What is in an adapter file or folder.

    Raises:
        AdapterError: it is missing, truncated, hostile, or no file of tensors.
    """
    try:
        if path.is_dir():
            return _folder(path)
        if not path.is_file():
            raise AdapterError(f"{path} is no file; give an adapter's file or folder")
        return _pickle(path) if path.suffix.lower() in PICKLED else _safetensors(path)
    except OSError as error:
        raise AdapterError(f"{path} cannot be read: {error.strerror or error}") from error


def is_adapter_folder(path: Path) -> bool:
    """Whether a folder is one adapter, or a model: a diffusers folder, or a LoRA with its words."""
    if not path.is_dir():
        return False
    return (path / INDEX_FILE).is_file() or (
        (path / LORA_FILE).is_file() and (path / WORD_FOLDER).is_dir()
    )


def _layout(path: Path) -> TensorFileLayout:
    try:
        return read_layout(path, MAX_HEADER_BYTES)
    except TensorFileError as error:
        raise AdapterError(f"{path} cannot be read: {error}") from error


def _safetensors(path: Path) -> AdapterContent:
    return _of_files(path, SAFETENSORS, [(path, str)])


def _of_files(path: Path, extension: str, files: _NamedFiles) -> AdapterContent:
    """Several files as one, the first one's metadata for all."""
    layouts = [(file, called, _layout(file)) for file, called in files]
    entries: dict[str, TensorEntry] = {}
    places: dict[str, tuple[Path, str]] = {}
    for file, called, layout in layouts:
        for key, place in layout.tensors.items():
            name = called(key)
            entries[name] = TensorEntry(place.dtype, place.shape)
            places[name] = file, key
    size = sum(file.stat().st_size for file, _ in files)
    metadata = layouts[0][2].metadata if layouts else {}
    return AdapterContent(path, extension, size, entries, metadata, partial(_fetching, places))


@contextmanager
def _fetching(places: Places) -> Iterator[Fetch]:
    from safetensors import SafetensorError, safe_open

    with ExitStack() as stack:
        opened: dict[Path, Any] = {}

        def fetch(name: str) -> Tensor:
            file, key = places[name]
            try:
                if file not in opened:
                    opened[file] = stack.enter_context(safe_open(file, "pt"))
                tensor: Tensor = opened[file].get_tensor(key)
            except (SafetensorError, OSError, RuntimeError) as error:
                raise AdapterError(f"{file} cannot be read: {error}") from error
            return tensor

        yield fetch


def _folder(path: Path) -> AdapterContent:
    if (path / INDEX_FILE).is_file():
        weights: _NamedFiles = [
            (file, partial("{}.{}".format, part))
            for part in PART_FOLDERS
            for file in _weight_files(path / part)
        ]
        return replace(_of_files(path, "", weights), metadata=_folder_header(path))
    if not is_adapter_folder(path):
        raise AdapterError(f"{path} holds no adapter; give an adapter's file or folder")
    words = sorted((path / WORD_FOLDER).glob(f"*{SAFETENSORS}"))
    bundle: _NamedFiles = [(file, partial(_bundled, file.stem)) for file in words]
    return _of_files(path, "", [(path / LORA_FILE, str), *bundle])


def _weight_files(folder: Path) -> list[Path]:
    """The weights under the name that diffusers gives them, else under any: variants, pieces."""
    usual = [folder / f"{name}{SAFETENSORS}" for name in ("diffusion_pytorch_model", "model")]
    found = [file for file in usual if file.is_file()]
    return found or sorted(folder.glob(f"*{SAFETENSORS}"))


def _folder_header(path: Path) -> dict[str, str]:
    """What our ``adapter.json`` says; other tools' folders have none."""
    try:
        header = json.loads((path / HEADER_FILE).read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return {k: v for k, v in header.items() if isinstance(v, str)} if type(header) is dict else {}


def _bundled(word: str, key: str) -> str:
    """A word's tensor as a bundle calls it; see `studio.adapters.bundle`."""
    return f"bundle_emb.{word}.{'string_to_param.*' if key == 'emb_params' else key}"


def _pickle(path: Path) -> AdapterContent:
    from studio.adapters.pickled import read_pickled

    table = read_pickled(path)
    inner = table.get("state_dict")
    tensors = flat_tensors(inner if isinstance(inner, dict) else table)
    entries = {
        name: TensorEntry(_dtype_name(str(tensor.dtype)), tuple(tensor.shape))
        for name, tensor in tensors.items()
    }
    size = path.stat().st_size
    fetch = tensors.__getitem__
    return AdapterContent(
        path, ".pt", size, entries, _pickle_metadata(table), lambda: nullcontext(fetch)
    )


def flat_tensors(table: Mapping[Any, Any]) -> dict[str, Tensor]:
    """The tensors in a table of tables, by their keys joined with dots.

    A table that stands in several places counts once, for a hostile file may nest one without end.
    """
    import torch

    found: dict[str, Tensor] = {}
    seen: set[int] = set()

    def gather(inner: object, name: str, depth: int) -> None:
        if isinstance(inner, torch.Tensor):
            found[name] = inner
        elif (
            isinstance(inner, dict | list | tuple) and id(inner) not in seen and depth < _MAX_DEPTH
        ):
            seen.add(id(inner))
            pairs = inner.items() if isinstance(inner, dict) else enumerate(inner)
            for key, value in pairs:
                gather(value, f"{name}.{key}" if name else str(key), depth + 1)

    gather(table, "", 0)
    return found


def _dtype_name(name: str) -> str:
    """``torch.bfloat16`` to ``BF16``."""
    word = name.removeprefix("torch.")
    return word.replace("bfloat", "BF").replace("float", "F").replace("int", "I").upper()


def _pickle_metadata(table: Mapping[Any, Any]) -> dict[str, str]:
    """What A1111's files say, in kohya's words, and what ours say besides."""
    said = {
        "ss_output_name": table.get("name"),
        "ss_steps": table.get("step"),
        "ss_sd_model_name": table.get("sd_checkpoint_name"),
    }
    ours = table.get("studio")
    ours = ours if isinstance(ours, dict) else {}
    texts = {key: str(value) for key, value in said.items() if isinstance(value, str | int)}
    return texts | {str(k): v for k, v in ours.items() if isinstance(v, str)}
