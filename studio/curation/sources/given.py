"""How a source is written, without looking at what is there: its place and its name."""

from __future__ import annotations

import re
from itertools import product
from pathlib import Path

from studio.errors import DatasetError

TAR_ENDINGS = (".tar", ".tar.gz", ".tgz")
TABLE_ENDINGS = (".parquet", ".arrow")
ENDINGS = (".zip", *TAR_ENDINGS, *TABLE_ENDINGS)
MOST_SHARDS = 10_000

_HUB = "hf:"
_HUB_NAME = re.compile(
    r"hf:(?P<repo>[\w.-]+/(?P<title>[\w.-]+))(/(?P<subset>[\w.-]+))?"
    r"(@(?P<revision>[\w./-]+))?(:(?P<split>[\w.+:%\[\]-]+))?"
)
_RANGE = re.compile(r"\{(\d+)\.\.(\d+)\}")


def is_on_hub(given: str) -> bool:
    return given.startswith(_HUB)


def hub_name(given: str) -> re.Match[str] | None:
    """The parts of ``hf:owner/name/subset@revision:split``; None where it is written otherwise."""
    return _HUB_NAME.fullmatch(given)


def absolute(given: str) -> str:
    """The source whatever the current folder; a name on the hub stays as it is."""
    return given if is_on_hub(given) else str(Path(given).expanduser().absolute())


def title(given: str) -> str:
    """What a run on this source may be called."""
    name = hub_name(given)
    if name is not None:
        return name["title"]
    file = Path(given).name
    ending = next((e for e in ENDINGS if file.lower().endswith(e)), "")
    return _RANGE.sub("", file[: len(file) - len(ending)])


def shards(given: str) -> list[str]:
    """The files that a pattern such as ``a-{000..003}.tar`` stands for, in order.

    Raises:
        DatasetError: they are too many, or none.
    """
    ranges = [(int(m[1]), int(m[2]), len(m[1])) for m in _RANGE.finditer(given)]
    count = 1
    for first, last, _ in ranges:
        count *= max(0, last - first + 1)
    if not 0 < count <= MOST_SHARDS:
        raise DatasetError(
            f"{given} stands for {count} files; give a range such as {{000..003}}, of at most "
            f"{MOST_SHARDS} files"
        )
    numbers = [[f"{n:0{width}d}" for n in range(first, last + 1)] for first, last, width in ranges]
    return [_filled(given, chosen) for chosen in product(*numbers)]


def first_file(given: str) -> str:
    """One file that is there if the source is: the first of a pattern's, else the source itself."""
    return _RANGE.sub(lambda found: found[1], given)


def _filled(pattern: str, numbers: tuple[str, ...]) -> str:
    left = iter(numbers)
    return _RANGE.sub(lambda _: next(left), pattern)
