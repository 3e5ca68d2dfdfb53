"""Who has read what: the evidence for which version a save was made of (invariant 2).

A file that was rendered with others' changes is watched once for somebody reading it. Until then whoever saves it is
taken to have the version before; where another entry's file had that path before, that one.

Invariants
    * Only reading the very file that was rendered counts; our own reading does not, nor that of a file that was saved
      since.
    * What is unread is in the store, so that a restart does not forget it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Set

import trio

from yp2p.files.inspect import Stamp
from yp2p.identity import ID_BYTES, EntryID
from yp2p.sync.folder import Folder
from yp2p.sync.records import FileRecord, forget_unread

# Paths that others took files from.
_MAX_FORMER = 256
# An editor that was open when its file moved away saves there within minutes; a program that writes there later means
# the file that stands there by then.
_FORMER_S = 600.0


class Readers:
    """The evidence for the files of one folder.

    Args:
        watch: tells once, under a key, when somebody reads the file now at a path; False when that cannot be told.
    """

    def __init__(self, folder: Folder, watch: Callable[[str, bytes], bool]) -> None:
        self._folder = folder
        self._watch = watch
        # Entries whose file was rendered with others' changes and not read since, with the last base that was. The
        # base is another entry's where another file had the path before.
        self.unread: dict[EntryID, FileRecord] = {}
        self._formerly: dict[
            str, tuple[FileRecord, float]
        ] = {}  # what had a path before others moved it, and until when
        self._not_rendered: set[EntryID] = set()  # whose file is somebody else's text now
        self._foreign_until: dict[EntryID, float] = {}  # until when a base of another entry counts
        self._reading: dict[EntryID, bytes] = {}  # which file it is whose reading counts
        self._next_key = 0
        self._written: set[str] = set()  # written to, and not looked at yet: who reads now reads that

    def looked_at(self, paths: Set[str]) -> None:
        """What was written to these paths is known now."""
        self._written -= paths

    def was_read(self, entry: EntryID) -> None:
        """Whoever saves the file of this entry from now on may have read what was rendered."""
        self._foreign_until.pop(entry, None)
        if self.unread.pop(entry, None) is not None:
            self._folder.database.submit([forget_unread(self._folder.id, entry)])

    def bases(self) -> list[FileRecord]:
        """What a save that turns up may have been made of, beside what the files are known to hold."""
        now = trio.current_time()
        return [*self.unread.values(), *(record for record, until in self._formerly.values() if now < until)]

    def moved_away(self, record: FileRecord) -> None:
        """Others' changes took this file from its path: who had it open may still save there."""
        self._formerly.pop(record.path, None)
        self._formerly[record.path] = (record, trio.current_time() + _FORMER_S)
        while len(self._formerly) > _MAX_FORMER:
            del self._formerly[next(iter(self._formerly))]

    def former(self, path: str) -> FileRecord | None:
        """What stood at a path until a moment ago."""
        record, until = self._formerly.get(path, (None, 0.0))
        return record if trio.current_time() < until else None

    def base_of(self, record: FileRecord) -> FileRecord:
        """The base of whoever saves this file now: of another entry, where its file was there until a moment ago."""
        base = self.unread.get(record.entry, record)
        if base.entry != record.entry and trio.current_time() > self._foreign_until.get(record.entry, math.inf):
            self.was_read(record.entry)
            return record
        return base

    def keep_foreign(self, entry: EntryID, base: FileRecord) -> None:
        """Whoever saves the file of `entry` next goes on from `base`, whoever reads it before it is rendered again."""
        self.unread[entry] = base
        self._reading.pop(entry, None)
        self._not_rendered.add(entry)

    def watch_rendered(self, entry: EntryID, path: str) -> bool:
        """The file at `path` is about to be put in place: then its readers count. False when nobody can tell."""
        self._not_rendered.discard(entry)
        return self.watch_reading(entry, path)

    def watch_reading(self, entry: EntryID, path: str) -> bool:
        """From now on reading the file at `path` counts for the entry; False when that cannot be told."""
        self._foreign_until.setdefault(entry, trio.current_time() + _FORMER_S)
        key = entry + self._next_key.to_bytes(8, "big")
        self._next_key += 1
        self._reading[entry] = key
        return self._watch(path, key)

    def stop_counting(self, known: list[tuple[str, Stamp | None, bool]]) -> list[EntryID]:
        """We are about to read these files ourselves, which is not to be taken for a person's reading."""
        entries = [entry for path, _, _ in known if (entry := self._folder.file_at.get(path)) in self.unread]
        for entry in entries:
            self._reading.pop(entry, None)
        return entries

    def count_again(self, entries: list[EntryID], busy: set[str]) -> None:
        for entry in entries:
            record = self._folder.files.get(entry)
            is_watched = entry not in self.unread or entry in self._reading or entry in self._not_rendered
            if not is_watched and record is not None and record.path not in busy:
                self.watch_reading(entry, record.path)

    def take(self, read: Mapping[bytes, frozenset[str]], written: Set[str]) -> None:
        """Take who read and wrote what, as in `Batch`: what is read after a save is not what was rendered."""
        for key, before in read.items():
            entry = EntryID(key[:ID_BYTES])
            record = self._folder.files.get(entry)
            if self._reading.get(entry) == key and record is not None and record.path not in before | self._written:
                self.was_read(entry)
        self._written |= written
