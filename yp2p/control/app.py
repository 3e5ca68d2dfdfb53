"""The local API: JSON over HTTP on the control socket (docs/protocol.md, section "Local API").

======  ====================  =============================================
GET     /v1/status            what `yp2p status --json` prints
POST    /v1/share             {path, label?, role?}    -> {code, ...}
POST    /v1/join              {code, path, timeout_s?, at?} -> {label, name...}
POST    /v1/join/preview      the same                 -> {equal, different...}
POST    /v1/invite            {folder?, role?, uses?, lifetime_s?} -> {token, ...}
POST    /v1/invite/revoke     {}                       -> {revoked}
POST    /v1/recovery/make     {folder?}                -> {words, folder}
POST    /v1/recovery/use      {words, folder?}         -> {folder}
POST    /v1/wait              {timeout_s?}             -> {in_sync, alone, missing?}
GET     /v1/devices           what `yp2p device list --json` prints
POST    /v1/device/remove     {device, folder?, with_let_in?} -> {name, folders...}
POST    /v1/device/readmit    {device, folder?}        -> {name, folder}
POST    /v1/device/role       {device, folder?, role}  -> {name, folder...}
POST    /v1/agree             {folder?}                -> {label}
POST    /v1/pause             {folder?}                -> {label}
POST    /v1/resume            {folder?, accept?}       -> {label}
POST    /v1/revert            {folder?, names}         -> {reverted, skipped}
POST    /v1/trash             {folder?}                -> [{item, path...}]
POST    /v1/trash/restore     {folder?, names, all}    -> {restored, skipped}
POST    /v1/trash/empty       {folder?}                -> {removed}
GET     /v1/notices           what `yp2p notices --json` prints
POST    /v1/notices/restore   {number}                 -> {path}
POST    /v1/stop
======  ====================  =============================================

Undo and history are in `history.py`. An error is {error, exit_code} with status 422 (the request cannot be carried
out), 400 (it is no request) or 500 (a fault of the daemon, which its log has).
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable
from typing import Any, Protocol

import msgspec
import trio
from hypercorn.config import Config as HypercornConfig
from hypercorn.trio import serve
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.routing import Route

from yp2p.control.answers import endpoint, json_response
from yp2p.control.history import history_routes
from yp2p.control.requests import FileName
from yp2p.control.routes import post_route
from yp2p.errors import NotRunning
from yp2p.folder.folder import Folder


class Device(Protocol):
    """What the API needs of the device."""

    @property
    def folders(self) -> Iterable[Folder]: ...

    def status(self) -> dict[str, Any]: ...

    async def share(self, directory: str, label: str | None, role: str = "admin") -> dict[str, Any]: ...

    async def join(self, text: str, directory: str, limit_s: float | None, at: str | None = None) -> dict[str, Any]: ...

    async def preview(
        self, text: str, directory: str, limit_s: float | None, at: str | None = None
    ) -> dict[str, Any]: ...

    async def make_recovery_key(self, folder: str | None) -> dict[str, Any]: ...

    async def use_recovery_key(self, words: str, folder: str | None) -> dict[str, Any]: ...

    async def invite(self, folder: str | None, role: str, uses: int, lifetime_s: float) -> dict[str, Any]: ...

    async def revoke_invites(self) -> int: ...

    async def wait(self, limit_s: float) -> str: ...

    def alone(self) -> list[str]: ...

    async def pause(self, folder: str | None) -> str: ...

    def resume(self, folder: str | None, *, accept: bool | None) -> str: ...

    def agree(self, folder: str | None) -> str: ...

    async def revert(self, folder: str | None, names: list[str]) -> dict[str, Any]: ...

    def members(self) -> list[dict[str, Any]]: ...

    async def remove_member(self, device: str, folder: str | None, *, with_let_in: bool) -> dict[str, Any]: ...

    async def replace_member(self, device: str, by: str, folder: str | None) -> dict[str, Any]: ...

    async def readmit(self, device: str, folder: str | None) -> dict[str, Any]: ...

    async def set_role(self, device: str, folder: str | None, role: str) -> dict[str, Any]: ...

    async def trash(self, folder: str | None) -> list[dict[str, Any]]: ...

    async def restore(self, folder: str | None, names: list[str], *, everything: bool) -> dict[str, Any]: ...

    async def empty_trash(self, folder: str | None) -> int: ...

    def notices(self) -> list[dict[str, Any]]: ...

    async def bring_back(self, number: int) -> dict[str, Any]: ...


class ShareRequest(msgspec.Struct, forbid_unknown_fields=True):
    path: FileName
    label: str | None = None
    role: str = "admin"


class JoinRequest(msgspec.Struct, forbid_unknown_fields=True):
    code: str
    path: FileName
    timeout_s: float | None = None
    at: str | None = None


class InviteRequest(msgspec.Struct, forbid_unknown_fields=True):
    folder: FileName | None = None
    role: str = "member"
    uses: int = 1
    lifetime_s: float = 3600.0


class MakeRecoveryRequest(msgspec.Struct, forbid_unknown_fields=True):
    folder: FileName | None = None


class UseRecoveryRequest(msgspec.Struct, forbid_unknown_fields=True):
    words: str
    folder: FileName | None = None


class RemoveDeviceRequest(msgspec.Struct, forbid_unknown_fields=True):
    device: str
    folder: FileName | None = None
    with_let_in: bool = False


class ReadmitRequest(msgspec.Struct, forbid_unknown_fields=True):
    device: str
    folder: FileName | None = None


class ReplaceDeviceRequest(msgspec.Struct, forbid_unknown_fields=True):
    device: str
    by: str
    folder: FileName | None = None


class RoleRequest(msgspec.Struct, forbid_unknown_fields=True):
    device: str
    role: str
    folder: FileName | None = None


class WaitRequest(msgspec.Struct, forbid_unknown_fields=True):
    timeout_s: float | None = None


class PauseRequest(msgspec.Struct, forbid_unknown_fields=True):
    folder: FileName | None = None


class ResumeRequest(msgspec.Struct, forbid_unknown_fields=True):
    accept: bool | None = None
    folder: FileName | None = None


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


class Nothing(msgspec.Struct, forbid_unknown_fields=True):
    pass


class Rotation(Protocol):
    """What changes the key of this device."""

    async def run(self) -> dict[str, Any]: ...


class _Control:
    """The requests that are about the device as a whole."""

    def __init__(self, device: Device, stop: trio.Event, rotation: Rotation) -> None:
        self._device = device
        self._stop = stop
        self._rotation = rotation

    async def status(self, request: Request) -> Any:
        return self._device.status()

    def _check_running(self) -> None:
        """Raises NotRunning: the daemon answers, but nobody would serve what is asked."""
        if self._stop.is_set():
            raise NotRunning("the daemon is stopping; start it again first")

    async def share(self, wanted: ShareRequest) -> Any:
        self._check_running()
        return await self._device.share(wanted.path, wanted.label, wanted.role)

    async def join(self, wanted: JoinRequest) -> Any:
        self._check_running()
        return await self._device.join(wanted.code, wanted.path, wanted.timeout_s, wanted.at)

    async def preview(self, wanted: JoinRequest) -> Any:
        self._check_running()
        return await self._device.preview(wanted.code, wanted.path, wanted.timeout_s, wanted.at)

    async def make_recovery_key(self, wanted: MakeRecoveryRequest) -> Any:
        return await self._device.make_recovery_key(wanted.folder)

    async def use_recovery_key(self, wanted: UseRecoveryRequest) -> Any:
        return await self._device.use_recovery_key(wanted.words, wanted.folder)

    async def invite(self, wanted: InviteRequest) -> Any:
        self._check_running()
        return await self._device.invite(wanted.folder, wanted.role, wanted.uses, wanted.lifetime_s)

    async def revoke_invites(self, wanted: Nothing) -> Any:
        return {"revoked": await self._device.revoke_invites()}

    async def wait(self, wanted: WaitRequest) -> Any:
        limit_s = wanted.timeout_s if wanted.timeout_s is not None else float("inf")
        missing = await self._device.wait(limit_s)
        answer = {"in_sync": not missing, "alone": self._device.alone()}
        return answer | {"missing": missing} if missing else answer

    async def devices(self, request: Request) -> Any:
        return self._device.members()

    async def remove_device(self, wanted: RemoveDeviceRequest) -> Any:
        return await self._device.remove_member(wanted.device, wanted.folder, with_let_in=wanted.with_let_in)

    async def replace_device(self, wanted: ReplaceDeviceRequest) -> Any:
        return await self._device.replace_member(wanted.device, wanted.by, wanted.folder)

    async def readmit(self, wanted: ReadmitRequest) -> Any:
        return await self._device.readmit(wanted.device, wanted.folder)

    async def set_role(self, wanted: RoleRequest) -> Any:
        return await self._device.set_role(wanted.device, wanted.folder, wanted.role)

    async def pause(self, wanted: PauseRequest) -> Any:
        return {"label": await self._device.pause(wanted.folder)}

    async def resume(self, wanted: ResumeRequest) -> Any:
        return {"label": self._device.resume(wanted.folder, accept=wanted.accept)}

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
        self._check_running()
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
            post_route("/v1/share", ShareRequest, answers.share),
            post_route("/v1/join", JoinRequest, answers.join),
            post_route("/v1/join/preview", JoinRequest, answers.preview),
            post_route("/v1/recovery/make", MakeRecoveryRequest, answers.make_recovery_key),
            post_route("/v1/recovery/use", UseRecoveryRequest, answers.use_recovery_key),
            post_route("/v1/invite", InviteRequest, answers.invite),
            post_route("/v1/invite/revoke", Nothing, answers.revoke_invites),
            post_route("/v1/wait", WaitRequest, answers.wait),
            Route("/v1/devices", endpoint(answers.devices)),
            post_route("/v1/device/remove", RemoveDeviceRequest, answers.remove_device),
            post_route("/v1/device/replace", ReplaceDeviceRequest, answers.replace_device),
            post_route("/v1/device/readmit", ReadmitRequest, answers.readmit),
            post_route("/v1/device/role", RoleRequest, answers.set_role),
            post_route("/v1/pause", PauseRequest, answers.pause),
            post_route("/v1/resume", ResumeRequest, answers.resume),
            post_route("/v1/agree", AgreeRequest, answers.agree),
            post_route("/v1/revert", RevertRequest, answers.revert),
            post_route("/v1/trash", TrashRequest, answers.trash),
            post_route("/v1/trash/restore", RestoreRequest, answers.restore),
            post_route("/v1/trash/empty", TrashRequest, answers.empty_trash),
            Route("/v1/notices", endpoint(answers.notices)),
            post_route("/v1/notices/restore", NoticeRequest, answers.bring_back),
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
