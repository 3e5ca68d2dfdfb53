"""The local API of offered folders.

======  =========================  ==================================================
POST    /v1/folder/offer           {folder, devices, role?}  -> {label, role, devices}
POST    /v1/folder/offer/withdraw  {folder, devices}         -> {label, devices}
POST    /v1/folder/accept          {name, path, device?}     -> {label, path, joined, waits_for}
POST    /v1/folder/accept/preview  {name, path, device?}     -> as /v1/join/preview
POST    /v1/folder/decline         {name, device?}           -> {label, devices}
======  =========================  ==================================================
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import msgspec
import trio
from starlette.routing import Route

from yp2p.control.members import check_running
from yp2p.control.requests import FileName
from yp2p.control.routes import post_route


class Offers(Protocol):
    """What offers folders, and answers offers."""

    async def offer(self, folder: str, devices: list[str], role: str) -> dict[str, Any]: ...

    async def withdraw(self, folder: str, devices: list[str]) -> dict[str, Any]: ...

    async def accept(self, name: str, directory: str, device: str | None) -> dict[str, Any]: ...

    async def preview(self, name: str, directory: str, device: str | None) -> dict[str, Any]: ...

    async def decline(self, name: str, device: str | None) -> dict[str, Any]: ...


class OfferRequest(msgspec.Struct, forbid_unknown_fields=True):
    folder: FileName
    devices: list[str]
    role: str = "admin"


class WithdrawRequest(msgspec.Struct, forbid_unknown_fields=True):
    folder: FileName
    devices: list[str]


class AcceptRequest(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    path: FileName
    device: str | None = None


class DeclineRequest(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    device: str | None = None


class _Offers:
    def __init__(self, offers: Callable[[], Offers], stop: trio.Event) -> None:
        self._offers = offers
        self._stop = stop

    async def offer(self, wanted: OfferRequest) -> Any:
        return await self._offers().offer(wanted.folder, wanted.devices, wanted.role)

    async def withdraw(self, wanted: WithdrawRequest) -> Any:
        return await self._offers().withdraw(wanted.folder, wanted.devices)

    async def accept(self, wanted: AcceptRequest) -> Any:
        check_running(self._stop)
        return await self._offers().accept(wanted.name, wanted.path, wanted.device)

    async def preview(self, wanted: AcceptRequest) -> Any:
        return await self._offers().preview(wanted.name, wanted.path, wanted.device)

    async def decline(self, wanted: DeclineRequest) -> Any:
        return await self._offers().decline(wanted.name, wanted.device)


def offer_routes(offers: Callable[[], Offers], stop: trio.Event) -> list[Route]:
    """The routes of offered folders."""
    answers = _Offers(offers, stop)
    return [
        post_route("/v1/folder/offer", OfferRequest, answers.offer),
        post_route("/v1/folder/offer/withdraw", WithdrawRequest, answers.withdraw),
        post_route("/v1/folder/accept", AcceptRequest, answers.accept),
        post_route("/v1/folder/accept/preview", AcceptRequest, answers.preview),
        post_route("/v1/folder/decline", DeclineRequest, answers.decline),
    ]
