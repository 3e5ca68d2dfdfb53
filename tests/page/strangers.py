"""Requests at the port of the page that nobody may have answered: none at all, from elsewhere, or without a token.

They are sent by a process of another user, where this one may become that. A connection each, a few bytes at a time.
"""

from __future__ import annotations

import base64
import json
import os
import random
import socket
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress

from control.malformed import Malformed

# Who may do nothing.
_NOBODY = 65534
_LIMIT_S, _SOON_S = 5.0, 0.05
_ELSEWHERE = (
    {"host": "rebound.example"}, {"host": "localhost"}, {"origin": "http://evil.example"}, {"origin": "null"},
    {"origin": ""}, {"sec-fetch-site": "cross-site"}, {"sec-fetch-site": "same-site"}, {"sec-fetch-site": ""},
)  # fmt: skip
_METHODS = ("GET", "POST", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE", "CONNECT")


class Strangers:
    """Makes what they send.

    Args:
        routes: paths of the API.
        token: one that is good, which only who is elsewhere shows.
    """

    def __init__(self, seed: int, port: int, routes: Sequence[str], token: str) -> None:
        self._random = random.Random(seed)
        self._malformed = Malformed(seed, routes)
        self._address = f"127.0.0.1:{port}"
        self._routes = (*routes, "/v1/status", "/v1/events", "/v1/devices", "/v1/session/end", "/v1/nothing")
        self._token = token

    def next(self) -> bytes:
        """What is sent on one connection."""
        kinds: tuple[Callable[[], bytes], ...] = (
            self._malformed.next, self._without_token, self._without_token, self._elsewhere, self._elsewhere,
            self._wrong_code, self._live,
        )  # fmt: skip
        return self._random.choice(kinds)()

    def _headers(self) -> dict[str, str]:
        return {"host": self._address, "origin": f"http://{self._address}", "sec-fetch-site": "same-origin"}

    def _without_token(self) -> bytes:
        headers = self._headers()
        said = self._random.choice(("", "Bearer", "Bearer ", "Basic", "Bearer\t", "bearer"))
        secret = self._random.choice(("", "x", self._token[:-1], self._token.swapcase(), self._token + "A", "é" * 9))
        if said:
            headers["authorization"] = f"{said} {secret}"
        return self._request(headers)

    def _elsewhere(self) -> bytes:
        """A token that was stolen is of no use to a page of another origin, which cannot choose these headers."""
        headers = self._headers() | {"authorization": f"Bearer {self._token}"} | self._random.choice(_ELSEWHERE)
        return self._request({name: text for name, text in headers.items() if text})

    def _request(self, headers: dict[str, str], path: str = "") -> bytes:
        method = self._random.choice(_METHODS) if not headers.get("authorization") else "POST"
        body = self._random.choice((b"", b"{}", b'{"folder": "notes"}', self._random.randbytes(300)))
        lines = [f"{method} {path or self._random.choice(self._routes)} HTTP/1.1"]
        lines += [f"{name}: {text}" for name, text in headers.items()]
        return "\r\n".join([*lines, f"content-length: {len(body)}", "", ""]).encode() + body

    def _wrong_code(self) -> bytes:
        code = base64.urlsafe_b64encode(self._random.randbytes(16)).decode()
        body = json.dumps({"code": self._random.choice((code, self._token, "", "x" * 300))}).encode()
        lines = ["POST /v1/session HTTP/1.1", *(f"{name}: {text}" for name, text in self._headers().items())]
        return "\r\n".join([*lines, f"content-length: {len(body)}", "", ""]).encode() + body

    def _live(self) -> bytes:
        headers = {
            **self._headers(), "connection": "Upgrade", "upgrade": "websocket", "sec-websocket-version": "13",
            "sec-websocket-key": base64.b64encode(self._random.randbytes(16)).decode(),
        }  # fmt: skip
        if self._random.random() < 0.5:
            headers |= {"sec-websocket-protocol": f"yp2p, token.{self._token}"} | self._random.choice(_ELSEWHERE[:4])
        else:
            headers["sec-websocket-protocol"] = self._random.choice(("yp2p", "yp2p, token.", f"token.{self._token}"))
        lines = [f"GET {self._random.choice(('/v1/y/notes/a.md', '/v1/documents?path=/a'))} HTTP/1.1"]
        lines += [f"{name}: {text}" for name, text in headers.items()]
        return "\r\n".join([*lines, "", ""]).encode() + self._random.randbytes(self._random.randrange(80))


def flood(count: int, seed: int, port: int, routes: Sequence[str], token: str) -> Counter[str]:
    """Send so many from a process of another user; gives what was answered, by the first line, and how often."""
    into, out = os.pipe()
    process = os.fork()
    if not process:
        with suppress(BaseException):
            os.close(into)
            if os.geteuid() == 0:
                os.setgroups([])
                os.setgid(_NOBODY)
                os.setuid(_NOBODY)
            found = _send_all(count, Strangers(seed, port, routes, token), port)
            with open(out, "w") as file:
                json.dump({"answers": found, "user": os.geteuid()}, file)
        os._exit(0)
    os.close(out)
    with open(into) as file:
        said = file.read()
    os.waitpid(process, 0)
    answer = json.loads(said)
    assert answer["user"] != 0, "it has to be another user"
    return Counter(answer["answers"])


def _send_all(count: int, strangers: Strangers, port: int) -> Counter[str]:
    found = Counter[str]()
    for number in range(count):
        with socket.create_connection(("127.0.0.1", port), _LIMIT_S) as connection:
            answer = b""
            with suppress(ConnectionError, TimeoutError):
                connection.sendall(strangers.next())
                if number % 20:
                    connection.shutdown(socket.SHUT_WR)
                else:
                    connection.settimeout(_SOON_S)  # it goes without a word
                while part := connection.recv(65536):
                    answer += part
        found[answer.partition(b"\r\n")[0].decode("latin-1")] += 1
    return found
