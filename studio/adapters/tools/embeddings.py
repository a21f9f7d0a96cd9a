"""How each tool reads a word's file: which vectors it gives to which text encoder.

By the sources of A1111 1.10.1 (modules/textual_inversion/textual_inversion.py), Forge 2025-06
(backend/text_processing/textual_inversion.py), ComfyUI 2025-10 (comfy/sd1_clip.py) and sd-scripts 0.10.1
(gen_img.py); diffusers by the installed library's own code.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from studio.adapters.adapter import Adapter
from studio.adapters.measurement import relative
from studio.adapters.tools.tables import Table, UnreadError, load_table, require_safe
from studio.bases.base_model import BaseModel

Keys = dict[str, str]
"""By text encoder: the key in `Table.tensors` of what it gets."""
WordReader = Callable[[Table, BaseModel], Keys]
"""How one tool reads one word. Raises UnreadError where it does not."""

_PARAM = "string_to_param"
_ENCODERS = {"text_encoder": "clip_l", "text_encoder_2": "clip_g"}
_UNUSED_TOKEN = "<|a word that no vocabulary has|>"


def why_not(read: WordReader, path: Path, adapter: Adapter, base: BaseModel) -> str:
    """Why a tool will not show the adapter's one word as trained; a clause, empty where it will.

    Raises:
        VerificationError: it is no whole file.
    """
    wanted = {name.partition(".")[0]: vectors for name, vectors in adapter.tensors.items()}
    return why_not_word(read, load_table(path), wanted, base)


def why_not_word(
    read: WordReader, table: Table, wanted: Mapping[str, Tensor], base: BaseModel
) -> str:
    """As `why_not`, of a file that was read already.

    Args:
        wanted: the trained vectors by text encoder, each (vectors, width).
    """
    try:
        found = read(table, base)
    except UnreadError as error:
        return str(error)
    tensors = table.tensors
    for part, width in _widths(base).items():
        if found.get(part) not in tensors or part not in wanted:
            return f"it finds no vectors for {part}"
        vectors = tensors[found[part]]
        if _width(vectors) != width:
            return f"it finds vectors of {_width(vectors)} numbers for {part}, which takes {width}"
        rows = vectors if vectors.dim() > 1 else vectors[None]
        if rows.shape != wanted[part].shape:
            return f"it finds {len(rows)} vectors for {part}, {len(wanted[part])} were trained"
        size = wanted[part].abs().max().item()
        off = relative((rows.float() - wanted[part].cpu()).abs().max().item(), size)
        if off > table.tolerance:
            return f"it reads other vectors than were trained: {part} is off by {off:.2%}"
    unused = [key for key in tensors if key not in found.values()]
    return f"it leaves {len(unused)} tensors unused, the first is {unused[0]}" if unused else ""


def by_a1111(table: Table, base: BaseModel) -> Keys:
    """As Forge, behind a safety check of its own."""
    require_safe(table)
    return by_forge(table, base)


def by_forge(table: Table, base: BaseModel) -> Keys:
    """One term for all encoders, or SDXL's pair; passed over where their widths are not the model's."""
    entries, tensors, widths = table.entries, table.tensors, _widths(base)
    if _PARAM in entries:
        key = f"{_PARAM}.{_only(entries[_PARAM])}"
    elif {"clip_g", "clip_l"} <= entries.keys():
        if len(tensors) != len(entries):
            raise UnreadError("it takes all that is beside clip_l and clip_g for vectors too")
        _require_width(sum(_width(tensors[key]) for key in _ENCODERS.values()), widths)
        return {part: _ENCODERS[part] for part in widths}
    else:
        key = _only(entries)
    _require_width(_width(tensors[key]), widths)
    return dict.fromkeys(widths, key)


def by_comfyui(table: Table, base: BaseModel) -> Keys:
    """Each encoder asks for its own key and else takes the first tensor, whatever its width."""
    entries = table.entries
    if _PARAM in entries:
        return dict.fromkeys(_widths(base), f"{_PARAM}.{_first(entries[_PARAM])}")
    return {
        part: _ENCODERS[part] if _ENCODERS[part] in entries else _first(entries)
        for part in _widths(base)
    }


def by_kohya(table: Table, base: BaseModel) -> Keys:
    """SDXL's pair by name, else the first tensor; a row of it for every vector."""
    inner = f"{_PARAM}." if _PARAM in table.entries else ""
    entries = table.entries[_PARAM] if inner else table.entries
    if len(base.text_encoders) > 1:
        lacking = [key for key in _ENCODERS.values() if key not in entries]
        if lacking:
            raise UnreadError(f"it looks for {lacking[0]}, which is not there")
        return dict(_ENCODERS)
    key = inner + _first(entries)
    if table.tensors[key].dim() == 1:
        raise UnreadError("it takes each number of a single row for a vector")
    return {"text_encoder": key}


def by_diffusers(table: Table, base: BaseModel) -> Keys:
    """What ``load_textual_inversion`` takes out of the file; of SDXL's pair each tensor is handed to it
    with its encoder, as its manual says.
    """
    from diffusers.loaders.textual_inversion import TextualInversionLoaderMixin

    loader: Any = TextualInversionLoaderMixin  # untyped
    given: dict[str, Any] = {"text_encoder": table.entries}
    if len(base.text_encoders) > 1:
        lacking = [key for key in _ENCODERS.values() if key not in table.entries]
        if lacking:
            raise UnreadError(f"{lacking[0]} cannot be handed to it, for it is not there")
        given = {part: table.entries[key] for part, key in _ENCODERS.items()}
    found: Keys = {}
    for (part, state), tokenizer in zip(given.items(), base.tokenizers, strict=True):
        try:
            # The word is the user's to choose there, so it must not be found in the vocabulary here.
            _, taken = loader._retrieve_tokens_and_embeddings([_UNUSED_TOKEN], [state], tokenizer)
        except (ValueError, KeyError, AttributeError) as error:
            raise UnreadError("it wants one term, or string_to_param with a name") from error
        key = next((k for k, tensor in table.tensors.items() if tensor is taken[0]), None)
        if key is None:
            raise UnreadError("what it takes for vectors is none")
        found[part] = key
    return found


def _widths(base: BaseModel) -> dict[str, int]:
    return {
        part: int(encoder.config.hidden_size) for part, encoder in base.named_text_encoders.items()
    }


def _width(vectors: Tensor) -> int:
    return vectors.shape[-1] if vectors.dim() else 1


def _only(terms: Any) -> str:
    key = _first(terms)
    if len(terms) != 1:
        raise UnreadError("it refuses a file of several terms")
    return key


def _first(terms: Any) -> str:
    key, value = next(iter(terms.items()), ("", None)) if isinstance(terms, Mapping) else ("", None)
    if not isinstance(value, Tensor):
        raise UnreadError("it finds no vectors in it")
    return str(key)


def _require_width(width: int, widths: Mapping[str, int]) -> None:
    if width != sum(widths.values()):
        raise UnreadError(
            f"it passes over vectors of {width} numbers, for the model takes {sum(widths.values())}"
        )
