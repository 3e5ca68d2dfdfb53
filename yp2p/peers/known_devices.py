"""The other devices that are known: the members of our folders (`roster`), with what is known of each (`contact`).

Several members may be said to have one Noise key; whose it is shows when a device proves both its keys on a link. Until
then one of them is dialled.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

import trio

from yp2p.discovery.addresses import Address
from yp2p.folder.budget import Budget
from yp2p.folder.folder import Folder
from yp2p.identity import DeviceID, FolderID, Identity, PublicIdentity
from yp2p.machine import Until
from yp2p.peers.contact import Choice, Contact
from yp2p.peers.known_hosts import KnownHosts
from yp2p.peers.neighbours import Neighbours
from yp2p.peers.reach import Absence, why
from yp2p.peers.roster import Roster
from yp2p.printable import clock_text
from yp2p.protocol.messages import Hello
from yp2p.store import tables
from yp2p.store.database import Database
from yp2p.store.writer import Commit
from yp2p.transport.dialer import Outcome
from yp2p.transport.handshake import Secured

# Devices move; the addresses of long ago only cost time.
_MAX_ADDRESSES = 12
# In its Hello a device says so what version of yp2p it has.
VERSION_FEATURE = "yp2p="
_MAX_VERSION = 32
# For so long a device counts as one of whoever let it in.
_NEW_S = 86400.0
# For so long its people may have overlooked that it came.
_LATELY_S = 7 * 86400.0


class KnownDevices:
    """Who may be linked with, where, and what is remembered of each. All of it lives on the loop's thread."""

    def __init__(self, identity: Identity, database: Database, folders: dict[FolderID, Folder]) -> None:
        self._identity = identity
        self._database = database
        self.roster = Roster(identity.device_id, folders)
        self.hosts = KnownHosts()
        self._proved: dict[bytes, DeviceID] = {}  # by Noise key: whose it is, as far as a link has shown
        self.contacts: dict[DeviceID, Contact] = {}
        self.found: Callable[[], None] = lambda: None  # some device may be somewhere where it was not known to be
        self.own_name = ""
        self.is_tried_anywhere = False  # whether the settings say where devices may be
        own = identity.device_id
        self.neighbours = Neighbours(own, folders, self._is_possible, lambda device: self.contact(device).wake.set())
        for device, contact_name, host, port, seen in tables.device.read_all(database.rows):
            contact = self.contact(DeviceID(device))
            contact.name = contact_name
            if host:
                contact.addresses[Address(host, port)] = seen
                self.hosts.note(host)
        self._noted: set[DeviceID] = set()  # since when these are known was noted
        for device, given_name, is_paused, since, until in tables.known.read_all(database.rows):
            paused_until = Until(until) if is_paused and until else None
            self.contact(DeviceID(device)).choice = Choice(given_name, bool(is_paused), since, paused_until)
            self._noted.add(DeviceID(device))

    def contact(self, device: DeviceID) -> Contact:
        found = self.contacts.get(device)
        if found is None:
            found = self.contacts[device] = Contact(Budget(device))
        return found

    def share_burden(self, device: DeviceID) -> None:
        """Have a device that has not been known for long share the account of whoever let it in.

        Else a member has as many accounts as devices it lets in (`folder/burden.py`), also where it is no member any
        more. Whom this device let in has one of its own.
        """
        accountable, looked_at = device, {device}
        while self._is_new(accountable):
            by = self.roster.let_in_by(accountable)
            if by is None or by in looked_at:
                break
            looked_at.add(by)
            accountable = by
        self.contact(device).budget.share_burden(self.contact(accountable).budget)

    def came_lately(self, device: DeviceID) -> bool:
        """Whether it has been known here for less than a week."""
        return self._is_new(device, _LATELY_S)

    def _is_new(self, device: DeviceID, within_s: float = _NEW_S) -> bool:
        """Who came and left again before that was noted is new as well."""
        since = self.contact(device).choice.since
        return device not in self._noted or (since > 0 and time.time() - since < within_s)

    def proved_by(self, secured: Secured, hello: Hello | None) -> DeviceID | None:
        """The known device that proved both its keys on a connection; several may be said to have one Noise key."""
        device = proving(secured, hello, self.roster.letting_in())
        if device is not None:
            self._proved[secured.remote_noise_key] = device
        return device

    def served_on(self, noise_key: bytes, device: DeviceID) -> DeviceID:
        """Who proved that key, or else the device that was looked for."""
        return self._proved.get(noise_key, device)

    def is_dialled(self, device: DeviceID) -> bool:
        """Whether to dial a device: of several with one Noise key the one that proved it, or else the first."""
        known = self.roster.letting_in()
        if device not in known or known[device].noise_key == self._identity.public.noise_key:
            return False
        rivals = [other for other, keys in known.items() if keys.noise_key == known[device].noise_key]
        proved = self._proved.get(known[device].noise_key)
        return device == (proved if proved in rivals else min(rivals))

    def _is_possible(self, device: DeviceID) -> bool:
        """Whether a device is linked, or nothing is known to be in the way of a link."""
        if device in self.neighbours.links:
            return True
        contact = self.contact(device)
        is_kept_away = contact.choice.is_paused or contact.reach.is_paused_there or contact.was_not_reached
        is_somewhere = bool(contact.addresses) or self.is_tried_anywhere
        return is_somewhere and not is_kept_away and contact.quarantined_until <= trio.current_time()

    def not_reached(self, device: DeviceID) -> None:
        """A device was tried everywhere, in vain: others take its place until it is seen."""
        self.contact(device).was_not_reached = True
        self.neighbours.update()

    def called(self, device: DeviceID) -> str:
        """What a device is called here: as a person here named it, or as it says itself; empty where neither did."""
        if device == self._identity.device_id:
            return self.own_name
        contact = self.contacts.get(device)
        return contact.choice.name or contact.name if contact is not None else ""

    def choose(self, device: DeviceID, *, name: str | None = None, pause: Until | bool | None = None) -> Commit:
        """What a person chose about a device: its name here (empty: its own), or that no link with it is wanted.

        Args:
            pause: true or until when; None leaves what there is.
        """
        contact = self.contact(device)
        if name is not None:
            contact.choice = replace(contact.choice, name=name)
        if pause is not None:
            until = pause if isinstance(pause, Until) else None
            contact.choice = replace(contact.choice, is_paused=bool(pause), paused_until=until)
        self.neighbours.update()
        contact.wake.set()
        return self._save_choice(device)

    def _save_choice(self, device: DeviceID) -> Commit:
        choice = self.contact(device).choice
        self._noted.add(device)
        until = choice.paused_until.at if choice.paused_until is not None else 0.0
        row = tables.known.save(
            device, choice.name, paused=choice.is_paused, since=choice.since, paused_until=until
        )  # fmt: skip
        return self._database.submit([row])

    def note_known(self, devices: Iterable[DeviceID], since: float) -> None:
        """These are known: note since when (0: nobody knows), for those of which that is not noted yet."""
        for device in devices:
            if device not in self._noted:
                self.contact(device).choice.since = since
                self._save_choice(device)

    def why_not_connected(self, device: DeviceID, name: str) -> str:
        """Why there is no link with a device that is called `name`, and what a person can do."""
        contact, now = self.contact(device), trio.current_time()
        waits_s = contact.quarantined_until - now
        absence = Absence(
            name,
            contact.reach,
            contact.last_seen,
            waits_until=time.time() + waits_s if waits_s > 0 else None,
            fault=contact.problem(now),
            is_paused=contact.choice.is_paused,
            paused_until=clock_text(contact.choice.paused_until.at) if contact.choice.paused_until is not None else "",
            has_rival=not self.is_dialled(device),
            shares_nothing=device not in self.roster.known(),
        )
        return why(absence)

    def is_in_the_way(self, device: DeviceID) -> bool:
        """Whether something keeps a device from being connected that is there: it is announced, or answers."""
        contact = self.contact(device)
        reach = contact.reach
        answers = any(outcome >= Outcome.SOMETHING_ELSE for outcome in reach.attempts.values())
        is_at_fault = contact.quarantined_until > trio.current_time()
        return bool(reach.announced_by) or reach.versions is not None or answers or is_at_fault

    def gone(self, instance: str) -> None:
        """What announced itself so announces nothing any more."""
        for contact in self.contacts.values():
            contact.reach.announced_by.pop(instance, None)

    def seen(self, device: DeviceID, addresses: tuple[Address, ...], instance: str = "") -> None:
        """Somebody says the device is there: try at once. `instance` is how it announces itself, if it does."""
        contact = self.contact(device)
        if instance:
            contact.reach.announced(instance, addresses)
        self._note_addresses(contact, addresses)
        contact.was_not_reached = False
        self.neighbours.update()
        contact.wake.set()

    def _note_addresses(self, contact: Contact, addresses: Iterable[Address]) -> None:
        was_nowhere = not contact.addresses
        for address in addresses:
            contact.addresses[address] = time.time()
        while len(contact.addresses) > _MAX_ADDRESSES:
            del contact.addresses[min(contact.addresses, key=contact.addresses.__getitem__)]
        if was_nowhere and contact.addresses:
            self.found()

    def linked(self, device: DeviceID, hello: Hello | None, address: Address | None, *, dialled_by_us: bool) -> None:
        """A link with a device is up: remember where it is, if that is an address of its own."""
        contact = self.contact(device)
        contact.reach.linked()
        contact.was_not_reached = False
        if not contact.faults:
            contact.last_error = ""
        if hello is None:
            return
        contact.name = hello.name
        contact.version = version_of(hello)
        if address is None:
            return
        self.hosts.note(address.host)
        reachable = address
        if not dialled_by_us:
            if not 0 < hello.listen_port < 65536:
                return
            reachable = Address(address.host, hello.listen_port)
        self._note_addresses(contact, [reachable])
        self._database.submit([tables.device.save(device, hello.name, reachable.host, reachable.port, time.time())])

    def unlinked(self, device: DeviceID, hello: Hello | None) -> None:
        """A link has ended that began with this Hello: keep the name that the device has by now."""
        name = self.contact(device).name
        if hello is not None and name != hello.name:
            self._database.submit([tables.device.set_name(device, name)])


def proving(secured: Secured, hello: Hello | None, among: Mapping[DeviceID, PublicIdentity]) -> DeviceID | None:
    """Which of these devices proved both its keys on a connection."""
    proof = hello.proof if hello is not None else b""
    return next((device for device, keys in among.items() if secured.is_proved_by(keys, proof)), None)


def version_of(hello: Hello) -> str:
    """The version of yp2p that a device says it has; empty where it says none."""
    words = (word.removeprefix(VERSION_FEATURE) for word in hello.features.split() if word.startswith(VERSION_FEATURE))
    return next(words, "")[:_MAX_VERSION]
