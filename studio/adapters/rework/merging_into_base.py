"""Adapters worked into a base model: a new model that draws as the base does with them on.

The base is read and written a tensor at a time, so it may be larger than memory. Every number format
stays as it is in the base.
"""

from __future__ import annotations

import json
import shutil
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from torch import Tensor

from studio import atomic
from studio.adapters.diffusers_model import HEADER_FILE
from studio.adapters.layer_change import VARIANT_PARTS
from studio.adapters.lora_layers import layers_of
from studio.adapters.rework.merged_weights import Member, merged_weight, require_merged
from studio.adapters.rework.merging import Ingredient, require_one_family
from studio.adapters.rework.rewriting import Change, rewrite
from studio.adapters.rework.steps import Step, Ticks, unseen
from studio.adapters.rework.weight_files import WeightFiles, WeightPlace, find_weights
from studio.bases.checkpoint_header import PICKLED
from studio.bases.source import WEIGHT_FOLDERS
from studio.errors import AdapterError

ORIGIN_KEY = "studio.merged_from"
# What a base says of itself that is no longer so.
_OUTDATED = ("studio.", "sshs_", "modelspec.hash_sha256")


@dataclass(frozen=True)
class MergedModel:
    """A model with adapters worked in.

    Attributes:
        path: the new file or folder.
        layers: how many weights were changed.
        family: the base's.
    """

    path: Path
    layers: int
    family: str


def merge_into(
    ingredients: Sequence[Ingredient], base: str, out: Path, step: Step = unseen
) -> MergedModel:
    """Write a base model anew with adapters in its weights: a file from a file, a folder from a folder.

    Each adapter sees the weights as those before it left them, as in a preview with several; that
    matters to DoRA and OFT only.

    Args:
        base: ``pocket``, a hub id, a diffusers folder or a ``.safetensors`` file.
        out: what to write; read back before it appears.
        step: told of each tensor written, and of each merged weight that was read back.

    Raises:
        AdapterError: an adapter is of another family or no low-rank adapter, or changes what the base
            lacks; or ``out`` is there already.
        BaseModelError: the base is not here or broken.
        VerificationError: what was written does not read back as meant.
    """
    if not ingredients:
        raise AdapterError("there is nothing to merge; give an adapter or more")
    if out.exists():
        raise AdapterError(f"{out} is there already; give another name with --out")
    files = find_weights(base)
    _require_fit(ingredients, files)
    layers = _members(ingredients, files)
    written = sum(len(layout.tensors) for layout in files.layouts.values())
    ticks = Ticks(step, written + len(layers))
    write = _write_folder if files.is_folder else _write_file
    write(files, layers, ingredients, out, ticks)
    return MergedModel(out, len(layers), files.family)


def _require_fit(ingredients: Sequence[Ingredient], files: WeightFiles) -> None:
    for ingredient in ingredients:
        kind = ingredient.adapter.header.kind
        if kind not in VARIANT_PARTS:
            raise AdapterError(
                f"{ingredient.name} is of kind {kind}, which cannot be merged into a base; give "
                f"adapters of kind {', '.join(VARIANT_PARTS)}"
            )
    family = require_one_family(ingredients)
    if family != files.family:
        raise AdapterError(
            f"{ingredients[0].name} is of family {family}, which does not fit {files.name} of family "
            f"{files.family}; choose a base of family {family}"
        )


def _members(ingredients: Sequence[Ingredient], files: WeightFiles) -> dict[str, list[Member]]:
    """By the neutral name of the weight, in the ingredients' order."""
    members: dict[str, list[Member]] = defaultdict(list)
    for ingredient in ingredients:
        layers = layers_of(ingredient.adapter)
        files.require_layers(ingredient.name, layers)
        for path, parts in layers.items():
            member = Member(ingredient.name, ingredient.weight, parts)
            members[f"{path}.weight"].append(member)
    return dict(members)


def _write_file(
    files: WeightFiles,
    layers: Mapping[str, list[Member]],
    ingredients: Sequence[Ingredient],
    out: Path,
    ticks: Ticks,
) -> None:
    if out.suffix != files.path.suffix:
        raise AdapterError(f"{out} is to be a file; give --out a name that ends with .safetensors")
    with atomic.replacing(out) as temporary:
        _rewrite(files, files.path, temporary, layers, ingredients, ticks=ticks)
        require_merged(files, temporary, layers, ticks)


def _write_folder(
    files: WeightFiles,
    layers: Mapping[str, list[Member]],
    ingredients: Sequence[Ingredient],
    out: Path,
    ticks: Ticks,
) -> None:
    if out.resolve().is_relative_to(files.path.resolve()):
        raise AdapterError(f"{out} is inside the base model's folder; give another --out")
    with atomic.replacing_folder(out) as temporary:
        for source in _companions(files.path):
            target = temporary / source.relative_to(files.path)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
        for source in files.layouts:
            target = temporary / source.relative_to(files.path)
            target.parent.mkdir(parents=True, exist_ok=True)
            _rewrite(files, source, target, layers, ingredients, ticks=ticks)
        require_merged(files, temporary, layers, ticks)


def _companions(folder: Path) -> Iterator[Path]:
    """A model's other files: configurations, tokenizers, a safety checker; no second set of weights."""
    for path in sorted(folder.rglob("*")):
        inner = path.relative_to(folder)
        is_weights = path.suffix in {".safetensors", *PICKLED}
        is_known_part = len(inner.parts) == 1 or inner.parts[0] in WEIGHT_FOLDERS
        is_hidden = any(part.startswith(".") for part in inner.parts)
        if not path.is_file() or is_hidden or (is_weights and is_known_part):
            continue
        if inner != Path(HEADER_FILE):
            yield path


def _rewrite(
    files: WeightFiles,
    source: Path,
    target: Path,
    layers: Mapping[str, list[Member]],
    ingredients: Sequence[Ingredient],
    *,
    ticks: Ticks,
) -> None:
    layout = files.layouts[source]
    own = {name: layers[name] for name in layers if files.places[name].file == source}
    origin = json.dumps([ingredient.origin() for ingredient in ingredients])
    kept = {k: v for k, v in layout.metadata.items() if not k.startswith(_OUTDATED)}
    metadata = {**kept, ORIGIN_KEY: origin} if own else layout.metadata
    rewrite(source, layout, target, metadata, _changes(files, own), tick=ticks)


def _changes(files: WeightFiles, layers: Mapping[str, list[Member]]) -> dict[str, Change]:
    """By the file's own keys, under which queries, keys and values may be one tensor."""
    by_key: dict[str, list[tuple[WeightPlace, list[Member]]]] = defaultdict(list)
    for name, members in layers.items():
        place = files.places[name]
        by_key[place.key].append((place, members))
    return {key: partial(_with_members, placed=placed) for key, placed in by_key.items()}


def _with_members(tensor: Tensor, placed: Sequence[tuple[WeightPlace, list[Member]]]) -> Tensor:
    merged = tensor.float().clone()
    for place, members in placed:
        rows = merged if place.third is None else merged.chunk(3)[place.third]
        own = rows.T if place.is_transposed else rows
        own.copy_(merged_weight(own, members))
    return merged
