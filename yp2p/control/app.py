"""The local API: JSON over HTTP on the control socket (docs/protocol.md, section "Local API").

======  ====================  =============================================
GET     /v1/status            what `yp2p status --json` prints
POST    /v1/wait              {timeout_s?, whom?, devices?} -> {in_sync, connected...}
POST    /v1/agree             {folder?}                -> {label}
POST    /v1/revert            {folder?, names}         -> {reverted, skipped}
POST    /v1/trash             {folder?}                -> [{item, path...}]
POST    /v1/trash/restore     {folder?, names, all}    -> {restored, skipped}
POST    /v1/trash/empty       {folder?}                -> {removed}
GET     /v1/notices           what `yp2p notices --json` prints
POST    /v1/notices/restore   {number}                 -> {path}
POST    /v1/device/rotate     {}                       -> {device, key, folders}
POST    /v1/stop              {}                       -> {stopping}
======  ====================  =============================================

Sharing, joining and devices are in `members.py`, what becomes of a folder here in `folders.py`, offered folders in
`offers.py`, names and pauses of devices in `devices.py`, undo and history in `history.py`. An error is
{error, exit_code} with
status 422 (the request cannot be carried out), 400 (it is no request) or 500 (a fault of the daemon, in its log).
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable
from typing import Any, Literal, Protocol

import msgspec
import trio
from hypercorn.config import Config as HypercornConfig
from hypercorn.trio import serve
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.routing import Route

from yp2p.control.answers import endpoint, json_response
from yp2p.control.choosing import Choosing, choosing_routes
from yp2p.control.devices import Checkup, DeviceChanges, device_routes
from yp2p.control.folders import Device as Folders
from yp2p.control.folders import folder_routes
from yp2p.control.history import history_routes
from yp2p.control.limits import Limits, limit_routes
from yp2p.control.members import Members, check_running, member_routes
from yp2p.control.offers import Offers, offer_routes
from yp2p.control.requests import FileName, Nothing
from yp2p.control.routes import post_route
from yp2p.folder.folder import Folder


class Device(Members, Folders, Protocol):
    """What the API needs of the device."""

    @property
    def folders(self) -> Iterable[Folder]: ...

    @property
    def offers(self) -> Offers: ...

    @property
    def device_changes(self) -> DeviceChanges: ...

    @property
    def limits(self) -> Limits: ...

    @property
    def checkup(self) -> Checkup: ...

    @property
    def choosing(self) -> Choosing: ...

    def status(self) -> dict[str, Any]: ...

    async def wait(self, limit_s: float, whom: str = "connected", named: Iterable[str] = ()) -> str: ...

    def in_sync_with(self) -> list[str]: ...

    def alone(self) -> list[str]: ...

    def agree(self, folder: str | None) -> str: ...

    async def revert(self, folder: str | None, names: list[str]) -> dict[str, Any]: ...

    async def trash(self, folder: str | None) -> list[dict[str, Any]]: ...

    async def restore(self, folder: str | None, names: list[str], *, everything: bool) -> dict[str, Any]: ...

    async def empty_trash(self, folder: str | None) -> int: ...

    def notices(self) -> list[dict[str, Any]]: ...

    async def bring_back(self, number: int) -> dict[str, Any]: ...


class WaitRequest(msgspec.Struct, forbid_unknown_fields=True):
    timeout_s: float | None = None
    whom: Literal["connected", "all", "any"] = "connected"
    devices: list[str] = []


class AgreeRequest(msgspec.Struct, forbid_unknown_fields=True):
    folder: FileName | None = None


class RevertRequest(msgspec.Struct, forbid_unknown_fields=True):
    names: list[FileName] = []
    folder: FileName | None = None


class TrashRequest(msgspec.Struct, forbid_unknown_fields=True):
    folder: FileName | None = None


class RestoreRequest(msgspec.Struct, forbid_unknown_fields=True):
    names: list[FileName] = []
    all: bool = False
    folder: FileName | None = None


class NoticeRequest(msgspec.Struct, forbid_unknown_fields=True):
    number: int


class Rotation(Protocol):
    """What changes the key of this device."""

    async def run(self) -> dict[str, Any]: ...


class _Control:
    """The requests that are about the device as a whole and what it does with its folders."""

    def __init__(self, device: Device, stop: trio.Event, rotation: Rotation) -> None:
        self._device = device
        self._stop = stop
        self._rotation = rotation

    async def status(self, request: Request) -> Any:
        return self._device.status()

    async def wait(self, wanted: WaitRequest) -> Any:
        limit_s = wanted.timeout_s if wanted.timeout_s is not None else float("inf")
        missing = await self._device.wait(limit_s, wanted.whom, wanted.devices)
        answer = {"in_sync": not missing, "connected": self._device.in_sync_with(), "alone": self._device.alone()}
        return answer | {"missing": missing} if missing else answer

    async def agree(self, wanted: AgreeRequest) -> Any:
        return {"label": self._device.agree(wanted.folder)}

    async def revert(self, wanted: RevertRequest) -> Any:
        return await self._device.revert(wanted.folder, wanted.names)

    async def trash(self, wanted: TrashRequest) -> Any:
        return await self._device.trash(wanted.folder)

    async def restore(self, wanted: RestoreRequest) -> Any:
        return await self._device.restore(wanted.folder, wanted.names, everything=wanted.all)

    async def empty_trash(self, wanted: TrashRequest) -> Any:
        return {"removed": await self._device.empty_trash(wanted.folder)}

    async def notices(self, request: Request) -> Any:
        return self._device.notices()

    async def bring_back(self, wanted: NoticeRequest) -> Any:
        return await self._device.bring_back(wanted.number)

    async def rotate(self, wanted: Nothing) -> Any:
        check_running(self._stop)
        return self._last_answer(await self._rotation.run())

    async def stop(self, wanted: Nothing) -> Any:
        return self._last_answer({"stopping": True})

    def _last_answer(self, value: Any) -> Any:
        async def end() -> None:
            self._stop.set()

        answer = json_response(value)
        answer.background = BackgroundTask(end)  # once the answer is out
        return answer


def make_app(device: Device, stop: trio.Event, rotation: Rotation) -> Starlette:
    """The application for one device; `stop` is set by a stop request, and when `rotation` is done."""
    answers = _Control(device, stop, rotation)
    return Starlette(
        routes=[
            Route("/v1/status", endpoint(answers.status)),
            post_route("/v1/wait", WaitRequest, answers.wait),
            post_route("/v1/agree", AgreeRequest, answers.agree),
            post_route("/v1/revert", RevertRequest, answers.revert),
            post_route("/v1/trash", TrashRequest, answers.trash),
            post_route("/v1/trash/restore", RestoreRequest, answers.restore),
            post_route("/v1/trash/empty", TrashRequest, answers.empty_trash),
            Route("/v1/notices", endpoint(answers.notices)),
            post_route("/v1/notices/restore", NoticeRequest, answers.bring_back),
            *member_routes(device, stop),
            *folder_routes(device, stop),
            *offer_routes(lambda: device.offers, stop),
            *device_routes(lambda: device.device_changes, lambda: device.checkup),
            *limit_routes(lambda: device.limits),
            *choosing_routes(lambda: device.choosing, stop),
            *history_routes(lambda: device.folders),
            # Its body is read as well: closing a connection that has unread bytes resets it, and the answer is lost.
            post_route("/v1/device/rotate", Nothing, answers.rotate),
            post_route("/v1/stop", Nothing, answers.stop),
        ]
    )


async def serve_control(app: Starlette, sock: socket.socket) -> None:
    """Answer requests until cancelled."""
    config = HypercornConfig()
    config.bind = [f"fd://{os.dup(sock.fileno())}"]  # hypercorn closes what it is given
    config.accesslog = None
    config.errorlog = None
    config.loglevel = "ERROR"
    config.graceful_timeout = 0.2
    await serve(app, config, shutdown_trigger=trio.sleep_forever, mode="asgi")  # type: ignore[arg-type]
