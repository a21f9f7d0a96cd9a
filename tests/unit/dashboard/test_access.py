from __future__ import annotations

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocket, WebSocketDisconnect

from studio.dashboard.access import COOKIE, TokenGate

TOKEN = "a-long-secret"


async def inside(request: Request) -> Response:
    return PlainTextResponse(f"inside {request.url.query}")


async def socket(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.send_text("inside")
    await websocket.close()


@pytest.fixture
def client() -> TestClient:
    routes = [
        Route("/{path:path}", inside, methods=["GET", "PUT", "POST"]),
        WebSocketRoute("/_stcore/stream", socket),
    ]
    app = Starlette(routes=routes, middleware=[Middleware(TokenGate, token=TOKEN)])
    return TestClient(app, follow_redirects=False)


@pytest.mark.parametrize(
    "path", ["/", "/train", "/static/js/a.js", "/media/x.png", "/_stcore/health"]
)
@pytest.mark.parametrize(
    "query", ["", "?token=", "?token=wrong", f"?token={TOKEN}x", f"?TOKEN={TOKEN}"]
)
def test_nothing_is_shown_without_the_token(client: TestClient, path: str, query: str) -> None:
    answer = client.get(path + query)
    assert answer.status_code == 403
    assert "inside" not in answer.text


def test_nothing_is_taken_without_it_either(client: TestClient) -> None:
    assert client.put("/_stcore/upload_file/a/b", content=b"x").status_code == 403
    client.cookies.set(COOKIE, "wrong")
    assert client.post("/").status_code == 403


def test_no_socket_opens_without_it(client: TestClient) -> None:
    with pytest.raises(WebSocketDisconnect), client.websocket_connect("/_stcore/stream"):
        pass


def test_the_token_leaves_the_address_and_becomes_a_cookie(client: TestClient) -> None:
    answer = client.get(f"/train?run=demo&token={TOKEN}")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/train?run=demo"
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    client.cookies.set(COOKIE, TOKEN)
    assert client.get("/train?run=demo").text == "inside run=demo"
    with client.websocket_connect("/_stcore/stream") as opened:
        assert opened.receive_text() == "inside"


@pytest.mark.parametrize(
    "cookie", ["studio-token", "studio-token=", 'studio-token="', "a=b; ;;=", "\xff"]
)
def test_a_broken_cookie_is_none(client: TestClient, cookie: str) -> None:
    answer = client.get("/", headers={"cookie": cookie.encode("latin-1")})
    assert answer.status_code == 403


def test_the_redirect_stays_here(client: TestClient) -> None:
    answer = client.get(f"//evil.example/?token={TOKEN}")
    assert not answer.headers.get("location", "/").startswith("//")
