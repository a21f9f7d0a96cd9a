"""Drawn pictures by address: the drawing's key, and the picture's number in it.

::

    /drawn/<drawing>/<number>
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from studio.workplace.drawings import drawing
from studio.workplace.workplace import Workplace

# A drawing's key says all that it was drawn with, so what lies there never changes.
_HEADERS = {
    "Cache-Control": "private, max-age=31536000, immutable",
    "X-Content-Type-Options": "nosniff",
}


def drawn_url(key: str, number: int) -> str:
    """Where a page finds a picture of a drawing; they are counted from 0."""
    return f"/drawn/{key}/{number}"


def routes(workplace: Workplace) -> list[BaseRoute]:
    def picture(request: Request) -> Response:
        number: int = request.path_params["number"]
        done = drawing(workplace.errands, request.path_params["key"])
        if done is None or number >= len(done.pictures) or not done.pictures[number].path.is_file():
            return PlainTextResponse("There is no such picture.", status_code=404)
        return FileResponse(done.pictures[number].path, media_type="image/png", headers=_HEADERS)

    return [Route("/drawn/{key}/{number:int}", picture)]
