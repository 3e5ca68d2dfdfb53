"""The server of the local sockets: what is asked is answered whole, what is no request is refused, and both bounded."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest
import structlog.testing
import trio
import trio.testing

from yp2p.control import server
from yp2p.control.answers import Answer, Send
from yp2p.control.requests import Nothing, Request
from yp2p.control.routes import Route, Routes, get_route, post_route
from yp2p.control.server import ANYBODY, LOCAL, Connection, serve_anybody, serve_local
from yp2p.control.socket import bind_control_socket

_GET = b"GET /v1/a HTTP/1.1\r\nhost: x\r\n\r\n"


class _Asked(msgspec.Struct, forbid_unknown_fields=True):
    text: str = ""


class _Handlers:
    """What is asked, and how far it came."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.begun, self.go_on = trio.Event(), trio.Event()
        self.ended = ""

    async def get(self, request: Request) -> Any:
        self.asked.append(request.query)
        return {"a": 1}

    async def post(self, wanted: _Asked) -> Any:
        self.asked.append(wanted.text)
        return {"size": len(wanted.text)}

    async def slow(self, wanted: Nothing) -> Any:
        self.begun.set()
        try:
            await self.go_on.wait()
            self.ended = "done"
        except trio.Cancelled:
            self.ended = "cancelled"
            raise
        return {}

    async def stream(self, request: Request) -> Any:
        async def send_all(send: Send) -> None:
            for number in range(3):
                await send(b"%d\n" % number)

        return Answer(media_type="text/plain", stream=send_all)

    def routes(self) -> Routes:
        found: list[Route] = [
            get_route("/v1/a", self.get),
            post_route("/v1/b", _Asked, self.post),
            post_route("/v1/slow", Nothing, self.slow),
            post_route("/v1/waits", Nothing, self.slow, ends_with_client=True),
            get_route("/v1/stream", self.stream),
        ]
        return Routes(found)


class _Client:
    """The other end of one connection."""

    def __init__(self, stream: Any) -> None:
        self.stream = stream
        self.rest = b""

    async def read_until(self, mark: bytes) -> bytes:
        while mark not in self.rest:
            part = await self.stream.receive_some()
            assert part, f"the connection ended after {self.rest!r}"
            self.rest += part
        found, _, self.rest = self.rest.partition(mark)
        return found

    async def answer(self) -> tuple[int, dict[str, str], bytes]:
        """The next one; of a stream the head alone."""
        first, *lines = (await self.read_until(b"\r\n\r\n")).decode().split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines)
        size = int(headers.get("content-length", "0"))
        while len(self.rest) < size:
            self.rest += await self.stream.receive_some()
        body, self.rest = self.rest[:size], self.rest[size:]
        return int(first.split()[1]), headers, body

    async def end(self) -> bytes:
        """What still comes until the connection ends."""
        while part := await self.stream.receive_some():
            self.rest += part
        return self.rest


@asynccontextmanager
async def _connected(routes: Routes) -> AsyncIterator[_Client]:
    ours, theirs = trio.testing.memory_stream_pair()
    async with trio.open_nursery() as nursery:

        async def serve() -> None:
            with suppress(trio.BrokenResourceError):  # whoever has the connection knows that it went
                await Connection(theirs, routes).serve()
            await theirs.aclose()

        nursery.start_soon(serve)
        yield _Client(ours)
        nursery.cancel_scope.cancel()


def _post(path: str, body: bytes, *headers: str) -> bytes:
    head = "".join(
        f"{one}\r\n" for one in (f"POST {path} HTTP/1.1", "host: x", f"content-length: {len(body)}", *headers)
    )
    return f"{head}\r\n".encode() + body


