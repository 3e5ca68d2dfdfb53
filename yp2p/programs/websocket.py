"""The messages of a WebSocket (RFC 6455), without I/O: bytes that came go in, messages come out.

What the other end may not say is a `fault`: whoever has the connection tells the reason and closes it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from enum import IntEnum

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
# A client may offer others beside it: a page of a browser can say a token nowhere else, and no answer may have that.
SUBPROTOCOL = "yp2p"
_MAX_REASON_BYTES = 123  # section 5.5: a control frame has 125 bytes, two of them are the code


class Close(IntEnum):
    """Close codes for applications (section 7.4.2), as the clients of Yjs read them: the same numbers as in HTTP.

    With 4400 to 4499 a client does not come back; with any other it tries again, a few times a second.
    """

    WRONG = 4400  # what was sent is in no document of a file
    NO_SUCH_TEXT = 4404
    OTHER_FILE = 4409  # what the client holds is the text of another file
    GONE = 4410  # the file that it had open is another one by now, or no text any more
    TOO_LARGE = 4413
    NOT_BINARY = 4415
    LATER = 4503  # the text is about to come

    @classmethod
    def is_final(cls, code: int) -> bool:
        return 4400 <= code < 4500


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
        self._subprotocol: str | None = None  # the one of those it offered that is spoken
        self.fault: WebSocketClosed | None = None  # why this end has to close
        self.headers: dict[bytes, bytes] = {}  # what the server said beside that it accepts
        self.is_open = False
        self.closed: WebSocketClosed | None = None
        self.to_send = b""  # what the protocol has to say by itself

    def ask(self, target: str) -> bytes:
        """What a client says first."""
        return self._protocol.send(Request(host="localhost", target=target))

    def accept(self, headers: Sequence[tuple[bytes, bytes]] = ()) -> bytes:
        """What a server says first. Browsers go where they offer protocols and none of them is spoken."""
        self.is_open = True
        return self._protocol.send(AcceptConnection(self._subprotocol, extra_headers=list(headers)))

    def message(self, data: bytes) -> bytes:
        """One message as it goes on the wire. Raises WebSocketClosed."""
        try:
            return self._protocol.send(BytesMessage(data))
        except LocalProtocolError:
            raise self.closed or WebSocketClosed(1006, "") from None

    def close(self, code: int, reason: str) -> bytes:
        """The end, as it goes on the wire; nothing where the end was said already. A long reason is cut off."""
        try:
            return self._protocol.send(CloseConnection(code, _short(reason)))
        except LocalProtocolError:
            return b""

    def receive(self, data: bytes) -> None:
        """Take what came; no bytes are the end."""
        try:
            self._protocol.receive_data(data or None)
            for event in self._protocol.events():
                self._take(event)
        except (RemoteProtocolError, UnicodeError) as error:  # UnicodeError: of a host that is no name
            self.closed = self.closed or WebSocketClosed(1006, str(error))
        if not data and self.closed is None:
            self.closed = WebSocketClosed(1006, "")

    def _take(self, event: object) -> None:
        match event:
            case Request():
                self.target = event.target
                self._subprotocol = SUBPROTOCOL if SUBPROTOCOL in event.subprotocols else None
            case AcceptConnection():
                self.headers = {bytes(name).lower(): bytes(value) for name, value in event.extra_headers}
                self.is_open = True
            case RejectConnection():
                self.closed = WebSocketClosed(1006, "the connection was refused")
            case BytesMessage():
                self._take_part(bytes(event.data), is_last=event.message_finished)
            case TextMessage():
                self._refuse(Close.NOT_BINARY, "messages are binary, and a text came")
            case Ping() if self.closed is None:
                self.to_send += self._protocol.send(event.response())
            case CloseConnection():
                self.closed = self.closed or WebSocketClosed(event.code, event.reason or "")

    def _take_part(self, part: bytes, *, is_last: bool) -> None:
        self._size += len(part)
        if self._size > MAX_MESSAGE_BYTES:
            self._refuse(Close.TOO_LARGE, f"a message has at most {MAX_MESSAGE_BYTES} bytes, and a longer one came")
            return
        self._parts.append(part)
        if is_last:
            self.messages.append(b"".join(self._parts))
            self._parts, self._size = [], 0

    def _refuse(self, code: int, reason: str) -> None:
        if self.closed is None:
            self.closed = self.fault = WebSocketClosed(code, reason)


def _short(reason: str) -> str:
    """As many whole words as a close frame has room for."""
    if len(reason.encode(errors="replace")) <= _MAX_REASON_BYTES:
        return reason
    start = reason.encode(errors="replace")[: _MAX_REASON_BYTES - 4].decode(errors="ignore")
    return (start.rpartition(" ")[0] or start) + " ..."
