"""Who has read what: the evidence for which version a save was made of (invariant 2; the rule is in
`documents/save_evidence.py`).

Theory of operation
    The version that a file holds counts as *opened* when a program here reads it or has saved it (`last_opened.py`). It
    is *unread* from when it was rendered with others' changes until somebody reads it.

    When the next version is rendered over one that was opened in the last four waking hours, that one becomes a
    *candidate*: a later save may have been made of it. So does a version beside which an editor's lock stood
    (`files/editor_locks.py`).

    Once somebody has read what was rendered, or has saved over it, only candidates with a lock are left.

Invariants
    * Only reading the very file that was rendered counts as reading it; our own reading does not, nor that of a file
      that was saved since, whether that save was looked at or not.
    * An inspection settles what had been told before it began; what is told meanwhile is settled by the next.
    * Candidates are in the store, so that a restart does not forget them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass, replace

import trio

from yp2p.disk.ingest.last_opened import LastOpened
from yp2p.documents.save_evidence import OPEN_S
from yp2p.files.editor_locks import EditorLock, is_standing, lock_of
from yp2p.files.inspect import Finding, Found, Stamp
from yp2p.files.reads import ReadWatcher
from yp2p.files.recent_writes import RecentWrites
from yp2p.files.root import Root
from yp2p.files.watch import Batch
from yp2p.folder.folder import Folder
from yp2p.folder.former_files import FormerFiles
from yp2p.folder.records import Candidate, FileRecord
from yp2p.identity import ID_BYTES, EntryID
from yp2p.protocol.entries import Kind
from yp2p.store import tables
from yp2p.store.sql import Statement

# Versions of one file that may be open at the same time. Each costs a comparison with a save.
_MAX_CANDIDATES = 8
# For so many files, looking for locks takes longer than a worker thread's round trip.
_INLINE_LOCKS = 16


@dataclass(frozen=True, slots=True)
class Inspection:
    """How things stood when files began to be looked at.

    Attributes:
        reports: how many reports had been taken.
        gone: locks of editors, of the files' candidates, that did not stand any more.
    """

    reports: int
    gone: Mapping[EntryID, Set[EditorLock]]


class ReadTracker:
    """The evidence for the files of one folder.

    Args:
        watch: tells once, under a key, when somebody reads the file now at a path, if it has the stamp that is given;
            False when that cannot be told.
        reads: tells which files are read; None when that cannot be told.
    """

    def __init__(
        self,
        folder: Folder,
        root: Root,
        watch: Callable[[str, bytes, Stamp | None], bool],
        reads: ReadWatcher | None = None,
    ) -> None:
        self._folder = folder
        self._root = root
        self._watch = watch
        self.last_opened = LastOpened(folder, reads)
        self.writes = RecentWrites()
        self.former = FormerFiles(folder)
        # What an entry's file was before it was rendered, the oldest first.
        self._candidates: dict[EntryID, list[Candidate]] = {}
        self._were_read: set[EntryID] = set()  # those of them whose file of now was read or saved over since
        self._rendering: dict[EntryID, Candidate | None] = {}  # what becomes a candidate once it is replaced
        # Base of another entry, whose file had the path before, and until when it counts.
        self._foreign: dict[EntryID, tuple[FileRecord, float]] = {}
        self._not_rendered: set[EntryID] = set()  # whose file is somebody else's text now
        self._reading: dict[EntryID, bytes] = {}  # which file it is whose reading counts
        self._next_key = 0

    # --- what a save may have been made of ------------------------------------------------------------------------

    def candidates(self, entry: EntryID) -> list[tuple[Candidate, bool]]:
        """What a save of this file may have been made of beside what it is known to hold, the oldest first; with
        whether an editor's lock from that time stood when the save was made.

        A lock counts until its end is told, or until the file was looked at once it was gone. A save may be found on
        the disk before the kernel's reports of it are read, and the lock may be gone by then: vim's `:wq`.
        """
        record = self._folder.files.get(entry)
        return [
            (one, one.lock is not None)
            for one in self._candidates.get(entry, [])
            if record is not None and one.base.document == record.document
        ]

    def was_read_since(self, entry: EntryID) -> bool:
        """Whether somebody has read what was rendered last, or has saved over it."""
        return entry in self._were_read

    def bases(self) -> list[FileRecord]:
        """What a save that turns up may have been made of, beside what the files are known to hold."""
        return [
            *(one.base for found in self._candidates.values() for one in found),
            *(one.base for one in self._rendering.values() if one is not None),
            *(base for base, _ in self._foreign.values()),
            *self.former.all(),
        ]

    def oldest_base(self, record: FileRecord) -> FileRecord:
        """The oldest version that a save of the file may have been made of."""
        found = [one.base for one in self._candidates.get(record.entry, []) if one.base.document == record.document]
        return found[0] if found else record

    def forget_old(self) -> None:
        """Forget what does not matter any more."""
        self.last_opened.forget_old()
        self.former.forget_old()
        now = trio.current_time()
        for entry, found in list(self._candidates.items()):
            if any(now - one.opened_at > OPEN_S for one in found):
                self._keep(entry, [one for one in found if now - one.opened_at <= OPEN_S])

    def is_unread(self, entry: EntryID) -> bool:
        """Whether it matters when somebody reads this file."""
        return entry in self._foreign or (entry in self._candidates and entry not in self._were_read)

    def was_read(self, entry: EntryID) -> None:
        """Whoever saves the file of this entry from now on may have read what was rendered."""
        if self._foreign.pop(entry, None) is not None:
            self._folder.database.submit([tables.unread.forget(self._folder.id, entry)])
        if entry in self._candidates and entry not in self._were_read:
            self._were_read.add(entry)
            self._keep(entry, [one for one in self._candidates[entry] if one.lock is not None])

    def was_saved(self, entry: EntryID, made_of: Candidate | None = None) -> None:
        """Somebody saved the file: what was rendered before is gone, and this version is open.

        Args:
            made_of: what the save turned out to be made of. The same editor's versions before are open no more.
        """
        self.was_read(entry)
        self.last_opened.was_saved(entry)
        if made_of is not None and made_of.lock is not None:
            self._keep(entry, [one for one in self._candidates.get(entry, []) if one.lock != made_of.lock])

    def forget(self, entry: EntryID) -> None:
        """The file is gone."""
        self.was_read(entry)
        self._keep(entry, [])
        self.last_opened.forget(entry)

    def forget_versions(self, entries: Set[EntryID], has_name: Callable[[str], bool]) -> None:
        """Forget, here and not in the store, that saves may be made of former versions of these files."""
        for entry in entries:
            self._candidates.pop(entry, None)
            self._were_read.discard(entry)
        self._foreign = {
            entry: (base, until)
            for entry, (base, until) in self._foreign.items()
            if entry not in entries and base.entry not in entries
        }
        self.former.forget(lambda record: record.entry in entries or has_name(record.path))

    def _keep(self, entry: EntryID, candidates: list[Candidate]) -> None:
        """Only these are candidates of the entry, here and in the store."""
        if self._candidates.pop(entry, None) is not None:
            self._folder.database.submit([tables.unread.forget(self._folder.id, entry), *self._save(entry, candidates)])
        if candidates:
            self._candidates[entry] = candidates
        else:
            self._were_read.discard(entry)

    def _save(self, entry: EntryID, candidates: list[Candidate]) -> list[Statement]:
        is_read = entry in self._were_read
        return [one.save(self._folder.id, entry, is_read=is_read) for one in candidates]

    # --- rendering ------------------------------------------------------------------------------------------------

    async def will_replace(self, items: Sequence[tuple[EntryID, FileRecord]]) -> None:
        """Files are about to be put in place of these bases: their own, or that of an entry that was there before."""
        if not items:
            return
        await self.last_opened.take_pending()
        paths = [base.path for _, base in items]
        if len(paths) <= _INLINE_LOCKS:
            locks = [lock_of(self._root, path) for path in paths]
        else:
            locks = await trio.to_thread.run_sync(lambda: [lock_of(self._root, path) for path in paths])
        now = trio.current_time()
        for (entry, base), lock in zip(items, locks, strict=True):
            if base.entry != entry:
                former = self.former.at(base.path)
                self._foreign.setdefault(entry, (base, former.until if former is not None else now))
                continue
            is_there = entry in self._folder.files  # else it was deleted a moment ago
            opened_at = self.last_opened.at(entry) if is_there else now
            if lock is not None and lock not in {one.lock for one in self._candidates.get(entry, [])}:
                opened_at = now  # else what this editor has open is a candidate already
            self._rendering[entry] = Candidate(base, opened_at, lock)

    def were_installed(self, done: Set[EntryID], failed: Set[EntryID]) -> None:
        """These files are in place, and those are not. What was read meanwhile may have been read of either version."""
        meanwhile = self.last_opened.take_now()
        for entry in done:
            before = self._rendering.pop(entry, None)
            if before is not None and entry in meanwhile:
                before = replace(before, opened_at=trio.current_time())
            self._was_rendered(entry, before)
        self.last_opened.were_rendered(done - meanwhile)
        for entry in failed:
            self._rendering.pop(entry, None)

    def _was_rendered(self, entry: EntryID, before: Candidate | None) -> None:
        """A newer version is in place of `before`: that is a candidate now, if a program may have it open."""
        found = self._candidates.get(entry, [])
        if before is not None and trio.current_time() - before.opened_at <= OPEN_S:
            found = [*(one for one in found if one.base.content != before.base.content), before]
        if len(found) > _MAX_CANDIDATES:
            first = next((one for one in found if one.lock is None), found[0])
            found = [one for one in found if one is not first]
        self._were_read.discard(entry)
        if found:
            self._candidates[entry] = found

    def statements(self, entry: EntryID) -> list[Statement]:
        """What is to be stored of the evidence for a file that was put in place."""
        foreign = self._foreign.get(entry)
        rows = self._save(entry, self._candidates.get(entry, []))
        if foreign is not None:
            rows.append(Candidate(foreign[0], 0.0).save(self._folder.id, entry, is_read=False))
        return [tables.unread.forget(self._folder.id, entry), *rows] if rows else []

    def watch_rendered(self, entry: EntryID, name: str) -> None:
        """The file at `name`, which is ours alone, is about to be put in place: then its readers count."""
        self._not_rendered.discard(entry)
        self._watch_reading(entry, name, None)

    def watch_reading(self, record: FileRecord) -> None:
        """From now on reading a file counts, if it is the one that was put there. Where nobody can tell, it stays
        unread, as it does when somebody has put another one in its place that is not looked at yet."""
        self._watch_reading(record.entry, record.path, record.stamp)

    def _watch_reading(self, entry: EntryID, path: str, stamp: Stamp | None) -> None:
        key = entry + self._next_key.to_bytes(8, "big")
        self._next_key += 1
        self._reading[entry] = key
        self._watch(path, key, stamp)

    # --- recovery -------------------------------------------------------------------------------------------------

    def recovered(self, entry: EntryID, candidate: Candidate, *, is_read: bool) -> None:
        """A candidate that the store has, or that a crash left; when it was opened nobody knows any more."""
        if candidate.base.entry != entry:
            self._foreign[entry] = candidate.base, self.last_opened.blind_at + OPEN_S
            return
        path = self._folder.files.get(entry, candidate.base).path
        if candidate.lock is not None and not is_standing(self._root, path, candidate.lock):
            candidate = replace(candidate, lock=None)  # its editor ended while nobody watched
            if is_read:
                return
        self._was_rendered(entry, replace(candidate, opened_at=self.last_opened.blind_at))
        if is_read:
            self._were_read.add(entry)

    # --- files that went elsewhere --------------------------------------------------------------------------------

    def moved_away(self, records: Sequence[FileRecord]) -> None:
        """Others' changes are taking these files from their paths. Who has read one there has it open."""
        self.last_opened.take_now()
        for record in records:
            older = (one.opened_at for one in self._candidates.get(record.entry, ()))
            self.former.moved_away(record, max([self.last_opened.at(record.entry), *older]))

    def stepped_aside(self, record: FileRecord) -> None:
        """A file that somebody put here makes way for another entry's: whoever wrote it has it open."""
        self.former.moved_away(record, trio.current_time())

    def was_moved(self, record: FileRecord) -> list[Statement]:
        """Others' changes brought a file to the path that its record says. Where another text left that before, a save
        there may be that one's, as when the file had been written there; gives what is to be stored of that."""
        former = self.former.at(record.path)
        if former is None or former.record.entry == record.entry:
            return []
        if not former.record.kind is record.kind is Kind.TEXT:
            return []
        self._foreign[record.entry] = former.record, former.until
        self._not_rendered.discard(record.entry)
        self.watch_reading(record)
        return self.statements(record.entry)

    def foreign_base(self, record: FileRecord) -> FileRecord | None:
        """The base of another entry, where its file had this path before and nobody has read this one."""
        base, until = self._foreign.get(record.entry, (None, 0.0))
        if base is not None and trio.current_time() > until:
            self.was_read(record.entry)
            return None
        return base

    def came_at(self, record: FileRecord) -> float | None:
        """When a file came to its path, in seconds since 1970, where another one was there before; None: it was
        rendered there."""
        if record.entry not in self._foreign:
            return None
        former = self.former.at(record.path)
        return former.moved_at if former is not None else 0.0

    def keep_foreign(self, entry: EntryID, base: FileRecord) -> None:
        """Whoever saves the file of `entry` next goes on from `base`, whoever reads it before it is rendered again."""
        self._foreign[entry] = base, trio.current_time() + OPEN_S
        self._reading.pop(entry, None)
        self._not_rendered.add(entry)

    # --- what happens to the files --------------------------------------------------------------------------------

    def begin_inspection(self, records: Iterable[FileRecord | None]) -> Inspection:
        """These files are about to be looked at."""
        gone: dict[EntryID, set[EditorLock]] = {}
        for record in records:
            found = self._candidates.get(record.entry) if record is not None else None
            if record is not None and found:
                locks = {one.lock for one in found if one.lock is not None}
                gone[record.entry] = {lock for lock in locks if not is_standing(self._root, record.path, lock)}
        return Inspection(self.writes.reports, gone)

    def inspected(self, paths: Set[str], begun: Inspection) -> None:
        """What had been told of these paths when the inspection began is known now; and what was saved under a lock
        that was gone by then was seen."""
        self.writes.inspected(paths, begun.reports)
        for entry in [self._folder.files.at[path] for path in paths if path in self._folder.files.at]:
            self._unlock(entry, begun.gone.get(entry, set()))

    def _unlock(self, entry: EntryID, gone: Set[EditorLock]) -> None:
        """The editors with these locks have closed the file."""
        found = self._candidates.get(entry, [])
        if any(one.lock in gone for one in found):
            self._keep(
                entry,
                [
                    replace(one, lock=None) if one.lock in gone else one
                    for one in found
                    if entry not in self._were_read or one.lock not in gone
                ],
            )

    def _is_saved(self, entry: EntryID) -> bool:
        """Whether the file is another than it is known to be: we put files in place as well."""
        record = self._folder.files[entry]
        try:
            status = self._root.lstat(record.path)
        except OSError:
            return True
        return status is None or Stamp.of(status) != record.stamp

    def stop_counting(self, records: Iterable[FileRecord | None]) -> set[EntryID]:
        """We are about to read these files ourselves, which is not to be taken for a person's reading; gives those that
        nobody has read."""
        unread = {record.entry for record in records if record is not None and self.is_unread(record.entry)}
        for entry in unread:
            self._reading.pop(entry, None)
        return unread

    @contextmanager
    def reading_beside(self, records: Sequence[FileRecord]) -> Iterator[None]:
        """We read these files in a thread until this ends, which is not to be taken for a person's reading."""
        unread = self.stop_counting(records)
        try:
            with self.last_opened.reading_beside({record.path for record in records}):
                yield
        finally:
            self.count_again(unread, set())

    def count_again(self, entries: Set[EntryID], busy: Set[str]) -> None:
        for entry in entries:
            record = self._folder.files.get(entry)
            is_watched = not self.is_unread(entry) or entry in self._reading or entry in self._not_rendered
            if not is_watched and record is not None and record.path not in busy:
                self.watch_reading(record)

    def take(self, batch: Batch) -> None:
        """Take who read and wrote what: what is read after a save is not what was rendered."""
        for key, before in batch.read.items():
            entry = EntryID(key[:ID_BYTES])
            record = self._folder.files.get(entry)
            if (
                self._reading.get(entry) == key
                and record is not None
                and not (record.path in before or self.writes.is_written(record.path))
            ):
                self.was_read(entry)
        for path, name, after_save in batch.released:
            owner = self._folder.files.at.get(path)
            if owner is None or owner not in self._candidates:
                continue
            if not ((after_save or self.writes.is_pending(path)) and self._is_saved(owner)):
                # What is told may be of an earlier lock of that name: that of an editor that was opened since stands.
                gone = self.begin_inspection([self._folder.files[owner]]).gone[owner]
                self._unlock(owner, {lock for lock in gone if lock.name == name})
        self.writes.take(batch, time.time())

    def were_saved(self, findings: Iterable[Finding]) -> None:
        """These files hold something else than they are known to: those that are text were saved."""
        for finding in findings:
            if finding.found is Found.TEXT:
                self.writes.waves.add(finding.path, finding.stamp.ctime_ns / 1e9)
