"""Calling the daemon: what the command line needs of the local API, with nothing but the standard library."""

from __future__ import annotations

import http.client
import json
import re
import socket
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlencode

from yp2p import __version__
from yp2p.control.socket import connect_control_socket
from yp2p.control.versions import RESTART, VERSION_HEADER, difference
from yp2p.errors import EXIT_CODES, NotRunning, YpError

# What is answered where the daemon knows no such request, or knows it otherwise.
_UNKNOWN = (400, 404, 405)
# What it says of a field that only one of both knows (control/answers.py).
_UNLIKE = re.compile(r"(?:unknown field|missing required field) `([^`]*)`")


class RemoteError(YpError):
    """What the daemon answered instead of a result; carries the exit code of the original error."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code if exit_code in EXIT_CODES else 1  # type: ignore[misc]


class UnixConnection(http.client.HTTPConnection):
    """A connection to the daemon."""

    def __init__(self, path: Path, timeout_s: float | None) -> None:
        super().__init__("localhost", timeout=timeout_s)
        self._path = path

    def connect(self) -> None:
        self.sock = connect_control_socket(self._path, self.timeout)


class _Object(dict[str, Any]):
    """An object of an answer. A daemon of another version may not say what is looked for: that is a sentence, too.

    A copy made with `dict()`, `|` or `**` is no such object any more.
    """

    __slots__ = ("_daemon",)

    def __init__(self, found: dict[str, Any], daemon: str) -> None:
        super().__init__(found)
        self._daemon = daemon

    def __missing__(self, key: str) -> NoReturn:
        raise RemoteError(f"the daemon does not say {key!r}: {_why(self._daemon)}", 1)


def read_answer(data: bytes, daemon: str) -> Any:
    """What a daemon of that version says in JSON. A field that is looked for and is not there is a RemoteError.

    Raises:
        ValueError: it is no JSON.
    """
    return json.loads(data, object_hook=lambda found: _Object(found, daemon))


def _why(daemon: str) -> str:
    """Why a daemon of that version takes and gives other fields, and what to do."""
    return difference(daemon, __version__) or f"the daemon was started before the program was changed; {RESTART}"


def call(socket_path: Path, method: str, path: str, body: Any = None, timeout_s: float | None = None) -> Any:
    """One request to the daemon.

    Args:
        timeout_s: how long to wait for the answer; None waits as long as it takes.

    Raises:
        NotRunning: nobody answers. RemoteError: the daemon says why it could not be done, or is of another version.
    """
    connection = UnixConnection(socket_path, timeout_s)
    try:
        response = ask(connection, method, path, body)
        data = response.read()
    except (OSError, http.client.HTTPException) as error:
        raise not_running() from error
    finally:
        connection.close()
    return _answer(response, data)


def ask(connection: UnixConnection, method: str, path: str, body: Any = None) -> http.client.HTTPResponse:
    """Send a request, and read the head of its answer. Raises OSError, HTTPException."""
    payload = json.dumps(body).encode() if body is not None else None
    connection.request(method, path, payload, {"Content-Type": "application/json", VERSION_HEADER: __version__})
    return connection.getresponse()


def not_running() -> NotRunning:
    """That nobody answers."""
    return NotRunning("no yp2p daemon is running for this home; start one with `yp2p daemon`, or `yp2p up DIR`")


def check(response: http.client.HTTPResponse) -> None:
    """Raises RemoteError: the daemon says why it could not be done. Reads the answer then."""
    if response.status >= 400:
        _answer(response, response.read())


def _answer(response: http.client.HTTPResponse, data: bytes) -> Any:
    """Raises RemoteError."""
    daemon = response.getheader(VERSION_HEADER, "")
    other = difference(daemon, __version__)
    if response.status == 200 and response.getheader("Content-Type", "").startswith("text/plain"):
        return data.decode()
    try:
        answer: Any = read_answer(data, daemon) if data else {}
    except ValueError:
        raise RemoteError("; ".join(filter(None, (_odd(response), other))), 1) from None
    if response.status < 400:
        return answer
    if not isinstance(answer, dict) or not {"error", "exit_code"} <= answer.keys():
        raise RemoteError("; ".join(filter(None, (_odd(response), other))), 1)
    said = str(answer["error"])
    if response.status == 400 and (field := _UNLIKE.search(said)) is not None:
        raise RemoteError(f"the daemon and this command do not agree on {field[1]!r}: {_why(daemon)}", 1)
    if other and response.status in _UNKNOWN and other not in said:
        said = f"{said}; {other}"
    raise RemoteError(said, answer["exit_code"])


def _odd(response: http.client.HTTPResponse) -> str:
    """What came instead of an answer."""
    if response.status in _UNKNOWN:
        return "the daemon does not know this request"
    return f"the daemon gave an answer that is none (HTTP {response.status})"


class EventStream:
    """What happens at the daemon, as events: an iterator over them, to be closed.

    Args:
        query: what `GET /v1/events` takes.

    Raises:
        NotRunning: nobody answers. RemoteError: the daemon says why it could not be done, or is of another version.
    """

    def __init__(self, socket_path: Path, query: Sequence[tuple[str, str]] = ()) -> None:
        self._connection = UnixConnection(socket_path, None)
        target = f"/v1/events?{urlencode(query, errors='surrogateescape')}"
        try:
            self._connection.connect()
            self._socket = self._connection.sock  # the connection forgets it where the answer has no end
            self._response = ask(self._connection, "GET", target)
            check(self._response)
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            raise not_running() from error
        except RemoteError:
            self._connection.close()
            raise

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Until the daemon ends, or `interrupt` is called. An event is an answer (`read_answer`)."""
        daemon = self._response.getheader(VERSION_HEADER, "")
        try:
            for line in self._response:
                if line.startswith(b"data: "):
                    yield read_answer(line.removeprefix(b"data: "), daemon)
        except (OSError, http.client.HTTPException, ValueError):
            pass  # cut off: it ended without a word

    def interrupt(self) -> None:
        """End the iteration that another thread is in."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._response.close()
        self._connection.close()
