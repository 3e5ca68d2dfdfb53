"""Devices that were let in lately: fewer deletions of theirs are a mass deletion (`guard.py`).

A device that should not be here is noticed when it is announced, or when it does harm. So for its first week here a
quarter of the folder waits for a person also where that is few files. New is who was let in after this device: whoever
joins a folder has just met all that are there, and knows none of them less than the others. A person who lets such a
deletion through has looked at that device, and is not asked again on its account until the daemon starts.

So is for a week who comes back after it was out, or may write where it might only read, maybe by a recovery key that
somebody found; until the daemon starts, where that is sooner.

Whose a change is says `Catalogue.changed_by`: of what came before the daemon started, nobody knows it any more, and the
guard counts that like changes of any device.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import trio

from yp2p.identity import DeviceID, EntryID

if TYPE_CHECKING:
    from yp2p.folder.folder import Folder

# For so long its people may have overlooked that it may write here.
_LATELY_S = 7 * 86400.0


class Newcomers:
    """Who is new in one folder, as this device sees it.

    Attributes:
        came_lately: whether this device has known another one for less than a week.
    """

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._known: set[DeviceID] = set()  # a person accepted what these deleted
        self._came: dict[DeviceID, float] = {}  # when these were let in, or could write, since the daemon started
        self.came_lately: Callable[[DeviceID], bool] = lambda device: False

    def changed(self, entries: Iterable[EntryID]) -> dict[EntryID, DeviceID]:
        """Of these entries those that a new device changed last, and which one."""
        changed_by = self._folder.catalogue.changed_by
        devices = {entry: changed_by[entry] for entry in entries if entry in changed_by}
        new = {device for device in set(devices.values()) if self._is_new(device)}
        return {entry: device for entry, device in devices.items() if device in new}

    def _is_new(self, device: DeviceID) -> bool:
        if device in self._known:
            return False
        if trio.current_time() - self._came.get(device, -math.inf) < _LATELY_S:
            return True
        return self.came_lately(device) and self._folder.membership.came_later(device)

    def came(self, device: DeviceID) -> None:
        """A device takes part here from now on, or again, or may write where it only read."""
        self._came[device] = trio.current_time()
        self._known.discard(device)

    def were_accepted(self, entries: Iterable[EntryID]) -> None:
        """A person said that these changes were meant."""
        self._known |= set(self.changed(entries).values())
