"""What a program is told when it is refused: the reason, and whether to come back."""

from __future__ import annotations

from yp2p.errors import FileGone, OtherFile, UsageError
from yp2p.programs.websocket import Close, WebSocket, WebSocketClosed
from yp2p.protocol.channel import Denied, encode

READS_ONLY = "this device may only read this folder, so what is typed here is in no file and goes to nobody"


class NotHereYet(UsageError):
    """The text is about to come."""


def _code_of(error: BaseException) -> int:
    match error:
        case WebSocketClosed():
            return error.code
        case OtherFile():
            return Close.OTHER_FILE
        case FileGone():
            return Close.GONE
        case NotHereYet():
            return Close.LATER
        case UsageError():
            return Close.NO_SUCH_TEXT
        case _:
            return Close.WRONG


def refusal(socket: WebSocket, error: BaseException) -> bytes:
    """The reason, whole, and the end. Stock clients log the one and tell by the other whether to come back."""
    try:
        return socket.message(encode(Denied(str(error)))) + socket.close(_code_of(error), str(error))
    except WebSocketClosed:
        return b""
