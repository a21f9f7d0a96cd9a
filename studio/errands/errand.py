"""One errand, and how it stands."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

State = Literal["waiting", "working", "done", "failed"]


@dataclass(frozen=True)
class Errand:
    """What is asked for. Two that are equal are the same errand.

    Attributes:
        kind: of `studio.errands.kinds`.
        arguments: JSON. What the answer depends on belongs here, a file's time of change for one.
    """

    kind: str
    arguments: Mapping[str, Any] = field(hash=False)

    @cached_property
    def key(self) -> str:
        """16 hexadecimal digits that stand for kind and arguments."""
        text = json.dumps([self.kind, self.arguments], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Standing:
    """How an errand stands.

    Attributes:
        title: what is being done, in a few words.
        done, total: of that; total is 0 where it cannot be counted.
        result: what its kind says it returns.
        error: why it failed, one line or one for each of a recipe's problems.
    """

    state: State
    title: str = ""
    done: int = 0
    total: int = 0
    result: Mapping[str, Any] = field(default_factory=dict)
    error: str = ""

    @property
    def is_over(self) -> bool:
        return self.state in ("done", "failed")
