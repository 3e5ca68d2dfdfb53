"""Asks at the port of the page as a browser does for the page."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class Browser:
    """One that has exchanged the code of an address.

    Args:
        opened: what `/v1/page/open` answered.
    """

    def __init__(self, opened: dict[str, Any]) -> None:
        self.port = int(opened["port"])
        self.token = ""
        status, answer = self.ask("POST", "/v1/session", {"code": opened["url"].partition("#open=")[2]})
        assert status == 200, answer
        self.token = answer["token"]

    def ask(self, method: str, path: str, body: Any = None, *, token: str | None = None) -> tuple[int, Any]:
        """One request; gives the status and the answer."""
        with self.kept() as connection:
            return self.ask_over(connection, method, path, body, token=token)

    @contextmanager
    def kept(self) -> Iterator[http.client.HTTPConnection]:
        """A connection for many requests, as a browser has."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            yield connection
        finally:
            connection.close()

    def ask_over(
        self,
        connection: http.client.HTTPConnection,
        method: str,
        path: str,
        body: Any = None,
        *,
        token: str | None = None,
    ) -> tuple[int, Any]:
        """The same over a connection that was kept."""
        headers = self._headers(self.token if token is None else token)
        connection.request(method, path, json.dumps(body) if body is not None else None, headers)
        response = connection.getresponse()
        data = response.read()
        return response.status, json.loads(data) if response.headers["content-type"] == "application/json" else data

    @contextmanager
    def stream(self, path: str) -> Iterator[Iterator[bytes]]:
        """The lines of an answer that has no end."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port)
        try:
            connection.request("GET", path, None, self._headers(self.token))
            response = connection.getresponse()
            assert response.status == 200, response.read()
            yield iter(response)
        finally:
            connection.close()

    def _headers(self, token: str) -> dict[str, str]:
        address = f"127.0.0.1:{self.port}"
        found = {"Host": address, "Origin": f"http://{address}", "Sec-Fetch-Site": "same-origin"}
        return found | {"Authorization": f"Bearer {token}"} if token else found
