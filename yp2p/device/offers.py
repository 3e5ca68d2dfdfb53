"""A second folder for devices that know each other: it is offered over the link that there is, and accepted.

Theory of operation
    `offers_made` is the side that offers, `offers_received` the other one; both keep what was said over restarts. Here
    is what people ask for, and the exchange over a link: both say what they have to say when it comes up, and whenever
    that changes. Whoever is away is told when it comes back, and says again what it decided.

    One task a link answers, in the order in which things were said, and takes parts of what was asked for as they come.
    What would make it hold more than `_MAX_WAITING` messages is dropped: the next link begins anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import structlog
import trio

from yp2p.config import Files
from yp2p.device.choosing import paths_in
from yp2p.device.folders import Folders
from yp2p.device.members import ROLE_NAMES, Members, role_of
from yp2p.device.offers_made import OffersMade
from yp2p.device.offers_received import Decision, Look, OffersReceived, Received
from yp2p.device.sharing import Sharing
from yp2p.errors import FolderError, UsageError
from yp2p.folder.budget import rest
from yp2p.folder.choice import Chosen
from yp2p.folder.lookup import choose
from yp2p.identity import DeviceID, FolderID, format_device_id
from yp2p.pairing.preview import look_at
from yp2p.peers.peers import Peers
from yp2p.protocol.messages import (
    FolderOffers,
    OfferGranted,
    OfferListing,
    OfferMessage,
    OfferReply,
    Reply,
)
from yp2p.store.database import Database
from yp2p.transport.link import Link

# A few decisions on each of the offers that there can be.
_MAX_WAITING = 64
# So long a person waits for the other device; it goes on without.
_ACCEPT_LIMIT_S, _LOOK_LIMIT_S, _ROOM_LIMIT_S = 10.0, 60.0, 3.0
# An ID is never taken for a label by fewer characters.
_ID_CHARACTERS = 4
_TIDY_S = 3600.0
_SHOWN = {role: name for name, role in ROLE_NAMES.items()}

log = structlog.get_logger()


class Offers:
    """What this device offers and is offered. `load` once; `run` does the work, with an `exchange` for each link."""

    def __init__(
        self,
        database: Database,
        folders: Folders,
        peers: Peers,
        members: Members,
        sharing: Sharing,
        files: Files,
    ) -> None:
        self._folders = folders
        self._peers = peers
        self._members = members
        self._sharing = sharing
        self.files = files
        self._exchanges: dict[DeviceID, _Exchange] = {}
        self._neighbours = peers.devices.neighbours
        self._neighbours.also.append(self._partners)
        self.made = OffersMade(folders, database)
        self.received = OffersReceived(folders, database, sharing.directory, sharing.take_part)

    def load(self) -> None:
        """Read what is stored."""
        self.made.load()
        self.received.load()

    async def run(self) -> None:
        """Take back what does not hold any more, until cancelled."""
        while True:
            changed = self._peers.members_changed
            for device in await self.made.tidy():
                self._tell(device)
            await self.received.tidy()
            with trio.move_on_after(_TIDY_S):
                await changed.wait()

    def exchange(self, device: DeviceID, link: Link) -> _Exchange:
        """What serves a new link with a device."""
        exchange = self._exchanges[device] = _Exchange(device, link, self)
        return exchange

    def ended(self, exchange: _Exchange) -> None:
        """Its link is over."""
        if self._exchanges.get(exchange.device) is exchange:
            del self._exchanges[exchange.device]

    # --- offering -----------------------------------------------------------------------------------------------

    async def offer(self, folder: str, devices: list[str], role: str) -> dict[str, Any]:
        """Offer a folder to devices that this one knows. Raises UsageError, FolderError: then to none of them."""
        chosen, given = choose(self._folders.by_id.values(), folder), role_of(role)
        found = dict.fromkeys(self._members.find(name) for name in devices)
        for device in found:
            if device == self._members.own:
                raise FolderError(f"this device is {self._members.own_name()!r} itself; name another one")
            self.made.check(chosen, device, self._members.name_of(device))
        for device in found:
            await self.made.make(chosen, device, given)
            self._tell(device)
        return {"label": chosen.label, "role": role, "devices": [self._device(device) for device in found]}

    async def withdraw(self, folder: str, devices: list[str]) -> dict[str, Any]:
        """Take offers back. Raises UsageError, FolderError: one of them was not made, and all others stand as well."""
        chosen = choose(self._folders.by_id.values(), folder)
        found = dict.fromkeys(self._members.find(name) for name in devices)
        made = {one.device for one in self.made.all() if one.folder == chosen.id}
        for device in found:
            if device not in made:
                raise FolderError(f"{chosen.label!r} is not offered to {self._members.name_of(device)!r}")
        for device in found:
            await self.made.withdraw(chosen.id, device)
            self._tell(device)
        return {"label": chosen.label, "devices": [self._device(device) for device in found]}

    def _device(self, device: DeviceID) -> dict[str, Any]:
        return {
            "device": format_device_id(device),
            "name": self._members.name_of(device),
            "connected": device in self._exchanges,
        }

    def _partners(self) -> set[DeviceID]:
        """The devices that are offered something, or offer something to this one."""
        return {one.device for one in self.made.all()} | {one.device for one in self.received.all()}

    def _tell(self, device: DeviceID) -> None:
        """Tell a device what it is offered, if it is there."""
        self._neighbours.update()
        if device in self._exchanges:
            self._exchanges[device].send(self.made.message(device))

    # --- being offered ------------------------------------------------------------------------------------------

    async def accept(
        self, name: str, directory: str, device: str | None, paths: Sequence[str] = (), *, is_forced: bool = False
    ) -> dict[str, Any]:
        """Take part in a folder that is offered; it waits a little for the other device.

        Args:
            paths: what of the folder is to be on this disk; none: everything.
            is_forced: also where there is no room for it.

        Raises:
            UsageError: no such folder is offered, or several are.
            FolderError: the directory cannot be used, or the folder is not offered any more.
        """
        chosen = self._chosen(name, device)
        directory_path = self._sharing.directory(directory)
        path, wanted = str(directory_path), paths_in(directory_path, paths)
        self._check_path(chosen[0], path)
        if not is_forced and (no_room := await self._no_room(chosen, directory_path, wanted)):
            raise FolderError(no_room)
        await self.received.decide(chosen, Decision.ACCEPT, path, tuple(wanted))
        self._reply(chosen)
        with trio.move_on_after(_ACCEPT_LIMIT_S if self._linked(chosen) else 0.0):
            await self._settled(chosen)
        label, folder = chosen[0].label, self._folders.by_id.get(chosen[0].folder)
        if folder is not None and self._folders.is_member(folder):
            return {"label": folder.label, "path": str(folder.path), "joined": True, "waits_for": []}
        waiting = [one for one in map(self.received.current, chosen) if one is not None]
        if not waiting:
            raise FolderError(f"{label!r} is not offered any more; ask for it again")
        if problem := next((one.problem for one in waiting if one.problem), ""):
            raise FolderError(f"{label!r} cannot be there yet: {problem}")
        names = [self._members.name_of(one.device) for one in waiting]
        return {"label": label, "path": path, "joined": False, "waits_for": names}

    async def _no_room(self, chosen: list[Received], path: Path, paths: Sequence[str]) -> str:
        """Why the folder finds no room, as far as a device that is connected says soon what is in it."""
        if not self._linked(chosen):
            return ""
        with trio.move_on_after(_ROOM_LIMIT_S):
            with suppress(FolderError):
                return str((await self._look(chosen, path, paths, only_room=True))["no_room"])
        return ""

    def _check_path(self, one: Received, path: str) -> None:
        """Raises FolderError: another folder is to be there, or this one is elsewhere already."""
        for other in self.received.all():
            if other.folder != one.folder and other.path == path:
                raise FolderError(f"{other.label!r} is to be at {path} already; choose another directory")
        here = self._folders.by_id.get(one.folder)
        if here is not None and str(here.path) != path:
            raise FolderError(f"the files of {one.label!r} are at {here.path} already: accept it with that directory")

    async def _settled(self, chosen: list[Received]) -> None:
        """Return when the other devices have answered."""
        while True:
            changed = self.received.changed
            now = [self.received.current(one) for one in chosen]
            if not any(now) or any(one is not None and one.problem for one in now):
                return
            await changed.wait()

    async def decline(self, name: str, device: str | None) -> dict[str, Any]:
        """Refuse a folder that is offered. Raises UsageError: none is called so, or several are."""
        chosen = self._chosen(name, device)
        await self.received.decide(chosen, Decision.DECLINE)
        self._reply(chosen)
        return {"label": chosen[0].label, "devices": [self._device(one.device) for one in chosen]}

    async def preview(self, name: str, directory: str, device: str | None, paths: Sequence[str] = ()) -> dict[str, Any]:
        """What accepting would do with a directory; nothing is changed. Raises as `accept`."""
        chosen = self._chosen(name, device)
        path = self._sharing.directory(directory)
        if not self._linked(chosen):
            names = ", ".join(self._members.name_of(one.device) for one in chosen)
            raise FolderError(f"{names} is not connected now, and only that device can say what is in {name!r}")
        return await self._look(chosen, path, paths_in(path, paths), only_room=False)

    async def _look(
        self, chosen: Iterable[Received], path: Path, paths: Sequence[str], *, only_room: bool
    ) -> dict[str, Any]:
        """Ask a device that is connected what is in a folder that it offers. Raises FolderError."""
        linked = self._linked(chosen)
        one, look = linked[0], Look(linked[0].id)
        self.received.looks[one.device] = look
        self._exchanges[one.device].send(OfferReply(one.id, one.folder, Reply.LOOK))
        try:
            with trio.move_on_after(_LOOK_LIMIT_S) as scope:
                await look.is_over.wait()
        finally:
            del self.received.looks[one.device]
        if scope.cancelled_caught:
            raise FolderError(f"{self._members.name_of(one.device)} did not say what is in {one.label!r}; try again")
        about = {"label": one.label, "name": self._members.name_of(one.device), "path": str(path)}
        return about | await look_at(path, look.entries, self.files, Chosen(paths), only_room=only_room)

    def _linked(self, chosen: Iterable[Received]) -> list[Received]:
        return [one for one in chosen if one.device in self._exchanges]

    def _reply(self, chosen: list[Received]) -> None:
        """Say what was decided to who is there."""
        for one in self._linked(chosen):
            current = self.received.current(one)
            if current is not None:
                self._exchanges[one.device].send(current.reply())

    def _chosen(self, name: str, device: str | None) -> list[Received]:
        """The offers that a person means: several devices may offer one folder.

        Raises:
            UsageError: none is called so, or several folders are.
        """
        offered = [one for one in self.received.all() if one.decision is not Decision.DECLINE]
        if device is not None:
            by = self._members.find(device)
            offered = [one for one in offered if one.device == by]
        found = [
            one for one in offered
            if one.label == name or (len(name) >= _ID_CHARACTERS and one.folder.hex().startswith(name))
        ]  # fmt: skip
        if not found:
            there = ", ".join(f"{one.label!r} by {self._members.name_of(one.device)}" for one in offered)
            how = f"offered are {there}" if there else "`yp2p folder offer` on the other device offers it"
            raise UsageError(f"no folder {name!r} is offered to this device; {how}")
        if len({(one.folder, one.founder) for one in found}) > 1:
            there = ", ".join(f"{one.folder.hex()[:8]} by {self._members.name_of(one.device)}" for one in found)
            raise UsageError(f"several folders called {name!r} are offered: {there}; name one by ID, or with --from")
        return found

    # --- for status ---------------------------------------------------------------------------------------------

    def shown(self) -> dict[str, Any]:
        """What `yp2p status` and `yp2p folder list` show."""
        return {
            "made": [
                {"label": self._label(one.folder), "folder": one.folder.hex(), "role": _SHOWN[one.role],
                 "at": one.made_at, "declined": one.is_declined, **self._device(one.device)}
                for one in self.made.all()
            ],
            "received": [
                {"label": one.label, "folder": one.folder.hex(), "role": _SHOWN[one.role], "at": one.received_at,
                 "decision": one.decision.name.lower(), "path": one.path or self._place(one.folder),
                 "problem": one.problem, **self._device(one.device)}
                for one in self.received.all() if one.decision is not Decision.DECLINE
            ],
        }  # fmt: skip

    def _label(self, folder: FolderID) -> str:
        found = self._folders.by_id.get(folder)
        return found.label if found is not None else folder.hex()[:8]

    def _place(self, folder: FolderID) -> str:
        """Where the files of a folder are that this device was in before."""
        found = self._folders.by_id.get(folder)
        return str(found.path) if found is not None else ""


class _Exchange:
    """The offers over one link: `receive` takes what the peer says, `run` answers it."""

    def __init__(self, device: DeviceID, link: Link, offers: Offers) -> None:
        self.device = device
        self._link = link
        self._offers = offers
        self._put, self._take = trio.open_memory_channel[OfferMessage](_MAX_WAITING)

    def send(self, message: OfferMessage) -> None:
        self._link.send_nowait(message)  # where it finds no room it is said on the next link

    def receive(self, message: OfferMessage) -> None:
        """Take a message. Raises MessageFault."""
        received = self._offers.received
        if isinstance(message, OfferListing):
            received.listed(self.device, message)
            return
        if isinstance(message, OfferGranted):
            whole = received.part(self.device, message)
            if whole is None:
                return
            message = OfferGranted(message.offer, True, whole)
        try:
            self._put.send_nowait(message)
        except trio.WouldBlock:
            log.debug("offer_message_dropped")

    async def run(self) -> None:
        """Say what there is to say, and answer, until cancelled."""
        offers = self._offers
        try:
            if (message := offers.made.message(self.device)).offers:
                self.send(message)
            for reply in offers.received.replies(self.device):
                self.send(reply)
            async for said in self._take:
                await rest()
                for answer in await self._answers(said):
                    await self._link.send(answer)
        finally:
            offers.ended(self)

    async def _answers(self, said: OfferMessage) -> Iterable[OfferMessage]:
        match said:
            case FolderOffers():
                return await self._offers.received.told(self.device, said)
            case OfferReply():
                return await self._offers.made.answers(self.device, said)
            case OfferGranted():
                await self._offers.received.granted(self.device, said.offer, said.statements)
        return ()
