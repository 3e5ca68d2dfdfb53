"""Routes of the local API whose requests have a body."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import msgspec
from starlette.requests import Request
from starlette.routing import Route

from yp2p.control.answers import endpoint
from yp2p.control.requests import request_of

_Wanted = TypeVar("_Wanted", bound=msgspec.Struct)


def post_route(path: str, kind: type[_Wanted], handle: Callable[[_Wanted], Awaitable[Any]]) -> Route:
    """A POST to this path, whose body is decoded and checked as this kind of struct."""

    async def answer(request: Request) -> Any:
        return await handle(await request_of(request, kind))

    return Route(path, endpoint(answer), methods=["POST"])
