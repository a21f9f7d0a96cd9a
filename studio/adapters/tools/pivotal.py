"""How each tool finds the words of a LoRA that was trained with some: in its file, or in files beside it.

By the sources of A1111 1.10.1 and Forge 2025-06 (networks.py of their LoRA extensions); the others by their
reading of LoRA files.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from studio.adapters.adapter import Adapter
from studio.adapters.embedding_vectors import one_by_one
from studio.adapters.readback import FileContent
from studio.adapters.tools.embeddings import WordReader, by_forge, why_not, why_not_word
from studio.adapters.tools.tables import Table
from studio.adapters.weight_changes import Reader
from studio.bases.base_model import BaseModel

_WORD = "bundle_emb"
_FORGE_GIVES_UP = 12  # tensors that no layer takes, beyond which it leaves the LoRA out altogether


def without_words(content: FileContent) -> FileContent:
    """What of a bundle is a LoRA."""
    tensors = {k: t for k, t in content.tensors.items() if not k.startswith(f"{_WORD}.")}
    return FileContent(tensors, content.metadata)


def why_not_bundled_by_a1111(content: FileContent, words: Adapter, base: BaseModel) -> str:
    """Why A1111 will not show a bundle's words as trained; a clause, empty where it will."""
    tables = _bundled(content.tensors)
    for name, trained in _by_word(words).items():
        if name not in tables:
            return f"it finds no vectors for the word {name}"
        because = why_not_word(by_forge, Table(tables.pop(name)), trained, base)
        if because:
            return f"of the word {name}, {because}"
    return f"it finds the word {next(iter(tables))}, which was not trained" if tables else ""


def why_not_bundled(read: Reader, content: FileContent, base: BaseModel) -> str:
    """Why a tool whose LoRA reader knows no words will not show a bundle's."""
    if not read(content, base).changes:
        return "it takes a file with words in it for none of its own; export as kohya"
    return "it reads the LoRA of a bundle and leaves its words out; export as kohya"


def why_not_bundled_by_forge(read: Reader, content: FileContent, base: BaseModel) -> str:
    """As `why_not_bundled`; of too many words it does not read the LoRA either."""
    if len(read(content, base).unmatched) > _FORGE_GIVES_UP:
        return "it refuses a LoRA with more than 12 tensors of words; export as kohya"
    return why_not_bundled(read, content, base)


def why_not_beside(read: WordReader, folder: Path, words: Adapter, base: BaseModel) -> str:
    """Why a tool will not show the words in a folder's files as trained; a clause, empty where it will.

    Raises:
        VerificationError: a file is not whole.
    """
    for stem, word in one_by_one(words):
        file = folder / f"{stem}.safetensors"
        if not file.is_file():
            return f"there is no file for the word {stem}"
        if because := why_not(read, file, word, base):
            return f"of the word {stem}, {because}"
    return ""


def _bundled(tensors: Mapping[str, Tensor]) -> dict[str, dict[str, Any]]:
    """By word: the table that A1111 reads as it would a file of its own."""
    tables: dict[str, dict[str, Any]] = {}
    for key, tensor in tensors.items():
        first, _, rest = key.partition(".")
        if first != _WORD:
            continue
        word, _, place = rest.partition(".")
        table = tables.setdefault(word, {})
        outer, _, inner = place.partition(".")
        if outer == "string_to_param":
            table[outer] = {inner: tensor}
        else:
            table[place] = tensor
    return tables


def _by_word(words: Adapter) -> dict[str, dict[str, Tensor]]:
    found: dict[str, dict[str, Tensor]] = {}
    for name, vectors in words.tensors.items():
        part, _, word = name.partition(".")
        found.setdefault(word, {})[part] = vectors
    return found
