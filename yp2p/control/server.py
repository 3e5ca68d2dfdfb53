"""The server of the daemon's own sockets: HTTP/1.1 as `h11` reads and writes it, over trio. One for all of them.

Theory of operation
    One task a connection, one request after another. `h11` says what came and what may be sent; here it is decided who
    is answered, how much is read and how long is waited. A body is read whole before its request is carried out, and a
    request is carried out to its end also where whoever asked has gone, or the connection is to end (`Connection.end`):
    half a change is worse than one that nobody hears of. Only the end of the daemon cuts it short. What only waits
    (`Route.ends_with_client`) and what has no end (events) ends with the connection. A WebSocket is handed over with
    its stream.

    On TCP anybody may ask, for metrics alone: few at a time, and each connection has one answer. Who asks at the port
    of the page is looked at there (`page/listener.py`). Nobody who does not read is waited for; only a reader of events
    on the Unix socket may be slow, and is told what it missed.

Invariants
    * Whatever comes on a connection ends that connection at most: `to_its_end` is where it stops.
    * On a Unix socket only the user of this process and root are answered, whatever the mode of the socket is by now.
    * How many connections there are, how long a request is, and the time that it and its answer take on their way are
      bounded.
"""

from __future__ import annotations

import math
import os
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus

import h11
import structlog
import trio
from wsproto import ConnectionType

from yp2p import __version__
from yp2p.control.answers import Answer, error_answer
from yp2p.control.requests import Request
from yp2p.control.routes import Finder, LiveEnd, Route, Routes
from yp2p.control.versions import API, API_HEADER, VERSION_HEADER
from yp2p.programs.websocket import WebSocket

# Each connection is a descriptor and some 20 KiB. A script that leaks them is told so, and the daemon has others left.
_MAX_CONNECTIONS = 256
# On TCP: Prometheus asks once in some seconds.
_MAX_STRANGERS = 8
# Each stays for half a second at most, so that it can read why.
_MAX_REFUSED = 64
# A browser's headers are below 4 KiB; the path of a live document, percent-encoded, has up to 12 KiB.
_MAX_HEAD_BYTES = 32 << 10
# Somebody who connects and says nothing holds one of the connections.
_HEAD_LIMIT_S, _BODY_LIMIT_S = 10.0, 30.0
# So does somebody who asks and reads nothing. It is for a whole answer, and for each piece of one that has no end.
_SEND_LIMIT_S = 30.0
# Of what still comes behind a request that was refused, so that the reason arrives: a reset would overtake it.
_LAST_BYTES, _LAST_LIMIT_S = 1 << 20, 0.5
_RECEIVE_BYTES = 1 << 16
_CREDENTIALS = struct.Struct("3i")  # process, user and group

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Manner:
    """How the connections of a socket are served.

    Attributes:
        headers: what every answer says, where it does not say otherwise itself.
        ends_after_one: a connection has one answer.
        part_limit_s: how long a reader of what has no end is waited for.
    """

    headers: tuple[tuple[str, str], ...] = (
        (API_HEADER, str(API)),
        (VERSION_HEADER, __version__),
        ("cache-control", "no-store"),
    )
    ends_after_one: bool = False
    part_limit_s: float = math.inf


LOCAL, ANYBODY = Manner(), Manner(ends_after_one=True, part_limit_s=_SEND_LIMIT_S)


async def serve_local(routes: Routes, sock: socket.socket) -> None:
    """Answer requests on a Unix socket until cancelled."""
    listener = trio.SocketListener(trio.socket.from_stdlib_socket(sock.dup()))
    await trio.serve_listeners(_Connections(routes).serve, [listener])


async def serve_anybody(routes: Routes, sock: socket.socket) -> None:
    """Answer requests on a TCP socket, whoever they are from, until cancelled."""
    listener = trio.SocketListener(trio.socket.from_stdlib_socket(sock.dup()))
    await trio.serve_listeners(_Connections(routes, is_public=True).serve, [listener])


def _is_allowed(sock: trio.socket.SocketType) -> bool:
    """Whether the program at the other end runs as this user, or as root."""
    found = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    return _CREDENTIALS.unpack(found)[1] in (os.geteuid(), 0)


@asynccontextmanager
async def to_its_end(stream: trio.SocketStream) -> AsyncIterator[None]:
    """Whatever comes on a connection ends that connection, which is closed then, and nothing else."""
    try:
        yield
    except* (trio.BrokenResourceError, trio.ClosedResourceError):
        pass  # it went while something was sent to it
    except* Exception:
        log.exception("connection_failed")
    finally:
        await trio.aclose_forcefully(stream)


