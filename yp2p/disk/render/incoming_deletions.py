"""Deletions by other devices: carried out together, and only past the guard (`folder/guard.py`).

They come in pieces, and how many there are is known when no more come. So a few are carried out at once, and more of
them wait for each other: until none came for `GRACE_S`, at the latest for `FLOOD_S`. What others replace is counted
with them (`replacements.py`).

Counting goes in slices, and so does what follows it: what comes meanwhile is for the next round, which counts it.
"""

from __future__ import annotations

from collections.abc import Set

from yp2p.disk.ingest.pending_paths import FLOOD_S, GRACE_S
from yp2p.disk.render.replacements import is_replaced_by_others
from yp2p.disk.render.retries import Retries
from yp2p.folder.folder import Folder
from yp2p.folder.records import FileRecord
from yp2p.folder.turns import Slice
from yp2p.identity import EntryID

# Fewer deletions than this are done at once.
_FLOOD_FILES = 3


class IncomingDeletions:
    """The deletions that are to be rendered in one folder, and since when."""

    def __init__(self, folder: Folder, retries: Retries) -> None:
        self._folder = folder
        self._retries = retries
        self._since: dict[EntryID, float] = {}
        self._counted: Set[EntryID] = frozenset()  # whose file goes, and that was let through

    async def refused(self, now: float) -> str:
        """Why the deletions and replacements that are to be rendered wait for a person's word; empty: they do not.

        Deletions that wait for each other are put off first, and are not counted.
        """
        folder, part = self._folder, Slice()
        doomed: dict[EntryID, int] = {}
        replaced: dict[EntryID, int] = {}
        for entry in folder.render_queue & folder.files.keys():  # of a first sync's ten thousand, none
            await part.end_if_long()
            if entry not in folder.render_queue or (record := folder.files.get(entry)) is None:
                continue
            if self._is_to_go(record):
                doomed[entry] = record.stamp.size
            elif is_replaced_by_others(folder, record):
                replaced[entry] = record.stamp.size
        doomed = self._due(doomed, now)
        self._counted = doomed.keys() | replaced.keys()
        if not (doomed or replaced):
            return ""
        verb = "deleted or replaced" if doomed and replaced else "replaced" if replaced else "deleted"
        live = len(folder.catalogue.layout().path_of) + len(doomed)
        by_new = folder.observers.newcomers.changed(doomed | replaced)
        reason = folder.state.guard.refuses(doomed | replaced, live, now, verb, by_new)
        if not reason:
            return ""
        are_new = len(by_new) == len(doomed) + len(replaced)
        names = ", ".join(sorted({repr(folder.name_of(device)) for device in by_new.values()}))
        return f"{reason} by {names}, new here" if are_new else f"{reason} by another device"

    def came_since(self, entry: EntryID) -> bool:
        """Whether the file of an entry is to go that `refused` has not counted."""
        record = self._folder.files.get(entry)
        if record is None or entry in self._counted:
            return False
        return self._is_to_go(record) or is_replaced_by_others(self._folder, record)

    def _is_to_go(self, record: FileRecord) -> bool:
        folder = self._folder
        found = folder.catalogue.entries.get(record.entry)
        is_gone = found is None or not folder.catalogue.is_alive(found)
        return is_gone and not folder.files.ignored.covers(record.path, record.kind)

    def _due(self, doomed: dict[EntryID, int], now: float) -> dict[EntryID, int]:
        """Those that are carried out now."""
        waiting = {entry: since for entry, since in self._since.items() if entry in self._retries}
        self._since = waiting | {entry: self._since.get(entry, now) for entry in doomed}
        since = self._since.values()
        if len(since) >= _FLOOD_FILES and max(since) + GRACE_S > now and min(since) + FLOOD_S > now:
            self._folder.render_queue.put_off(doomed.keys())
            for entry in self._since:
                self._retries.schedule(entry, max(since) + GRACE_S)
            return {}
        return doomed
