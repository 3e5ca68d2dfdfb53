"""Calling the daemon: what the command line needs of the local API, with nothing but the standard library."""

from __future__ import annotations

import http.client
import json
from pathlib import Path
from typing import Any

from yp2p.control.socket import connect_control_socket
from yp2p.errors import EXIT_CODES, NotRunning, YpError


class RemoteError(YpError):
    """What the daemon answered instead of a result; carries the exit code of the original error."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code if exit_code in EXIT_CODES else 1  # type: ignore[misc]


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path, timeout_s: float | None) -> None:
        super().__init__("localhost", timeout=timeout_s)
        self._path = path

    def connect(self) -> None:
        self.sock = connect_control_socket(self._path, self.timeout)


def call(socket_path: Path, method: str, path: str, body: Any = None, timeout_s: float | None = None) -> Any:
    """One request to the daemon.

    Args:
        timeout_s: how long to wait for the answer; None waits as long as it takes.

    Raises:
        NotRunning: nobody answers. RemoteError: the daemon says why it could not be done.
    """
    connection = _UnixConnection(socket_path, timeout_s)
    try:
        payload = json.dumps(body).encode() if body is not None else None
        connection.request(method, path, payload, {"Content-Type": "application/json"})
        response = connection.getresponse()
        data = response.read()
    except (OSError, http.client.HTTPException) as error:
        raise NotRunning(
            "no yp2p daemon is running for this home; start one with `yp2p daemon`, or `yp2p up DIR`"
        ) from error
    finally:
        connection.close()
    try:
        answer: Any = json.loads(data) if data else {}
    except ValueError:
        raise RemoteError(f"the daemon answered {response.status} {response.reason}", 1) from None
    if response.status >= 400:
        raise RemoteError(answer["error"], answer["exit_code"])
    return answer
