"""Waiting until every folder is in sync with every connected device."""

from __future__ import annotations

import trio

from yp2p.device.discovery import cancel_when
from yp2p.device.folders import Folders
from yp2p.folder.folder import Folder
from yp2p.identity import DeviceID
from yp2p.peers.peers import Peers

# For this long after a start, a pairing or a lost link, `wait` counts on the devices it knows to come.
_EXPECTED_S = 3.0
_PROBE_LIMIT_S = 5.0
_PROBE_INTERVAL_S = 0.02
# Nothing has to change here for another device to have caught up.
_LOOK_AGAIN_S = 0.5


class InSync:
    """Tells whether everything is in sync, and waits for that."""

    def __init__(self, folders: Folders, peers: Peers) -> None:
        self._folders = folders
        self._peers = peers
        self._expecting_since = float("-inf")

    def expect(self) -> None:
        """The devices that are known are about to link."""
        self._expecting_since = trio.current_time()

    async def wait(self) -> None:
        """Return when every folder is in sync with every connected device."""
        while not await self._is_in_sync():
            await trio.sleep(_PROBE_INTERVAL_S)
            async with trio.open_nursery() as nursery:
                nursery.cancel_scope.deadline = trio.current_time() + _LOOK_AGAIN_S
                for folder in self._folders.by_id.values():
                    nursery.start_soon(cancel_when, folder.state.changed, nursery.cancel_scope)
                await trio.sleep_forever()

    def alone(self) -> list[str]:
        """The labels of the folders that no other device is connected for."""
        return [
            folder.label
            for folder in self._folders.by_id.values()
            if not any(self._peers.session(device, folder.id) for device in folder.membership.members)
        ]

    async def _is_in_sync(self) -> bool:
        peers, folders = self._peers, self._folders.by_id.values()
        is_expecting = trio.current_time() - self._expecting_since < _EXPECTED_S
        if is_expecting and any(not peers.is_linked(device) for device in peers.known()):
            return False
        states = [folder.state for folder in folders]
        if any(state.pause_reason or not state.settled or not state.adopted for state in states):
            return False
        answers: list[bool] = []

        async def ask(device: DeviceID, folder: Folder) -> None:
            session = peers.session(device, folder.id)
            answers.append(session is not None and await session.probe())

        with trio.move_on_after(_PROBE_LIMIT_S) as scope:
            async with trio.open_nursery() as nursery:
                for folder in folders:
                    for device in folder.membership.members:
                        if peers.is_linked(device):
                            nursery.start_soon(ask, device, folder)
        return not scope.cancelled_caught and all(answers)
