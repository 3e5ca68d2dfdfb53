"""Files whose content others replace: counted like deletions, and told (invariant 8).

What a text held is in its log. Whatever else is replaced leaves the folder, and is in the trash only: a wave of such
changes makes as much unreachable as one of deletions, so the same guard counts both. What was let through is told
when no more of it comes: how many files, and which device replaced them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import trio

from yp2p.disk.ingest.opaque_entries import holds_unreplaced_save
from yp2p.documents.registers import Entry
from yp2p.folder.folder import Folder
from yp2p.folder.notices import NoticeKind
from yp2p.folder.records import FileRecord
from yp2p.identity import EntryID
from yp2p.protocol.entries import Kind

# A wave of replacements is told when none came for so long, and at the latest after so long.
_QUIET_S, _LONGEST_S = 5.0, 60.0
# Fewer files than this are somebody's work on them.
_WAVE_FILES = 3


def replaced_by_others(folder: Folder, entries: Iterable[EntryID]) -> dict[EntryID, int]:
    """Of these entries those whose file is to have another content that is no later version of it, with its size."""
    records = [record for entry in entries if (record := folder.files.get(entry)) is not None]
    return {record.entry: record.stamp.size for record in records if is_replaced_by_others(folder, record)}


def is_replaced_by_others(folder: Folder, record: FileRecord) -> bool:
    """Whether the file of an entry is to have another content that is no later version of it."""
    entry = folder.catalogue.entries.get(record.entry)
    return entry is not None and _is_replaced(folder, entry, record)


def _is_replaced(folder: Folder, entry: Entry, record: FileRecord) -> bool:
    if record.kind is Kind.DIRECTORY or entry.kind is Kind.DIRECTORY or record.document == entry.document:
        return False
    if not folder.catalogue.is_alive(entry) or entry.id in folder.files.ignored:
        return False
    content = entry.content.hash
    if entry.kind is Kind.TEXT:
        digest = folder.texts.digests.get(entry.document)
        if digest is None:
            return record.kind is not Kind.TEXT  # it is not here yet, and may be the same text
        content = digest.content
    is_same = record.kind is entry.kind and record.content == content
    return not is_same and not holds_unreplaced_save(record, entry, content)


class Replacements:
    """Counts and tells what was replaced in one folder."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._wave: dict[EntryID, str] = {}  # files that were replaced, and by whom
        self._first_at = self._last_at = 0.0

    def done(self, before: FileRecord) -> None:
        """A file was replaced; what it held is in the trash."""
        now = trio.current_time()
        is_by_new = bool(self._folder.observers.newcomers.changed([before.entry]))
        self._folder.state.guard.count(before.entry, now, before.stamp.size, is_gone=False, is_by_new=is_by_new)
        device = self._folder.catalogue.changed_by.get(before.entry)
        self._first_at, self._last_at = self._first_at if self._wave else now, now
        self._wave[before.entry] = self._folder.name_of(device) if device is not None else "others"

    def next_deadline(self) -> float:
        return min(self._last_at + _QUIET_S, self._first_at + _LONGEST_S) if self._wave else float("inf")

    def tell(self) -> None:
        """Tell of a wave that is over."""
        if self.next_deadline() > trio.current_time():
            return
        wave, self._wave = self._wave, {}
        for name, count in Counter(wave.values()).items():
            replaced = [entry for entry, device in wave.items() if device == name and entry in self._folder.files]
            if count < _WAVE_FILES or not replaced:
                continue
            text = f"{count} files were replaced by {name}, this one first; what they held is in the trash"
            self._folder.notices.add(NoticeKind.REPLACED, self._folder.files[replaced[0]].path, text, replaced[0])