class _Connections:
    """Those of one socket.

    Args:
        is_public: whether everybody is answered.
    """

    def __init__(self, routes: Routes, *, is_public: bool = False) -> None:
        self._routes = routes
        self._is_public = is_public
        self._most = _MAX_STRANGERS if is_public else _MAX_CONNECTIONS
        self._open = self._refused = 0

    async def serve(self, stream: trio.SocketStream) -> None:
        """One connection, to its end."""
        async with to_its_end(stream):
            connection = Connection(stream, self._routes, ANYBODY if self._is_public else LOCAL)
            if not self._is_public and not _is_allowed(stream.socket):
                await self._refuse(connection, 403, "this is the daemon of another user; run one as yourself")
            elif self._open >= self._most:
                await self._refuse(connection, 503, f"{self._most} programs are connected already; end one")
            else:
                await self._serve(connection)

    async def _serve(self, connection: Connection) -> None:
        self._open += 1
        try:
            await connection.serve()
        finally:
            self._open -= 1

    async def _refuse(self, connection: Connection, status: int, reason: str) -> None:
        """Say why not; of a flood, to the first ones."""
        if self._refused < _MAX_REFUSED:
            self._refused += 1
            try:
                await connection.refuse(status, reason)
            finally:
                self._refused -= 1


class _Refused(Exception):
    """A request that cannot be carried out; the answer says why."""

    def __init__(self, answer: Answer) -> None:
        super().__init__()
        self.answer = answer


