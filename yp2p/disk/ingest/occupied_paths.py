"""Files that stand where another device's entry belongs, or where one was deleted.

Theory of operation (invariant 5)
    A file that stands where another device's entry belongs is that entry, if the content is the same; also if this
    device still has the entry's file at another path (both renamed it). Otherwise it moves aside, under a name and with
    an ID computed from that entry and its content: however many devices bring the same file, there is one such copy.

    A file that comes back to where one was deleted makes the old entry live again, with the difference as an edit; also
    where another device has said so already, and what it wrote into it is not here yet.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import structlog
import trio

from yp2p.disk.ingest.conflict_copies import copy_id, copy_of, copy_path
from yp2p.disk.ingest.kept_local import KeptLocal
from yp2p.disk.ingest.known_files import KnownFiles
from yp2p.disk.ingest.meaning import ScanContext
from yp2p.disk.ingest.new_entries import NewEntries
from yp2p.disk.ingest.opaque_entries import OpaqueEntries, record_of
from yp2p.disk.ingest.pending_paths import BUSY_RETRY_S, PendingPaths
from yp2p.documents.diff import hunks
from yp2p.documents.registers import Change, Entry
from yp2p.files.inspect import NO_STAMP, Finding, inspect
from yp2p.files.replace import Outcome, Result, move_away
from yp2p.files.root import OURS, Root
from yp2p.files.syscalls import sync_file_system
from yp2p.files.trash import new_place
from yp2p.folder.folder import Folder
from yp2p.folder.former_files import Former
from yp2p.folder.new_texts import next_entry_id
from yp2p.folder.notices import NoticeKind
from yp2p.folder.records import FileRecord, Sight, save_chunks
from yp2p.identity import EntryID
from yp2p.protocol.entries import Kind

log = structlog.get_logger()


class OccupiedPaths:
    """Decides what a new file is at a path that an entry has, or had.

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
        new: NewEntries,
    ) -> None:
        self._folder = folder
        self._root = root
        self._pending = pending
        self._known_files = known_files
        self._moved_away = moved_away
        self._former_at = former_at
        self._opaque = opaque
        self._kept = kept
        self._new = new

    def is_free(self, finding: Finding) -> bool:
        """Whether no entry has, or had, the path of a file that is about to be imported."""
        if self._occupant(finding) is not None:
            return False
        if self._kept.is_on:
            return True  # no file that was made here brings anything back
        return finding.kind is not Kind.TEXT or self._folder.catalogue.dead_entry_at(finding.path) is None

    async def take(self, finding: Finding, context: ScanContext) -> None:
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

    def _occupant(self, finding: Finding) -> Entry | None:
        """The entry that has the path of a file; or whose conflict copy it is, which another device named otherwise."""
        catalogue = self._folder.catalogue
        found = catalogue.entries.get(catalogue.layout().entry_at.get(finding.path, EntryID(b"")))
        return found or (copy_of(self._folder, finding) if not self._kept.is_on else None)

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
            self._new.make([(entry, replace(finding, path=beside, stamp=result.stamp))])
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
