"""Ingest: from the disk into the documents.

Theory of operation
    The disk is a replica of its own. What a file held when it was last rendered or ingested is its *base*, a document
    state. A save was made by somebody who looked at the base, so it is diffed against the base, the operations are
    applied to a fork of the base, and the fork's update is merged into the document like any other device's.
    Afterwards the base is (old base + that save), although the document may be further on: two saves between two
    renders with a remote edit in flight leave the disk with what is no prefix of the log. Where the base is all of the
    document there is nothing to fork: the save is an edit of the document itself.

    What the document had got meanwhile may be the very change that the save brings, or meet it in one line:
    `folder/meetings.py` looks at what was made apart before it is merged.

    A start is another matter. What a scan finds was changed while nobody looked, maybe the same on every device: its
    operations get a client ID derived from base and change. After a power cut the disk can be older than the store: a
    file that holds an earlier version is that version, a file that is empty, NUL-filled, gone, or no
    younger than what the store knows is damage, and what was saved since then was made of whichever version is nearest.

    What happened is decided by looking, never by the kind of an event: a path is there or not, its content is the
    base's or not. Decisions that could be a program's save in the middle wait a moment:

    * a path that vanished for `GRACE_S`: vim renames the file away and writes a new one; only after that is it a
      rename (a new file has the inode or, alone, the content) or a delete;
    * a new path for `SETTLE_S`: it may be a temporary file about to be renamed over another;
    * an empty new file for `EMPTY_S`: somebody is about to write it.

Invariants
    * A file whose content is what the document already says is that version, not an edit.
    * A save replaces what was on the disk, unless there is evidence that its writer had an older version open
      (`documents/save_evidence.py`): then it is a change of that version. An editor that had the file open would
      otherwise take out what others wrote.
    * Deletions are decided together and pass the guard (`departures.py`, `folder/guard.py`).
    * What becomes or ceases to be text, and what never was, is taken by `opaque_entries.py`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace

import structlog
import trio

from yp2p.disk.ingest.damage import Damage
from yp2p.disk.ingest.departures import Departures
from yp2p.disk.ingest.exchanged_names import ExchangedNames
from yp2p.disk.ingest.first_imports import FirstImports
from yp2p.disk.ingest.local_edits import LocalEdits, Look
from yp2p.disk.ingest.long_files import LongFiles
from yp2p.disk.ingest.meaning import Circumstances, FileState, Meaning, meaning_of, state_of
from yp2p.disk.ingest.old_versions import version_found
from yp2p.disk.ingest.opaque_entries import OpaqueEntries, observable_mode
from yp2p.disk.ingest.open_files import OpenFiles
from yp2p.disk.ingest.pending_paths import GRACE_S, Fresh, PendingPaths, due_at
from yp2p.disk.ingest.put_back import PutBack
from yp2p.disk.ingest.read_tracker import ReadTracker
from yp2p.disk.ingest.save_base import SaveBases
from yp2p.documents.manifest import Change
from yp2p.files.inspect import Finding, Found, Stamp, inspect_all
from yp2p.files.root import Root
from yp2p.files.watch import Watcher
from yp2p.folder.folder import Folder
from yp2p.folder.notices import NoticeKind
from yp2p.folder.records import FileRecord, Sight
from yp2p.protocol.entries import Kind

# Below this a diff takes less than a worker thread's round trip.
_THREAD_DIFF_CHARS = 200_000
_IMPORT_BATCH = 512
_INLINE_PATHS = 4
_THERE = (Meaning.UNCHANGED, Meaning.KNOWN, Meaning.LONG, Meaning.BUSY)
_INLINE_BYTES = 256 << 10

log = structlog.get_logger()


def _changed(root: Root, records: Iterable[FileRecord]) -> list[FileRecord]:
    """The files that are there, and are not as they were. Blocks."""
    found: list[FileRecord] = []
    for record in records:
        try:
            status = root.lstat(record.path)
        except OSError:
            continue
        if status is not None and record.kind is not Kind.DIRECTORY and Stamp.of(status) != record.stamp:
            found.append(record)
    return found


class Ingest:
    """Looks at paths of one folder and brings what changed into the documents.

    Args:
        watcher: tells who reads the files; None: nobody does.
        start_reading: starts `long_files.read` for a path, beside everything else.
        wait: lets `WAVE_WAIT_S` pass.
    """

    def __init__(
        self,
        folder: Folder,
        root: Root,
        max_text_bytes: int,
        watcher: Watcher | None = None,
        start_reading: Callable[[str], None] = lambda _: None,
        wait: Callable[[], Awaitable[None]] = trio.lowlevel.checkpoint,
    ) -> None:
        self._folder = folder
        self._root = root
        self._max_text_bytes = max_text_bytes
        self.pending = PendingPaths()
        watch = watcher.watch_reading if watcher is not None else lambda *_: False
        self.readers = ReadTracker(folder, root, watch, watcher.reads if watcher is not None else None)
        self.saves = LocalEdits(folder, self.readers, SaveBases(folder, self.readers, wait), self._only_status)
        self.opaque = OpaqueEntries(folder, root, self.pending, self._requeue)
        self._imports = FirstImports(
            folder, root, self.pending, self._requeue, self._known_file, self.readers.former.moved_away, self.opaque
        )
        self.damage = Damage(folder, root, self.pending, self.readers)
        self.put_back = PutBack(folder)
        self._departures = Departures(
            folder, root, self.pending, self.damage, self.put_back, self._requeue, self._known_file
        )
        self._exchanged = ExchangedNames(
            folder, root, self.pending, self._inspect_anew, self._known_file, self._departures.delete_all
        )
        self._open_files = OpenFiles(folder, self.pending)
        self.long_files = LongFiles(
            folder, root, max_text_bytes, self.pending, self._open_files, start_reading, self._requeue
        )
        self._scanning = False
        self._first = False  # whether the first scan after a start is being looked at
        self.requeued: set[str] = set()

    async def inspect(self, paths: Iterable[str], *, trust_stamp: bool, settled: bool = False) -> None:
        """Look at these paths now.

        Args:
            trust_stamp: whether an equal stamp is enough to call a file unchanged (scans), or content decides.
            settled: whether new files need not settle first (a scan at start).
        """
        folder = self._folder
        known: list[tuple[str, Stamp | None, bool]] = []
        for path in paths:
            record = folder.files.by_path(path)
            if record is None:
                known.append((path, None, False))
            else:
                # Reading a file that nobody has read yet would look as if its next writer had read it.
                known.append((path, record.stamp, trust_stamp or self.readers.is_unread(record.entry)))
        if self.damage.is_expected:
            known = [(path, None, False) for path, _, _ in known]
        inspected = self.readers.stop_counting(known)
        # What was just saved is in the page cache: for a few small files a worker thread costs more than the read.
        if len(known) <= _INLINE_PATHS and not trust_stamp and self._are_small(known):
            with self.readers.opened.reading_ourselves({path for path, _, _ in known}):
                findings = self._look_up(known)()
        else:
            findings = await self._inspect(known)
        self._scanning, self._first = trust_stamp, settled
        self.readers.found(findings)
        try:
            left = findings
            if not self.damage.is_expected:
                left = await self._exchanged.take(findings, at_once=settled)
            for finding in left:
                await self._sort(finding, settled)
        finally:
            self._scanning = self._first = False
            busy = {finding.path for finding in findings if finding.found is Found.BUSY}
            self.readers.inspected({path for path, _, _ in known} - busy)
            self.readers.count_again(inspected, busy)

    async def preview(self, paths: Iterable[str]) -> str:
        """Why what a scan of these paths is about to find has to wait for a person's word (`put_back.py`).

        Nothing is read, unless so many files have changed that somebody may have to be asked.
        """
        records = [record for path in paths if (record := self._folder.files.by_path(path)) is not None]
        changed = await trio.to_thread.run_sync(_changed, self._root, records)
        if self.damage.is_expected or self.put_back.are_few(len(changed)):
            return ""
        for start in range(0, len(changed), _IMPORT_BATCH):
            batch = changed[start : start + _IMPORT_BATCH]
            inspected = self.readers.stop_counting([(record.path, None, False) for record in batch])
            findings = await self._inspect([(record.path, None, False) for record in batch])
            self.readers.count_again(inspected, set())
            for record, finding in zip(batch, findings, strict=True):
                self.put_back.note(record, finding)
        return await self.put_back.reason()

    async def _inspect(self, known: list[tuple[str, Stamp | None, bool]]) -> list[Finding]:
        return await trio.to_thread.run_sync(self._look_up(known))

    async def _inspect_anew(self, paths: Iterable[str]) -> list[Finding]:
        """What stands at these paths, whatever is known of them."""
        return await self._inspect([(path, None, False) for path in paths])

    def _look_up(self, known: list[tuple[str, Stamp | None, bool]]) -> Callable[[], list[Finding]]:
        """What looks at these paths; it may run in a thread."""
        bases, ready = self._bases_of(known), dict(self.long_files.found)
        quiet = self._open_files.quiet(trio.current_time())
        return lambda: inspect_all(self._root, known, self._max_text_bytes, bases, ready, quiet)

    def _bases_of(self, known: list[tuple[str, Stamp | None, bool]]) -> dict[str, tuple[Kind, bytes]]:
        records = ((path, self._folder.files.by_path(path)) for path, _, _ in known)
        return {path: (record.kind, record.content) for path, record in records if record is not None}

    def _are_small(self, known: list[tuple[str, Stamp | None, bool]]) -> bool:
        try:
            sizes = [status.st_size for path, _, _ in known if (status := self._root.lstat(path)) is not None]
        except OSError:
            return False
        return sum(sizes) <= _INLINE_BYTES

    async def _sort(self, finding: Finding, settled: bool) -> None:
        folder, path = self._folder, finding.path
        record = folder.files.by_path(path)
        may_need_entry = record is None and finding.found is Found.DIRECTORY
        meaning = meaning_of(finding, record, needs_entry=may_need_entry and self._needs_entry(path))
        self._is_found(finding, meaning)
        if record is not None and meaning in _THERE:
            record = folder.files.is_seen(record)
            self.put_back.is_there(record.entry)
        elif record is not None and finding.is_out_of_sight:
            folder.files.lose_sight([record.entry], Sight.LOST)
        if record is not None and self.damage.is_expected and await self.damage.repairs(record, finding):
            return
        await self._act(meaning, record, finding, settled)
        if finding.is_open:
            self._open_files.was_read(path, trio.current_time())
        elif meaning not in (Meaning.LONG, Meaning.BUSY, Meaning.UNCHANGED):
            self._open_files.closed(path)

    async def _act(self, meaning: Meaning, record: FileRecord | None, finding: Finding, settled: bool) -> None:
        path = finding.path
        match meaning:
            case Meaning.LONG:
                self.long_files.want(path)
            case Meaning.BUSY:
                self._open_files.found(finding, record, trio.current_time())
            case Meaning.MISSING | Meaning.DISPLACED:
                if record is not None:
                    self.pending.missing.setdefault(path, trio.current_time())
                    if self._first:
                        self.put_back.is_missing_at_start(record.entry)
                if meaning is Meaning.MISSING:
                    self._departures.inspect_parent(path)
            case Meaning.NEW | Meaning.DISPLACING:
                if record is not None:
                    await self._departures.delete_all([record])  # a file took the directory's place
                self._is_new(finding, settled)
            case Meaning.UNCHANGED | Meaning.KNOWN if record is not None:
                self._folder.files.waiting.done(record.entry)
                if meaning is Meaning.KNOWN:
                    await self._take_known(record, finding)
            case Meaning.IGNORED:
                self._cannot_be_synchronised(record, finding)

    def _is_found(self, finding: Finding, meaning: Meaning) -> None:
        """Forget what was waiting to be decided about this path."""
        path, pending = finding.path, self.pending
        if meaning not in (Meaning.MISSING, Meaning.DISPLACED):
            pending.missing.pop(path, None)
        pending.busy.pop(path, None)
        self._folder.files.waiting.skipped.pop(path, None)
        if finding.kind is None:
            pending.fresh.pop(path, None)
        if meaning is not Meaning.LONG:
            self.long_files.forget(path)

    def _is_new(self, finding: Finding, settled: bool) -> None:
        old = self.pending.fresh.get(finding.path)
        seen_at = old.seen_at if old is not None else trio.current_time()
        self.pending.fresh[finding.path] = Fresh(finding, seen_at, settled)

    def _cannot_be_synchronised(self, record: FileRecord | None, finding: Finding) -> None:
        if record is not None:
            self._folder.note_waiting(record.entry, finding.reason)
        else:
            self._folder.files.waiting.skipped[finding.path] = finding.reason

    async def _take_known(self, record: FileRecord, finding: Finding) -> None:
        if finding.is_linked and finding.content != record.content:
            self._look_at_links(finding)
        await self._known_file(record, finding)

    def _needs_entry(self, path: str) -> bool:
        """Whether a directory is there only if an entry says so."""
        return path not in self._folder.catalogue.layout().entry_at and self._root.is_empty_directory(path)

    def _look_at_links(self, finding: Finding) -> None:
        """The other names of a file that changed: inotify tells of the one only that it was written by."""
        inode = finding.stamp.inode
        self.requeued |= {r.path for r in self._folder.files.values() if r.stamp.inode == inode} - {finding.path}

    # --- files that are known -----------------------------------------------------------------------------------

    async def _known_file(self, record: FileRecord, finding: Finding) -> None:
        state, old = self._state(record, finding)
        if state is FileState.BASE:
            await self._only_status(record, finding)
            return
        if self._first and state in (FileState.OPAQUE, FileState.EDITED):
            self.put_back.note(record, finding)
        made_of = None
        is_undone = record.entry in self.put_back.undone
        self.put_back.undone.discard(record.entry)
        match state:
            case FileState.OPAQUE:
                is_before = self.damage.is_expected and finding.stamp.mtime_ns < record.stamp.mtime_ns
                await self.opaque.changed(record, finding, may_be_older=is_undone or is_before)
            case FileState.CURRENT:
                await self._already_here(record, finding)
            case FileState.OTHER_VERSION:
                assert old is not None
                self._holds_version(old, finding, is_older=old.base_seq <= record.base_seq)
            case FileState.DAMAGED:
                await self.damage.repair(record, finding)
                if finding.kind is record.kind is Kind.TEXT:
                    return
            case FileState.EDITED:
                former = self.readers.foreign_base(record)
                if former is not None and await self.saves.save_of_former(record, former, finding):
                    return
                made_of = await self.saves.take(record, finding, Look(self._scanning, self.damage.is_expected))
        self.readers.was_saved(record.entry, made_of)

    def _state(self, record: FileRecord, finding: Finding) -> tuple[FileState, FileRecord | None]:
        """What a known file holds now, and of which version it is, where it is another one of its document."""
        is_older = self._may_be_older(record)
        what = Circumstances(self._is_replaced(record), self._first or is_older, self.damage.is_expected)
        old: FileRecord | None = None
        while True:
            state = state_of(record, finding, what)
            if state is FileState.NEED_DOCUMENT:
                live = self._folder.texts.open(record.document)
                what = replace(what, is_current=finding.content == live.text.content())
            elif state is FileState.NEED_VERSION:
                old = version_found(self._folder, record, finding, may_be_older=is_older)
                what = replace(what, is_version=old is not None)
            elif state is FileState.NEED_BASE:
                base = self._folder.texts.fork_at_base(record).text()
                what = replace(what, extends_base=bool(base) and finding.text.startswith(base))
            else:
                return state, old

    def _may_be_older(self, record: FileRecord) -> bool:
        """Whether an older version in a file is no edit: after a power cut, or when a person said so."""
        return self.damage.is_expected or record.entry in self.put_back.undone

    def _is_replaced(self, record: FileRecord) -> bool:
        """Whether the entry of a text is another kind of thing by now."""
        found = self._folder.catalogue.entries.get(record.entry)
        return found is not None and found.kind is not Kind.TEXT

    def _holds_version(self, old: FileRecord, finding: Finding, *, is_older: bool) -> None:
        """A file that holds another version than the store says is no edit: the newest version comes back.

        Args:
            is_older: whether it is older than what the file is known to have held; that is told.
        """
        folder = self._folder
        base = replace(old, stamp=finding.stamp)
        folder.files.set(base)
        folder.database.submit([base.save(folder.id)])
        folder.render_queue.want(old.entry)
        if not is_older:
            return
        text = "the file held an older version; the newest was put back"
        folder.notices.add(NoticeKind.OLDER_VERSION, old.path, text, old.entry)

    async def _only_status(self, record: FileRecord, finding: Finding) -> None:
        """The content is the base: remember the new stamp, and whether it became executable."""
        folder = self._folder
        mode = observable_mode(record, finding.mode) if record.kind in (Kind.TEXT, Kind.BLOB) else record.mode
        updated = replace(record, stamp=finding.stamp, mode=mode)
        if updated == record:
            return
        folder.files.set(updated)
        folder.database.submit([updated.save(folder.id)])
        entry = folder.catalogue.entries.get(record.entry)
        if mode != record.mode and entry is not None:
            await folder.catalogue.write([Change(entry.id, mode=mode)]).wait()

    async def _already_here(self, record: FileRecord, finding: Finding) -> None:
        """The file holds what the document says: that version is its base now."""
        folder = self._folder
        live = folder.texts.open(record.document)
        commit = folder.database.pending()
        updated = FileRecord(
            record.entry, record.path, record.document, live.last_seq, None, finding.content,
            record.mode, finding.stamp,
        )  # fmt: skip
        folder.files.set(updated)
        await commit.wait()
        folder.database.submit([updated.save(folder.id)])
        folder.rendered([record.entry])

    # --- files that come and go ---------------------------------------------------------------------------------

    def _requeue(self, path: str) -> None:
        self.requeued.add(path)

    def due(self) -> list[str]:
        """Paths that should be looked at again."""
        now = trio.current_time()
        again, self.requeued = self.requeued, set()
        return [*again, *(path for path, at in self.pending.busy.items() if at <= now)]

    async def decide(self) -> None:
        """Decide what can be decided by now: renames, deletes, new files."""
        now = trio.current_time()
        pending = self.pending
        await self._inspect_requeued(now)
        moved = self._departures.renamed()
        due = {path: source for path, source in moved.items() if pending.missing[source] + GRACE_S <= now}
        if due:
            await self._departures.rename([(source, pending.fresh.pop(path).finding) for path, source in due.items()])
            for source in due.values():
                pending.missing.pop(source, None)
        gone = pending.gone(now)
        if gone:
            await self._departures.delete(gone)
        pending.held = {path for path in moved if path in pending.fresh}
        ready = [
            fresh.finding
            for path, fresh in pending.fresh.items()
            if path not in pending.held
            and due_at(fresh) <= now
            and fresh.finding.stamp.inode not in self._exchanged.awaited
        ]
        for start in range(0, len(ready), _IMPORT_BATCH):
            await self._imports.take(ready[start : start + _IMPORT_BATCH])

    async def _inspect_requeued(self, now: float) -> None:
        """What is about to be decided may have changed since: a new file moved on, a missing one came back."""
        pending = self.pending
        due: list[tuple[str, Stamp | None, bool]] = [
            (path, fresh.finding.stamp, True) for path, fresh in pending.fresh.items() if due_at(fresh) <= now
        ]
        due += [(path, None, False) for path in pending.gone(now)]
        if not due:
            return
        findings = await self._inspect(due)
        for finding in findings:
            if finding.found is Found.UNCHANGED:
                continue
            if finding.found in (Found.MISSING, Found.DIRECTORY) and finding.path in pending.missing:
                continue
            if finding.found is Found.DIRECTORY and finding.path in pending.fresh and self._needs_entry(finding.path):
                continue
            pending.fresh.pop(finding.path, None)
            await self._sort(finding, settled=False)
