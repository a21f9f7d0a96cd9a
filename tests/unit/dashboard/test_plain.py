from __future__ import annotations

import pytest

from studio.dashboard.parts.plain import plain

HOSTILE = [
    "![x](http://evil.example/a.png)",
    "[click](javascript:alert(1))",
    "<img src=x onerror=alert(1)>",
    "http://evil.example",
    "`code` *bold* _it_ ~~gone~~ # title",
    ":material/delete: :red[hot] $x^2$",
    "a|b\n\n- list\n1. one\n> quote",
    "&lt;b&gt;",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_every_sign_stands_for_itself(text: str) -> None:
    shown = plain(text)
    assert "\n" not in shown
    assert shown.replace("\\", "") == " ".join(text.split())
    for at, sign in enumerate(shown):
        if sign in "*_`[]()<>#|~$!:&":
            assert shown[at - 1] == "\\", f"{sign} of {shown} is bare"


def test_ordinary_text_stays_readable() -> None:
    assert plain("a red fox") == "a red fox"
    assert plain(3) == "3"
