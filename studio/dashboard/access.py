"""Who may come in: whoever knows the token, where the dashboard listens to more than its own machine."""

from __future__ import annotations

import hmac
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qsl, urlencode

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse, RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send

COOKIE = "studio-token"
REFUSED = "Adapter Studio: open the address with its token, as `studio dashboard` printed it."
REFUSED_CODE = 4403


class TokenGate:
    """Stands before every page, file, upload and socket.

    The token comes once, in the address (``?token=…``); it is taken out of it at once, lest it stay in the
    history, and goes into a cookie that scripts cannot read.
    """

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app, self._token = app, token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" or self._is_known(_cookie(scope)):
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": REFUSED_CODE})
        else:
            await self._answer(scope)(scope, receive, send)

    def _answer(self, scope: Scope) -> ASGIApp:
        query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        if not self._is_known(dict(query).get("token")):
            return PlainTextResponse(REFUSED, status_code=403)
        rest = urlencode([(name, value) for name, value in query if name != "token"])
        response = RedirectResponse(f"{scope['path']}{'?' if rest else ''}{rest}", status_code=303)
        response.set_cookie(COOKIE, self._token, httponly=True, samesite="strict")
        return response

    def _is_known(self, given: str | None) -> bool:
        return hmac.compare_digest((given or "").encode(), self._token.encode())


def _cookie(scope: Scope) -> str | None:
    try:
        cookies = SimpleCookie(Headers(scope=scope).get("cookie", ""))
    except CookieError:
        return None
    return cookies[COOKIE].value if COOKIE in cookies else None
