"""What the endpoints of the local API share: answers in JSON, and errors, which always have a reason."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import msgspec
import structlog

from yp2p.control.requests import Request
from yp2p.errors import CrdtPanic, NotShown, YpError, first_of
from yp2p.machine import is_passing, reason

# Sends a piece of an answer that has no end.
Send = Callable[[bytes], Awaitable[None]]

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Answer:
    """What is answered.

    Attributes:
        stream: sends the rest of the body, piece by piece, until it returns or whoever asked has gone.
        after: is called once the answer is out, or cannot be sent.
    """

    body: bytes = b""
    status: int = 200
    media_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()
    stream: Callable[[Send], Awaitable[None]] | None = None
    after: Callable[[], None] | None = None


Endpoint = Callable[[Request], Awaitable[Answer]]


def json_answer(value: Any, status: int = 200, *, after: Callable[[], None] | None = None) -> Answer:
    try:
        body = msgspec.json.encode(value, enc_hook=_plain)
    except (UnicodeEncodeError, TypeError):  # to look at each string first takes thirty times as long
        body = msgspec.json.encode(_printable(value))
    return Answer(body, status, after=after)


def endpoint(handle: Callable[[Request], Awaitable[Any]]) -> Endpoint:
    """Answer with what `handle` gives, as JSON unless it is an answer; with an error where it raises one of ours."""

    async def answer(request: Request) -> Answer:
        try:
            value = await handle(request)
            return value if isinstance(value, Answer) else json_answer(value)
        except Exception as error:
            return _refusal(first_of(error) if isinstance(error, ExceptionGroup) else error, request)

    return answer


def _refusal(error: BaseException, request: Request) -> Answer:
    """The answer to a request that failed. The one place where a fault of ours in a request stops, and is logged."""
    match error:
        case NotShown():
            return error_answer(str(error), error.exit_code, 409)
        case YpError():
            return error_answer(str(error), error.exit_code, 422)
        case CrdtPanic():
            return error_answer(f"the CRDT library failed: {error}; nothing was changed", 1, 422)
        case OSError() if is_passing(error):
            place = f"{error.filename}: " if error.filename else ""
            return error_answer(f"this machine does not allow it now: {place}{reason(error)}; then try again", 1, 422)
        case msgspec.ValidationError() | msgspec.DecodeError():
            return error_answer(f"the request is not valid: {error}", 2, 400)
        case _:
            log.error("request_failed", request=request.path, exc_info=error)
            fault = f"{type(error).__name__}: {error}"
            return error_answer(f"the daemon failed at {request.path}, and its log says where: {fault}", 1, 500)


def error_answer(text: str, exit_code: int, status: int) -> Answer:
    """An error as every client of the API reads it."""
    return json_answer({"error": text, "exit_code": exit_code}, status)


def _plain(value: Any) -> str:
    """A value from the environment is of a class of text. Raises NotImplementedError: it is something else."""
    if isinstance(value, str):
        return str.__str__(value)
    raise NotImplementedError


def _printable(value: Any) -> Any:
    """File names are bytes: what is not UTF-8 in them is shown as `\\udcXX` escapes. Text of our classes is plain."""
    if isinstance(value, dict):
        return {_printable(key): _printable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_printable(item) for item in value]
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    return value