async def test_one_connection_has_many_requests_whatever_the_chunks_are() -> None:
    handlers = _Handlers()
    asked = _GET + _post("/v1/b", b'{"text": "abc"}') + b"GET /v1/a?b=c HTTP/1.1\r\nhost: x\r\n\r\n"
    async with _connected(handlers.routes()) as client, trio.open_nursery() as nursery:
        nursery.start_soon(_trickle, client, asked)
        answers = [await client.answer() for _ in range(3)]
    assert [status for status, _, _ in answers] == [200, 200, 200]
    assert [json.loads(body) for _, _, body in answers] == [{"a": 1}, {"size": 3}, {"a": 1}]
    assert handlers.asked == ["", "abc", "b=c"]
    assert {"yp2p-api", "yp2p-version"} <= answers[0][1].keys()


async def _trickle(client: _Client, data: bytes) -> None:
    for byte in data:
        await client.stream.send_all(bytes([byte]))


@pytest.mark.parametrize(
    ("said", "status"),
    [
        pytest.param(b"\x00" * 100, 400, id="zeros"),
        pytest.param(b"\x16\x03\x01\x02\x00" + bytes(range(200)), 400, id="TLS"),
        pytest.param(b"GET /v1/a HTTP/1.1\r\n\r\n", 400, id="no host"),
        pytest.param(b"G\xe9T /v1/a HTTP/1.1\r\nhost: x\r\n\r\n", 400, id="a method of no letters"),
        pytest.param(b"GET /v1/\xff HTTP/1.1\r\nhost: x\r\n\r\n", 400, id="a path that is not ASCII"),
        pytest.param(b"GET /v1/a HTTP/1.1\r\nhost: x\r\nno colon\r\n\r\n", 400, id="a header without a colon"),
        pytest.param(b"GET /v1/a HTTP/1.1\r\nhost: x\r\na: " + b"b" * 100_000 + b"\r\n\r\n", 431, id="a long header"),
        pytest.param(b"GET /" + b"b" * 100_000 + b" HTTP/1.1\r\nhost: x\r\n\r\n", 431, id="a long path"),
        pytest.param(_post("/v1/b", b"", "content-length: 5"), 400, id="two lengths"),
        pytest.param(_post("/v1/b", b"{}", "transfer-encoding: gzip"), 501, id="an encoding that nobody knows"),
        pytest.param(b"POST /v1/b HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n", 400, id="a length below zero"),
        pytest.param(
            b"POST /v1/b HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n", 400, id="no chunk"
        ),
        pytest.param(_post("/v1/b", b"x" * 70_000), 413, id="a long body"),
        pytest.param(_post("/v1/b", b"{"), 400, id="half of JSON"),
        pytest.param(b"GET /v1/nothing HTTP/1.1\r\nhost: x\r\n\r\n", 404, id="no such route"),
        pytest.param(b"GET http://x/v1/a HTTP/1.1\r\nhost: x\r\n\r\n", 404, id="a whole URL"),
        pytest.param(b"CONNECT x:1 HTTP/1.1\r\nhost: x\r\n\r\n", 404, id="a proxy"),
        pytest.param(b"DELETE /v1/a HTTP/1.1\r\nhost: x\r\n\r\n", 405, id="another method"),
        pytest.param(b"HEAD /v1/a HTTP/1.1\r\nhost: x\r\n\r\n", 405, id="HEAD"),
    ],
)  # fmt: skip
async def test_what_is_no_request_is_refused_with_a_sentence(said: bytes, status: int) -> None:
    handlers = _Handlers()
    with structlog.testing.capture_logs() as logs:
        async with _connected(handlers.routes()) as client:
            await client.stream.send_all(said)
            await client.stream.send_eof()
            if said.startswith(b"HEAD"):
                head = await client.read_until(b"\r\n\r\n")
                assert head.startswith(b"HTTP/1.1 405 ")
                assert await client.end() == b""
            else:
                found, headers, body = await client.answer()
                assert (found, json.loads(body)["exit_code"]) == (status, 2), body
                assert headers["content-type"] == "application/json"
                assert await client.end() == b""
    assert handlers.asked == []
    assert logs == []


