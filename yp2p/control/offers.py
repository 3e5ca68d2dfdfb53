"""The local API of offered folders."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import msgspec
import trio

from yp2p.control.members import check_running
from yp2p.control.requests import FileName
from yp2p.control.routes import Route, post_route


class Offers(Protocol):
    """What offers folders, and answers offers."""

    async def offer(self, folder: str, devices: list[str], role: str) -> dict[str, Any]: ...

    async def withdraw(self, folder: str, devices: list[str]) -> dict[str, Any]: ...

    async def accept(
        self, name: str, directory: str, device: str | None, paths: Sequence[str] = (), *, is_forced: bool = False
    ) -> dict[str, Any]: ...

    async def preview(
        self, name: str, directory: str, device: str | None, paths: Sequence[str] = ()
    ) -> dict[str, Any]: ...

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
    choose: list[FileName] = []
    force: bool = False


class DeclineRequest(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    device: str | None = None


class _Offers:
    def __init__(self, offers: Callable[[], Offers], stop: trio.Event) -> None:
        self._offers = offers
        self._stop = stop

    async def offer(self, wanted: OfferRequest) -> Any:
        """Offer a folder to devices that are known already.

        Answer: `{label, role, devices: [{device, name, connected}]}`; all of the devices, or none, are offered
        the folder, as `admin` where no role is said.
        """
        return await self._offers().offer(wanted.folder, wanted.devices, wanted.role)

    async def withdraw(self, wanted: WithdrawRequest) -> Any:
        """Offer a folder to these devices no more.

        Answer: `{label, devices}`.
        """
        return await self._offers().withdraw(wanted.folder, wanted.devices)

    async def accept(self, wanted: AcceptRequest) -> Any:
        """Accept a folder that another device offers.

        `device` is who offers it, `choose` as in `/v1/join`. Without `force` it is an error that there is no room
        for it, where the other device is connected.

        Answer: `{label, path, joined, waits_for}`: whether it is a folder here now, else the names of the
        devices that have not answered within ten seconds, or are not connected; it goes on by itself then.
        """
        check_running(self._stop)
        return await self._offers().accept(
            wanted.name, wanted.path, wanted.device, wanted.choose, is_forced=wanted.force
        )

    async def preview(self, wanted: AcceptRequest) -> Any:
        """What accepting would do with a directory; nothing is changed.

        Answer: as `/v1/join/preview`.
        """
        return await self._offers().preview(wanted.name, wanted.path, wanted.device, wanted.choose)

    async def decline(self, wanted: DeclineRequest) -> Any:
        """Decline an offered folder.

        Answer: `{label, devices}`.
        """
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
