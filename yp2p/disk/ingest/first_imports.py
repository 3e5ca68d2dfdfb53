"""New files: first imports, meetings with another device's entry, and the return of what was deleted.

Theory of operation (invariant 5)
    Equal files on two devices must be one file. The IDs of a first import are derived from what is imported, so that
    two devices that import the same file make the same entry with the same document, byte for byte. Where an entry
    ID was ever used the next one is computed of it, so that a file that comes again on two devices is one as well.

    A file that stands where another device's entry belongs is that entry, if the content is the same; also if this
    device still has the entry's file at another path (both renamed it). Otherwise it moves aside, under a name and with
    an ID computed from that entry and its content: however many devices bring the same file, there is one such copy.

    A file that comes back to where one was deleted makes the old entry live again, with the difference as an edit; also
    where another device has said so already, and what it wrote into it is not here yet.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import replace

import structlog
import trio

from yp2p.disk.ingest.conflict_copies import copy_id, copy_id_of, copy_of, copy_path
from yp2p.disk.ingest.kept_local import KeptLocal
from yp2p.disk.ingest.known_files import KnownFiles
from yp2p.disk.ingest.meaning import ScanContext
from yp2p.disk.ingest.opaque_entries import OpaqueEntries, content_of, record_of
from yp2p.disk.ingest.pending_paths import BUSY_RETRY_S, PendingPaths
from yp2p.documents.diff import hunks
from yp2p.documents.registers import Change, Entry, index_of
from yp2p.files.ignore import IGNORE_FILE
from yp2p.files.inspect import NO_STAMP, Finding, inspect
from yp2p.files.replace import Outcome, Result, move_away
from yp2p.files.root import OURS, Root
from yp2p.files.syscalls import sync_file_system
from yp2p.files.trash import new_place
from yp2p.folder.folder import Folder
from yp2p.folder.former_files import Former
from yp2p.folder.new_texts import document_id_for, entry_id_for, new_text, next_entry_id
from yp2p.folder.notices import NoticeKind
from yp2p.folder.records import FileRecord, Sight, save_chunks
from yp2p.folder.turns import Slice
from yp2p.identity import EntryID
from yp2p.memory import keep_from_the_collector
from yp2p.protocol.entries import Content, Kind
from yp2p.store.sql import Statement
from yp2p.store.writer import Commit

# So many files are imported before those of the batch before have to be in the store: they hold all their texts.
_BATCH = 500
_MOST_ON_THEIR_WAY = 2
# And so many in one step, which nothing comes between: some milliseconds. The store takes fifty rows of a kind at once.
_AT_ONCE = 50

log = structlog.get_logger()


class FirstImports:
    """Brings new files of one folder into the manifest.

    Args:
        moved_away: is told of a file whose path is another one's now.
        former_at: gives what stood at a path a moment ago, and left it because of others or by choice.
    """

    def __init__(
        self,
        folder: Folder,
        root: Root,
        pending: PendingPaths,
        known_files: KnownFiles,
        moved_away: Callable[[FileRecord], None],
        former_at: Callable[[str], Former | None],
        opaque: OpaqueEntries,
        kept: KeptLocal,
    ) -> None:
        self._folder = folder
        self._root = root
        self._pending = pending
        self._known_files = known_files
        self._moved_away = moved_away
        self._former_at = former_at
        self._opaque = opaque
        self._kept = kept
        self._on_their_way: deque[Commit] = deque()  # batches

    async def take(self, findings: Sequence[Finding], context: ScanContext) -> None:
        """Bring new files into the manifest, many at once.

        In two passes: first all that awaits, each file by itself; then what is simply new, some together and without
        an await, so that nobody sees a document that is in no commit yet.
        """
        ordered = findings
        if len(findings) > _AT_ONCE:
            ordered = await trio.to_thread.run_sync(lambda: sorted(findings, key=self._manifest_index))
        for start in range(0, len(ordered), _BATCH):
            await self._take_batch(ordered[start : start + _BATCH], context)

    def _manifest_index(self, finding: Finding) -> int:
        return index_of(self._first_id(finding))

    async def _take_batch(self, findings: Sequence[Finding], context: ScanContext) -> None:
        if len(self._on_their_way) == _MOST_ON_THEIR_WAY:
            await self._on_their_way.popleft().wait()
        part = Slice()
        plain: list[Finding] = []
        for finding in findings:
            await part.end_if_long()
            if self._is_unclaimed(finding):
                plain.append(finding)
                continue
            await self._take_occupied_path(finding, context)
            self._is_imported(finding)
        commit, count = None, 0
        for start in range(0, len(plain), _AT_ONCE):
            await part.end()
            # no await from here to `_import`: meanwhile this device may be one that only reads
            some = plain[start : start + _AT_ONCE]
            if self._kept.is_on:
                self._keep(some)
            elif imports := self._imports(some):
                commit, count = self._import(imports), count + len(imports)
        if commit is not None:
            self._on_their_way.append(commit)
            keep_from_the_collector(count)
            await trio.lowlevel.checkpoint()
            log.info("files_imported", folder=self._folder.label, count=count)

    def _keep(self, findings: Iterable[Finding]) -> None:
        for finding in findings:
            if self._is_unclaimed(finding):
                self._pending.fresh.pop(finding.path, None)
                self._kept.is_new(finding)

    def _imports(self, findings: Iterable[Finding]) -> list[tuple[EntryID, Finding]]:
        """What of these is still simply new, with the entries that it becomes."""
        # what is not submitted yet nobody may see
        imports: list[tuple[EntryID, Finding]] = []
        chosen: set[EntryID] = set()
        for finding in findings:
            if not self._is_unclaimed(finding):
                continue  # another device's entry came meanwhile: it is still fresh, and decided in the next round
            entry = self._new_entry(finding, chosen)
            chosen.add(entry)
            imports.append((entry, finding))
            self._is_imported(finding)
        return imports

    def _is_imported(self, finding: Finding) -> None:
        self._pending.fresh.pop(finding.path, None)
        # It may have moved on while it was imported, before anybody knew that it is ours.
        self._pending.requeue(finding.path)

    def _occupant(self, finding: Finding) -> Entry | None:
        """The entry that has the path of a file; or whose conflict copy it is, which another device named otherwise."""
        catalogue = self._folder.catalogue
        found = catalogue.entries.get(catalogue.layout().entry_at.get(finding.path, EntryID(b"")))
        return found or (copy_of(self._folder, finding) if not self._kept.is_on else None)

    def _is_unclaimed(self, finding: Finding) -> bool:
        """Whether no entry has, or had, the path of a file that is about to be imported."""
        if self._occupant(finding) is not None:
            return False
        if self._kept.is_on:
            return True  # no file that was made here brings anything back
        return finding.kind is not Kind.TEXT or self._folder.catalogue.dead_entry_at(finding.path) is None

    async def _take_occupied_path(self, finding: Finding, context: ScanContext) -> None:
        """A file stands where another device's entry belongs, or where one was deleted."""
        folder = self._folder
        occupant = self._occupant(finding)
        if occupant is not None and occupant.kind is not finding.kind:
            finding = await self._inspect_as_kind_of(occupant, finding)
        is_text = finding.kind is Kind.TEXT
        dead = folder.catalogue.dead_entry_at(finding.path) if occupant is None and is_text else None
        if occupant is not None and not (is_text and occupant.kind is Kind.TEXT):
            await self._collides_with_opaque(occupant, finding)
        elif occupant is not None:
            await self._collides_with_text(occupant, finding, context)
        elif dead is not None and dead.id in folder.files:
            # The deleted file still stands at another path here, and goes first.
            folder.render_queue.want(dead.id)
            self._pending.busy[finding.path] = trio.current_time() + BUSY_RETRY_S
        elif dead is not None:
            await self._revive(dead, finding, context)

    def _new_entry(self, finding: Finding, chosen: Container[EntryID]) -> EntryID:
        """The ID of a new entry: the same on every device that knows of the same entries and imports the same file.

        Where the ID was used before, the next one is computed of it. What is no text and was here before lives again.
        """
        known = self._folder.catalogue.entries
        entry = copy_id_of(self._folder, finding) or self._first_id(finding)
        if finding.kind is Kind.TEXT:
            while entry in known or entry in chosen:
                entry = next_entry_id(entry)
        while self._is_in_use(entry) or entry in chosen:
            entry = next_entry_id(entry)  # what was here has another name now
        return entry

    def _first_id(self, finding: Finding) -> EntryID:
        """The ID of an entry that was never used before."""
        return entry_id_for(self._folder.id, os.fsencode(finding.path), finding.content)

    def _import(self, imports: Sequence[tuple[EntryID, Finding]]) -> Commit:
        """Make new entries with their documents and submit them, in one step. Raises FolderError, and does nothing."""
        self._folder.membership.check_may_write()
        changes: list[Change] = []
        statements: list[Statement] = []
        entries: list[EntryID] = []
        known = self._folder.catalogue.entries
        new = {entry: finding.path for entry, finding in imports if entry not in known}
        for entry, finding in imports:
            self._add(entry, finding, changes, statements)
            entries.append(entry)
        commit = self._folder.catalogue.write(changes, statements)
        self._folder.render_queue.put_off(entry for entry, path in new.items() if self._is_in_step(entry, path))
        # What others have written into them meanwhile is not on the disk yet.
        commit.then(lambda: self._folder.rendered(entry for entry in entries if self._folder.is_on_disk(entry)))
        return commit

    def _is_in_step(self, entry: EntryID, path: str) -> bool:
        """Whether the file of a new entry is all that is to be there of it; what rules it brings is still looked at."""
        folder = self._folder
        is_there = folder.catalogue.layout().path_of.get(entry) == path and not folder.files.is_left_alone(entry)
        return is_there and path != IGNORE_FILE

    def _is_in_use(self, entry: EntryID) -> bool:
        found = self._folder.catalogue.entries.get(entry)
        return found is not None and (self._folder.catalogue.is_alive(found) or entry in self._folder.files)

    def _add(self, entry: EntryID, finding: Finding, changes: list[Change], statements: list[Statement]) -> None:
        """A new entry with a new document. Equal files on two devices give equal bytes throughout."""
        folder, path = self._folder, finding.path
        if finding.kind is Kind.TEXT:
            record = new_text(folder, entry, document_id_for(entry), finding, statements, is_own=True)
            content = Content.text(record.document, finding.mode, finding.stamp.mtime_ns)
        else:
            content = content_of(finding)
            record = replace(record_of(entry, content, finding), is_own=True)
            statements += save_chunks(finding)
            if content.kind is Kind.SYMLINK:
                folder.notices.tell_symlink(path, content.target, entry)
        folder.files.choice.was_made_here(entry, path)
        statements.append(record.save(folder.id))
        folder.files.set(record)
        before = folder.catalogue.entries.get(entry)
        mode = finding.mode if before is not None and before.mode != finding.mode else None
        changes.append(Change(entry, path, content, mode, revive=before is not None))

    async def _collides_with_opaque(self, occupant: Entry, finding: Finding) -> None:
        """A file stands where another device's entry belongs, and one of them is no text."""
        folder = self._folder
        here = folder.files.get(occupant.id)
        assert finding.kind is not None
        if finding.kind is occupant.kind and finding.content == occupant.content.hash:
            if here is not None and not await self._trash_file_at_former_path(occupant, finding):
                return
            record = replace(record_of(occupant.id, occupant.content, finding), mode=finding.mode)
            folder.files.choice.was_made_here(occupant.id, finding.path)
            folder.files.set(record)
            folder.database.submit([*save_chunks(finding), record.save(folder.id)])
            folder.render_queue.want(occupant.id)
            folder.rendered([occupant.id])
        elif finding.kind is not Kind.DIRECTORY:
            record = replace(
                record_of(occupant.id, occupant.content, finding), content=finding.content, kind=finding.kind
            )  # fmt: skip
            await self._opaque.keep_conflict_copy(record)

    async def _inspect_as_kind_of(self, occupant: Entry, finding: Finding) -> Finding:
        """The same file as a finding of the entry's kind, if it has its content: limits of texts differ."""
        kinds = {occupant.kind, finding.kind}
        digest = self._folder.texts.digests.get(occupant.document) if occupant.kind is Kind.TEXT else None
        content = digest.content if digest is not None else occupant.content.hash
        if kinds != {Kind.TEXT, Kind.BLOB} or not content:
            return finding
        again = await trio.to_thread.run_sync(
            lambda: inspect(self._root, finding.path, None, 0, trust_stamp=False, base=(occupant.kind, content))
        )
        return again if again.kind is occupant.kind and again.content == content else finding

    async def _collides_with_text(self, occupant: Entry, finding: Finding, context: ScanContext) -> None:
        """A file stands where another device's entry belongs: the same content is that entry, else it moves aside."""
        folder = self._folder
        digest = folder.texts.digests.get(occupant.document)
        if digest is None:
            return  # its document is on its way; rendering it will look here again
        if digest.content == finding.content:
            if await self._trash_file_at_former_path(occupant, finding):
                await self._assign_to_entry(occupant, finding)
            return
        former = self._left_by_choice(occupant, finding)
        if former is not None:
            await self._is_saved_late(former, finding, context)
            return
        if folder.catalogue.came_back(occupant) and occupant.id not in folder.files and not self._kept.is_on:
            await self._revive(occupant, finding, context)
            return
        entry = copy_id(occupant.id, finding.content)
        while (copy := folder.catalogue.entries.get(entry)) is not None:
            if folder.catalogue.is_alive(copy) and copy.document not in folder.texts.digests:
                self._pending.busy[finding.path] = trio.current_time() + BUSY_RETRY_S  # its text is on its way
                return
            if folder.catalogue.is_alive(copy) and self._holds(copy, finding):
                await self._use_existing_copy(copy, occupant, finding)
                return
            entry = next_entry_id(entry)
        await self._import_as_conflict_copy(entry, occupant, finding)

    def _left_by_choice(self, occupant: Entry, finding: Finding) -> FileRecord | None:
        """What an entry held whose file is not here by choice, where this is a save of that: most of it is in it."""
        folder = self._folder
        former = self._former_at(finding.path) if folder.files.is_not_here_by_choice(occupant.id) else None
        if former is None or (former.record.entry, former.record.document) != (occupant.id, occupant.document):
            return None
        old = folder.texts.fork_at_base(former.record).text()
        removed = sum(hunk.stop - hunk.start for hunk in hunks(old, finding.text))
        return former.record if old and 2 * removed <= len(old) else None

    async def _is_saved_late(self, former: FileRecord, finding: Finding, context: ScanContext) -> None:
        """Somebody saved a file that had left this disk by choice: it is here again, with the save."""
        record = replace(former, stamp=NO_STAMP, sight=Sight.SEEN)
        self._folder.files.choice.was_made_here(record.entry, record.path)
        self._folder.files.set(record)
        await self._folder.database.submit([record.save(self._folder.id)]).wait()
        await self._known_files.take(record, finding, context)

    async def _trash_file_at_former_path(self, occupant: Entry, finding: Finding) -> bool:
        """The file that an entry has elsewhere goes into the trash, as its content stands where it belongs already;
        False when that has to wait."""
        record = self._folder.files.get(occupant.id)
        if record is None or record.path == finding.path:
            return True
        if record.path.startswith(OURS):
            return self._is_busy(finding)  # it is on its way here
        result = await trio.to_thread.run_sync(
            lambda: move_away(
                self._root, record.path, f"{new_place()}/{record.path}", record.content, record.stamp, record.kind
            )
        )
        if result.outcome is Outcome.DONE:
            await trio.to_thread.run_sync(sync_file_system, self._root.descriptor)
            await trio.to_thread.run_sync(self._root.remove_empty_parents, record.path)
        elif self._root.lstat(record.path) is not None:
            self._pending.requeue(record.path)  # it was changed, and that is an edit
            return self._is_busy(finding)
        self._pending.missing.pop(record.path, None)
        return True

    def _is_busy(self, finding: Finding) -> bool:
        self._pending.busy[finding.path] = trio.current_time() + BUSY_RETRY_S
        return False

    async def _assign_to_entry(self, occupant: Entry, finding: Finding) -> None:
        """The file holds what the entry does: it is the entry's."""
        folder = self._folder
        await folder.database.pending().wait()
        seq, _ = folder.texts.head(occupant.document)
        digest = folder.texts.digests.get(occupant.document)
        if digest is None or digest.content != finding.content:
            self._is_busy(finding)  # it was changed meanwhile
            return
        record = FileRecord(
            occupant.id, finding.path, occupant.document, seq, None, finding.content, finding.mode, finding.stamp
        )
        folder.files.choice.was_made_here(occupant.id, finding.path)
        folder.files.set(record)
        folder.database.submit([record.save(folder.id)])
        if folder.catalogue.layout().path_of.get(occupant.id) != finding.path:
            folder.render_queue.want(occupant.id)
        folder.rendered([occupant.id])

    async def _use_existing_copy(self, copy: Entry, occupant: Entry, finding: Finding) -> None:
        """Another device had this very file and put it beside already: one copy, not one a device."""
        folder = self._folder
        seq = folder.texts.open(copy.document).last_seq
        result = await self._move(finding, f"{new_place()}/{finding.path}")
        if result.outcome is Outcome.DONE:
            self._moved_away(
                FileRecord(
                    copy.id, finding.path, copy.document, seq, None, finding.content, finding.mode, finding.stamp
                )
            )
        folder.render_queue.want(occupant.id)

    async def _import_as_conflict_copy(self, entry: EntryID, occupant: Entry, finding: Finding) -> None:
        """A file that is not what the entry at its path holds gets a name beside it, as a new entry."""
        folder = self._folder
        beside = copy_path(folder, finding.path, entry)
        result = await self._move(finding, beside)
        if result.outcome is not Outcome.DONE or result.stamp is None:
            return
        folder.render_queue.want(occupant.id)
        folder.files.local.done(finding.path)
        if self._kept.is_on:
            self._pending.requeue(beside)
        elif entry in folder.catalogue.entries:
            self._pending.requeue(beside)  # another device did the same meanwhile
            return
        else:
            self._import([(entry, replace(finding, path=beside, stamp=result.stamp))])
            self._moved_away(replace(folder.files[entry], path=finding.path))
        text = f"another device has a different file of this name; this one is {beside.rpartition('/')[2]} now"
        folder.notices.add(NoticeKind.CONFLICT_COPY, finding.path, text, entry)
        log.warning("conflict_copy_created", folder=folder.label, name=beside.rpartition("/")[2])

    def _holds(self, copy: Entry, finding: Finding) -> bool:
        digest = self._folder.texts.digests.get(copy.document)
        return digest is not None and digest.content == finding.content

    async def _move(self, finding: Finding, target: str) -> Result:
        """Move a file out of the way; when that does not work now, it is tried again."""
        result = await trio.to_thread.run_sync(
            move_away, self._root, finding.path, target, finding.content or None, finding.stamp
        )
        if result.outcome is Outcome.DONE:
            # Were the power to take this back, the file would look like an older version of what comes in its place.
            await trio.to_thread.run_sync(sync_file_system, self._root.descriptor)
        else:
            self._pending.busy[finding.path] = trio.current_time() + BUSY_RETRY_S
        return result

    async def _revive(self, entry: Entry, finding: Finding, context: ScanContext) -> None:
        """A file is back where one was deleted: the same entry lives again, with the difference as an edit."""
        folder = self._folder
        live = folder.texts.open(entry.document)
        record = FileRecord(
            entry.id, finding.path, entry.document, live.last_seq, None, live.text.content(), entry.mode,
            NO_STAMP,
        )  # fmt: skip
        folder.files.choice.was_made_here(entry.id, finding.path)
        folder.files.set(record)
        commit = folder.catalogue.write([Change(entry.id, path=finding.path, revive=True)], [record.save(folder.id)])
        await commit.wait()
        await self._known_files.take(record, finding, context)