async def test_nothing_and_half_a_request_end_after_some_seconds(autojump_clock: trio.testing.MockClock) -> None:
    for said in (b"", _GET, b"GET /v1/a HT", _post("/v1/b", b"{}" + b" " * 98)[:-1]):
        async with _connected(_Handlers().routes()) as client:
            await client.stream.send_all(said)
            started = trio.current_time()
            ends = await client.end()
        assert 5 < trio.current_time() - started < 60
        expected = {b"": b"", _GET: b"HTTP/1.1 200 "}.get(said, b"HTTP/1.1 408 ")
        assert ends.startswith(expected)
        assert ends.count(b"HTTP/1.1") == bool(said)


@pytest.mark.parametrize(("path", "ended"), [("/v1/slow", "done"), ("/v1/waits", "cancelled")])
async def test_what_was_asked_is_done_though_nobody_waits_unless_it_only_waits(path: str, ended: str) -> None:
    handlers = _Handlers()
    async with _connected(handlers.routes()) as client:
        await client.stream.send_all(_post(path, b"{}"))
        await handlers.begun.wait()
        await client.stream.aclose()
        await trio.testing.wait_all_tasks_blocked()
        handlers.go_on.set()
        await trio.testing.wait_all_tasks_blocked()
    assert handlers.ended == ended


@pytest.mark.parametrize(("version", "mark"), [("1.0", b"0\n1\n2\n"), ("1.1", b"2\r\n2\n\r\n0\r\n\r\n")])
async def test_a_stream_ends_so_that_the_reader_knows(version: str, mark: bytes) -> None:
    async with _connected(_Handlers().routes()) as client:
        await client.stream.send_all(f"GET /v1/stream HTTP/{version}\r\nhost: x\r\n\r\n".encode())
        status, _, _ = await client.answer()
        await client.read_until(mark)
        assert status == 200
        if version == "1.1":
            await client.stream.send_all(_GET)
            assert (await client.answer())[0] == 200
        else:
            assert await client.end() == b""


@asynccontextmanager
async def _nobody_reads(path: str, *, is_public: bool) -> AsyncIterator[tuple[_Client, trio.Event]]:
    """A connection over which nothing is sent before it is read, and the event that the daemon has given it up."""
    ours, theirs = trio.testing.lockstep_stream_pair()
    gone = trio.Event()
    async with trio.open_nursery() as nursery:

        async def serve() -> None:
            try:
                await Connection(theirs, _Handlers().routes(), ANYBODY if is_public else LOCAL).serve()
            except* trio.BrokenResourceError:
                gone.set()

        nursery.start_soon(serve)
        client = _Client(ours)
        await ours.send_all(f"GET {path} HTTP/1.1\r\nhost: x\r\n\r\n".encode())
        yield client, gone
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("is_public", [False, True])
async def test_who_does_not_read_the_answer_is_given_up(
    is_public: bool, autojump_clock: trio.testing.MockClock
) -> None:
    async with _nobody_reads("/v1/a", is_public=is_public) as (_, gone):
        with trio.fail_after(60):
            await gone.wait()
        assert trio.current_time() > 5


@pytest.mark.parametrize("is_public", [False, True])
async def test_who_does_not_read_a_stream_is_given_up_unless_it_is_our_own_program(
    is_public: bool, autojump_clock: trio.testing.MockClock
) -> None:
    """What is slower than events happen is told what it missed, however slow it is."""
    async with _nobody_reads("/v1/stream", is_public=is_public) as (client, gone):
        await client.answer()
        with trio.move_on_after(60):
            await gone.wait()
        assert gone.is_set() == is_public
        if not is_public:
            await client.read_until(b"0\r\n\r\n")


