"""Files to take home, by a key: streamed from the disk, for an adapter may be larger than the memory.

A page offers a file and links to where it is; no address holds a path, and what was never offered is
not there.
"""

from __future__ import annotations

import hashlib
import secrets
import threading
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from studio.workplace.workplace import Workplace

MOST_OFFERED = 1000

_salt = secrets.token_bytes(16)
_offered: dict[str, Path] = {}
_lock = threading.Lock()


def download_url(path: Path) -> str:
    """Offer a file; whoever shows the link has made sure that it may be read."""
    key = hashlib.sha256(_salt + str(path).encode()).hexdigest()[:24]
    with _lock:
        _offered.pop(key, None)
        _offered[key] = path
        while len(_offered) > MOST_OFFERED:
            del _offered[next(iter(_offered))]
    return f"/download/{key}"


def routes(_workplace: Workplace) -> list[BaseRoute]:
    return [Route("/download/{key}", _hand_over)]


def _hand_over(request: Request) -> Response:
    with _lock:
        path = _offered.get(request.path_params["key"])
    if path is None or not path.is_file():
        return PlainTextResponse(
            "This file is not offered any more; reload the page that linked to it.", status_code=404
        )
    return FileResponse(
        path,
        filename=path.name,
        headers={"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"},
    )
