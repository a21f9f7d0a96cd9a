"""Text of the user's, shown as it is: most of Streamlit takes text for Markdown."""

from __future__ import annotations

import re

_SIGNS = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~$:&])")


def plain(text: object) -> str:
    """``text`` for a place that takes Markdown: every sign stands for itself, and lines become one.

    File names, prompts, captions and errors come from elsewhere; ``![](http://…)`` among them must
    not become a picture from there.
    """
    return _SIGNS.sub(r"\\\1", " ".join(str(text).split()))