async def test_who_asks_whether_to_go_on_is_told_so() -> None:
    async with _connected(_Handlers().routes()) as client:
        whole = _post("/v1/b", b'{"text": "x"}', "expect: 100-continue")
        await client.stream.send_all(whole[:-13])
        assert (await client.read_until(b"\r\n\r\n")).startswith(b"HTTP/1.1 100 ")
        await client.stream.send_all(whole[-13:])
        assert (await client.answer())[0] == 200


# --- over a real socket --------------------------------------------------------------------------------------------


@asynccontextmanager
async def _served(base: Path, routes: Routes) -> AsyncIterator[Path]:
    path = base / "control.sock"
    with bind_control_socket(path) as sock:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(serve_local, routes, sock)
            yield path
            nursery.cancel_scope.cancel()


async def test_so_many_connections_are_served_and_the_next_one_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "_MAX_CONNECTIONS", 3)
    async with _served(tmp_path, _Handlers().routes()) as path:
        open_: list[_Client] = []
        for number in range(5):
            open_.append(_Client(await trio.open_unix_socket(str(path))))
            await open_[-1].stream.send_all(_GET)
            status, _, body = await open_[-1].answer()
            assert status == (200 if number < 3 else 503), body
        await open_[0].stream.aclose()
        await trio.testing.wait_all_tasks_blocked(0.05)
        last = _Client(await trio.open_unix_socket(str(path)))
        await last.stream.send_all(_GET)
        assert (await last.answer())[0] == 200
        for client in (*open_, last):
            await client.stream.aclose()


async def test_of_strangers_there_are_few_and_each_has_one_answer() -> None:
    handlers = _Handlers()
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port = sock.getsockname()[1]
        async with trio.open_nursery() as nursery:
            nursery.start_soon(serve_anybody, handlers.routes(), sock)
            async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
                one = _Client(stream)
                await one.stream.send_all(_GET * 1000)
                status, headers, body = await one.answer()
                assert (status, headers["connection"], json.loads(body)) == (200, "close", {"a": 1})
                with trio.fail_after(60):
                    assert await one.end() == b""
            assert handlers.asked == [""]
            silent = [await trio.open_tcp_stream("127.0.0.1", port) for _ in range(8)]
            await trio.testing.wait_all_tasks_blocked(0.05)
            async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
                ninth = _Client(stream)
                await ninth.stream.send_all(_GET)
                status, _, body = await ninth.answer()
                assert (status, b"8 programs are connected already" in body) == (503, True)
            for stream in silent:
                await stream.aclose()
            nursery.cancel_scope.cancel()


_OTHER_USER = """
import os, socket, sys
os.setgid(12345); os.setuid(12345)
sock = socket.socket(socket.AF_UNIX); sock.connect(sys.argv[1])
sock.sendall(b"GET /v1/a HTTP/1.1\\r\\nhost: x\\r\\n\\r\\n"); sock.shutdown(socket.SHUT_WR)
said = b""
while part := sock.recv(4096): said += part
print(said.decode())
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
async def test_another_user_is_refused_whatever_the_mode_of_the_socket_is(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    handlers = _Handlers()
    name = f"\0yp2p-test-{os.getpid()}"  # in no directory: everybody may connect
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(name)
        sock.listen()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(serve_local, handlers.routes(), sock)
            program = _OTHER_USER.replace("sys.argv[1]", repr(name))
            done = await trio.run_process(
                [sys.executable, "-c", program], capture_stdout=True, stdin=subprocess.DEVNULL
            )
            async with await _connect(name) as stream:
                own = _Client(stream)
                await own.stream.send_all(_GET)
                assert (await own.answer())[0] == 200
            nursery.cancel_scope.cancel()
    assert done.stdout.startswith(b"HTTP/1.1 403 ")
    assert b"another user" in done.stdout
    assert handlers.asked == [""]


async def _connect(name: str) -> trio.SocketStream:
    sock = trio.socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    await sock.connect(name)
    return trio.SocketStream(sock)
