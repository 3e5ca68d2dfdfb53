"""The routes of the local API: the one table of what can be asked, which `docs/api.md` is made of.

A handler's docstring is what the document says of its route: what it does, and behind `Answer:` what it answers.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import msgspec
import trio

from yp2p.control.answers import Answer, Endpoint, endpoint, error_answer
from yp2p.control.requests import Request, request_of
from yp2p.control.versions import VERSION_HEADER, no_such_request
from yp2p.programs.websocket import WebSocket

# A request is a path and a code; more is a mistake.
_MAX_BODY_BYTES = 64 << 10

_Wanted = TypeVar("_Wanted", bound=msgspec.Struct)
LiveEnd = Callable[[trio.SocketStream, WebSocket], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Route:
    """What can be asked.

    Attributes:
        kind: the struct of its body, of a GET that of its query; None where it has neither.
        answer: gives the answer; None where it is a WebSocket.
        live: serves a WebSocket that was asked for, to its end.
        about: what the documentation says of it.
        is_beginning: whether every path that begins with `path` is meant.
        ends_with_client: it only waits, so that it ends when whoever asked has gone.
    """

    method: str
    path: str
    about: str
    kind: type[msgspec.Struct] | None = None
    answer: Endpoint | None = None
    live: LiveEnd | None = None
    is_beginning: bool = False
    ends_with_client: bool = False
    max_body_bytes: int = _MAX_BODY_BYTES


def post_route(
    path: str,
    kind: type[_Wanted],
    handle: Callable[[_Wanted], Awaitable[Any]],
    *,
    ends_with_client: bool = False,
    max_body_bytes: int = _MAX_BODY_BYTES,
) -> Route:
    """A POST to this path, whose body is decoded and checked as this kind of struct."""

    async def answer(request: Request) -> Any:
        return await handle(request_of(request, kind))

    return Route(
        "POST", path, _about(handle), kind, endpoint(answer),
        ends_with_client=ends_with_client, max_body_bytes=max_body_bytes,
    )  # fmt: skip


def get_route(
    path: str, handle: Callable[[Request], Awaitable[Any]], kind: type[msgspec.Struct] | None = None
) -> Route:
    """A GET of this path; `kind` says what its query may have, and the handler decodes it."""
    return Route("GET", path, _about(handle), kind, endpoint(handle))


def live_route(path: str, serve: LiveEnd, *, is_beginning: bool = False) -> Route:
    """A WebSocket at this path, or at every path that begins so."""
    return Route("GET", path, _about(serve), live=serve, is_beginning=is_beginning)


def _about(handle: Callable[..., Any]) -> str:
    return inspect.getdoc(handle) or ""


class Finder(Protocol):
    """Who knows what can be asked on a connection."""

    def find(self, request: Request) -> Route | Answer:
        """The route of a request, of which the body is still to come, or the answer that there is none for it."""


class Routes:
    """Those of one socket.

    Args:
        also: what else to say to a request that none of them is.
    """

    def __init__(self, routes: Iterable[Route], also: str = "") -> None:
        self.all: Sequence[Route] = tuple(routes)
        self._also = also
        self._at: dict[str, dict[str, Route]] = {}
        for route in self.all:
            self._at.setdefault(route.path, {})[route.method] = route

    def find(self, request: Request) -> Route | Answer:
        """The route of a request, or the answer that there is none."""
        at_path = self._at.get(request.path) or self._at_beginning(request.path)
        route = at_path.get(request.method)
        if route is not None:
            return route
        text = no_such_request(request.method, request.path, request.headers.get(VERSION_HEADER, ""))
        if not at_path:
            return error_answer(f"{text}{self._also}", 2, 404)
        allowed = ", ".join(sorted(at_path))
        refusal = error_answer(f"{text}; there is {allowed} of it", 2, 405)
        return Answer(refusal.body, refusal.status, headers=(("allow", allowed),))

    def _at_beginning(self, path: str) -> dict[str, Route]:
        return {route.method: route for route in self.all if route.is_beginning and path.startswith(route.path)}
