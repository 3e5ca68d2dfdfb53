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
    * A link carries only folders of which our statements say that the peer is a member. With one that was removed
      statements about that are exchanged, and nothing else (`removed.py`).
    * There is no link with a device that a person paused, in either direction: it is not dialled, and one that connects
      is told that it is paused, and nothing else.
    * Two machines with one key (a cloned disk) are noticed by their boot IDs, told, and served in turns, not in a race.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import structlog
import trio

from yp2p import __version__
from yp2p.discovery.addresses import Address, is_loopback
from yp2p.documents.meeting import MERGE_RULES
from yp2p.errors import OtherVersion, PeerFault, YpError, first_of, first_reason
from yp2p.folder.budget import charged, rest
from yp2p.folder.folder import Folder
from yp2p.identity import DeviceID, FolderID, Identity, PublicIdentity, short_id
from yp2p.peers.checks import LinkChecks
from yp2p.peers.configured import commands_to, of_settings
from yp2p.peers.contact import Contact
from yp2p.peers.folder_sessions import FolderSessions
from yp2p.peers.known_devices import VERSION_FEATURE, KnownDevices
from yp2p.peers.presence import FolderPresence
from yp2p.peers.reach import Way
from yp2p.peers.removed import FormerDevices
from yp2p.peers.session import FolderSession
from yp2p.protocol.blobs import SAMPLES_FEATURE
from yp2p.protocol.messages import PROTOCOL_VERSIONS, CheckMessage, Goodbye, Hello, OfferMessage, Unknown
from yp2p.store.database import Database
from yp2p.store.writer import Commit
from yp2p.transport.command import Command, dial_through
from yp2p.transport.dialer import Backoff, Outcome, dial, outcome_of
from yp2p.transport.handshake import Secured
from yp2p.transport.link import Link, LinkClosed, open_link
from yp2p.transport.pacing import Pacing
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
# A device that paused this one, or speaks another version, dials itself once that has changed.
_RARELY_S = 300.0

_PAUSED = "this device was paused by a person there"

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
    address: Way
    boot_id: bytes
    sessions: FolderSessions
    offers: OfferExchange | None
    checks: LinkChecks

    def is_at_rest(self) -> bool:
        """Whether all folders that go over it are in sync."""
        return all(session.agreement.in_sync for session in self.sessions.by_folder.values())

    def end(self, reason: str) -> None:
        """End it, for this reason."""
        self.link.close(reason)
        self.scope.cancel()


