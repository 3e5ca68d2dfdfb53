"""The messages of a WebSocket (RFC 6455), without I/O: bytes that came go in, messages come out."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Ping,
    RejectConnection,
    Request,
    TextMessage,
)
from wsproto.utilities import LocalProtocolError, RemoteProtocolError

# Without it a client fills the memory with one message that never ends: a whole document with its history has room.
MAX_MESSAGE_BYTES = 64 << 20
_UNSUPPORTED, _TOO_LARGE = 1003, 1009  # close codes, section 7.4.1


class WebSocketClosed(Exception):
    """The connection is over; `code` and the text are what the other end said, 1006 and nothing where it just went."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code


class WebSocket:
    """One end of a connection."""

    def __init__(self, kind: ConnectionType) -> None:
        self._protocol = WSConnection(kind)
        self._parts: list[bytes] = []
        self._size = 0
        self.messages: deque[bytes] = deque()
        self.target: str | None = None  # what the client asked for, once it did
        self.headers: dict[bytes, bytes] = {}  # what the server said beside that it accepts
        self.is_open = False
        self.closed: WebSocketClosed | None = None
        self.to_send = b""  # what the protocol has to say by itself

    def ask(self, target: str) -> bytes:
        """What a client says first."""
        return self._protocol.send(Request(host="localhost", target=target))

    def accept(self, headers: Sequence[tuple[bytes, bytes]] = ()) -> bytes:
        self.is_open = True
        return self._protocol.send(AcceptConnection(extra_headers=list(headers)))

    def message(self, data: bytes) -> bytes:
        """One message as it goes on the wire. Raises WebSocketClosed."""
        try:
            return self._protocol.send(BytesMessage(data))
        except LocalProtocolError:
            raise self.closed or WebSocketClosed(1006, "") from None

    def close(self, code: int, reason: str) -> bytes:
        """The end, as it goes on the wire; nothing where the end was said already."""
        try:
            return self._protocol.send(CloseConnection(code, reason))
        except LocalProtocolError:
            return b""

    def receive(self, data: bytes) -> None:
        """Take what came; no bytes are the end."""
        try:
            self._protocol.receive_data(data or None)
            for event in self._protocol.events():
                self._take(event)
        except RemoteProtocolError as error:
            self.closed = self.closed or WebSocketClosed(1006, str(error))
        if not data and self.closed is None:
            self.closed = WebSocketClosed(1006, "")

    def _take(self, event: object) -> None:
        match event:
            case Request():
                self.target = event.target
            case AcceptConnection():
                self.headers = {bytes(name).lower(): bytes(value) for name, value in event.extra_headers}
                self.is_open = True
            case RejectConnection():
                self.closed = WebSocketClosed(1006, "the connection was refused")
            case BytesMessage():
                self._take_part(bytes(event.data), is_last=event.message_finished)
            case TextMessage():
                self._refuse(_UNSUPPORTED, "messages are binary")
            case Ping() if self.closed is None:
                self.to_send += self._protocol.send(event.response())
            case CloseConnection():
                self.closed = self.closed or WebSocketClosed(event.code, event.reason or "")

    def _take_part(self, part: bytes, *, is_last: bool) -> None:
        self._size += len(part)
        if self._size > MAX_MESSAGE_BYTES:
            self._refuse(_TOO_LARGE, f"a message has more than {MAX_MESSAGE_BYTES} bytes")
            return
        self._parts.append(part)
        if is_last:
            self.messages.append(b"".join(self._parts))
            self._parts, self._size = [], 0

    def _refuse(self, code: int, reason: str) -> None:
        if self.closed is None:
            self.to_send += self.close(code, reason)
            self.closed = WebSocketClosed(code, reason)
