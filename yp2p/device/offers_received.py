"""The folders that other devices offer to this one, and what a person here said to that.

Theory of operation
    What a device offers is kept until it takes it back or a person decides. A decision is kept as well, and is said
    whenever there is a link with that device, until it answers: an acceptance with the statements of the folder, by
    which this device is a member (or with none: the offer does not stand any more), a refusal with its offers, in which
    that one is not any more. From the statements on it goes the way of joining with a code.

Invariants
    * Nothing that is offered is true before the statements say it: who offers has to be a member by them, and so has
      this device, and they begin with the founder that was offered. A folder that is here cannot be offered.
    * A device has no more than `MAX_OFFERS` offers here, makes no more than `_NEW_AN_HOUR` new ones, and all together
      have no more than `_MAX_ALL`. What is called by others is cut and made plain before it is stored.
    * Statements and listings are taken from whoever was asked for them, one at a time, with a cap.
"""

from __future__ import annotations

import time
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum
from pathlib import Path

import structlog
import trio

from yp2p.device.folders import Folders
from yp2p.discovery.addresses import Address
from yp2p.errors import FolderError, MessageFault
from yp2p.folder.folder import Folder
from yp2p.identity import DeviceID, FolderID
from yp2p.pairing.exchange import Grant, Listed, decode_listing
from yp2p.pairing.joiner import Joined
from yp2p.pairing.listing import MAX_LISTED
from yp2p.printable import printable
from yp2p.protocol.messages import FolderOffers, Offer, OfferGranted, OfferListing, OfferReply, Reply
from yp2p.protocol.names import encode_path
from yp2p.store import tables
from yp2p.store.database import Database
from yp2p.trust.statements import Role

_MAX_LABEL = 100
# All devices together: a room has some dozens, and each offers a few.
_MAX_ALL = 256
# A person makes a few a day. Whoever makes and takes back without end would fill the log and the store.
_NEW_AN_HOUR, _HOUR_S = 32, 3600.0
# A folder has no more statements (`trust/limits.py`).
_MAX_STATEMENTS = 8192

log = structlog.get_logger()


class Decision(IntEnum):
    """What a person said."""

    NONE = 0
    ACCEPT = 1
    DECLINE = 2


_REPLIES = {Decision.NONE: Reply.UNDECIDED, Decision.ACCEPT: Reply.ACCEPT, Decision.DECLINE: Reply.DECLINE}


@dataclass(frozen=True, slots=True)
class Received:
    """One offer.

    Attributes:
        path: where the folder is to be.
        chosen: what of it is to be there; nothing: everything.
        problem: why it could not be there yet.
    """

    device: DeviceID
    folder: FolderID
    id: bytes
    founder: DeviceID
    role: Role
    label: str
    received_at: float
    decision: Decision = Decision.NONE
    path: str = ""
    chosen: tuple[str, ...] = ()
    problem: str = ""

    def reply(self) -> OfferReply:
        return OfferReply(self.id, self.folder, _REPLIES[self.decision])


@dataclass(slots=True)
class Look:
    """What is in a folder that is offered, as far as it was told."""

    offer: bytes
    entries: list[Listed] = field(default_factory=list)
    is_over: trio.Event = field(default_factory=trio.Event)


