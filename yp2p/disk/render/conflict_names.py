"""Names of entries that stand beside another one say who made them and on which day.

Theory of operation
    Where two entries want one path the layout shows one of them beside the other, under a name that is computed of
    what the manifest says of it. Who made an entry, and when, is in no register until that matters: then the device
    that made it writes it, before the file is put beside the other one here. Until it has come to the others, as while
    that device is away, the name has nothing but the beginning of the entry's ID.

Invariant
    * An entry is renamed at most once by this: nobody writes where something is written already, be it unreadable, nor
      twice of one conflict.
"""

from __future__ import annotations

from yp2p.documents.registers import Change
from yp2p.folder.folder import Folder
from yp2p.folder.origins import made_here, own_origin
from yp2p.identity import EntryID


class ConflictNames:
    """Writes who made them of this device's entries that stand beside others."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._beside: frozenset[EntryID] = frozenset()  # those that stand beside others
        self._asked: set[EntryID] = set()  # of these

    async def write(self) -> None:
        """Write it of those of which nobody did yet, and of those that come to stand beside others meanwhile."""
        while (beside := self._folder.catalogue.layout().conflicts) is not self._beside:
            self._beside = beside
            await self._write_of(beside)

    async def _write_of(self, beside: frozenset[EntryID]) -> None:
        folder = self._folder
        self._asked &= beside
        new = [entry for entry in beside - self._asked if self._is_nameless(entry)]
        self._asked |= beside
        if not new:
            return
        made = await made_here(folder, new)
        changes = [
            Change(entry, origin=own_origin(folder, at)) for entry, at in made.items() if self._is_nameless(entry)
        ]
        if changes:
            await folder.catalogue.write(changes).wait()

    def _is_nameless(self, entry: EntryID) -> bool:
        found = self._folder.catalogue.entries.get(entry)
        return found is not None and found.origin is None
