"""Messages of JSON-RPC 2.0 with the frames of LSP: bytes that came go in, objects come out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from yp2p.errors import UsageError

# Without it an editor that went wrong fills the memory; a text of 4 MiB has at most 24 MiB as JSON in ASCII.
_MAX_MESSAGE_BYTES = 64 << 20
_MAX_HEADER_BYTES = 4 << 10
_LENGTH = b"content-length"


class NotJsonRpc(UsageError):
    """What came is no message; nobody can tell where the next one begins."""


class Frames:
    """Cuts what came into messages."""

    def __init__(self) -> None:
        self._data = bytearray()

    def receive(self, data: bytes) -> Iterator[dict[str, Any]]:
        """The messages that are complete now. Raises NotJsonRpc."""
        self._data += data
        while (end := self._data.find(b"\r\n\r\n")) >= 0:
            size = _size(bytes(self._data[:end]))
            if len(self._data) < end + 4 + size:
                return
            body = bytes(self._data[end + 4 : end + 4 + size])
            del self._data[: end + 4 + size]
            yield _message(body)
        if len(self._data) > _MAX_HEADER_BYTES:
            raise NotJsonRpc(f"a message begins with at most {_MAX_HEADER_BYTES} bytes of headers")


def frame(message: dict[str, Any]) -> bytes:
    """A message as it goes on the wire."""
    body = json.dumps({"jsonrpc": "2.0", **message}, separators=(",", ":")).encode()
    return b"Content-Length: %d\r\n\r\n%s" % (len(body), body)


def _size(headers: bytes) -> int:
    for line in headers.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.strip().lower() == _LENGTH and value.strip().isdigit() and len(value) < 20:
            if int(value) > _MAX_MESSAGE_BYTES:
                raise NotJsonRpc(f"a message has at most {_MAX_MESSAGE_BYTES} bytes, and one of {int(value)} came")
            return int(value)
    raise NotJsonRpc("a message begins with `Content-Length: ` and a number, and two line ends")


def _message(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        raise NotJsonRpc("a message is a JSON object in UTF-8") from None
    if not isinstance(found, dict):
        raise NotJsonRpc("a message is a JSON object")
    return found
