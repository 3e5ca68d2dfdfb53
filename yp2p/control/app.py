"""The local API: JSON over HTTP on the control socket (docs/protocol.md, section "Local API").

======  ====================  =============================================
GET     /v1/status            what `yp2p status --json` prints
POST    /v1/share             {path, label?}           -> {code, ...}
POST    /v1/join              {code, path, timeout_s?} -> {label, name...}
POST    /v1/join/preview      the same                 -> {equal, different...}
POST    /v1/wait              {timeout_s?}             -> {in_sync}
POST    /v1/resume            {folder?, accept}        -> {label}
POST    /v1/trash             {folder?}                -> [{item, path...}]
POST    /v1/trash/restore     {folder?, names, all}    -> {restored, skipped}
POST    /v1/trash/empty       {folder?}                -> {removed}
GET     /v1/notices           what `yp2p notices --json` prints
POST    /v1/notices/restore   {number}                 -> {path}
POST    /v1/stop
======  ====================  =============================================

An error is {error, exit_code} with status 422 (the request cannot be carried out) or 400 (it is no request).
"""

from __future__ import annotations

import os
import socket
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

import msgspec
import trio
from hypercorn.config import Config as HypercornConfig
from hypercorn.trio import serve
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from yp2p.errors import YpError

# A request is a path and a code; more is a mistake.
_MAX_BODY_BYTES = 64 << 10


class Device(Protocol):
    """What the API needs of the device."""

    def status(self) -> dict[str, Any]: ...

    async def share(self, directory: str, label: str | None) -> dict[str, Any]: ...

    async def join(self, text: str, directory: str, limit_s: float | None) -> dict[str, Any]: ...

    async def preview(self, text: str, directory: str, limit_s: float | None) -> dict[str, Any]: ...

    async def wait(self) -> None: ...

    def resume(self, folder: str | None, *, accept: bool) -> str: ...

    async def trash(self, folder: str | None) -> list[dict[str, Any]]: ...

    async def restore(self, folder: str | None, names: list[str], *, everything: bool) -> dict[str, Any]: ...

    async def empty_trash(self, folder: str | None) -> int: ...

    def notices(self) -> list[dict[str, Any]]: ...

    async def bring_back(self, number: int) -> dict[str, Any]: ...


class ShareRequest(msgspec.Struct, forbid_unknown_fields=True):
    path: str
    label: str | None = None


class JoinRequest(msgspec.Struct, forbid_unknown_fields=True):
    code: str
    path: str
    timeout_s: float | None = None


class WaitRequest(msgspec.Struct, forbid_unknown_fields=True):
    timeout_s: float | None = None


class ResumeRequest(msgspec.Struct, forbid_unknown_fields=True):
    accept: bool
    folder: str | None = None


class TrashRequest(msgspec.Struct, forbid_unknown_fields=True):
    folder: str | None = None


class RestoreRequest(msgspec.Struct, forbid_unknown_fields=True):
    names: list[str] = []
    all: bool = False
    folder: str | None = None


class NoticeRequest(msgspec.Struct, forbid_unknown_fields=True):
    number: int


def _json(value: Any, status: int = 200) -> Response:
    return Response(msgspec.json.encode(value), status, media_type="application/json")


Endpoint = Callable[[Request], Awaitable[Response]]


def _endpoint(handle: Endpoint) -> Endpoint:
    async def answer(request: Request) -> Response:
        try:
            return await handle(request)
        except YpError as error:
            return _json({"error": str(error), "exit_code": error.exit_code}, 422)
        except (msgspec.ValidationError, msgspec.DecodeError) as error:
            return _json({"error": f"the request is not valid: {error}", "exit_code": 2}, 400)

    return answer


async def _body(request: Request) -> bytes:
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > _MAX_BODY_BYTES:
            raise msgspec.ValidationError(f"it has more than {_MAX_BODY_BYTES} bytes")
    return body or b"{}"


