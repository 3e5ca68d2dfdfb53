"""What the endpoints of the local API share: reading a request, and answering with JSON or with an error."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from yp2p.errors import DocumentPoisoned, YpError

# A request is a path and a code; more is a mistake.
_MAX_BODY_BYTES = 64 << 10

Endpoint = Callable[[Request], Awaitable[Response]]
_Kind = TypeVar("_Kind", bound=msgspec.Struct)


def json_response(value: Any, status: int = 200) -> Response:
    return Response(msgspec.json.encode(_printable(value)), status, media_type="application/json")


def endpoint(handle: Callable[[Request], Awaitable[Any]]) -> Endpoint:
    """Answer with what `handle` gives, as JSON unless it is a response; with an error where it raises one of ours."""

    async def answer(request: Request) -> Response:
        try:
            value = await handle(request)
        except YpError as error:
            return json_response({"error": str(error), "exit_code": error.exit_code}, 422)
        except DocumentPoisoned as panic:
            return json_response(
                {"error": f"the CRDT library failed: {panic}; nothing was changed", "exit_code": 1}, 422
            )
        except (msgspec.ValidationError, msgspec.DecodeError) as error:
            return json_response({"error": f"the request is not valid: {error}", "exit_code": 2}, 400)
        return value if isinstance(value, Response) else json_response(value)

    return answer


async def request_of(request: Request, kind: type[_Kind]) -> _Kind:
    """The body of a request. Raises msgspec.ValidationError."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > _MAX_BODY_BYTES:
            raise msgspec.ValidationError(f"it has more than {_MAX_BODY_BYTES} bytes")
    try:
        # The library's own decoder knows names that are not UTF-8 as well, as `\\udcXX` escapes.
        return msgspec.convert(json.loads(body or b"{}"), kind)
    except ValueError as error:
        raise msgspec.ValidationError(str(error)) from None


def _printable(value: Any) -> Any:
    """File names are bytes: what is not UTF-8 in them is shown as `\\udcXX` escapes."""
    if isinstance(value, dict):
        return {key: _printable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_printable(item) for item in value]
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    return value
