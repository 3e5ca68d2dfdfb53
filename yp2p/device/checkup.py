"""What this daemon knows for `yp2p doctor`: how each link is, and how this device looks from the other end of it."""

from __future__ import annotations

from typing import Any

import trio

from yp2p.device.members import Members
from yp2p.device.status import Status
from yp2p.identity import DeviceID
from yp2p.peers.peers import Peers
from yp2p.transport.link import LinkClosed

# So many devices are asked, all at once.
_MAX_ASKED = 16


class Checkup:
    """Asks the other devices about this one."""

    def __init__(self, members: Members, peers: Peers, status: Status) -> None:
        self._members = members
        self._peers = peers
        self._status = status

    async def run(self, wanted: str | None) -> dict[str, Any]:
        """Look at all devices, or at one. Raises UsageError, FolderError: there is no such device."""
        chosen = [self._members.find(wanted)] if wanted is not None else sorted(self._peers.devices.roster.known())
        others = [device for device in chosen if device in self._peers.devices.roster.known()]
        found: dict[DeviceID, dict[str, Any]] = {}
        async with trio.open_nursery() as nursery:
            for device in others:
                if self._peers.is_linked(device) and len(found) < _MAX_ASKED:
                    found[device] = {}
                    nursery.start_soon(self._ask, device, found[device])
        return {
            "port": self._peers.listen_port,
            "devices": [
                self._status.device(device)
                | {"in_the_way": self._peers.devices.is_in_the_way(device), "check": found.get(device) or None}
                for device in others
            ],
        }

    async def _ask(self, device: DeviceID, found: dict[str, Any]) -> None:
        checks = self._peers.checks(device)
        if checks is None:
            return
        try:
            answer = await checks.ask(connects=True)
        except LinkClosed:
            return
        if answer is not None:
            found.update(
                ahead_s=round(answer.ahead_s, 1), reached=answer.reached.name.lower(), has_clone=answer.has_clone,
                reaches=(await checks.reach()).name.lower(),
            )  # fmt: skip
