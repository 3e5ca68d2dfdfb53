"""What this device announces by mDNS, and what it does with what others announce. These are hints; who a device is, its
keys prove."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import trio

from yp2p.discovery.addresses import Address
from yp2p.discovery.hints import hint
from yp2p.discovery.mdns import Announcement, Mdns, Sighting
from yp2p.identity import DeviceID, Identity
from yp2p.pairing.host import PairingHost
from yp2p.pairing.invites import InviteHost
from yp2p.pairing.joiner import Candidate
from yp2p.peers.peers import Peers

# Whoever announces more instances than these makes us forget others: the oldest of a stranger, and of the windows the
# oldest of those digits that most announce.
_MAX_REMEMBERED = 256
_MAX_WINDOWS = 128
# A member can let in hundreds of devices at once, and to compute what we share with one takes a fifth of a millisecond.
_SLICE = 16


class Discoverer:
    """Announces one device, and finds those it knows and those that show a code. `run` does the work.

    Args:
        static: addresses of the settings.
    """

    def __init__(
        self,
        identity: Identity,
        name: str,
        peers: Peers,
        pairing_host: PairingHost,
        invites: InviteHost,
        static: list[Address],
    ) -> None:
        self._identity = identity
        self.name = name
        self._peers = peers
        self._host = pairing_host
        self._invites = invites
        self._static = static
        self._remembered: dict[str, Sighting] = {}
        self._recognised: set[str] = set()  # those of them that devices we know announced
        self._windows: dict[str, Sighting] = {}
        self._pairwise: dict[DeviceID, bytes] = {}
        self._sighted = trio.Event()
        self._looking_since: float | None = None

    async def run(self, mdns: Mdns, sightings: trio.MemoryReceiveChannel[Sighting]) -> None:
        """Announce this device and use what others announce; runs until cancelled."""
        self._looking_since = trio.current_time()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._follow_sightings, sightings)
            nursery.start_soon(self._look_again)
            nursery.start_soon(self._keep_announcing, mdns)
            nursery.start_soon(self._follow_interfaces, mdns)

    @property
    def looking_since(self) -> float:
        """Since when others are looked for on all networks that there are; now, where they are not."""
        return self._looking_since if self._looking_since is not None else trio.current_time()

    def candidates(self, digits: str) -> Iterator[Candidate]:
        """Who may show a code with these digits, the newest first."""
        for sighting in reversed(list(self._windows.values())):
            if digits in sighting.pairing.split(","):
                yield Candidate(sighting.instance, sighting.addresses, announced=True)
        for address in self._static:
            yield Candidate(str(address), (address,), announced=False)

    def holders(self, hint_key: bytes) -> Iterator[Address]:
        """Where the device may be that announces a hint made with this key."""
        for sighting in reversed(list(self._remembered.values())):
            if hint(hint_key, sighting.instance) in sighting.hints:
                yield from sighting.addresses
        yield from self._static

    async def wait_for_sighting(self) -> None:
        """Return when somebody was seen."""
        await self._sighted.wait()

    async def _secrets(self) -> dict[DeviceID, bytes]:
        """What this device shares with each that it knows; a flood of announcements asks for them each time."""
        known, found = self._peers.devices.roster.letting_in(), dict(self._pairwise)
        for number, device in enumerate(known.keys() - found.keys()):
            found[device] = self._identity.pairwise_secret(known[device].noise_key)
            if number % _SLICE == _SLICE - 1:
                await trio.lowlevel.checkpoint()
        self._pairwise = {device: found[device] for device in known}
        return self._pairwise

    async def _look_again(self) -> None:
        """Who has become known may have been seen before."""
        while True:
            await self._peers.members_changed.wait()
            secrets = await self._secrets()
            for earlier in list(self._remembered.values()):
                self._is_seen(earlier, secrets)

    async def _follow_sightings(self, sightings: trio.MemoryReceiveChannel[Sighting]) -> None:
        async for sighting in sightings:
            if not sighting.addresses:
                self._remembered.pop(sighting.instance, None)
                self._peers.devices.gone(sighting.instance)
                self._recognised.discard(sighting.instance)
                self._windows.pop(sighting.instance, None)
                continue
            secrets = await self._secrets()
            self._remember(sighting, secrets)
            event, self._sighted = self._sighted, trio.Event()
            event.set()
            self._is_seen(sighting, secrets)

    def _remember(self, sighting: Sighting, secrets: dict[DeviceID, bytes]) -> None:
        for seen in (self._remembered, self._windows):
            seen.pop(sighting.instance, None)
        self._remembered[sighting.instance] = sighting
        self._recognised.discard(sighting.instance)
        if sighting.devices(secrets):
            self._recognised.add(sighting.instance)
        if len(self._remembered) > _MAX_REMEMBERED:
            strangers = (name for name in self._remembered if name not in self._recognised)
            forgotten = next(strangers, next(iter(self._remembered)))
            del self._remembered[forgotten]
            self._recognised.discard(forgotten)
        if sighting.pairing:
            self._windows[sighting.instance] = sighting
        if len(self._windows) > _MAX_WINDOWS:
            crowded = Counter(window.pairing for window in self._windows.values()).most_common(1)[0][0]
            del self._windows[next(name for name, window in self._windows.items() if window.pairing == crowded)]

    def _is_seen(self, sighting: Sighting, secrets: dict[DeviceID, bytes]) -> None:
        for device in sighting.devices(secrets):
            self._peers.devices.seen(device, sighting.addresses, sighting.instance)

    async def _keep_announcing(self, mdns: Mdns) -> None:
        while True:
            changes = self._peers.members_changed, self._host.changed, self._invites.changed
            secrets = (*(await self._secrets()).values(), *self._invites.hint_keys())
            await mdns.announce(Announcement(self._peers.listen_port, secrets, self._host.digits(), self.name))
            async with trio.open_nursery() as nursery:
                for event in changes:
                    nursery.start_soon(cancel_when, event, nursery.cancel_scope)

    async def _follow_interfaces(self, mdns: Mdns) -> None:
        async for _ in mdns.interface_changes():
            self._looking_since = trio.current_time()
            self._peers.network_changed()


async def cancel_when(event: trio.Event, scope: trio.CancelScope) -> None:
    """Cancel a scope once something happened."""
    await event.wait()
    scope.cancel()
