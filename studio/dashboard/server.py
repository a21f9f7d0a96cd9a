"""The dashboard's one process: Streamlit's app behind our own door."""

from __future__ import annotations

import logging
import secrets
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import uvicorn
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from streamlit import config
from streamlit.starlette import App

from studio.dashboard import downloads, drawings, here, pictures
from studio.dashboard.access import TokenGate
from studio.dashboard.style import THEME
from studio.dashboard.uncaught import told
from studio.errors import UserError
from studio.workplace.uploads import MAX_UPLOAD_MB
from studio.workplace.workplace import Workplace

SCRIPT = Path(__file__).with_name("app.py")
LOOPBACK = ("127.0.0.1", "localhost", "::1")

OPTIONS: Mapping[str, object] = {
    "server.headless": True,
    "server.fileWatcherType": "none",
    "server.maxUploadSize": MAX_UPLOAD_MB,
    "server.enableXsrfProtection": True,
    "browser.gatherUsageStats": False,
    "client.toolbarMode": "minimal",
    "client.showErrorDetails": "none",
    "runner.magicEnabled": False,
    "global.disableWidgetStateDuplicationWarning": True,  # widgets that an address or a callback sets
    **THEME,
}


def serve(workplace: Workplace, *, host: str, port: int) -> None:
    """Serve until Ctrl-C; prints the address to open.

    Args:
        port: 0 for any that is free.

    Raises:
        UserError: nothing can listen there.
    """
    listener = _listen(host, port)
    port = listener.getsockname()[1]
    token = "" if host in LOOPBACK else secrets.token_urlsafe(24)
    settings = uvicorn.Config(
        app(workplace, token), log_level="warning", access_log=False, ws_max_size=2**28
    )
    print(f"Adapter Studio: {_address(host, port, token)}", flush=True)
    uvicorn.Server(settings).run(sockets=[listener])


def app(workplace: Workplace, token: str = "") -> App:
    """The whole dashboard as an ASGI application; with a token, for those who have it."""
    for name, value in OPTIONS.items():
        config.set_option(name, value)
    logging.getLogger("streamlit").setLevel(logging.ERROR)
    place = here.settle(workplace)

    @asynccontextmanager
    async def closing(_app: App) -> AsyncIterator[dict[str, object]]:
        yield {}
        place.desk.close()

    # Without a token, a page from elsewhere could reach it under a name that it lets point here.
    gate = (
        Middleware(TokenGate, token=token)
        if token
        else Middleware(TrustedHostMiddleware, allowed_hosts=[*LOOPBACK])
    )
    routes = [route for room in (pictures, drawings, downloads) for route in room.routes(workplace)]
    return App(SCRIPT, routes=routes, middleware=[gate], lifespan=closing, on_script_error=told)


def _listen(host: str, port: int) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.create_server((host, port), family=family)
    except OSError as error:
        raise UserError(
            f"cannot listen at {host}, port {port}: {error.strerror}; give another with --port or --host"
        ) from error
    listener.set_inheritable(False)
    return listener


def _address(host: str, port: int, token: str) -> str:
    name = f"[{host}]" if ":" in host else host
    return f"http://{name}:{port}/{'?token=' if token else ''}{token}"