class Connection:
    """One connection, over any stream. `serve` answers what comes on it.

    Args:
        routes: knows what can be asked on it.
    """

    def __init__(self, stream: trio.abc.HalfCloseableStream, routes: Finder, manner: Manner = LOCAL) -> None:
        self._stream = stream
        self._routes = routes
        self._manner = manner
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=_MAX_HEAD_BYTES)
        self._has_body = True  # the next answer
        self._scope = trio.CancelScope()
        self._carries_out = self._is_ending = False

    async def serve(self) -> None:
        """Until the other end has gone, or has said what is no request, or `end` was called."""
        with self._scope:
            try:
                while await self._serve_one():
                    self._http.start_next_cycle()
            except h11.RemoteProtocolError as error:
                await self._answer_last(_no_request(str(error), error.error_status_hint))
            except _Refused as refused:
                await self._answer_last(refused.answer)

    def end(self) -> None:
        """End it now, or as soon as the request that is being carried out is, and answered."""
        self._is_ending = True
        if not self._carries_out:
            self._scope.cancel()

    async def refuse(self, status: int, reason: str) -> None:
        """Answer nothing but that."""
        await self._answer_last(error_answer(reason, 1, status))

    async def _serve_one(self) -> bool:
        """One request; tells whether there may be another one. Raises RemoteProtocolError, _Refused."""
        with trio.move_on_after(_HEAD_LIMIT_S) as scope:
            event = await self._next_event()
        if scope.cancelled_caught:
            if self._http.trailing_data[0]:
                raise _Refused(_no_request(f"it did not end within {_HEAD_LIMIT_S:.0f} s", 408))
            return False  # nothing was asked
        if not isinstance(event, h11.Request):
            return False
        path, _, query = event.target.decode("ascii").partition("?")
        headers = _joined(event.headers)
        request = Request(event.method.decode("ascii"), path, query, headers)
        self._has_body = request.method != "HEAD"
        route = self._routes.find(request)
        if isinstance(route, Answer):
            raise _Refused(route)
        if route.live is not None:
            await self._serve_live(event, route.live)
            return False
        with trio.move_on_after(_BODY_LIMIT_S) as scope:
            body = await self._read_body(route.max_body_bytes)
        if scope.cancelled_caught:
            raise _Refused(_no_request(f"its body did not end within {_BODY_LIMIT_S:.0f} s", 408))
        await self._carry_out(route, Request(request.method, path, query, headers, body))
        if self._manner.ends_after_one:
            await self._end()
        return self._http.our_state is h11.DONE and self._http.their_state is h11.DONE

    async def _next_event(self) -> object:
        while (event := self._http.next_event()) is h11.NEED_DATA:
            if self._http.they_are_waiting_for_100_continue:
                await self._send(h11.InformationalResponse(status_code=100, headers=[]))
            self._http.receive_data(bytes(await self._stream.receive_some(_RECEIVE_BYTES)))
        return event

    async def _read_body(self, most: int) -> bytes:
        body = bytearray()
        while isinstance(event := await self._next_event(), h11.Data):
            body += event.data
            if len(body) > most:
                raise _Refused(error_answer(f"the request is not valid: it has more than {most} bytes", 2, 413))
        return bytes(body)

    # --- answering ----------------------------------------------------------------------------------------------

    async def _carry_out(self, route: Route, request: Request) -> None:
        assert route.answer is not None
        if not route.ends_with_client:
            answer = await self._to_the_end(route.answer(request))
            await (self._answer_last(answer) if self._is_ending else self._answer(answer))
            return
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._cancel_when_gone, nursery.cancel_scope)
            await self._answer(await route.answer(request))
            nursery.cancel_scope.cancel()

    async def _to_the_end(self, answer: Awaitable[Answer]) -> Answer:
        self._carries_out = True
        try:
            return await answer
        finally:
            self._carries_out = False

    async def _cancel_when_gone(self, scope: trio.CancelScope) -> None:
        """Whoever asked says nothing more until it is answered; what comes all the same ends the connection."""
        await self._stream.receive_some(_RECEIVE_BYTES)
        scope.cancel()

    async def _answer(self, answer: Answer, *, is_last: bool = False) -> None:
        said = {name for name, _ in answer.headers}
        own = [header for header in self._manner.headers if header[0] not in said]
        headers = [("content-type", answer.media_type), *own, *answer.headers]
        if is_last or self._manner.ends_after_one:
            headers.append(("connection", "close"))
        if answer.stream is None:
            headers.append(("content-length", str(len(answer.body))))
        reason = HTTPStatus(answer.status).phrase
        head = h11.Response(status_code=answer.status, headers=headers, reason=reason)
        try:
            if answer.stream is None:
                body = [h11.Data(data=answer.body)] if self._has_body else []
                await self._send(head, *body, h11.EndOfMessage())
                return
            await self._send(head)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._cancel_when_gone, nursery.cancel_scope)
                await answer.stream(self._send_part)
                await self._send(h11.EndOfMessage())
                nursery.cancel_scope.cancel()
        finally:
            if answer.after is not None:
                answer.after()

    async def _send_part(self, data: bytes) -> None:
        await self._send(h11.Data(data=data), limit_s=self._manner.part_limit_s)

    async def _send(self, *events: h11.Event, limit_s: float = _SEND_LIMIT_S) -> None:
        """Raises BrokenResourceError, also where it is not read."""
        data = b"".join(self._http.send(event) or b"" for event in events)
        with trio.move_on_after(limit_s) as scope:
            await self._stream.send_all(data)
        if scope.cancelled_caught:
            raise trio.BrokenResourceError(f"what was sent was not read for {limit_s:.0f} s")

    async def _answer_last(self, answer: Answer) -> None:
        """Answer so that it arrives, whatever else was sent, and end the connection."""
        if self._http.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            return
        with trio.move_on_after(_LAST_LIMIT_S):
            await self._answer(answer, is_last=True)
            await self._end()

    async def _end(self) -> None:
        """Say that nothing more comes, and let what was sent arrive."""
        with trio.move_on_after(_LAST_LIMIT_S):
            await self._stream.send_eof()
            left = _LAST_BYTES
            while left > 0 and (data := await self._stream.receive_some(_RECEIVE_BYTES)):
                left -= len(data)

    # --- WebSockets ---------------------------------------------------------------------------------------------

    async def _serve_live(self, request: h11.Request, live: LiveEnd) -> None:
        """Hand the connection over. Raises _Refused."""
        assert isinstance(self._stream, trio.SocketStream)
        websocket = WebSocket(ConnectionType.SERVER)
        head = b"".join(b"%b: %b\r\n" % header for header in request.headers)
        websocket.receive(b"GET %b HTTP/1.1\r\n%b\r\n" % (request.target, head))
        if websocket.target is None:
            reason = str(websocket.closed) if websocket.closed is not None else "the request is not whole"
            path = request.target.partition(b"?")[0].decode("ascii")
            raise _Refused(_no_request(f"{path} is a WebSocket: {reason}", 400))
        if behind := self._http.trailing_data[0]:
            websocket.receive(behind)
        await live(self._stream, websocket)


def _no_request(reason: str, status: int) -> Answer:
    return error_answer(f"this is no HTTP request that can be answered: {reason}", 2, status)


def _joined(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Headers by name; one that is there several times is one with a list (RFC 9110, section 5.3)."""
    found: dict[str, str] = {}
    for name, value in headers:
        key, text = name.decode("ascii"), value.decode("latin-1")
        found[key] = f"{found[key]}, {text}" if key in found else text
    return found
