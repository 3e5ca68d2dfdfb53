"""What a program is told when it is refused: the reason, and whether to come back."""

from __future__ import annotations

from http import HTTPStatus

from yp2p.errors import FileGone, OtherFile, UsageError
from yp2p.programs.websocket import Close, WebSocket, WebSocketClosed
from yp2p.protocol.channel import Denied, encode


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


def rejection(socket: WebSocket, target: str) -> bytes:
    """The answer to a connection that asks for no live document; nothing where nothing was asked for."""
    if socket.request is None:
        return b"" if not socket.has_begun else socket.reject(HTTPStatus.BAD_REQUEST, "this is no HTTP request")
    method, asked_for = socket.request
    if method != "GET":
        return socket.reject(HTTPStatus.METHOD_NOT_ALLOWED, f"a WebSocket is asked for with GET, and not with {method}")
    if asked_for.partition("?")[0] != target:
        return socket.reject(HTTPStatus.NOT_FOUND, f"there is only {target}?path=PATH here, and no {asked_for[:200]}")
    reason = str(socket.closed) if socket.closed is not None else "the request is not whole"
    return socket.reject(HTTPStatus.BAD_REQUEST, f"{target} is a WebSocket: {reason}")
