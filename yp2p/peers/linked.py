"""A link that is up, with everything that goes over it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import trio

from yp2p.folder.budget import charged, rest
from yp2p.peers.checks import LinkChecks
from yp2p.peers.contact import Contact
from yp2p.peers.folder_sessions import FolderSessions
from yp2p.peers.reach import Way
from yp2p.protocol.messages import CheckMessage, Goodbye, Hello, OfferMessage, Unknown
from yp2p.transport.link import Link


class OfferExchange(Protocol):
    """What two devices say over one link of folders that they offer each other (`device/offers.py`)."""

    async def run(self) -> None: ...

    def receive(self, message: OfferMessage) -> None: ...


@dataclass(slots=True)
class Linked:
    """The link with one device.

    Attributes:
        scope: all that runs over the link.
        since: when it came up, by trio's clock.
        address: how the device was reached, or where it came from.
        boot_id: of the machine at its other end.
    """

    link: Link
    scope: trio.CancelScope
    dialled_by_us: bool
    since: float
    address: Way
    boot_id: bytes
    sessions: FolderSessions
    offers: OfferExchange | None
    checks: LinkChecks

    def is_at_rest(self) -> bool:
        """Whether all folders that go over it are in sync."""
        return all(session.agreement.in_sync for session in self.sessions.by_folder.values())

    def end(self, reason: str, *, is_paused: bool = False) -> None:
        """End it, for this reason."""
        self.link.close(reason, is_paused=is_paused)
        self.scope.cancel()

    async def run(self, contact: Contact) -> None:
        """Serve it until it ends; `contact` is what is known of the device."""
        async with trio.open_nursery() as nursery:
            self.sessions.open(nursery)
            nursery.start_soon(self.sessions.keep, nursery)
            nursery.start_soon(charged, contact.budget, self.checks.run)
            if self.offers is not None:
                nursery.start_soon(charged, contact.budget, self.offers.run)
            while True:
                await rest()
                message = await self.link.receive()
                if isinstance(message, OfferMessage):
                    if self.offers is not None:
                        self.offers.receive(message)
                elif isinstance(message, CheckMessage):
                    self.checks.receive(message)
                elif isinstance(message, Hello):
                    contact.name = message.name  # it was given another one
                elif not isinstance(message, Goodbye | Unknown):
                    await self.sessions.deliver(message, self.link.given_bytes)
                del message  # it may be large, and the next one may be long in coming
