"""The local API of who has a folder: sharing, joining, invites, devices, recovery keys.

======  ====================  =============================================
POST    /v1/share             {path, label?, role?, page?} -> {code, ...}
POST    /v1/join              {code, path, timeout_s?, at?} -> {label, name...}
POST    /v1/join/preview      the same                 -> {equal, different...}
POST    /v1/invite            {folder?, role?, uses?, lifetime_s?} -> {token, ...}
POST    /v1/invite/revoke     {}                       -> {revoked}
POST    /v1/recovery/make     {folder?}                -> {words, folder}
POST    /v1/recovery/use      {words, folder?}         -> {folder}
GET     /v1/devices           what `yp2p device list --json` prints
POST    /v1/device/remove     {device, folder?, with_let_in?} -> {name, folders...}
POST    /v1/device/replace    {device, by, folder?}    -> {device, name, by...}
POST    /v1/device/readmit    {device, folder?}        -> {name, folder}
POST    /v1/device/role       {device, folder?, role}  -> {name, folder...}
======  ====================  =============================================
"""

from __future__ import annotations

from typing import Any, Protocol

import msgspec
import trio
from starlette.requests import Request
from starlette.routing import Route

from yp2p.control.answers import endpoint
from yp2p.control.requests import FileName, Nothing
from yp2p.control.routes import post_route
from yp2p.errors import NotRunning


class Members(Protocol):
    """What these requests need of the device."""

    async def share(
        self, directory: str, label: str | None, role: str = "admin", *, is_page: bool = False
    ) -> dict[str, Any]: ...

    async def join(self, text: str, directory: str, limit_s: float | None, at: str | None = None) -> dict[str, Any]: ...

    async def preview(
        self, text: str, directory: str, limit_s: float | None, at: str | None = None
    ) -> dict[str, Any]: ...

    async def make_recovery_key(self, folder: str | None) -> dict[str, Any]: ...

    async def use_recovery_key(self, words: str, folder: str | None) -> dict[str, Any]: ...

    async def invite(self, folder: str | None, role: str, uses: int, lifetime_s: float) -> dict[str, Any]: ...

    async def revoke_invites(self) -> int: ...

    def members(self) -> list[dict[str, Any]]: ...

    async def remove_member(self, device: str, folder: str | None, *, with_let_in: bool) -> dict[str, Any]: ...

    async def replace_member(self, device: str, by: str, folder: str | None) -> dict[str, Any]: ...

    async def readmit(self, device: str, folder: str | None) -> dict[str, Any]: ...

    async def set_role(self, device: str, folder: str | None, role: str) -> dict[str, Any]: ...


class ShareRequest(msgspec.Struct, forbid_unknown_fields=True):
    path: FileName
    label: str | None = None
    role: str = "admin"
    page: bool = False


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


def check_running(stop: trio.Event) -> None:
    """Raises NotRunning: the daemon answers, but nobody would serve what is asked."""
    if stop.is_set():
        raise NotRunning("the daemon is stopping; start it again first")


class _Members:
    """The requests that are about devices and what they have in common."""

    def __init__(self, device: Members, stop: trio.Event) -> None:
        self._device = device
        self._stop = stop

    async def share(self, wanted: ShareRequest) -> Any:
        check_running(self._stop)
        return await self._device.share(wanted.path, wanted.label, wanted.role, is_page=wanted.page)

    async def join(self, wanted: JoinRequest) -> Any:
        check_running(self._stop)
        return await self._device.join(wanted.code, wanted.path, wanted.timeout_s, wanted.at)

    async def preview(self, wanted: JoinRequest) -> Any:
        check_running(self._stop)
        return await self._device.preview(wanted.code, wanted.path, wanted.timeout_s, wanted.at)

    async def make_recovery_key(self, wanted: MakeRecoveryRequest) -> Any:
        return await self._device.make_recovery_key(wanted.folder)

    async def use_recovery_key(self, wanted: UseRecoveryRequest) -> Any:
        return await self._device.use_recovery_key(wanted.words, wanted.folder)

    async def invite(self, wanted: InviteRequest) -> Any:
        check_running(self._stop)
        return await self._device.invite(wanted.folder, wanted.role, wanted.uses, wanted.lifetime_s)

    async def revoke_invites(self, wanted: Nothing) -> Any:
        return {"revoked": await self._device.revoke_invites()}

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


def member_routes(device: Members, stop: trio.Event) -> list[Route]:
    """The routes of these requests."""
    answers = _Members(device, stop)
    return [
        post_route("/v1/share", ShareRequest, answers.share),
        post_route("/v1/join", JoinRequest, answers.join),
        post_route("/v1/join/preview", JoinRequest, answers.preview),
        post_route("/v1/recovery/make", MakeRecoveryRequest, answers.make_recovery_key),
        post_route("/v1/recovery/use", UseRecoveryRequest, answers.use_recovery_key),
        post_route("/v1/invite", InviteRequest, answers.invite),
        post_route("/v1/invite/revoke", Nothing, answers.revoke_invites),
        Route("/v1/devices", endpoint(answers.devices)),
        post_route("/v1/device/remove", RemoveDeviceRequest, answers.remove_device),
        post_route("/v1/device/replace", ReplaceDeviceRequest, answers.replace_device),
        post_route("/v1/device/readmit", ReadmitRequest, answers.readmit),
        post_route("/v1/device/role", RoleRequest, answers.set_role),
    ]
