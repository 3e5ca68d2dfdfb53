"""The other devices that are known: the members of our folders, with what is known of each (`contact`).

Several members may be said to have one Noise key; whose it is shows when a device proves both its keys on a link. Until
then one of them is dialled.
"""

from __future__ import annotations

import ipaddress
import time

from yp2p.discovery.addresses import Address
from yp2p.folder.budget import Budget
from yp2p.folder.folder import Folder
from yp2p.identity import DeviceID, FolderID, Identity, PublicIdentity
from yp2p.peers.contact import Contact
from yp2p.protocol.messages import Hello
from yp2p.store import tables
from yp2p.store.database import Database
from yp2p.transport.handshake import Secured

# Devices move; the addresses of long ago only cost time.
_MAX_ADDRESSES = 12
_MAX_HOSTS = 256
# A member can remove as many as it likes that never were anybody.
_MAX_FORMER = 1024


class KnownDevices:
    """Who may be linked with, where, and what is remembered of each. All of it lives on the loop's thread."""

    def __init__(self, identity: Identity, database: Database, folders: dict[FolderID, Folder]) -> None:
        self._identity = identity
        self._database = database
        self._folders = folders
        self._hosts: dict[str, None] = {}  # where links led to, the newest last
        self._proved: dict[bytes, DeviceID] = {}  # by Noise key: whose it is, as far as a link has shown
        self.contacts: dict[DeviceID, Contact] = {}
        for device, contact_name, host, port in tables.device.read_all(database.rows):
            contact = self.contact(DeviceID(device))
            contact.name = contact_name
            if host:
                contact.addresses[Address(host, port)] = 0.0
                self._note_host(host)

    def contact(self, device: DeviceID) -> Contact:
        found = self.contacts.get(device)
        if found is None:
            found = self.contacts[device] = Contact(Budget(device))
        return found

    def known(self) -> dict[DeviceID, PublicIdentity]:
        """The other members of all folders that this device is a member of."""
        own = self._identity.device_id
        found = {
            device: member.identity
            for folder in self._folders.values()
            if own in folder.membership.devices
            for device, member in folder.membership.devices.items()
        }
        found.pop(own, None)
        return found

    def former(self) -> dict[DeviceID, PublicIdentity]:
        """Devices that were removed from a folder of this device's, and share none with it any more."""
        own, known = self._identity.device_id, self.known()
        found: dict[DeviceID, PublicIdentity] = {}
        for folder in self._folders.values():
            if own in folder.membership.devices:
                for device, removals in folder.membership.evaluation.removals.items():
                    if device not in known and device != own and len(found) < _MAX_FORMER:
                        found[device] = removals[-1].subject
        return found

    def folders_without(self, device: DeviceID) -> list[Folder]:
        """Those that a device was removed from."""
        return [one for one in self._folders.values() if device in one.membership.evaluation.removals]

    def is_known(self, noise_key: bytes) -> bool:
        """Whether a device with this key gets a link, or is told why it gets none any more."""
        return any(keys.noise_key == noise_key for keys in (*self.known().values(), *self.former().values()))

    def former_proved_by(self, secured: Secured, hello: Hello | None) -> DeviceID | None:
        """The removed device that proved both its keys on a connection."""
        proof = hello.proof if hello is not None else b""
        return next((device for device, keys in self.former().items() if secured.is_proved_by(keys, proof)), None)

    def proved_by(self, secured: Secured, hello: Hello | None) -> DeviceID | None:
        """The known device that proved both its keys on a connection; several may be said to have one Noise key."""
        proof = hello.proof if hello is not None else b""
        for device, keys in self.known().items():
            if secured.is_proved_by(keys, proof):
                self._proved[keys.noise_key] = device
                return device
        return None

    def served_on(self, noise_key: bytes, device: DeviceID) -> DeviceID:
        """Who proved that key, or else the device that was looked for."""
        return self._proved.get(noise_key, device)

    def is_dialled(self, device: DeviceID) -> bool:
        """Whether to dial a device: of several with one Noise key the one that proved it, or else the first."""
        known = self.known()
        if device not in known or known[device].noise_key == self._identity.public.noise_key:
            return False
        rivals = [other for other, keys in known.items() if keys.noise_key == known[device].noise_key]
        proved = self._proved.get(known[device].noise_key)
        return device == (proved if proved in rivals else min(rivals))

    def is_known_host(self, host: str) -> bool:
        """Whether a known device was at this address; what mDNS says of it is nobody's proof, but a link is."""
        return _plain(host) in self._hosts

    def seen(self, device: DeviceID, addresses: tuple[Address, ...]) -> None:
        """Somebody says the device is there: try at once."""
        contact = self.contact(device)
        for address in addresses:
            contact.addresses[address] = time.time()
        while len(contact.addresses) > _MAX_ADDRESSES:
            del contact.addresses[min(contact.addresses, key=contact.addresses.__getitem__)]
        contact.wake.set()

    def linked(self, device: DeviceID, hello: Hello | None, address: Address, *, dialled_by_us: bool) -> None:
        """A link with a device is up: remember where it is."""
        contact = self.contact(device)
        if not contact.faults:
            contact.last_error = ""
        if hello is None:
            return
        contact.name = hello.name
        self._note_host(address.host)
        reachable = address
        if not dialled_by_us:
            if not 0 < hello.listen_port < 65536:
                return
            reachable = Address(address.host, hello.listen_port)
        contact.addresses[reachable] = time.time()
        self._database.submit([tables.device.save(device, hello.name, reachable.host, reachable.port, time.time())])

    def _note_host(self, host: str) -> None:
        host = _plain(host)
        self._hosts.pop(host, None)
        self._hosts[host] = None
        while len(self._hosts) > _MAX_HOSTS:
            del self._hosts[next(iter(self._hosts))]


def _plain(host: str) -> str:
    """An address without its scope, an IPv4 one as such, so that it is the same whoever dialled."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host  # a name, from the settings
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)