class OffersReceived:
    """See above. `load` once, before use.

    Args:
        check: the directory that a path means, if a folder can be there. Raises FolderError.
        take_part: takes part in a folder, as after joining with a code.

    Attributes:
        changed: is set, and replaced, when an offer came, went or changed.
        looks: those that are being answered, by device.
    """

    def __init__(
        self,
        folders: Folders,
        database: Database,
        check: Callable[[str], Path],
        take_part: Callable[[Joined, Path, Sequence[str]], Awaitable[None]],
    ) -> None:
        self._folders = folders
        self._database = database
        self._check = check
        self._take_part = take_part
        self._received: dict[tuple[DeviceID, FolderID], Received] = {}
        self._new: dict[DeviceID, deque[float]] = defaultdict(deque)
        self._parts: dict[DeviceID, tuple[bytes, list[bytes]]] = {}
        self._taking_part = trio.Lock()
        self.changed = trio.Event()
        self.looks: dict[DeviceID, Look] = {}

    def load(self) -> None:
        for row in tables.offer_received.read_all(self._database.rows):
            device, folder, number, founder, role, label, received_at, decision, path, chosen = row
            key = DeviceID(device), FolderID(folder)
            self._received[key] = Received(
                *key, number, DeviceID(founder), Role(role), label, received_at, Decision(decision), path,
                tuple(part.decode("utf-8", "surrogateescape") for part in chosen.split(b"\0") if part),
            )  # fmt: skip

    def all(self) -> list[Received]:
        return sorted(self._received.values(), key=lambda one: one.received_at)

    def replies(self, device: DeviceID) -> list[OfferReply]:
        """What a device that was just linked is told."""
        self._parts.pop(device, None)
        return [one.reply() for one in self.all() if one.device == device]

    # --- what others say ----------------------------------------------------------------------------------------

    async def told(self, device: DeviceID, said: FolderOffers) -> list[OfferReply]:
        """A device said what it offers; gives what to answer."""
        offered = {one.folder: one for one in said.offers if not self._is_here(one.folder)}
        before = [one for one in self._received.values() if one.device == device]
        gone = [one for one in before if one.folder not in offered and one.decision is not Decision.ACCEPT]
        await self._forget(gone)
        answers: list[OfferReply] = []
        for one in offered.values():
            known = self._received.get((device, one.folder))
            if known is not None and known.id == one.id:
                if known.decision is Decision.DECLINE:
                    answers.append(known.reply())  # this was on its way when it was declined
            elif not self._has_room(device, known):
                log.debug("folder_offer_ignored", reason="there are too many")
            elif known is not None and _is_same(known, one):
                await self._save(replace(known, id=one.id))
                answers.append(self._received[device, one.folder].reply())
            else:
                await self._take(device, one)
        return answers

    async def _take(self, device: DeviceID, one: Offer) -> None:
        label = _plain(one.label) or one.folder.hex()[:8]
        await self._save(Received(device, one.folder, one.id, one.founder, Role(one.role), label, time.time()))
        log.info("folder_offered", folder=label, advice="`yp2p folder list` says how to answer")

    def _has_room(self, device: DeviceID, known: Received | None) -> bool:
        new, now = self._new[device], trio.current_time()
        while new and now - new[0] > _HOUR_S:
            new.popleft()
        if len(new) >= _NEW_AN_HOUR or (known is None and len(self._received) >= _MAX_ALL):
            return False
        new.append(now)
        return True

    def listed(self, device: DeviceID, said: OfferListing) -> None:
        """A part of what is in a folder came. Raises MessageFault."""
        look = self.looks.get(device)
        if look is None or look.offer != said.offer or look.is_over.is_set():
            return
        part = decode_listing(said.entries)
        look.entries += part
        if len(look.entries) > MAX_LISTED:
            raise MessageFault(f"a folder of more than {MAX_LISTED} entries")
        if not part:
            look.is_over.set()

    def part(self, device: DeviceID, said: OfferGranted) -> tuple[bytes, ...] | None:
        """A part of the statements of a folder came; gives all when it was the last. Raises MessageFault."""
        if self._accepted(device, said.offer) is None:
            return None
        number, parts = self._parts.pop(device, (b"", []))
        parts = [*(parts if number == said.offer else ()), *said.statements]
        if len(parts) > _MAX_STATEMENTS:
            raise MessageFault(f"a folder of more than {_MAX_STATEMENTS} statements")
        if said.last:
            return tuple(parts)
        self._parts[device] = said.offer, parts
        return None

    async def granted(self, device: DeviceID, number: bytes, statements: tuple[bytes, ...]) -> None:
        """What was accepted is there, or (no statements) is not offered any more. Raises MessageFault."""
        async with self._taking_part:
            one = self._accepted(device, number)
            if one is None:
                return
            if not statements:
                await self._forget([one])
                return
            try:
                await self._begin(one, statements)
            except FolderError as error:
                self._wait(one, str(error))
            except MessageFault as fault:
                self._wait(one, f"what the other device sent is not right: {fault}")
                raise
            else:
                await self._forget([other for other in self._received.values() if other.folder == one.folder])

    async def _begin(self, one: Received, statements: tuple[bytes, ...]) -> None:
        peers = self._folders.peers
        assert peers is not None
        keys = peers.devices.roster.known().get(one.device)
        if keys is None or self._is_here(one.folder):
            return
        known = self._folders.by_id.get(one.folder)
        if known is not None and known.membership.founder != one.founder:
            raise MessageFault("the folder has another founder than that one here")
        name = peers.devices.contact(one.device).name
        grant = Grant(one.folder, one.founder, self._free_label(one, known), name, statements)
        way = peers.address_of(one.device)
        address = way if isinstance(way, Address) else Address("", 0)
        await self._take_part(Joined(grant, keys, address), self._check(one.path), one.chosen)
        if not self._is_here(one.folder):
            raise FolderError(f"{one.label!r} does not have this device as a member yet")

    def _free_label(self, one: Received, known: Folder | None) -> str:
        """A label that no folder here has: commands take folders by it."""
        taken = {other.label for other in self._folders.by_id.values() if other is not known}
        names = [one.label, *(f"{one.label} ({number})" for number in range(2, len(taken) + 3))]
        return next(name for name in names if name not in taken)

    def _wait(self, one: Received, problem: str) -> None:
        log.warning("folder_offer_waits", folder=one.label, reason=problem)
        if self.current(one) == one:
            self._received[one.device, one.folder] = replace(one, problem=problem)
            self._touch()

    # --- what a person says -------------------------------------------------------------------------------------

    async def decide(
        self, chosen: list[Received], decision: Decision, path: str = "", paths: tuple[str, ...] = ()
    ) -> None:
        """Keep what was said to these offers, those that are still there; `paths` are to be on this disk."""
        for one in chosen:
            current = self.current(one)
            if current is not None:
                await self._save(replace(current, decision=decision, path=path, chosen=paths, problem=""))

    def current(self, one: Received) -> Received | None:
        """What became of an offer since."""
        return self._received.get((one.device, one.folder))

    # --- what is kept -------------------------------------------------------------------------------------------

    def _is_here(self, folder: FolderID) -> bool:
        found = self._folders.by_id.get(folder)
        return found is not None and self._folders.is_member(found)

    def _accepted(self, device: DeviceID, number: bytes) -> Received | None:
        return next(
            (
                one
                for one in self._received.values()
                if (one.device, one.id, one.decision) == (device, number, Decision.ACCEPT)
            ),
            None,
        )

    async def tidy(self) -> None:
        """Forget what nobody can give any more, and what is here."""
        peers = self._folders.peers
        assert peers is not None
        known = peers.devices.roster.known() if self._received else {}
        await self._forget(
            [one for one in self._received.values() if one.device not in known or self._is_here(one.folder)]
        )

    async def _save(self, one: Received) -> None:
        self._received[one.device, one.folder] = one
        row = tables.offer_received.save(
            one.device, one.folder, one.id, one.founder, one.role, one.label, one.received_at, one.decision, one.path,
            b"\0".join(map(encode_path, one.chosen)),
        )  # fmt: skip
        await self._database.submit([row]).wait()
        self._touch()

    async def _forget(self, gone: list[Received]) -> None:
        gone = [one for one in gone if self._received.pop((one.device, one.folder), None) is not None]
        if gone:
            rows = [tables.offer_received.delete(one.device, one.folder) for one in gone]
            await self._database.submit(rows).wait()
            self._touch()

    def _touch(self) -> None:
        event, self.changed = self.changed, trio.Event()
        event.set()


def _is_same(known: Received, one: Offer) -> bool:
    """Whether a person agreed to just this: it was only made anew."""
    return known.decision is Decision.ACCEPT and (known.founder, known.role) == (one.founder, one.role)


def _plain(label: str) -> str:
    """What another device calls a folder, as it can be shown and typed."""
    return "".join(c if c.isprintable() else "?" for c in printable(label)).strip()[:_MAX_LABEL].strip()
