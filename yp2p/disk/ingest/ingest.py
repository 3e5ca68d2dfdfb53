"""Ingest: from the disk into the documents.

Theory of operation
    The disk is a replica of its own. What a file held when it was last rendered or ingested is its *base*, a document
    state. A save was made by somebody who looked at the base, so it is diffed against the base, the operations are
    applied to a fork of the base, and the fork's update is merged into the document like any other device's. Afterwards
    the base is (old base + that save), although the document may be further on: two saves between two renders with a
    remote edit in flight leave a content on the disk that is no prefix of the log. Where the base is all of the
    document there is nothing to fork: the save is an edit of the document itself.

    What the document had got meanwhile may be the very change that the save brings, or meet it in one line:
    `folder/meetings.py` looks at what was made apart before it is merged.

    At a start it is different. What a scan finds was changed while no daemon ran, maybe in the same way on every
    device: its operations get a client ID derived from base and change. After a power cut the disk can be older than
    the store: a file that holds an earlier version is that version; a file that is empty, NUL-filled, gone, or no
    younger than its record is damaged; and what was saved since was made of whichever version is nearest.

    What happened is decided by looking, never by the kind of an event: a path is there or not, its content is the
    base's or not. Decisions that could be a program's save in the middle wait a moment:

    * a path that vanished for `GRACE_S`: vim renames the file away and writes a new one; only after that is it a
      rename or a delete (`departures.py`);
    * a new path for `SETTLE_S`: it may be a temporary file about to be renamed over another;
    * an empty new file for `EMPTY_S`: somebody is about to write it.

Invariants
    * A file whose content is what the document already says is that version, not an edit.
    * A save replaces what was on the disk, unless there is evidence that its writer had an older version open
      (`documents/save_evidence.py`): then it is a change of that version. An editor that had the file open would
      otherwise take out what others wrote.
    * Deletions are decided together and pass the guard (`departures.py`, `folder/guard.py`).
    * What becomes or ceases to be text, and what never was, is taken by `opaque_entries.py`.
    * Where this device only reads nothing is taken at all (`kept_local.py`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable

import structlog
import trio

from yp2p.disk.ingest.damage import Damage
from yp2p.disk.ingest.deferred_reads import DeferredReads
from yp2p.disk.ingest.departures import Departures
from yp2p.disk.ingest.exchanged_names import ExchangedNames
from yp2p.disk.ingest.first_imports import FirstImports
from yp2p.disk.ingest.inspector import Inspector
from yp2p.disk.ingest.kept_local import KeptLocal
from yp2p.disk.ingest.known_files import KnownFiles
from yp2p.disk.ingest.local_edits import LocalEdits
from yp2p.disk.ingest.meaning import Meaning, ScanContext, meaning_of
from yp2p.disk.ingest.new_entries import NewEntries
from yp2p.disk.ingest.occupied_paths import OccupiedPaths
from yp2p.disk.ingest.opaque_entries import OpaqueEntries
from yp2p.disk.ingest.pending_paths import GRACE_S, Fresh, PendingPaths, due_at
from yp2p.disk.ingest.put_back import PutBack
from yp2p.disk.ingest.read_tracker import ReadTracker
from yp2p.disk.ingest.save_base import SaveBases
from yp2p.files.inspect import Finding, Found, Stamp
from yp2p.files.root import Root
from yp2p.files.watch import Watcher
from yp2p.folder.folder import Folder
from yp2p.folder.records import FileRecord, Sight
from yp2p.folder.turns import Slice
from yp2p.protocol.entries import Kind

_PREVIEW_BATCH = 512
_THERE = (Meaning.UNCHANGED, Meaning.KNOWN, Meaning.LONG, Meaning.BUSY)

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
        start_reading: starts `deferred.read` for a path, beside everything else.
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
        self.pending = PendingPaths()
        watch = watcher.watch_reading if watcher is not None else lambda *_: False
        self.readers = ReadTracker(folder, root, watch, watcher.reads if watcher is not None else None)
        self.edits = LocalEdits(folder, self.readers, SaveBases(folder, self.readers, wait))
        self.opaque = OpaqueEntries(folder, root, self.pending)
        self.damage = Damage(folder, root, self.pending, self.readers)
        self.put_back = PutBack(folder)
        self._kept = KeptLocal(folder, self.opaque, self.damage, self.pending)
        self._known_files = KnownFiles(
            folder, self.readers, self.edits, self.opaque, self.damage, self.put_back, self._kept
        )  # fmt: skip
        new = NewEntries(folder)
        occupied = OccupiedPaths(
            folder,
            root,
            self.pending,
            self._known_files,
            self.readers.stepped_aside,
            self.readers.former.at,
            self.opaque,
            self._kept,
            new,
        )
        self._imports = FirstImports(folder, self.pending, self._kept, new, occupied)
        self._departures = Departures(
            folder, root, self.pending, self.damage, self.put_back, self._known_files, self._kept
        )  # fmt: skip
        self.deferred = DeferredReads(folder, root, max_text_bytes, self.pending, start_reading)
        self._inspector = Inspector(folder, root, max_text_bytes, self.readers.last_opened, self.deferred)
        self._exchanged = ExchangedNames(
            folder, root, self.pending, self._inspector, self._known_files, self._departures.delete_all
        )

    async def inspect(self, paths: Iterable[str], *, is_scan: bool = False, is_first: bool = False) -> None:
        """Look at these paths now.

        Args:
            is_scan: nothing was reported of them: an equal stamp is enough to call a file unchanged.
            is_first: it is the first scan after a start: new files need not settle first.
        """
        wanted = list(paths)
        doubted = self.damage.doubted(wanted)
        if doubted:
            await self._inspect(doubted, ScanContext(is_scan, is_first, after_power_cut=True))
            self.damage.forget_read(doubted)
            wanted = [path for path in wanted if path not in doubted]
        if wanted:
            await self._inspect(wanted, ScanContext(is_scan, is_first, self.damage.is_expected))

    async def _inspect(self, paths: Iterable[str], context: ScanContext) -> None:
        records = {path: self._folder.files.by_path(path) for path in paths}
        begun = self.readers.begin_inspection(records.values())
        unread = self.readers.stop_counting(records.values())
        findings = await self._inspector.inspect_known(records, unread, context)
        changed = [
            finding
            for finding in findings
            if (record := records[finding.path]) is not None and finding.content != record.content
        ]
        self.readers.were_saved(changed)
        try:
            is_by_path = context.after_power_cut or self._kept.is_on
            left = findings if is_by_path else await self._exchanged.take(findings, context)
            part = Slice()
            for finding in left:
                await part.end_if_long()
                await self._sort(finding, context)
        finally:
            busy = {finding.path for finding in findings if finding.found is Found.BUSY}
            self.readers.inspected(records.keys() - busy, begun)
            self.readers.count_again(unread, busy)

    async def preview(self, paths: Iterable[str]) -> str:
        """Why what a scan of these paths is about to find has to wait for a person's word (`put_back.py`).

        Nothing is read, unless so many files have changed that somebody may have to be asked.
        """
        records: list[FileRecord] = []
        part = Slice()
        for path in paths:
            await part.end_if_long()
            record = self._folder.files.by_path(path)
            records += [record] if record is not None else []
        changed = await trio.to_thread.run_sync(_changed, self._root, records)
        if self.damage.is_expected or self._kept.is_on or self.put_back.is_within_limit(len(changed)):
            return ""
        for start in range(0, len(changed), _PREVIEW_BATCH):
            batch = changed[start : start + _PREVIEW_BATCH]
            unread = self.readers.stop_counting(batch)
            findings = await self._inspector.inspect([record.path for record in batch])
            self.readers.count_again(unread, set())
            for record, finding in zip(batch, findings, strict=True):
                self.put_back.note(record, finding)
        return await self.put_back.reason()

    async def _sort(self, finding: Finding, context: ScanContext) -> None:
        folder, path = self._folder, finding.path
        record = folder.files.by_path(path)
        may_need_entry = record is None and finding.found is Found.DIRECTORY
        meaning = meaning_of(finding, record, needs_entry=may_need_entry and self._needs_entry(path))
        self._is_found(finding, meaning)
        if record is not None and meaning in _THERE:
            record = folder.files.is_seen(record)
            self.put_back.missing_at_start.discard(record.entry)
        elif record is not None and finding.is_out_of_sight:
            folder.files.lose_sight([record.entry], Sight.LOST)
        if record is not None and context.after_power_cut and await self.damage.repairs(record, finding):
            return
        await self._act(meaning, record, finding, context)
        self.deferred.taken(finding, meaning)

    async def _act(self, meaning: Meaning, record: FileRecord | None, finding: Finding, context: ScanContext) -> None:
        path = finding.path
        match meaning:
            case Meaning.LONG | Meaning.BUSY:
                self.deferred.put_off(finding, record)
            case Meaning.MISSING | Meaning.DISPLACED:
                if record is not None:
                    self.pending.missing.setdefault(path, trio.current_time())
                    if context.is_first:
                        self.put_back.missing_at_start.add(record.entry)
                if meaning is Meaning.MISSING:
                    self._departures.inspect_parent(path)
            case Meaning.NEW | Meaning.DISPLACING:
                if record is not None:
                    await self._departures.delete_all([record])  # a file took the directory's place
                self._is_new(finding, settled=context.is_first)
            case Meaning.UNCHANGED | Meaning.KNOWN if record is not None:
                self._folder.files.waiting.done(record.entry)
                if meaning is Meaning.KNOWN:
                    await self._take_known(record, finding, context)
            case Meaning.IGNORED:
                self._cannot_be_synchronised(record, finding)

    def _is_found(self, finding: Finding, meaning: Meaning) -> None:
        """Forget what was waiting to be decided about this path."""
        path, pending, files = finding.path, self.pending, self._folder.files
        if meaning not in (Meaning.MISSING, Meaning.DISPLACED):
            pending.missing.pop(path, None)
        pending.busy.pop(path, None)
        files.waiting.skipped.pop(path, None)
        if meaning is Meaning.UNCHANGED or (finding.kind is None and path not in files.at):
            files.local.done(path)
        if path in pending.fresh and finding.kind is None:
            del pending.fresh[path]
        self.deferred.found(path, meaning)

    def _is_new(self, finding: Finding, *, settled: bool) -> None:
        old = self.pending.fresh.get(finding.path)
        seen_at = old.seen_at if old is not None else trio.current_time()
        self.pending.fresh[finding.path] = Fresh(finding, seen_at, settled)

    def _cannot_be_synchronised(self, record: FileRecord | None, finding: Finding) -> None:
        if record is not None:
            self._folder.note_waiting(record.entry, finding.reason)
        else:
            self._folder.files.waiting.skipped[finding.path] = finding.reason

    async def _take_known(self, record: FileRecord, finding: Finding, context: ScanContext) -> None:
        if finding.is_linked and finding.content != record.content:
            self._look_at_links(finding)
        await self._known_files.take(record, finding, context)

    def _needs_entry(self, path: str) -> bool:
        """Whether a directory is there only if an entry says so."""
        layout, choice = self._folder.catalogue.layout(), self._folder.files.choice
        if path in layout.entry_at or not self._root.is_empty_directory(path):
            return False
        if choice.covers(f"{path}/x"):
            return True
        return not any(layout.path_of[entry].startswith(f"{path}/") for entry in choice.unchosen)

    def _look_at_links(self, finding: Finding) -> None:
        """The other names of a file that changed: inotify tells of the one only that it was written by."""
        inode = finding.stamp.inode
        self.pending.requeued |= {record.path for record in self._folder.files.alike({inode})} - {finding.path}

    # --- files that come and go ---------------------------------------------------------------------------------

    async def decide(self) -> None:
        """Decide what can be decided by now: renames, deletes, new files."""
        now, pending = trio.current_time(), self.pending
        is_doubted = self.damage.is_expected or bool(self.damage.doubted(pending.missing))
        context = ScanContext(after_power_cut=is_doubted)
        await self._inspect_requeued(now, context)
        moved = self._departures.renamed() if not self._kept.is_on else {}
        due = {path: source for path, source in moved.items() if pending.missing[source] + GRACE_S <= now}
        if due:
            renamed = [(source, pending.fresh.pop(path).finding) for path, source in due.items()]
            await self._departures.rename(renamed, context)
            for source in due.values():
                pending.missing.pop(source, None)
        gone = pending.gone(now)
        if gone:
            await self._departures.delete(gone)
        pending.awaiting_rename = {path for path in moved if path in pending.fresh}
        ready = [
            fresh.finding
            for path, fresh in pending.fresh.items()
            if path not in pending.awaiting_rename
            and due_at(fresh) <= now
            and fresh.finding.stamp.inode not in self._exchanged.awaited
        ]
        await self._imports.take(ready, context)

    async def _inspect_requeued(self, now: float, context: ScanContext) -> None:
        """What is about to be decided may have changed since: a new file moved on, a missing one came back."""
        pending = self.pending
        fresh = {path: fresh.finding.stamp for path, fresh in pending.fresh.items() if due_at(fresh) <= now}
        gone = pending.gone(now)
        if not fresh and not gone:
            return
        for finding in await self._inspector.inspect([*fresh, *gone], fresh):
            if finding.found is Found.UNCHANGED:
                continue
            if finding.found in (Found.MISSING, Found.DIRECTORY) and finding.path in pending.missing:
                continue
            if finding.found is Found.DIRECTORY and finding.path in pending.fresh and self._needs_entry(finding.path):
                continue
            pending.fresh.pop(finding.path, None)
            await self._sort(finding, context)
