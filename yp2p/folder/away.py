"""What devices that are not connected lack, as far as it is known here: what they lacked when their session ended, and
what has changed here since. A device that was not connected since this daemon started is not known about.
"""

from __future__ import annotations

from collections.abc import Collection

from yp2p.identity import DeviceID, EntryID

# Beyond that nobody counts files, and each costs room for each device.
MOST = 20_000


class Away:
    """The entries that each of them lacks."""

    def __init__(self) -> None:
        self._lacking: dict[DeviceID, set[EntryID]] = {}

    def left(self, device: DeviceID, lacking: Collection[EntryID], *, is_all: bool) -> None:
        """The session with a device has ended.

        Args:
            lacking: what it was not known to have.
            is_all: whether everything was compared with it; else it may lack more.
        """
        before = self._lacking.get(device)
        if is_all:
            self._lacking[device] = set(lacking) if len(lacking) <= MOST else set(list(lacking)[:MOST])
        elif before is not None:
            before.update(list(lacking)[: MOST - len(before)])

    def changed(self, entry: EntryID, there: Collection[DeviceID]) -> None:
        """An entry is another here. Whoever is there hears of it."""
        for device, lacking in self._lacking.items():
            if device not in there and len(lacking) < MOST:
                lacking.add(entry)

    def count(self, device: DeviceID) -> int | None:
        """How many entries a device lacks, at most `MOST`; None where nobody knows."""
        found = self._lacking.get(device)
        return len(found) if found is not None else None
