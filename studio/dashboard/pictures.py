"""Pictures by address, so that a page names them and the browser keeps them.

::

    /picture/<set>/<digest>?look=small      small, large or grain (`studio.workplace.thumbnails`)
    /set-report/<set>                       the whole report on a set, as one file

A picture is found by its content in the set's newest judgement; no address holds a path.
"""

from __future__ import annotations

import threading
from typing import get_args

from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from studio.curation.decode import UnreadableError
from studio.curation.report import write_html
from studio.errors import StudioError
from studio.workplace.picture_roots import picture_roots
from studio.workplace.picture_sets import PictureSets
from studio.workplace.set_folder import SetFolder
from studio.workplace.thumbnails import Look, print_of
from studio.workplace.workplace import Workplace

# What is found by its content never changes.
_FOR_EVER = "private, max-age=31536000, immutable"
_NO_GUESSING = {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "sandbox"}


def picture_url(set_name: str, digest: str, look: Look = "small") -> str:
    """Where a page finds a picture of a set."""
    return f"/picture/{set_name}/{digest}?look={look}"


def report_url(set_name: str) -> str:
    return f"/set-report/{set_name}"


def routes(workplace: Workplace) -> list[BaseRoute]:
    """Plain functions, which Starlette runs in threads: decoding must not hold up the pages."""
    shown = _Shown(workplace)
    return [
        Route("/picture/{set_name}/{digest}", shown.picture),
        Route("/set-report/{set_name}", shown.report),
    ]


class _Shown:
    """Answers for one workplace."""

    def __init__(self, workplace: Workplace) -> None:
        self._sets = PictureSets(workplace)
        self._roots = picture_roots(workplace)
        self._writing = threading.Lock()

    def picture(self, request: Request) -> Response:
        look = request.query_params.get("look", "small")
        if look not in get_args(Look):
            return _nothing()
        digest: str = request.path_params["digest"]
        try:
            judgement = self._sets.judgement(request.path_params["set_name"])
            found = judgement.by_digest.get(digest) if judgement else None
            if judgement is None or found is None:
                return _nothing()
            path = self._roots.allowed(judgement.curated.path_of(found))
            content = print_of(path, digest, look)  # type: ignore[arg-type] # looked at above
        except (StudioError, UnreadableError):
            return _nothing()
        headers = {"Cache-Control": _FOR_EVER, **_NO_GUESSING}
        return Response(content, media_type="image/webp", headers=headers)

    def report(self, request: Request) -> Response:
        name: str = request.path_params["set_name"]
        try:
            place = self._sets.folder(name)
            with self._writing:
                written = _write_report(place)
        except StudioError:
            return _nothing()
        if not written:
            return _nothing()
        return FileResponse(
            place.report_path,
            media_type="text/html",
            filename=f"{name}-report.html",
            headers=_NO_GUESSING,
        )


def _write_report(place: SetFolder) -> bool:
    """The page for the newest judgement, unless it is there already; whether there is a judgement."""
    judgement = place.judgement()
    if judgement is None:
        return False
    page, manifest = place.report_path, place.manifest_path
    if not page.is_file() or page.stat().st_mtime_ns < manifest.stat().st_mtime_ns:
        write_html(judgement.curated, page)
    return True


def _nothing() -> Response:
    return PlainTextResponse("There is no such picture or report.", status_code=404)
