"""Waiting until every folder is in sync with every connected device.

In sync means on the disk (invariant 10b), here and there: nothing is on its way, nothing is still to come. A folder of
which no other device is connected is in sync with nobody: what was just saved may be nowhere else. Whoever waits says
with whom (`Whom`): all that are connected, all that there are, any one, or some by name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import Enum

import trio

from yp2p.device.discovery import cancel_when
from yp2p.device.folders import Folders
from yp2p.folder.folder import Folder
from yp2p.identity import DeviceID, FolderID
from yp2p.peers.peers import Peers
from yp2p.printable import plural

# For this long after a start or a pairing `wait` counts on the devices it knows to come.
_EXPECTED_S = 3.0
_PROBE_LIMIT_S = 5.0
_PROBE_INTERVAL_S = 0.02
# Nothing has to change here for another device to have caught up.
_LOOK_AGAIN_S = 0.5


class Whom(Enum):
    """With which devices a person wants to be in sync."""

    CONNECTED = "connected"
    ALL = "all"
    ANY = "any"


class InSync:
    """Tells whether everything is in sync, and waits for that.

    Attributes:
        missing_folder: says which folder is to be here and is not yet, and why; nothing where all are.
    """

    def __init__(self, own: DeviceID, folders: Folders, peers: Peers) -> None:
        self._folders = folders
        self._peers = peers
        self._own = own
        self._expecting_since = float("-inf")
        self.missing_folder: Callable[[], str] = lambda: ""

    def expect(self) -> None:
        """The devices that are known are about to link."""
        self._expecting_since = trio.current_time()

    async def wait(self, limit_s: float, whom: Whom = Whom.CONNECTED, named: Iterable[DeviceID] = ()) -> str:
        """Return when every folder is in sync with these devices; gives what is missing: nothing then.

        It ends at the limit as well, and where what is missing is on no device that is connected.

        Args:
            limit_s: how long to wait for that at most; infinite: as long as it takes.
            named: only these, and all of these; then `whom` does not matter.
        """
        missing, only = "the other devices have not answered yet", frozenset(named)
        everybody = self._peers.devices.roster.known() if whom is Whom.ALL and not only else ()
        # Who is reached through others is asked itself: what those believe of it is nobody's word.
        with self._peers.devices.neighbours.asking(only or everybody), trio.move_on_after(limit_s):
            while missing := await self._missing(whom, only):
                if self._is_given_by_none():
                    break  # to wait brings nothing
                await self._change()
        return missing

    def alone(self) -> list[str]:
        """The labels of the folders that no other device is connected for."""
        return [folder.label for folder in self._folders.by_id.values() if self._is_alone(folder)]

    def _is_alone(self, folder: Folder) -> bool:
        return not any(self._peers.session(device, folder.id) for device in folder.membership.devices)

    def _is_given_by_none(self) -> bool:
        """Whether all that is still to come are files that no connected device has, in some folder."""
        return any(
            (index := folder.files.blobs).wanted
            and index.wanted.keys() == index.who_wants(_on_no_device(folder) & index.searched)
            and folder.state.settled
            and folder.catalogue.named.is_complete()
            for folder in self._folders.by_id.values()
            if not self._is_alone(folder)
        )

    async def _change(self) -> None:
        """Return when something changed in a folder, or after a moment."""
        await trio.sleep(_PROBE_INTERVAL_S)
        async with trio.open_nursery() as nursery:
            nursery.cancel_scope.deadline = trio.current_time() + _LOOK_AGAIN_S
            for folder in self._folders.by_id.values():
                nursery.start_soon(cancel_when, folder.state.changed, nursery.cancel_scope)
            await trio.sleep_forever()

    def connected(self, folder: Folder) -> list[DeviceID]:
        """The other devices that a folder is compared with now."""
        return [device for device in self._others(folder) if self._peers.session(device, folder.id)]

    def _others(self, folder: Folder) -> list[DeviceID]:
        return sorted(folder.membership.devices.keys() - {self._own})

    async def _missing(self, whom: Whom, only: frozenset[DeviceID]) -> str:
        """What keeps us from being in sync, for people; empty when we are."""
        peers = self._peers
        is_expecting = trio.current_time() - self._expecting_since < _EXPECTED_S
        expected = filter(peers.devices.neighbours.wants, peers.devices.roster.known())
        if is_expecting and not all(map(peers.is_linked, expected)):
            return "other devices are expected to connect"
        if reason := self.missing_folder():
            return reason
        for folder in self._folders.by_id.values():
            if reason := _missing_here(folder, is_alone=self._is_alone(folder)):
                return f"{folder.label!r}: {reason}"
        if away := self._away(whom, only):
            return away
        return await self._missing_there(whom, only)

    def _away(self, whom: Whom, only: frozenset[DeviceID]) -> str:
        """Who has to be connected, and is not."""
        for folder in self._folders.by_id.values():
            others = self._others(folder)
            wanted = [device for device in others if device in only or (whom is Whom.ALL and not only)]
            for device in wanted:
                if not self._peers.is_linked(device):
                    return f"{folder.label!r}: {folder.name_of(device)} is not connected"
            if whom is not Whom.CONNECTED and not only and not any(map(self._peers.is_linked, others)):
                return f"{folder.label!r}: no other device is connected"
        return ""

    async def _missing_there(self, whom: Whom, only: frozenset[DeviceID]) -> str:
        """Ask the connected devices."""
        peers = self._peers
        behind: list[str] = []
        in_sync: set[FolderID] = set()

        async def ask(device: DeviceID, folder: Folder) -> None:
            session = peers.session(device, folder.id)
            if session is None or not await session.agreement.probe():
                behind.append(f"{folder.label!r}: {folder.name_of(device)} has not everything on its disk")
            else:
                in_sync.add(folder.id)

        with trio.move_on_after(_PROBE_LIMIT_S) as scope:
            async with trio.open_nursery() as nursery:
                for folder in self._folders.by_id.values():
                    for device in folder.membership.devices:
                        if peers.is_linked(device) and (not only or device in only):
                            nursery.start_soon(ask, device, folder)
        if whom is Whom.ANY and not only and in_sync >= self._folders.by_id.keys():
            return ""
        if scope.cancelled_caught:
            return f"a device did not answer within {_PROBE_LIMIT_S:.0f} s"
        return behind[0] if behind else ""


def _missing_here(folder: Folder, *, is_alone: bool) -> str:
    """Why a folder's disk here is not what it is to be; what can come from nobody is not missed."""
    state = folder.state
    if state.pause_reason:
        return f"it is paused: {state.pause_reason}"
    if not state.adopted:
        return "it waits for the first device"
    if reason := folder.observers.unsent.problem():
        return reason
    if not (is_alone or folder.is_complete()):
        return _still_to_come(folder)
    return "" if state.settled else "files are being read or written"


def _on_no_device(folder: Folder) -> set[bytes]:
    """The blobs that no connected device has."""
    return folder.files.blobs.given_by_none(folder.observers.sessions.keys())


def _still_to_come(folder: Folder) -> str:
    index, path_of = folder.files.blobs, folder.catalogue.layout().path_of
    nobody_has = index.who_wants(_on_no_device(folder))
    if nobody_has:
        one = path_of.get(min(nobody_has), "")
        count = plural(len(nobody_has), "file is", "files are")
        return f"{count} on no device that is connected: {one!r} is one (`yp2p status`)"
    return f"{plural(folder.files.tally.files_to_go, 'file is', 'files are')} still to come"
