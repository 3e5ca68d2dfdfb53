"""The devices that the settings lead to: a person wants these links, and there may be no other way there."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from yp2p.discovery.addresses import Address
from yp2p.identity import DeviceID, format_device_id
from yp2p.peers.known_devices import KnownDevices
from yp2p.transport.command import Command

# The beginning of a device's ID that names it, at least.
_SHORTEST_ID = 7


def commands_to(device: DeviceID, called: str, commands: Mapping[str, Command]) -> Iterator[Command]:
    """The programs that lead to a device which is called so here."""
    full = format_device_id(device)
    for name, command in commands.items():
        if name == called or (len(name) >= _SHORTEST_ID and full.startswith(name)):
            yield command


def of_settings(
    devices: KnownDevices, static: Collection[Address], commands: Mapping[str, Command]
) -> Iterator[DeviceID]:
    """The devices that are at these addresses or behind these programs, and those that may be.

    At an address may be whoever is nowhere else, until it is known who that is.
    """
    if not static and not commands:
        return
    somewhere = {address for contact in devices.contacts.values() for address in contact.addresses}
    is_open = not somewhere.issuperset(static)
    for device in devices.roster.known():
        addresses = devices.contact(device).addresses.keys()
        is_at_one = not addresses.isdisjoint(static) if addresses else is_open
        if is_at_one or any(commands_to(device, devices.called(device), commands)):
            yield device
