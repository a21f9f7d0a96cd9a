"""Which cameras, scanners and film looks the pictures come from, where their files say so."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from studio.curation.checks.check import SetCheck, SetFindings
from studio.curation.view import View

# Words in a maker's or model's name that only scanners of film and minilabs have.
_SCANNERS = (
    "noritsu", "qss-", "hs-1800", "frontier", "sp-2000", "sp-3000", "sp-500", "coolscan", "ls-50",
    "ls-4000", "ls-5000", "ls-9000", "super coolscan", "flextight", "imacon", "perfection v",
    "gt-x", "opticfilm", "plustek", "reflecta", "pacific image", "primefilm", "pakon", "f135",
    "dimage scan", "canoscan", "scanmate", "pictrostat", "hasselblad x1", "hasselblad x5",
)  # fmt: skip
_FILM_SOFTWARE = (
    "vuescan", "silverfast", "nikon scan", "negative lab pro", "negmaster", "filmlab", "dehancer",
    "film emulator", "filmconvert", "filmpack", "exposure x", "alien skin", "vsco", "color efex",
    "rni films", "mastin", "filmbox", "negadoctor", "epson scan", "flexcolor",
)  # fmt: skip
_SHOWN = 4


class Provenance(SetCheck):
    """Score: share of the pictures whose file names a camera, a scanner or a film program."""

    name = "provenance"

    def examine(self, views: Sequence[View]) -> SetFindings:
        origins = Counter(filter(None, (origin(view) for view in views)))
        if not origins:
            return SetFindings({})
        ranked = sorted(origins.items(), key=lambda item: (-item[1], item[0]))
        named = [f"{count} by {name}" for name, count in ranked]
        silent = len(views) - origins.total()
        more = [f"{len(ranked) - _SHOWN} more devices"] if len(ranked) > _SHOWN else []
        unknown = [f"{silent} of unknown origin"] if silent else []
        message = ", ".join([*named[:_SHOWN], *more, *unknown])
        share = origins.total() / len(views)
        return SetFindings({}, (self.finding("info", share, 0, message, origins=named),))


def origin(view: View) -> str:
    """Camera, scanner or program in words; empty where the file is silent."""
    camera, software = view.facts.camera, view.facts.software
    if _has(camera, _SCANNERS):
        return f"{camera} (a film scanner)"
    if _has(software, _FILM_SOFTWARE):
        return (
            f"{camera} with {software} (film software)" if camera else f"{software} (film software)"
        )
    return camera


def _has(text: str, words: Sequence[str]) -> bool:
    return any(word in text.lower() for word in words)
