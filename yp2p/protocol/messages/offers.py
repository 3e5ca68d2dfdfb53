"""Folders that one device offers another."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar, Self

from yp2p.errors import MessageFault
from yp2p.identity import DEVICE_ID_BYTES, ID_BYTES, DeviceID, FolderID
from yp2p.protocol.messages.folders import MAX_LABEL_BYTES, MAX_STATEMENT_BYTES, STATEMENTS_OF_PART
from yp2p.protocol.wire import Reader, Writer

# Folders that one device offers another at a time. Without the cap a member could fill the store and the screen.
MAX_OFFERS = 16
# A part of the list of what is in an offered folder: 512 entries with the longest paths there are.
MAX_LISTING_BYTES = 512 * 4200
_HIGHEST_ROLE = 3


@dataclass(frozen=True, slots=True)
class Offer:
    """One folder that somebody may take part in; `id` is another one each time that it is offered."""

    id: bytes
    folder: FolderID
    founder: DeviceID
    role: int  # 1 to 3, as in a statement
    label: str


@dataclass(frozen=True, slots=True)
class FolderOffers:
    """The folders that I offer you: all of them, so what is not here any more is taken back."""

    TYPE: ClassVar[int] = 0x81
    offers: tuple[Offer, ...]

    def write(self, out: Writer) -> None:
        out.u32(len(self.offers))
        for one in self.offers:
            out.raw(one.id).raw(one.folder).raw(one.founder).u8(one.role).text(one.label)

    @classmethod
    def read(cls, data: Reader) -> Self:
        count = data.count(2 * ID_BYTES + DEVICE_ID_BYTES)
        if count > MAX_OFFERS:
            raise MessageFault(f"{count} offers of folders, more than {MAX_OFFERS}")
        return cls(tuple(_read_offer(data) for _ in range(count)))


def _read_offer(data: Reader) -> Offer:
    number, folder, founder = data.raw(ID_BYTES), FolderID(data.raw(ID_BYTES)), DeviceID(data.raw(DEVICE_ID_BYTES))
    role = data.u8()
    if not 1 <= role <= _HIGHEST_ROLE:
        raise MessageFault(f"a folder is offered with a role that does not exist: {role}")
    return Offer(number, folder, founder, role, data.text(MAX_LABEL_BYTES))


class Reply(IntEnum):
    """What somebody says to an offer."""

    UNDECIDED = 0  # does it stand?
    ACCEPT = 1
    DECLINE = 2
    LOOK = 3  # what is in the folder?


@dataclass(frozen=True, slots=True)
class OfferReply:
    """What I say to an offer of yours."""

    TYPE: ClassVar[int] = 0x82
    offer: bytes
    folder: FolderID
    reply: Reply

    def write(self, out: Writer) -> None:
        out.raw(self.offer).raw(self.folder).u8(self.reply)

    @classmethod
    def read(cls, data: Reader) -> Self:
        number, folder, reply = data.raw(ID_BYTES), FolderID(data.raw(ID_BYTES)), data.u8()
        if reply not in list(Reply):
            raise MessageFault(f"an offer is answered with {reply}, which means nothing")
        return cls(number, folder, Reply(reply))


@dataclass(frozen=True, slots=True)
class OfferGranted:
    """You are let in: the statements of the folder, in parts, each behind those that it names.

    None at all, in one part: the offer does not stand any more.
    """

    TYPE: ClassVar[int] = 0x83
    offer: bytes
    last: bool
    statements: tuple[bytes, ...]

    def write(self, out: Writer) -> None:
        out.raw(self.offer).u8(self.last).u32(len(self.statements))
        for statement in self.statements:
            out.data(statement)

    @classmethod
    def read(cls, data: Reader) -> Self:
        number, last, count = data.raw(ID_BYTES), bool(data.u8()), data.count(4)
        if count > STATEMENTS_OF_PART:
            raise MessageFault(f"{count} statements in one part, more than {STATEMENTS_OF_PART}")
        return cls(number, last, tuple(data.data(MAX_STATEMENT_BYTES) for _ in range(count)))


@dataclass(frozen=True, slots=True)
class OfferListing:
    """What is in an offered folder, in parts as in pairing (`pairing/exchange.py`); an empty one is the end."""

    TYPE: ClassVar[int] = 0x84
    offer: bytes
    entries: bytes

    def write(self, out: Writer) -> None:
        out.raw(self.offer).data(self.entries)

    @classmethod
    def read(cls, data: Reader) -> Self:
        return cls(data.raw(ID_BYTES), data.data(MAX_LISTING_BYTES))
