"""Where pictures may be read from: the roots, and what the studio itself has put somewhere."""

from __future__ import annotations

from studio.user_cache import cache_folder
from studio.workplace.roots import Roots
from studio.workplace.sample_sets import SETS, shipped
from studio.workplace.workplace import Workplace


def picture_roots(workplace: Workplace) -> Roots:
    """The roots, the sample sets that come along, and the cache that archives are unpacked into."""
    unpacked = (cache_folder() / "pictures").resolve()
    samples = shipped(SETS)
    own = (unpacked, *([samples.resolve()] if samples else []))
    return Roots((*workplace.roots.folders, *own))