class Peers:
    """The links of this device; `devices` are those that there may be links with.

    Attributes:
        offers: makes what serves the offers of folders over a link.
        commands: the programs that lead to devices, by what a device is called here, or the beginning of its ID.
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
        self._static = static
        self._boot_id = random.SystemRandom().randbytes(16)
        self.refusals = Refusals()
        self._links: dict[DeviceID, _Linked] = {}
        self.devices = KnownDevices(identity, database, folders)
        self.devices.own_name = name
        self.listen_port = 0
        self.offers: Callable[[DeviceID, Link], OfferExchange] | None = None
        self.commands: dict[str, Command] = {}
        self.pacing = Pacing()
        self.members_changed = trio.Event()
        self._former = FormerDevices(identity, self.devices, folders, self._hello)
        self._dialled: set[DeviceID] = set()  # those for which a task looks whether they can be dialled
        self.devices.found = self._look_again
        self.devices.neighbours.links = self._links
        self.devices.neighbours.also.append(lambda: of_settings(self.devices, self._static, self.commands))
        self.devices.is_tried_anywhere = bool(static)

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

    def choose(self, device: DeviceID, *, name: str | None = None, is_paused: bool | None = None) -> Commit:
        """What a person chose about a device (`KnownDevices.choose`); a link with one that is paused ends."""
        linked = self._links.get(device)
        if is_paused and linked is not None:
            linked.link.close(_PAUSED, is_paused=True)
            linked.scope.cancel()
        return self.devices.choose(device, name=name, is_paused=is_paused)

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
        for contact in self.devices.contacts.values():
            contact.was_not_reached = False
            contact.wake.set()
        self.devices.is_tried_anywhere = bool(self._static or self.commands)
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

    # --- dialling -----------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Keep links to all known devices until cancelled.

        A member can let in any number of devices that are nowhere: such a one costs no task.
        """
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._former.run)
            nursery.start_soon(self.devices.neighbours.run)
            since = 0.0  # who is known at the start was known before
            known_at = dict[DeviceID, float]()
            while True:
                changed, now = self.members_changed, trio.current_time()
                known = self.devices.known()
                known_at = {device: known_at.get(device, now) for device in known}
                self.devices.note_known(known, since)
                since = time.time()
                for device in known.keys() - self._dialled:
                    if self._static or self.commands or self.devices.contact(device).addresses:
                        self._dialled.add(device)
                        nursery.start_soon(self._keep_linked, device, known_at[device])
                await changed.wait()

    async def _keep_linked(self, device: DeviceID, known_at: float) -> None:
        """Dial a device whenever there is no link with it, as long as it is known. Of two that have just heard of each
        other one waits."""
        try:
            if self._identity.device_id > device:
                await trio.sleep_until(known_at + _COURTESY_S)
            await self._dial_again_and_again(device)
        finally:
            self._dialled.discard(device)

    async def _dial_again_and_again(self, device: DeviceID) -> None:
        contact = self.devices.contact(device)
        backoff = Backoff()
        while True:
            contact.wake = trio.Event()
            keys = self.devices.known().get(device)
            wait = max(0.0, contact.quarantined_until - trio.current_time())
            if wait:
                await trio.sleep(wait)
            if keys is None:
                return
            is_dialled, is_wanted = self.devices.is_dialled(device), self.devices.neighbours.wants(device)
            if is_dialled and is_wanted and not contact.choice.is_paused and device not in self._links:
                started = trio.current_time()
                if not await self._dial_all(device, keys) or trio.current_time() - started < _STEADY_S:
                    backoff = backoff.failed()
                else:
                    backoff = Backoff()
            # While somebody's link is up there is nothing to do until it ends, nor for who is reached through others.
            delay_s = math.inf if device in self._links or not is_wanted else backoff.delay_s(random.random())
            if not is_dialled:
                delay_s = _LOOK_AGAIN_S
            if contact.choice.is_paused or contact.reach.is_paused_there:
                delay_s = _RARELY_S
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
                outcome = outcome_of(error)
                if outcome is Outcome.NOT_KNOWN and address not in contact.addresses:
                    outcome = Outcome.SOMETHING_ELSE  # an address of the settings is tried for every device
                self._not_reached(device, address, outcome, error)
                continue
            await self._serve_dialled(device, secured, address)
            return True
        if await self._dial_through(device, keys):
            return True
        self.devices.not_reached(device)
        return False

    async def _dial_through(self, device: DeviceID, keys: PublicIdentity) -> bool:
        """Try the programs that lead to the device; returns when the link is over. False when none led to it."""
        for command in commands_to(device, self.devices.called(device), self.commands):
            try:
                async with dial_through(command, self._identity, keys.noise_key) as secured:
                    await self._serve_dialled(device, secured, command)
                    return True
            except OSError as error:
                self._not_reached(device, command, outcome_of(error), error)
        return False

    async def _serve_dialled(self, device: DeviceID, secured: Secured, way: Way) -> None:
        if device in self._links and not self._wins(device, dialled_by_us=True):
            await trio.aclose_forcefully(secured.stream)
        else:
            await self._serve(device, secured, way, None)

    def _not_reached(self, device: DeviceID, way: Way, outcome: Outcome, error: OSError) -> None:
        self.devices.contact(device).reach.tried(way, outcome, str(error) if isinstance(way, Command) else "")
        log.debug("dial_failed", peer=short_id(device), reason=str(error))

    # --- links --------------------------------------------------------------------------------------------------

    async def accept(self, secured: Secured, confirmed: Link) -> None:
        """A known device connected: serve it until the link is over."""
        device = self.devices.proved_by(secured, confirmed.peer)
        if device is None and (former := self.devices.former_proved_by(secured, confirmed.peer)) is not None:
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
        age = trio.current_time() - old.since
        if boot_id and self.devices.contact(device).is_cloned(trio.current_time()) and old.boot_id != boot_id:
            return age > _CLONE_TURN_S
        if old.dialled_by_us == dialled_by_us or age > _TOGETHER_S:
            return True
        return dialled_by_us == (self._identity.device_id < device)

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
        contact.quarantined_until = trio.current_time() + _RARELY_S

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
            old = self._links.get(device)
            boot_id = link.peer.boot_id if link.peer is not None else b""
            if self.devices.contact(device).saw(boot_id, trio.current_time()):
                log.warning(
                    "device_cloned", advice="two machines have its key: `yp2p device rotate` on the one to keep"
                )
            if self.devices.contact(device).choice.is_paused:
                link.close(_PAUSED, is_paused=True)
                return
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
                checks = LinkChecks(link, lambda: contact.is_cloned(trio.current_time()))
                linked = _Linked(
                    link, scope, dialled_by_us, trio.current_time(), address, boot_id, sessions, offers, checks
                )
                self._links[device] = linked
                link.is_wanted = sessions.waits_for
                link.pace = self.pacing.pace_of(device)
                self.devices.share_burden(device)
                self.devices.linked(
                    device, link.peer, self._address_of_peer(address, link.peer), dialled_by_us=dialled_by_us
                )
                self.devices.neighbours.update()
                log.info("link_up", address=str(address))
                try:
                    await charged(contact.budget, self._run_sessions, linked, contact)
                finally:
                    if self._links.get(device) is linked:
                        del self._links[device]
                        self.devices.neighbours.update()
                        if not dialled_by_us or wanted != device:
                            contact.wake.set()  # else whoever dialled goes on by himself
                    contact.link_ended(linked.since, trio.current_time())
                    self.devices.unlinked(device, link.peer)
                    log.info("link_down")

    def _address_of_peer(self, way: Way, hello: Hello | None) -> Address | None:
        """Where a device is that is linked this way: one that came through `yp2p link --stdio` is not where that is."""
        if isinstance(way, Command):
            return None
        is_ours = hello is not None and hello.listen_port == self.listen_port
        return None if is_ours and is_loopback(way.host) else way

    async def _run_sessions(self, linked: _Linked, contact: Contact) -> None:
        async with trio.open_nursery() as nursery:
            linked.sessions.open(nursery)
            nursery.start_soon(linked.sessions.keep, nursery)
            nursery.start_soon(charged, contact.budget, linked.checks.run)
            if linked.offers is not None:
                nursery.start_soon(charged, contact.budget, linked.offers.run)
            while True:
                await rest()
                message = await linked.link.receive()
                if isinstance(message, OfferMessage):
                    if linked.offers is not None:
                        linked.offers.receive(message)
                elif isinstance(message, CheckMessage):
                    linked.checks.receive(message)
                elif isinstance(message, Hello):
                    contact.name = message.name  # it was given another one
                elif not isinstance(message, Goodbye | Unknown):
                    await linked.sessions.deliver(message, linked.link.given_bytes)
                del message  # it may be large, and the next one may be long in coming
