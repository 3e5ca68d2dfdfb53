"""Peers: one link per pair of devices, kept up as long as both are in reach.

Theory of operation
    Every device that is a member of one of our folders is *known*. For each known device a task dials it whenever
    there is no link and there is an address to try: seen over mDNS, static from the configuration, or remembered
    from last time. After a failure it waits, longer each time and with jitter; a sighting cuts the wait short.
    Connections that come in are links like any other. Of two that both ends made at the same time, both ends keep
    the one that the device with the smaller ID dialled; otherwise a completed handshake replaces the older link,
    which may be dead without knowing it yet.

    Whether a device is here is TCP's word, never mDNS's (invariant 17).

Invariants
    * A peer's fault in a folder ends its session there (`folder_sessions.py`), one of its link that link, and nothing
      else: `_serve` is the one place where it stops (invariant 15). The store's faults go on through.
    * A link is with the device that proved both its keys on it, whatever others say about who has them.
    * A link carries only folders of which our statements say that the peer is a member. One that was removed is told
      by which statements, and nothing else.
    * Two machines with one key (a cloned disk) are noticed by their boot IDs, told, and served in turns, not in a race.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import structlog
import trio

from yp2p.discovery.addresses import Address
from yp2p.documents.meeting import MERGE_RULES
from yp2p.errors import PeerFault, YpError, first_reason
from yp2p.folder.budget import Budget, charged, rest
from yp2p.folder.folder import Folder
from yp2p.identity import DeviceID, FolderID, Identity, PublicIdentity, short_id
from yp2p.peers.folder_sessions import LISTENS_S, FolderSessions
from yp2p.peers.known_devices import KnownDevices
from yp2p.peers.presence import FolderPresence
from yp2p.peers.session import FolderSession
from yp2p.protocol.messages import PROTOCOL_VERSION, Goodbye, Hello, Membership, OfferMessage, Unknown
from yp2p.store.database import Database
from yp2p.transport.dialer import Backoff, dial
from yp2p.transport.handshake import Secured
from yp2p.transport.link import Link, LinkClosed, open_link
from yp2p.transport.refusals import Refusals

# Two links made within this time of each other were in flight together.
_TOGETHER_S = 2.0
# The device with the larger ID gives the other one this much lead: fewer collisions.
_COURTESY_S = 0.15
_STEADY_S = 5.0
# A device that is not dialled, because another one has its Noise key, may be dialled later.
_LOOK_AGAIN_S = 30.0
# Of two machines with one key, each is served for this long before the other one may take its place.
_CLONE_TURN_S = 30.0
# A device that was removed is told that so often at most: each time is a handshake, and some statements.
_TOLD_EVERY_S = 60.0

log = structlog.get_logger()


class OfferExchange(Protocol):
    """What two devices say over one link of folders that they offer each other (`device/offers.py`)."""

    async def run(self) -> None: ...

    def receive(self, message: OfferMessage) -> None: ...


@dataclass(slots=True)
class _Linked:
    """A link that is up."""

    link: Link
    scope: trio.CancelScope
    dialled_by_us: bool
    since: float
    address: Address
    boot_id: bytes
    sessions: FolderSessions
    offers: OfferExchange | None


class Peers:
    """The links of this device; `devices` are those that there may be links with.

    Attributes:
        offers: makes what serves the offers of folders over a link.
    """

    def __init__(
        self,
        identity: Identity,
        name: str,
        database: Database,
        folders: dict[FolderID, Folder],
        presence: Callable[[Folder], FolderPresence],
        static: list[Address],
    ) -> None:
        self._identity = identity
        self._name = name
        self._folders = folders
        self._presence = presence
        self._static = static
        self._boot_id = random.SystemRandom().randbytes(16)
        self._refusals = Refusals()
        self._links: dict[DeviceID, _Linked] = {}
        self.devices = KnownDevices(identity, database, folders)
        self.listen_port = 0
        self.offers: Callable[[DeviceID, Link], OfferExchange] | None = None
        self.members_changed = trio.Event()

    def is_linked(self, device: DeviceID) -> bool:
        return device in self._links

    def address_of(self, device: DeviceID) -> Address | None:
        linked = self._links.get(device)
        return linked.address if linked is not None else None

    def link(self, device: DeviceID) -> Link | None:
        """The link with a device, while it is up."""
        linked = self._links.get(device)
        return linked.link if linked is not None else None

    def last_error(self, device: DeviceID) -> str:
        """What is wrong with a device, for people; empty when nothing is."""
        contact = self.devices.contact(device)
        if contact.is_cloned(trio.current_time()):
            return "two machines have the key of this device (a cloned disk?); they are served in turns"
        return contact.last_error

    def session(self, device: DeviceID, folder: FolderID) -> FolderSession | None:
        linked = self._links.get(device)
        return linked.sessions.by_folder.get(folder) if linked is not None else None

    def membership_changed(self) -> None:
        """A folder or a member came: dial who is new, and open sessions on the links there are."""
        event, self.members_changed = self.members_changed, trio.Event()
        event.set()
        for linked in self._links.values():
            linked.sessions.wake()

    # --- dialling -----------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Keep links to all known devices until cancelled."""
        async with trio.open_nursery() as nursery:
            dialled: set[DeviceID] = set()
            while True:
                changed = self.members_changed
                for device in self.devices.known().keys() - dialled:
                    dialled.add(device)
                    nursery.start_soon(self._keep_linked, device)
                await changed.wait()

    async def _keep_linked(self, device: DeviceID) -> None:
        contact = self.devices.contact(device)
        backoff = Backoff()
        if self._identity.device_id > device:
            await trio.sleep(_COURTESY_S)
        while True:
            contact.wake = trio.Event()
            keys = self.devices.known().get(device)
            wait = max(0.0, contact.quarantined_until - trio.current_time())
            if wait:
                await trio.sleep(wait)
            is_dialled = self.devices.is_dialled(device)
            if keys is not None and is_dialled and device not in self._links:
                started = trio.current_time()
                if not await self._dial_all(device, keys) or trio.current_time() - started < _STEADY_S:
                    backoff = backoff.failed()
                else:
                    backoff = Backoff()
            # While somebody's link is up there is nothing to do until it ends.
            delay_s = math.inf if device in self._links else backoff.delay_s(random.random())
            if not is_dialled:
                delay_s = _LOOK_AGAIN_S
            with trio.move_on_after(delay_s):
                await contact.wake.wait()

    async def _dial_all(self, device: DeviceID, keys: PublicIdentity) -> bool:
        """Try every address; returns when the link is over. False when none led to the device."""
        contact = self.devices.contact(device)
        newest_first = sorted(contact.addresses, key=lambda a: -contact.addresses[a])
        for address in dict.fromkeys([*newest_first, *self._static]):
            if device in self._links:
                return True
            try:
                secured = await dial(address.host, address.port, self._identity, keys.noise_key)
            except OSError as error:
                log.debug("dial_failed", peer=short_id(device), reason=str(error))
                continue
            if device in self._links and not self._wins(device, dialled_by_us=True):
                await trio.aclose_forcefully(secured.stream)
                return True
            await self._serve(device, secured, address, None)
            return True
        return False

    # --- links --------------------------------------------------------------------------------------------------

    async def accept(self, secured: Secured, confirmed: Link) -> None:
        """A known device connected: serve it until the link is over."""
        device = self.devices.proved_by(secured, confirmed.peer)
        if device is None and (former := self.devices.former_proved_by(secured, confirmed.peer)) is not None:
            await self._tell_former(former, secured, confirmed)
            return
        if device is None:
            self._refusals.note("a device that did not prove both its keys")
        if device is None or self._is_banned(device):
            await trio.aclose_forcefully(secured.stream)
            return
        try:
            host, port = secured.stream.socket.getpeername()[:2]
        except OSError:
            return
        await self._serve(device, secured, Address(host, port), confirmed)

    async def _tell_former(self, device: DeviceID, secured: Secured, confirmed: Link) -> None:
        """Tell a device that was removed by which statements it was, now and then; it gets nothing else."""
        contact, now = self.devices.contact(device), trio.current_time()
        if now - contact.told_at < _TOLD_EVERY_S:
            await trio.aclose_forcefully(secured.stream)
            return
        contact.told_at = now
        try:
            async with open_link(secured, self._hello(), confirmed) as link:
                for folder in self.devices.folders_without(device):
                    for part in Membership.parts(folder.id, folder.membership.about_removal(device)):
                        await link.send(part)
                with trio.move_on_after(LISTENS_S):
                    while True:  # until it ends the link, having read that
                        await link.receive()
                link.close("no folder is shared with this device any more")
        except* (LinkClosed, PeerFault, OSError, trio.TooSlowError, trio.BrokenResourceError, trio.ClosedResourceError):
            pass  # whatever it does is nobody's concern any more

    def _is_banned(self, device: DeviceID) -> bool:
        """Whether a device broke the protocol so often that it has to wait before it may connect again."""
        contact = self.devices.contact(device)
        if not contact.is_banned(trio.current_time()):
            return False
        self._refusals.note("a device with too many faults")
        return True

    def _hello(self) -> Hello:
        return Hello((PROTOCOL_VERSION,), self._boot_id, self._name, self.listen_port, MERGE_RULES)

    def _wins(self, device: DeviceID, *, dialled_by_us: bool, boot_id: bytes = b"") -> bool:
        """Whether a new link takes the place of the one there is; `boot_id` of the peer, where it said so already."""
        old = self._links.get(device)
        if old is None:
            return True
        age = trio.current_time() - old.since
        if boot_id and self.devices.contact(device).is_cloned(trio.current_time()) and old.boot_id != boot_id:
            return age > _CLONE_TURN_S
        if old.dialled_by_us == dialled_by_us or age > _TOGETHER_S:
            return True
        return dialled_by_us == (self._identity.device_id < device)

    async def _serve(self, device: DeviceID, secured: Secured, address: Address, confirmed: Link | None) -> None:
        """Run one link to its end; `confirmed` is None where we dialled. The one place where a fault of it stops."""
        with structlog.contextvars.bound_contextvars(peer=short_id(device)):
            try:
                await self._run_link(device, secured, address, confirmed)
            except* (LinkClosed, trio.TooSlowError, trio.BrokenResourceError) as group:
                log.info("link_closed", reason=first_reason(group))
            except* PeerFault as group:
                self._is_at_fault(device, secured, first_reason(group))
                log.warning("peer_fault", reason=first_reason(group), advice="is the same version running there?")
            except* YpError:
                raise
            except* OSError as group:  # what this machine does not allow is no fault of the peer
                log.info("link_closed", reason=first_reason(group))
            except* Exception as group:
                self._is_at_fault(device, secured, first_reason(group))
                log.exception("session_failed", reason=first_reason(group))

    def _is_at_fault(self, device: DeviceID, secured: Secured, reason: str) -> None:
        at_fault = self.devices.served_on(secured.remote_noise_key, device)
        self.devices.contact(at_fault).note_link_fault(reason, trio.current_time())

    async def _run_link(self, wanted: DeviceID, secured: Secured, address: Address, confirmed: Link | None) -> None:
        """Args: `wanted` is the device that was dialled; whoever proves to be there is served."""
        dialled_by_us = confirmed is None
        async with open_link(secured, self._hello(), confirmed) as link:
            device = self.devices.proved_by(secured, link.peer)
            if device is None:
                link.close("both keys have to be proved")
                raise LinkClosed("a device that did not prove both its keys")
            old = self._links.get(device)
            boot_id = link.peer.boot_id if link.peer is not None else b""
            if self.devices.contact(device).saw(boot_id, trio.current_time()):
                log.warning(
                    "device_cloned", advice="two machines have its key: `yp2p device rotate` on the one to keep"
                )
            if not self._wins(device, dialled_by_us=dialled_by_us, boot_id=boot_id):
                link.close("another link was made at the same time")
                return
            if old is not None:
                old.link.close("a newer link took its place")
                old.scope.cancel()
            contact = self.devices.contact(device)
            with trio.CancelScope() as scope:
                sessions = FolderSessions(
                    self._identity.device_id, device, link, contact, self._folders, self._presence
                )  # fmt: skip
                offers = self.offers(device, link) if self.offers is not None else None
                linked = _Linked(link, scope, dialled_by_us, trio.current_time(), address, boot_id, sessions, offers)
                self._links[device] = linked
                link.is_wanted = sessions.waits_for
                self.devices.linked(device, link.peer, address, dialled_by_us=dialled_by_us)
                log.info("link_up", address=str(address))
                try:
                    await charged(contact.budget, self._run_sessions, linked, contact.budget)
                finally:
                    if self._links.get(device) is linked:
                        del self._links[device]
                        if not dialled_by_us or wanted != device:
                            contact.wake.set()  # else whoever dialled goes on by himself
                    contact.link_ended(linked.since, trio.current_time())
                    log.info("link_down")

    async def _run_sessions(self, linked: _Linked, budget: Budget) -> None:
        async with trio.open_nursery() as nursery:
            linked.sessions.open(nursery)
            nursery.start_soon(linked.sessions.keep, nursery)
            if linked.offers is not None:
                nursery.start_soon(charged, budget, linked.offers.run)
            while True:
                await rest()
                message = await linked.link.receive()
                if isinstance(message, OfferMessage):
                    if linked.offers is not None:
                        linked.offers.receive(message)
                elif not isinstance(message, Hello | Goodbye | Unknown):
                    await linked.sessions.deliver(message, linked.link.given_bytes)
                del message  # it may be large, and the next one may be long in coming
