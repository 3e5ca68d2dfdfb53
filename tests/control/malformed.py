"""What is no request: bytes, requests and bodies gone wrong, by a seed. None of them may be carried out.

A body that is JSON has a field that no request has, or is no object: so nothing that it names is done.
"""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Callable, Sequence

# Whose beginning is mutated: asking these is harmless, whatever becomes of their fields.
_HARMLESS = (
    b"GET /v1/status HTTP/1.1\r\nhost: localhost\r\n\r\n",
    b"GET /v1/events?kind=file&since=12 HTTP/1.1\r\nhost: localhost\r\naccept: text/event-stream\r\n\r\n",
    b'POST /v1/history/show HTTP/1.1\r\nhost: localhost\r\ncontent-length: 16\r\n\r\n{"path": "/a/b"}',
    b"POST /v1/history/log HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
    b'10\r\n{"path": "/a/b"}\r\n0\r\n\r\n',
)
_WORDS = (
    b"GET", b"POST", b"HTTP/1.1", b"HTTP/2.0", b"\r\n", b"\r\n\r\n", b"\n", b"\r", b"\0", b": ", b"content-length: -1",
    b"content-length: 99999999999999999999", b"transfer-encoding: chunked", b"transfer-encoding: gzip, chunked",
    b"upgrade: websocket", b"connection: close", b"expect: 100-continue", b"host: ", b"%00", b"%ff", b"..",
    b"/v1/stop?", b"ffffffffffffffff\r\n", b"last-event-id: x", b"\xff\xfe", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
)  # fmt: skip
_MOST_BYTES = 4096


class Malformed:
    """Makes them.

    Args:
        routes: paths of requests with a body.
    """

    def __init__(self, seed: int, routes: Sequence[str]) -> None:
        self._random = random.Random(seed)
        self._routes = routes

    def next(self) -> bytes:
        """What is sent on one connection."""
        kinds: tuple[Callable[[], bytes], ...] = (
            self._noise, self._mutated, self._mutated, self._body, self._body, self._long, self._unknown,
        )  # fmt: skip
        return self._random.choice(kinds)()

    def next_for_programs(self, path: str) -> bytes:
        """The same, for the socket of live documents; `path` is the path of a file there."""
        if self._random.random() < 0.5:
            return self._upgrade(path) + self._frames()
        return self.next()

    def _noise(self) -> bytes:
        return self._random.randbytes(self._random.randrange(_MOST_BYTES))

    def _mutated(self) -> bytes:
        found = bytearray(self._random.choice(_HARMLESS))
        for _ in range(self._random.randrange(1, 6)):
            at = self._random.randrange(len(found) + 1)
            match self._random.randrange(5):
                case 0:
                    found[at : at + 1] = self._random.randbytes(1)
                case 1:
                    del found[at : at + self._random.randrange(1, 20)]
                case 2:
                    found[at:at] = self._random.choice(_WORDS)
                case 3:
                    found[at:at] = found[: self._random.randrange(len(found) + 1)]
                case _:
                    del found[at:]
        return bytes(found[:_MOST_BYTES])

    def _body(self) -> bytes:
        body = self._random.choice((self._no_json, self._no_object, self._other_fields))()
        size = len(body) + self._random.choice((0, 0, 0, 0, -1, 1, 1 << 40))
        path = self._random.choice(self._routes)
        # No body at all is a request: an empty object.
        return b"POST %b HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n%b" % (path.encode(), max(1, size), body)

    def _no_json(self) -> bytes:
        return self._random.choice(
            (b"{", b"[" * 3000, b'{"path": ', b"\xff\xfe{}", b'{"path": "\\ud800"', b"nul", b"{]")
        )

    def _no_object(self) -> bytes:
        found = self._random.choice((None, True, [], [[]], 5, -1e308, "a", [{}] * 9, {"a": 1}.__repr__()))
        return json.dumps(found).encode()

    def _other_fields(self) -> bytes:
        """An object with a field that no request has, beside fields of wrong types."""
        values = (None, True, 10**30, -1.5, "\ud83d", "\0", "x" * 500, [], [["a"]], {"version": "x"}, {})
        names = ("path", "folder", "device", "names", "when", "number", "code", "limit", "at", "steps", "words")
        fields = {name: self._random.choice(values) for name in self._random.sample(names, 4)}
        return json.dumps({"no such field": 1, **fields}).encode()

    def _long(self) -> bytes:
        size = self._random.choice((20_000, 40_000, 100_000))
        return self._random.choice(
            (
                b"GET /%b HTTP/1.1\r\nhost: x\r\n\r\n" % (b"a" * size),
                b"GET /v1/status HTTP/1.1\r\nhost: x\r\na: %b\r\n\r\n" % (b"b" * size),
                b"GET /v1/status HTTP/1.1\r\nhost: x\r\n" + b"c: d\r\n" * (size // 6),
                b"POST /v1/trash HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n%b" % (size, b"e" * size),
            )
        )

    def _unknown(self) -> bytes:
        method = self._random.choice((b"GET", b"HEAD", b"OPTIONS", b"DELETE", b"CONNECT", b"TRACE", b"BREW"))
        name = base64.b64encode(self._random.randbytes(9)).replace(b"+", b"%")
        return b"%b /v1/%b HTTP/1.1\r\nhost: x\r\n\r\n" % (method, name)

    # --- WebSockets ---------------------------------------------------------------------------------------------

    def _upgrade(self, path: str) -> bytes:
        lines = [
            f"GET /v1/documents?path={path} HTTP/1.1".encode(),
            b"host: x",
            b"connection: Upgrade",
            b"upgrade: websocket",
            b"sec-websocket-version: 13",
            b"sec-websocket-key: " + base64.b64encode(self._random.randbytes(16)),
        ]
        if self._random.random() < 0.3:
            del lines[self._random.randrange(1, len(lines))]
        return b"\r\n".join(lines) + b"\r\n\r\n"

    def _frames(self) -> bytes:
        """Frames that are masked, as a client's have to be, with nonsense in them; or nonsense."""
        if self._random.random() < 0.2:
            return self._noise()
        found = b""
        for _ in range(self._random.randrange(1, 4)):
            payload = self._random.randbytes(self._random.randrange(120))
            head = bytes(
                [self._random.choice((0x82, 0x82, 0x82, 0x81, 0x02, 0x80, 0x88, 0x89, 0xF3)), 0x80 | len(payload)]
            )
            found += head + bytes(4) + payload
        return found
