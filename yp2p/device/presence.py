"""Who has what open: the programs and the editors of this device, told to the other devices, and what those tell."""

from __future__ import annotations

from typing import Any

import trio

from yp2p.device.folders import Folders
from yp2p.folder.folder import Folder
from yp2p.identity import DeviceID, FolderID, format_device_id
from yp2p.peers.neighbours import is_large
from yp2p.peers.presence import FolderPresence
from yp2p.programs.programs import PRESENCE_AGE_S, Programs, cleaned, fitting

_PRESENCE_S = 2.0
_QUIET_PRESENCE_S = 5.0
_TYPING_PRESENCE_S = 0.1
_MAX_EDITED = 20


class DevicePresence:
    """The presence of one device in its folders. `run` tells of it."""

    def __init__(self, own: DeviceID, name: str, folders: Folders, max_text_bytes: int) -> None:
        self._own = own
        self.name = name
        self._folders = folders
        self._max_text_bytes = max_text_bytes
        self._presences: dict[FolderID, FolderPresence] = {}
        self._programs: dict[FolderID, Programs] = {}
        self._present: dict[FolderID, tuple[int, list[dict[str, Any]]]] = {}  # as of a revision
        self._news = trio.Event()  # what programs say of themselves changed

    def of(self, folder: Folder) -> FolderPresence:
        """Who is in a folder, and what this device says of itself there."""
        if folder.id not in self._presences:
            self._presences[folder.id] = FolderPresence(
                folder.clients.own, self._own, folder.state.touch, is_large=lambda: is_large(folder)
            )
        return self._presences[folder.id]

    def present(self, folder: Folder) -> list[dict[str, Any]]:
        """The awareness states of all who are in a folder."""
        presence = self.of(folder)
        revision, states = self._present.get(folder.id, (-1, []))
        if revision != presence.revision:
            states = [cleaned(state) for state in presence.present()]
            self._present[folder.id] = presence.revision, states
        return states

    def programs(self, folder: Folder) -> Programs:
        """The programs of this device that have files of a folder open."""
        if folder.id not in self._programs:
            self._programs[folder.id] = Programs(folder, lambda: self._news.set(), self._max_text_bytes)
        return self._programs[folder.id]

    def forget(self, folder: Folder) -> None:
        """A folder was left: nothing is told of it any more."""
        self._presences.pop(folder.id, None)
        self._programs.pop(folder.id, None)
        self._present.pop(folder.id, None)

    async def run(self) -> None:
        """Tell the other devices what is open here, until cancelled."""
        disks = self._folders.disks
        while True:
            self._news = trio.Event()
            for folder in self._folders.by_id.values():
                self._tell(folder)
            is_quiet = not any(disk.recently_edited for disk in disks.values())
            # A device at rest wakes up at the same moment for this and for its folders (`disk/housekeeping.py`).
            every_s = _QUIET_PRESENCE_S if is_quiet else _PRESENCE_S
            with trio.move_on_at((trio.current_time() // every_s + 1) * every_s):
                await self._news.wait()
                # A cursor that moves is told some times a second, and at the same moment as to programs.
                delay_s = max(_TYPING_PRESENCE_S, *(programs.delay_s() for programs in self._programs.values()), 0.0)
                await trio.sleep_until((trio.current_time() // delay_s + 1) * delay_s)

    def _tell(self, folder: Folder) -> None:
        opened = self.programs(folder).describe(PRESENCE_AGE_S)
        edited = self._folders.disks[folder.id].recently_edited
        state = {
            "device": self.name,
            "id": format_device_id(self._own),
            "files": [
                *opened,
                *folder.edits.named.here(),
                *({"path": path, "since": edited[path]} for path in sorted(edited)[:_MAX_EDITED]),
            ],
        }
        self.of(folder).set_own(fitting(state))
        self.of(folder).tick(trio.current_time())