def make_app(device: Device, stop: trio.Event) -> Starlette:
    """The application for one device; `stop` is set by a stop request."""

    async def status(request: Request) -> Response:
        return _json(_printable(device.status()))

    async def share(request: Request) -> Response:
        wanted = msgspec.json.decode(await _body(request), type=ShareRequest)
        return _json(await device.share(wanted.path, wanted.label))

    async def join(request: Request) -> Response:
        wanted = msgspec.json.decode(await _body(request), type=JoinRequest)
        return _json(await device.join(wanted.code, wanted.path, wanted.timeout_s))

    async def preview(request: Request) -> Response:
        wanted = msgspec.json.decode(await _body(request), type=JoinRequest)
        return _json(_printable(await device.preview(wanted.code, wanted.path, wanted.timeout_s)))

    async def wait(request: Request) -> Response:
        wanted = msgspec.json.decode(await _body(request), type=WaitRequest)
        limit = wanted.timeout_s if wanted.timeout_s is not None else float("inf")
        with trio.move_on_after(limit) as scope:
            await device.wait()
        return _json({"in_sync": not scope.cancelled_caught})

    async def resume(request: Request) -> Response:
        wanted = msgspec.json.decode(await _body(request), type=ResumeRequest)
        return _json({"label": device.resume(wanted.folder, accept=wanted.accept)})

    async def trash(request: Request) -> Response:
        wanted = msgspec.json.decode(await _body(request), type=TrashRequest)
        return _json(_printable(await device.trash(wanted.folder)))

    async def restore(request: Request) -> Response:
        wanted = msgspec.json.decode(await _body(request), type=RestoreRequest)
        answer = await device.restore(wanted.folder, wanted.names, everything=wanted.all)
        return _json(_printable(answer))

    async def empty_trash(request: Request) -> Response:
        wanted = msgspec.json.decode(await _body(request), type=TrashRequest)
        return _json({"removed": await device.empty_trash(wanted.folder)})

    async def notices(request: Request) -> Response:
        return _json(_printable(device.notices()))

    async def bring_back(request: Request) -> Response:
        wanted = msgspec.json.decode(await _body(request), type=NoticeRequest)
        return _json(_printable(await device.bring_back(wanted.number)))

    async def stop_daemon(request: Request) -> Response:
        await _body(request)  # closing a connection that has unread bytes resets it, and the answer is lost

        async def end() -> None:
            stop.set()

        answer = _json({"stopping": True})
        answer.background = BackgroundTask(end)  # once the answer is out
        return answer

    return Starlette(
        routes=[
            Route("/v1/status", _endpoint(status)),
            Route("/v1/share", _endpoint(share), methods=["POST"]),
            Route("/v1/join", _endpoint(join), methods=["POST"]),
            Route("/v1/join/preview", _endpoint(preview), methods=["POST"]),
            Route("/v1/wait", _endpoint(wait), methods=["POST"]),
            Route("/v1/resume", _endpoint(resume), methods=["POST"]),
            Route("/v1/trash", _endpoint(trash), methods=["POST"]),
            Route("/v1/trash/restore", _endpoint(restore), methods=["POST"]),
            Route("/v1/trash/empty", _endpoint(empty_trash), methods=["POST"]),
            Route("/v1/notices", _endpoint(notices)),
            Route("/v1/notices/restore", _endpoint(bring_back), methods=["POST"]),
            Route("/v1/stop", _endpoint(stop_daemon), methods=["POST"]),
        ]
    )


def _printable(value: Any) -> Any:
    """File names are bytes: what is not UTF-8 in them is shown as `\\udcXX` escapes."""
    if isinstance(value, dict):
        return {key: _printable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_printable(item) for item in value]
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    return value


async def serve_control(app: Starlette, sock: socket.socket) -> None:
    """Answer requests until cancelled."""
    config = HypercornConfig()
    config.bind = [f"fd://{os.dup(sock.fileno())}"]  # hypercorn closes what it is given
    config.accesslog = None
    config.errorlog = None
    config.loglevel = "ERROR"
    config.graceful_timeout = 0.2
    await serve(app, config, shutdown_trigger=trio.sleep_forever, mode="asgi")  # type: ignore[arg-type]
