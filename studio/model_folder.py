"""A transformers model that the user has in a folder: known by small files, loaded in one line or not."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any

from studio.errors import UserError

ALONE: Mapping[str, Any] = MappingProxyType({"local_files_only": True, "trust_remote_code": False})
"""What every ``from_pretrained`` is told: nothing is fetched, no code of the folder's own is run."""

_WHATEVER_A_BROKEN_FOLDER_RAISES = (
    OSError,
    ValueError,
    LookupError,
    RuntimeError,
    TypeError,
    AttributeError,
)


@dataclass(frozen=True)
class ModelFolder:
    """Recognised; no weight has been read yet.

    Attributes:
        path: of the folder.
        kind: the ``model_type`` of its configuration.
        config: that configuration.
        refusal: what is raised where the folder will not do.
    """

    path: Path
    kind: str
    config: Mapping[str, Any]
    refusal: type[UserError]

    @cached_property
    def weight_files(self) -> tuple[Path, ...]:
        """Its safetensors, sorted; the refusal is raised where there are none."""
        if found := tuple(sorted(self.path.glob("*.safetensors"))):
            return found
        raise self.refusal(
            f"{self.path} has no .safetensors weights (pickled .bin files can run code when "
            "opened); fetch or convert them"
        )

    @contextmanager
    def in_one_line(self) -> Iterator[None]:
        """Whatever the library raises of a broken folder inside the ``with``, as the refusal.

        The library's progress bars are silent meanwhile.
        """
        from safetensors import SafetensorError

        from studio.bases.library_words import no_progress_bars

        try:
            with no_progress_bars():
                yield
        except (*_WHATEVER_A_BROKEN_FOLDER_RAISES, SafetensorError) as error:
            reason = str(error).strip().partition("\n")[0]
            raise self.refusal(f"{self.path} cannot be used: {reason}; fetch it anew") from error


def recognised(
    path: Path, kinds: Collection[str], wanted: str, refusal: type[UserError]
) -> ModelFolder:
    """The folder, if its configuration is of one of ``kinds``.

    Args:
        kinds: each a ``model_type``.
        wanted: what to give instead, for messages.
        refusal: the error to raise.
    """
    if not (path / "config.json").is_file():
        raise refusal(f"{path} has no config.json; {wanted}")
    config = _content(path / "config.json", refusal)
    kind = str(config.get("model_type", ""))
    if kind not in kinds:
        raise refusal(f"{path} is of the kind {kind!r}, which is not supported; {wanted}")
    return ModelFolder(path, kind, config, refusal)


def require_weights(missing: Iterable[str]) -> None:
    """The library fills absent weights at random, and says so in its loading report alone.

    Raises:
        ValueError: there are some; `ModelFolder.in_one_line` makes it the refusal.
    """
    if absent := sorted(missing):
        raise ValueError(f"it lacks {len(absent)} weights, the first is {absent[0]}")


def _content(path: Path, refusal: type[UserError]) -> Mapping[str, Any]:
    try:
        content = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise refusal(f"{path} is broken ({error}); fetch it anew") from error
    return content if isinstance(content, dict) else {}
