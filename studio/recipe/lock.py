"""The lock: a recipe with every default resolved, and everything that its result depends on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pydantic import Field

from studio import machine
from studio.errors import BaseModelError, DatasetError
from studio.settings import Section

if TYPE_CHECKING:
    from studio.curation.manifest import CuratedSet
    from studio.recipe.schema import Recipe

NAMES_SHOWN = 5
_PLACES: Mapping[str, bool | set[str]] = {
    "name": True,
    "dataset": {"source", "caption_folder", "mask_folder"},
}


class LockedPicture(Section):
    """One kept picture, by what it held when the lock was written."""

    name: str
    """Path below the source folder."""

    digest: str
    """SHA-256 of the file."""

    caption_digest: str
    """SHA-256 of the caption."""


class Lock(Section):
    """What a run found: a rerun with other pictures or another base model is refused."""

    recipe_digest: str
    """SHA-256 of the resolved recipe."""

    dataset_digest: str
    """SHA-256 over the kept pictures and captions."""

    dataset_verdict: str = ""
    """What curation said of the set, in counts; the decisions behind it are in the recipe above."""

    base_digest: str
    """SHA-256 over the base model's weights."""

    vae_digest: str = ""
    """SHA-256 over the weights of the VAE in the place of the base model's own; empty: its own."""

    steps: int | None = None
    """Optimizer steps that the budget came to; a budget in minutes is repeated as these."""

    pictures: tuple[LockedPicture, ...] = ()
    """Every kept picture."""

    packages: dict[str, str] = Field(default_factory=dict)
    """Versions of what computed the result."""

    hardware: dict[str, str | int | None] = Field(default_factory=dict)
    """What it was computed on."""


def recipe_digest(recipe: Recipe) -> str:
    """SHA-256 of the resolved recipe as canonical JSON, hexadecimal.

    The run's name and the folders of pictures and masks are left out: they differ from machine to
    machine and change nothing that is learned (what is in them has digests of its own).
    """
    content = recipe.model_dump(mode="json", exclude=_PLACES)
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def lock(
    recipe: Recipe,
    curated: CuratedSet,
    base_digest: str,
    extra: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The content of ``recipe.lock.yaml``: the recipe, all defaults written out, and a `Lock`.

    The result is itself a recipe: training it repeats the run. ``extra`` holds further fields of
    the `Lock`, such as ``vae_digest``, or ``steps`` once the budget has come to a number.
    """
    pictures = tuple(
        LockedPicture(name=p.name, digest=p.digest, caption_digest=_text_digest(p.caption))
        for p in sorted(curated.kept, key=lambda p: p.name)
    )
    found = Lock(
        recipe_digest=recipe_digest(recipe),
        dataset_digest=curated.digest,
        dataset_verdict=curated.receipt,
        base_digest=base_digest,
        pictures=pictures,
        packages=machine.packages(),
        hardware=machine.hardware(),
        **dict(extra or {}),
    )
    return {**recipe.model_dump(mode="json"), "lock": found.model_dump(mode="json")}


def require_as_locked(
    recipe: Recipe,
    *,
    curated: CuratedSet | None = None,
    base_digest: str | None = None,
    vae_digest: str | None = None,
) -> None:
    """Refuse to repeat a locked recipe on other material; a recipe without a lock passes.

    Raises:
        DatasetError: pictures or captions are not those of the lock; says which.
        BaseModelError: the base model's weights, or its VAE's, are not those of the lock.
    """
    if recipe.lock is None:
        return
    if curated is not None and (changes := dataset_changes(recipe.lock, curated)):
        shown = ", ".join(changes[:NAMES_SHOWN])
        more = f" and {len(changes) - NAMES_SHOWN} more" if len(changes) > NAMES_SHOWN else ""
        raise DatasetError(
            f"the pictures are not those of the lock: {shown}{more}; "
            "restore them, or train the recipe without its lock section"
        )
    if base_digest is not None and base_digest != recipe.lock.base_digest:
        raise BaseModelError(
            f"base model {recipe.base_model} has weights {base_digest[:12]}, the lock names "
            f"{recipe.lock.base_digest[:12]}; use those, or train without the lock section"
        )
    if vae_digest is not None and vae_digest != recipe.lock.vae_digest:
        raise BaseModelError(
            f"base.vae {recipe.base.vae!r} has weights {vae_digest[:12] or 'of the base itself'}, the "
            f"lock names {recipe.lock.vae_digest[:12] or 'those of the base itself'}; use those, or "
            "train without the lock section"
        )


def dataset_changes(locked: Lock, curated: CuratedSet) -> list[str]:
    """Each kept picture that was added, removed, changed or captioned anew since the lock."""
    now = {p.name: (p.digest, _text_digest(p.caption)) for p in curated.kept}
    then = {p.name: (p.digest, p.caption_digest) for p in locked.pictures}
    changes = []
    for name in sorted(now.keys() | then.keys()):
        if name not in then:
            changes.append(f"{name} is new")
        elif name not in now:
            changes.append(f"{name} is gone")
        elif now[name][0] != then[name][0]:
            changes.append(f"{name} has changed")
        elif now[name][1] != then[name][1]:
            changes.append(f"{name} has another caption")
    return changes


def _text_digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
