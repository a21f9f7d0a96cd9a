"""Pictures by address, so that a page names them and the browser keeps them."""

from __future__ import annotations

from starlette.routing import BaseRoute

from studio.workplace.workplace import Workplace


def routes(_workplace: Workplace) -> list[BaseRoute]:
    return []
