"""Dialling: a task for each known device that may be somewhere, which connects to it whenever there is no link.

It tries the addresses of the device, the newest first, those of the settings, and then the programs that lead to it.
After a failure it waits, longer each time and with jitter; whatever is heard of the device (`Contact.wake`) cuts that
short. While a link is up, whoever dialled it, the task waits for its end.
"""

from __future__ import annotations

import math
import random
from collections.abc import Awaitable, Iterator
from typing import Protocol

import structlog
import trio

from yp2p.discovery.addresses import Address
from yp2p.identity import DeviceID, Identity, PublicIdentity, short_id
from yp2p.peers.configured import commands_to, of_settings
from yp2p.peers.contact import Contact
from yp2p.peers.known_devices import KnownDevices
from yp2p.peers.reach import Way
from yp2p.transport.command import Command, dial_through
from yp2p.transport.dialer import Backoff, Outcome, dial, outcome_of
from yp2p.transport.handshake import Secured

# The device with the larger ID gives the other one this much lead: fewer collisions.
_COURTESY_S = 0.15
# A link that was up for so long is not followed by a longer wait.
_STEADY_S = 5.0
# A device that is not dialled, because another one has its Noise key, may be dialled later.
_LOOK_AGAIN_S = 30.0
# A device that paused this one, or speaks another version, dials itself once that has changed.
RARELY_S = 300.0

log = structlog.get_logger()


class Links(Protocol):
    """What dialling has to know of the links that there are, and who serves a new one."""

    def is_linked(self, device: DeviceID) -> bool: ...

    def serve_dialled(self, device: DeviceID, secured: Secured, way: Way) -> Awaitable[None]:
        """Serve a device that was reached this way, until its link is over."""


class Dialling:
    """Dials known devices.

    Attributes:
        static: where the settings say that devices are; whoever changes the list calls `network_changed`.
        commands: the programs that lead to devices, by what a device is called here, or the beginning of its ID.
        dialled: those for which a task runs.
    """

    def __init__(self, identity: Identity, devices: KnownDevices, links: Links, static: list[Address]) -> None:
        self._identity = identity
        self._devices = devices
        self._links = links
        self.static = static
        self.commands: dict[str, Command] = {}
        self.dialled: set[DeviceID] = set()
        devices.neighbours.also.append(self._of_settings)
        devices.is_tried_anywhere = bool(static)

    def _of_settings(self) -> Iterator[DeviceID]:
        return of_settings(self._devices, self.static, self.commands)

    def network_changed(self) -> None:
        """An interface or an address came or went, or the settings changed: every device may be reached by now."""
        for contact in self._devices.contacts.values():
            contact.was_not_reached = False
            contact.wake.set()
        self._devices.is_tried_anywhere = bool(self.static or self.commands)

    def dial_those(self, known_at: dict[DeviceID, float], nursery: trio.Nursery) -> None:
        """Have a task for each of these devices that may be somewhere; since when each is known, by trio's clock.

        A member can let in any number of devices that are nowhere: such a one costs no task.
        """
        for device in known_at.keys() - self.dialled:
            if self.static or self.commands or self._devices.contact(device).addresses:
                self.dialled.add(device)
                nursery.start_soon(self._keep_linked, device, known_at[device])

    async def _keep_linked(self, device: DeviceID, known_at: float) -> None:
        """Dial a device whenever there is no link with it, as long as it is known. Of two that have just heard of each
        other one waits."""
        try:
            if self._identity.device_id > device:
                await trio.sleep_until(known_at + _COURTESY_S)
            await self._dial_again_and_again(device)
        finally:
            self.dialled.discard(device)

    async def _dial_again_and_again(self, device: DeviceID) -> None:
        contact = self._devices.contact(device)
        backoff = Backoff()
        while True:
            contact.wake = trio.Event()
            keys = self._devices.roster.letting_in().get(device)
            wait = max(0.0, contact.quarantined_until - trio.current_time())
            if wait:
                await trio.sleep(wait)
            if keys is None:
                return
            is_dialled, is_wanted = self._devices.is_dialled(device), self._devices.neighbours.wants(device)
            if is_dialled and is_wanted and not contact.choice.is_paused and not self._links.is_linked(device):
                started = trio.current_time()
                if not await self._dial_all(device, keys) or trio.current_time() - started < _STEADY_S:
                    backoff = backoff.failed()
                else:
                    backoff = Backoff()
            # While somebody's link is up there is nothing to do until it ends, nor for who is reached through others.
            is_idle = self._links.is_linked(device) or not is_wanted
            with trio.move_on_after(_delay_s(contact, backoff, is_idle=is_idle, is_dialled=is_dialled)):
                await contact.wake.wait()

    async def _dial_all(self, device: DeviceID, keys: PublicIdentity) -> bool:
        """Try every address; returns when the link is over. False when none led to the device."""
        contact = self._devices.contact(device)
        newest_first = sorted(contact.addresses, key=lambda a: -contact.addresses[a])
        for address in dict.fromkeys([*newest_first, *self.static]):
            if self._links.is_linked(device):
                return True
            try:
                secured = await dial(address.host, address.port, self._identity, keys.noise_key)
            except OSError as error:
                outcome = outcome_of(error)
                if outcome is Outcome.NOT_KNOWN and address not in contact.addresses:
                    outcome = Outcome.SOMETHING_ELSE  # an address of the settings is tried for every device
                self._not_reached(device, address, outcome, error)
                continue
            await self._links.serve_dialled(device, secured, address)
            return True
        if await self._dial_through(device, keys):
            return True
        self._devices.not_reached(device)
        return False

    async def _dial_through(self, device: DeviceID, keys: PublicIdentity) -> bool:
        """Try the programs that lead to the device; returns when the link is over. False when none led to it."""
        for command in commands_to(device, self._devices.called(device), self.commands):
            try:
                async with dial_through(command, self._identity, keys.noise_key) as secured:
                    await self._links.serve_dialled(device, secured, command)
                    return True
            except OSError as error:
                self._not_reached(device, command, outcome_of(error), error)
        return False

    def _not_reached(self, device: DeviceID, way: Way, outcome: Outcome, error: OSError) -> None:
        self._devices.contact(device).reach.tried(way, outcome, str(error) if isinstance(way, Command) else "")
        log.debug("dial_failed", peer=short_id(device), reason=str(error))


def _delay_s(contact: Contact, backoff: Backoff, *, is_idle: bool, is_dialled: bool) -> float:
    """How long to wait for news of a device before it is dialled again; infinite where nothing is to be done."""
    if contact.choice.is_paused or contact.reach.is_paused_there:
        return RARELY_S
    if not is_dialled:
        return _LOOK_AGAIN_S
    return math.inf if is_idle else backoff.delay_s(random.random())
