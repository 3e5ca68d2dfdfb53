"""The folders that this device offers to others, and what it answers to what these say.

Theory of operation
    An offer is a wish of a person here and lets nobody in: it says which folder, as what, and by an ID of its own,
    another one each time. It is said over the link (`FolderOffers`), all offers to a device in one message, so what is
    not in it is taken back. Only when the other device accepts is the grant signed, with all that is known by then, so
    that it follows the removals of before; then the statements go out (`OfferGranted`).

    An acceptance that is repeated, because one of the two went away meanwhile, finds a member, and gets the statements
    again: what every member has.

Invariants
    * An offer is good for one acceptance, for thirty days, and as long as this device is an administrator, the other
      one is known, and nothing was said of its removal from any folder since the offer was made: whoever removed it
      did so in ignorance of the offer, and a person decides anew.
    * Who has no such offer gets nothing but the offers that it does have.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import structlog

from yp2p.device.folders import Folders
from yp2p.errors import FolderError
from yp2p.folder.folder import Folder
from yp2p.folder.own_statements import OwnStatements
from yp2p.identity import DeviceID, FolderID, PublicIdentity, short_id
from yp2p.pairing.exchange import LISTED_IN_MESSAGE, encode_listing
from yp2p.pairing.preview import list_entries
from yp2p.protocol.messages import (
    MAX_OFFERS,
    STATEMENTS_OF_PART,
    FolderOffers,
    Offer,
    OfferGranted,
    OfferListing,
    OfferMessage,
    OfferReply,
    Reply,
)
from yp2p.store import tables
from yp2p.store.database import Database
from yp2p.trust import recovery
from yp2p.trust.statements import Role

# A right that nobody uses does not stand for ever: the device may be another person's by then.
LASTS_S = 30 * 86_400.0

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Made:
    """One offer. Attributes: `removals` is what was known of removals of the device when it was made."""

    folder: FolderID
    device: DeviceID
    id: bytes
    role: Role
    made_at: float
    removals: bytes
    is_declined: bool = False


class OffersMade:
    """See above. `load` once, before use."""

    def __init__(self, folders: Folders, database: Database) -> None:
        self._folders = folders
        self._database = database
        self._made: dict[tuple[FolderID, DeviceID], Made] = {}

    def load(self) -> None:
        for folder, device, number, role, made_at, removals, declined in tables.offer_made.read_all(
            self._database.rows
        ):
            key = FolderID(folder), DeviceID(device)
            self._made[key] = Made(*key, number, Role(role), made_at, removals, bool(declined))

    def all(self) -> list[Made]:
        return sorted(self._made.values(), key=lambda one: one.made_at)

    def check(self, folder: Folder, device: DeviceID, name: str) -> None:
        """Raises FolderError: this folder cannot be offered to that device, called `name`."""
        OwnStatements(folder.membership).check_administrator()
        if device in folder.membership.members:
            raise FolderError(f"{name!r} takes part in {folder.label!r} already; nothing was offered")
        if device not in self._known():
            raise FolderError(f"{name!r} is no device that this one can reach; `yp2p share` lets a new device in")
        standing = [one for one in self._made.values() if one.device == device and one.folder != folder.id]
        if len(standing) >= MAX_OFFERS:
            raise FolderError(f"{name!r} has {len(standing)} offers already; it has to accept or decline some first")

    async def make(self, folder: Folder, device: DeviceID, role: Role) -> None:
        """Offer a folder, after `check`; an offer that was declined is made again by this."""
        await self._save(Made(folder.id, device, os.urandom(16), role, time.time(), self._removals(device)))
        log.info("folder_offer_made", folder=folder.label, role=role.name.lower())

    async def withdraw(self, folder: FolderID, device: DeviceID) -> bool:
        """Take an offer back; tells whether there was one."""
        return await self._forget([one for one in self._made.values() if (one.folder, one.device) == (folder, device)])

    def message(self, device: DeviceID) -> FolderOffers:
        """What a device is told: the offers to it that stand."""
        standing = [one for one in self._made.values() if one.device == device and self._stands(one)]
        folders = self._folders.by_id
        return FolderOffers(
            tuple(
                Offer(one.id, one.folder, folders[one.folder].membership.founder, one.role, folders[one.folder].label)
                for one in standing
            )[:MAX_OFFERS]
        )

    async def answers(self, device: DeviceID, said: OfferReply) -> Iterable[OfferMessage]:
        """What to answer, and what follows from what a device said."""
        made = self._made.get((said.folder, device))
        if made is not None and (made.id != said.offer or not self._stands(made)):
            made = None
        match said.reply:
            case Reply.ACCEPT:
                return await self._accepted(device, said, made)
            case Reply.DECLINE if made is not None:
                await self._save(replace(made, is_declined=True))
                log.info("folder_offer_declined", folder=self._folders.by_id[made.folder].label)
            case Reply.LOOK if made is not None:
                return _listing(made.id, self._folders.by_id[made.folder])
            case Reply.UNDECIDED if made is not None:
                return ()
        return (self.message(device),)

    async def _accepted(self, device: DeviceID, said: OfferReply, made: Made | None) -> Iterable[OfferMessage]:
        folder = self._folders.by_id.get(said.folder)
        if folder is None or not self._folders.is_member(folder):
            return (OfferGranted(said.offer, True, ()),)
        if device not in folder.membership.members:
            keys = self._known().get(device)
            if made is None or keys is None:
                return (OfferGranted(said.offer, True, ()),)
            try:
                await OwnStatements(folder.membership).grant(
                    keys, made.role, self._name_of(device), lambda: self._stands(made)
                )
            except FolderError as error:
                log.warning("folder_offer_not_granted", folder=folder.label, reason=str(error))
                return (OfferGranted(said.offer, True, ()),)
            folder.state.touch()
            log.info("folder_offer_accepted", folder=folder.label)
            await self._forget([made])
        return _granted(said.offer, folder.membership.statements())

    def _name_of(self, device: DeviceID) -> str:
        """What it says itself that it is called, or said when it was let in; no device is called as recovery keys."""
        assert self._folders.peers is not None
        said = self._folders.peers.devices.contact(device).name
        names = (said, *(one.membership.name_of(device) for one in self._folders.by_id.values()))
        return next((name for name in names if name and not recovery.is_called_so(name)), short_id(device))

    # --- what stands --------------------------------------------------------------------------------------------

    def _known(self) -> dict[DeviceID, PublicIdentity]:
        assert self._folders.peers is not None
        return self._folders.peers.devices.roster.known()

    def _stands(self, made: Made) -> bool:
        return not made.is_declined and self._holds(made, self._known())

    def _holds(self, made: Made, known: dict[DeviceID, PublicIdentity]) -> bool:
        """Whether there is still somebody who offers, something to offer, and somebody to offer it to."""
        folder = self._folders.by_id.get(made.folder)
        return (
            folder is not None
            and folder.membership.may(Role.ADMINISTRATOR)
            and made.device in known
            and made.device not in folder.membership.members
            and self._removals(made.device) == made.removals
            and time.time() - made.made_at < LASTS_S
        )

    def _removals(self, device: DeviceID) -> bytes:
        """A hash over all that is known of removals of a device, from whatever folder."""
        said = {one for folder in self._folders.by_id.values() for one in folder.membership.removals_of(device)}
        return hashlib.sha256(b"".join(sorted(said))).digest()

    async def tidy(self) -> set[DeviceID]:
        """Forget what does not hold any more; gives the devices that are to be told."""
        known = self._known() if self._made else {}
        over = [one for one in self._made.values() if not self._holds(one, known)]
        await self._forget(over)
        return {one.device for one in over}

    async def _save(self, made: Made) -> None:
        self._made[made.folder, made.device] = made
        row = tables.offer_made.save(
            made.folder, made.device, made.id, made.role, made.made_at, made.removals, declined=made.is_declined
        )
        await self._database.submit([row]).wait()

    async def _forget(self, over: list[Made]) -> bool:
        gone = [one for one in over if self._made.get((one.folder, one.device)) == one]
        for one in gone:
            del self._made[one.folder, one.device]
        if gone:
            await self._database.submit([tables.offer_made.delete(one.folder, one.device) for one in gone]).wait()
        return bool(gone)


def _granted(number: bytes, statements: tuple[bytes, ...]) -> Iterator[OfferMessage]:
    for start in range(0, len(statements), STATEMENTS_OF_PART):
        part = statements[start : start + STATEMENTS_OF_PART]
        yield OfferGranted(number, start + len(part) == len(statements), part)


def _listing(number: bytes, folder: Folder) -> Iterator[OfferMessage]:
    entries = list_entries(folder)
    for start in range(0, len(entries), LISTED_IN_MESSAGE):
        yield OfferListing(number, encode_listing(entries[start : start + LISTED_IN_MESSAGE]))
    yield OfferListing(number, encode_listing([]))
    log.info("folder_shown", folder=folder.label)
