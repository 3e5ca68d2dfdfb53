"""What the endpoints of the local API share: answers in JSON, and errors, which always have a reason."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import structlog
from starlette.requests import Request
from starlette.responses import Response

from yp2p.errors import CrdtPanic, YpError, first_of
from yp2p.machine import is_passing, reason

Endpoint = Callable[[Request], Awaitable[Response]]

log = structlog.get_logger()


def json_response(value: Any, status: int = 200) -> Response:
    return Response(msgspec.json.encode(_printable(value)), status, media_type="application/json")


def endpoint(handle: Callable[[Request], Awaitable[Any]]) -> Endpoint:
    """Answer with what `handle` gives, as JSON unless it is a response; with an error where it raises one of ours."""

    async def answer(request: Request) -> Response:
        try:
            value = await handle(request)
            return value if isinstance(value, Response) else json_response(value)
        except Exception as error:
            return _refusal(first_of(error) if isinstance(error, ExceptionGroup) else error, request)

    return answer


def _refusal(error: BaseException, request: Request) -> Response:
    """The answer to a request that failed. The one place where a fault of ours in a request stops, and is logged."""
    match error:
        case YpError():
            return _error(str(error), error.exit_code, 422)
        case CrdtPanic():
            return _error(f"the CRDT library failed: {error}; nothing was changed", 1, 422)
        case OSError() if is_passing(error):
            place = f"{error.filename}: " if error.filename else ""
            return _error(f"this machine does not allow it now: {place}{reason(error)}; then try again", 1, 422)
        case msgspec.ValidationError() | msgspec.DecodeError():
            return _error(f"the request is not valid: {error}", 2, 400)
        case _:
            log.error("request_failed", request=request.url.path, exc_info=error)
            fault = f"{type(error).__name__}: {error}"
            return _error(f"the daemon failed at {request.url.path}, and its log says where: {fault}", 1, 500)


def _error(text: str, exit_code: int, status: int) -> Response:
    return json_response({"error": text, "exit_code": exit_code}, status)


def _printable(value: Any) -> Any:
    """File names are bytes: what is not UTF-8 in them is shown as `\\udcXX` escapes."""
    if isinstance(value, dict):
        return {_printable(key): _printable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_printable(item) for item in value]
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    return value
