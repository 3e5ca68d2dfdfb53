"""Peers: one link per pair of devices, kept up as long as both are in reach.

Theory of operation
    Every device that is a member of one of our folders is *known*. Known devices are dialled while there is no link
    with them (`dialling.py`), at addresses that were seen over mDNS, are in the settings, or led to them before.
    Connections that come in are links like any other. Of two links with one device one stays (`rivals.py`).

    Whether a device is here is TCP's word, never mDNS's (invariant 17).

Invariants
    * A peer's fault in a folder ends its session there (`folder_sessions.py`), one of its link that link, and nothing
      else: `_serve` is the one place where it stops (invariant 15). The store's faults go on through.
    * A link is with the device that proved both its keys on it, whatever others say about who has them.
    * A link carries only folders of which our statements say that the peer is a member. With one that was removed
      statements about that are exchanged, and nothing else (`removed.py`).
    * There is no link with a device that a person paused, in either direction: it is not dialled, and one that connects
      is told that it is paused, and nothing else.
    * Two machines with one key (a cloned disk) are noticed by their boot IDs, told, and served in turns, not in a race.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable

import structlog
import trio

from yp2p import __version__
from yp2p.discovery.addresses import Address, is_loopback
from yp2p.documents.meeting import MERGE_RULES
from yp2p.errors import OtherVersion, PeerFault, YpError, first_of, first_reason
from yp2p.folder.budget import charged
from yp2p.folder.folder import Folder
from yp2p.identity import DeviceID, FolderID, Identity, short_id
from yp2p.machine import Until
from yp2p.memory import link_has_ended
from yp2p.peers.checks import LinkChecks
from yp2p.peers.dialling import RARELY_S, Dialling
from yp2p.peers.folder_sessions import FolderSessions
from yp2p.peers.known_devices import VERSION_FEATURE, KnownDevices, proving
from yp2p.peers.linked import Linked, OfferExchange
from yp2p.peers.presence import FolderPresence
from yp2p.peers.reach import Way
from yp2p.peers.removed import FormerDevices
from yp2p.peers.rivals import newer_stays
from yp2p.peers.session import FolderSession
from yp2p.protocol.blobs import SAMPLES_FEATURE
from yp2p.protocol.messages import PROTOCOL_VERSIONS, Hello
from yp2p.store.database import Database
from yp2p.store.writer import Commit
from yp2p.transport.command import Command
from yp2p.transport.dialer import Outcome
from yp2p.transport.handshake import Secured
from yp2p.transport.link import Link, LinkClosed, open_link
from yp2p.transport.pacing import Pacing
from yp2p.transport.refusals import Refusals

_PAUSED = "this device was paused by a person there"

log = structlog.get_logger()


class Peers:
    """The links of this device; `devices` are those that there may be links with.

    Attributes:
        offers: makes what serves the offers of folders over a link.
        dialling: dials the devices, with what the settings say of where they are.
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
        self._folders = folders
        self._presence = presence
        self._boot_id = random.SystemRandom().randbytes(16)
        self.refusals = Refusals()
        self._links: dict[DeviceID, Linked] = {}
        self.devices = KnownDevices(identity, database, folders)
        self.devices.own_name = name
        self.listen_port = 0
        self.offers: Callable[[DeviceID, Link], OfferExchange] | None = None
        self.pacing = Pacing()
        self.members_changed = trio.Event()
        self._former = FormerDevices(identity, self.devices, folders, self._hello)
        self.devices.found = self._look_again
        self.devices.neighbours.links = self._links
        self.dialling = Dialling(identity, self.devices, self, static)

    def is_linked(self, device: DeviceID) -> bool:
        return device in self._links

    def address_of(self, device: DeviceID) -> Way | None:
        linked = self._links.get(device)
        return linked.address if linked is not None else None

    def link(self, device: DeviceID) -> Link | None:
        """The link with a device, while it is up."""
        linked = self._links.get(device)
        return linked.link if linked is not None else None

    def checks(self, device: DeviceID) -> LinkChecks | None:
        """What asks a device how this one looks from there, while a link with it is up."""
        linked = self._links.get(device)
        return linked.checks if linked is not None else None

    def last_error(self, device: DeviceID) -> str:
        """What is wrong with a device, for people; empty when nothing is."""
        return self.devices.contact(device).problem(trio.current_time())

    def choose(self, device: DeviceID, *, name: str | None = None, pause: Until | bool | None = None) -> Commit:
        """What a person chose about a device (`KnownDevices.choose`); a link with one that is paused ends."""
        linked = self._links.get(device)
        if pause and linked is not None:
            linked.end(_PAUSED, is_paused=True)
        return self.devices.choose(device, name=name, pause=pause)

    def rename(self, name: str) -> None:
        """This device is called so from now on: those that are connected are told."""
        self.devices.own_name = name
        for linked in self._links.values():
            linked.link.send_nowait(self._hello())  # only the name of a second one counts

    def session(self, device: DeviceID, folder: FolderID) -> FolderSession | None:
        linked = self._links.get(device)
        return linked.sessions.by_folder.get(folder) if linked is not None else None

    def network_changed(self) -> None:
        """An interface or an address came or went: look for all devices again."""
        self.dialling.network_changed()
        self.devices.neighbours.update()
        self._look_again()
        self._former.network_changed()

    def membership_changed(self) -> None:
        """A folder or a member came: dial who is new, and open sessions on the links there are."""
        self.devices.neighbours.update()
        self._look_again()
        self._former.members_changed()
        for linked in self._links.values():
            linked.sessions.wake()

    def _look_again(self) -> None:
        """Some device may have to be dialled from now on."""
        event, self.members_changed = self.members_changed, trio.Event()
        event.set()

    async def run(self) -> None:
        """Keep links to all known devices until cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._former.run)
            nursery.start_soon(self.devices.neighbours.run)
            is_first = True
            known_at = dict[DeviceID, float]()
            while True:
                changed, now = self.members_changed, trio.current_time()
                known = self.devices.roster.letting_in()
                known_at = {device: known_at.get(device, now) for device in known}
                self.devices.note_known(known, 0.0 if is_first else time.time())  # those at the start were known before
                is_first = False
                self.dialling.dial_those(known_at, nursery)
                await changed.wait()

    # --- links --------------------------------------------------------------------------------------------------

    async def serve_dialled(self, device: DeviceID, secured: Secured, way: Way) -> None:
        """Serve a device that was reached this way until the link is over, unless one that there is stays."""
        if device in self._links and not self._wins(device, dialled_by_us=True):
            await trio.aclose_forcefully(secured.stream)
        else:
            await self._serve(device, secured, way, None)

    async def accept(self, secured: Secured, confirmed: Link) -> None:
        """A known device connected: serve it until the link is over."""
        device = self.devices.proved_by(secured, confirmed.peer)
        if device is None and (former := proving(secured, confirmed.peer, self.devices.roster.former())) is not None:
            await self._former.talk(former, secured, confirmed)
            return
        if device is None:
            self.refusals.note("a device that did not prove both its keys")
        if device is None or self._is_banned(device):
            await trio.aclose_forcefully(secured.stream)
            return
        try:
            host, port = secured.stream.socket.getpeername()[:2]
        except OSError:
            return
        await self._serve(device, secured, Address(host, port), confirmed)

    def _is_banned(self, device: DeviceID) -> bool:
        """Whether a device broke the protocol so often that it has to wait before it may connect again."""
        contact = self.devices.contact(device)
        if not contact.is_banned(trio.current_time()):
            return False
        self.refusals.note("a device with too many faults")
        return True

    def _hello(self) -> Hello:
        features = f"{MERGE_RULES} {SAMPLES_FEATURE} {VERSION_FEATURE}{__version__}"
        return Hello(PROTOCOL_VERSIONS, self._boot_id, self.devices.own_name, self.listen_port, features)

    def _wins(self, device: DeviceID, *, dialled_by_us: bool, boot_id: bytes = b"") -> bool:
        """Whether a new link takes the place of the one there is; `boot_id` of the peer, where it said so already."""
        old = self._links.get(device)
        if old is None:
            return True
        now = trio.current_time()
        is_cloned = bool(boot_id) and old.boot_id != boot_id and self.devices.contact(device).is_cloned(now)
        return newer_stays(
            now - old.since,
            old_is_dialled=old.dialled_by_us,
            new_is_dialled=dialled_by_us,
            is_smaller=self._identity.device_id < device,
            is_of_clone=is_cloned,
        )

    async def _serve(self, device: DeviceID, secured: Secured, address: Way, confirmed: Link | None) -> None:
        """Run one link to its end; `confirmed` is None where we dialled. The one place where a fault of it stops."""
        before = self.devices.contact(device).reach.links
        with structlog.contextvars.bound_contextvars(peer=short_id(device)):
            try:
                await self._run_link(device, secured, address, confirmed)
            except* (LinkClosed, trio.TooSlowError, trio.BrokenResourceError) as group:
                was_up = confirmed is not None or self.devices.contact(device).reach.links > before
                self._has_ended(device, first_of(group), None if was_up else address)
                log.info("link_closed", reason=first_reason(group))
            except* OtherVersion as group:
                self._speaks_other_version(device, secured, first_of(group))
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

    def _has_ended(self, device: DeviceID, error: BaseException, dialled: Way | None) -> None:
        """A connection has ended: note what that says of the device, for people.

        Args:
            dialled: where it was dialled, if it ended before a link was up.
        """
        reach = self.devices.contact(device).reach
        if isinstance(error, LinkClosed) and error.is_paused_there:
            reach.is_paused_there = True
        elif dialled is not None and device not in self._links:
            reach.tried(dialled, Outcome.CUT_OFF)

    def _speaks_other_version(self, device: DeviceID, secured: Secured, error: BaseException) -> None:
        """No link is possible until one of both is updated, and then that one dials: this is no fault of the device."""
        assert isinstance(error, OtherVersion)
        contact = self.devices.contact(self.devices.served_on(secured.remote_noise_key, device))
        if contact.reach.versions != error.offered:
            contact.reach.versions = error.offered
            log.warning("other_version", reason=str(error), advice="update yp2p on the device with the lower number")
        contact.quarantined_until = trio.current_time() + RARELY_S

    def _is_at_fault(self, device: DeviceID, secured: Secured, reason: str) -> None:
        at_fault = self.devices.served_on(secured.remote_noise_key, device)
        self.devices.contact(at_fault).note_link_fault(reason, trio.current_time())

    async def _run_link(self, wanted: DeviceID, secured: Secured, address: Way, confirmed: Link | None) -> None:
        """Args: `wanted` is the device that was dialled; whoever proves to be there is served."""
        dialled_by_us = confirmed is None
        async with open_link(secured, self._hello(), confirmed) as link:
            device = self.devices.proved_by(secured, link.peer)
            if device is None:
                link.close("both keys have to be proved")
                raise LinkClosed("a device that did not prove both its keys")
            # no await until it is among the links: there is one with each device
            if not self._admits(device, link, dialled_by_us=dialled_by_us):
                return
            contact = self.devices.contact(device)
            with trio.CancelScope() as scope:
                linked = self._linked(device, link, scope, address, dialled_by_us=dialled_by_us)
                try:
                    await charged(contact.budget, linked.run, contact)
                finally:
                    if self._links.get(device) is linked:
                        del self._links[device]
                        self.devices.neighbours.update()
                        if not dialled_by_us or wanted != device:
                            contact.wake.set()  # else whoever dialled goes on by himself
                    contact.link_ended(linked.since, trio.current_time())
                    self.devices.unlinked(device, link.peer)
                    link_has_ended()
                    log.info("link_down")

    def _admits(self, device: DeviceID, link: Link, *, dialled_by_us: bool) -> bool:
        """Whether a device that has proved who it is gets this link; else it is told why not. An older one ends."""
        contact, boot_id = self.devices.contact(device), _boot_id_of(link)
        if contact.saw(boot_id, trio.current_time()):
            log.warning("device_cloned", advice="two machines have its key: `yp2p device rotate` on the one to keep")
        if contact.choice.is_paused:
            link.close(_PAUSED, is_paused=True)
            return False
        if not self._wins(device, dialled_by_us=dialled_by_us, boot_id=boot_id):
            link.close("another link was made at the same time")
            return False
        if (old := self._links.get(device)) is not None:
            old.end("a newer link took its place")
        return True

    def _linked(
        self, device: DeviceID, link: Link, scope: trio.CancelScope, address: Way, *, dialled_by_us: bool
    ) -> Linked:
        """The link with a device is up: have it among the links."""
        contact = self.devices.contact(device)
        sessions = FolderSessions(self._identity.device_id, device, link, contact, self._folders, self._presence)
        offers = self.offers(device, link) if self.offers is not None else None
        checks = LinkChecks(link, lambda: contact.is_cloned(trio.current_time()))
        linked = Linked(
            link, scope, dialled_by_us, trio.current_time(), address, _boot_id_of(link), sessions, offers, checks
        )
        self._links[device] = linked
        link.is_wanted = sessions.waits_for
        link.pace = self.pacing.pace_of(device)
        self.devices.share_burden(device)
        own_address = _own_address(address, link.peer, self.listen_port)
        self.devices.linked(device, link.peer, own_address, dialled_by_us=dialled_by_us)
        self.devices.neighbours.update()
        log.info("link_up", address=str(address))
        return linked


def _own_address(way: Way, hello: Hello | None, port: int) -> Address | None:
    """Where a device is that is linked this way: one that came through `yp2p link --stdio` is not where that is.

    Args:
        port: on which this device listens.
    """
    if isinstance(way, Command):
        return None
    is_ours = hello is not None and hello.listen_port == port
    return None if is_ours and is_loopback(way.host) else way


def _boot_id_of(link: Link) -> bytes:
    return link.peer.boot_id if link.peer is not None else b""
