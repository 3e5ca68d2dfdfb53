"""New files: first imports, meetings with another device's entry, and the return of what was deleted.

Theory of operation (invariant 5)
    Equal files on two devices must be one file. The IDs of a first import are derived from what is imported, so that
    two devices that import the same file make the same entry with the same document, byte for byte. Where an entry
    ID was ever used it is random instead.

    A file that stands where another device's entry belongs is that entry, if the content is the same. Otherwise it
    moves aside, under a name and with an ID computed from that entry and its content: however many devices
    bring the same file, there is one copy of it beside.

    A file that comes back to where one was deleted makes the old entry live again, with the difference as an edit.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import replace

import structlog
import trio

from yp2p.disk.ingest.opaque_entries import OpaqueEntries, content_of, record_of
from yp2p.disk.ingest.pending_paths import BUSY_RETRY_S, PendingPaths
from yp2p.documents.layout import conflict_path
from yp2p.documents.manifest import Change, Entry
from yp2p.files.inspect import NO_STAMP, Finding, inspect
from yp2p.files.replace import Outcome, Result, move_away
from yp2p.files.root import Root
from yp2p.files.syscalls import sync_file_system
from yp2p.files.trash import new_place
from yp2p.folder.folder import Folder
from yp2p.folder.new_texts import document_id_for, entry_id_for, new_text
from yp2p.folder.notices import NoticeKind
from yp2p.folder.records import FileRecord, save_chunks
from yp2p.identity import EntryID
from yp2p.protocol.entries import Content, Kind
from yp2p.store.database import Commit
from yp2p.store.sql import Statement

# Batches of new files that are made while those before are not in the store yet: they hold all their texts.
_MOST_ON_THEIR_WAY = 2

log = structlog.get_logger()


class FirstImports:
    """Brings new files of one folder into the manifest.

    Args:
        look: asks for a path to be looked at again.
        known_file: takes a file that has an entry now.
        moved_away: is told of a file whose path is another one's now.
    """

    def __init__(
        self,
        folder: Folder,
        root: Root,
        pending: PendingPaths,
        look: Callable[[str], None],
        known_file: Callable[[FileRecord, Finding], Awaitable[None]],
        moved_away: Callable[[FileRecord], None],
        opaque: OpaqueEntries,
    ) -> None:
        self._folder = folder
        self._root = root
        self._pending = pending
        self._look = look
        self._known_file = known_file
        self._moved_away = moved_away
        self._opaque = opaque
        self._on_their_way: deque[Commit] = deque()  # batches

    async def take(self, findings: list[Finding]) -> None:
        """Bring new files into the manifest, many at once."""
        folder = self._folder
        if len(self._on_their_way) == _MOST_ON_THEIR_WAY:
            await self._on_their_way.popleft().wait()
        changes: list[Change] = []
        statements: list[Statement] = []
        imported_entries: list[EntryID] = []
        for finding in findings:
            occupant = folder.catalogue.entries.get(folder.catalogue.layout().entry_at.get(finding.path, EntryID(b"")))
            if occupant is not None and occupant.kind is not finding.kind:
                finding = await self._as_kind_of(occupant, finding)
            is_text = finding.kind is Kind.TEXT
            dead = folder.catalogue.dead_entry_at(finding.path) if occupant is None and is_text else None
            if occupant is not None and not (is_text and occupant.kind is Kind.TEXT):
                await self._meets_whole(occupant, finding)
            elif occupant is not None:
                await self._meets_entry(occupant, finding, changes, statements, imported_entries)
            elif dead is not None and dead.id in folder.files:
                # The deleted file still stands at another path here, and goes first.
                folder.render_queue.want(dead.id)
                self._pending.busy[finding.path] = trio.current_time() + BUSY_RETRY_S
            elif dead is not None:
                await self._revive(dead, finding)
            else:
                entry = entry_id_for(folder.id, os.fsencode(finding.path), finding.content)
                if entry in folder.catalogue.entries and is_text:
                    entry = EntryID(os.urandom(16))
                while self._is_in_use(entry):
                    entry = entry_id_for(b"again", entry)  # what was here has another name now
                # What is no text and was here before lives again: on every device that makes it.
                self._add(entry, finding.path, finding, changes, statements)
                imported_entries.append(entry)
            self._pending.fresh.pop(finding.path, None)
            # It may have moved on while it was imported, before anybody knew that it is ours.
            self._look(finding.path)
        if changes:
            # no await since the first of them: of what is not submitted nobody may see a part
            commit = folder.catalogue.write(changes, statements)
            commit.then(lambda: folder.rendered(imported_entries))
            self._on_their_way.append(commit)
            await trio.lowlevel.checkpoint()
            log.info("files_imported", folder=folder.label, count=len(changes))

    def _is_in_use(self, entry: EntryID) -> bool:
        found = self._folder.catalogue.entries.get(entry)
        return found is not None and (self._folder.catalogue.is_alive(found) or entry in self._folder.files)

    def _add(
        self, entry: EntryID, path: str, finding: Finding, changes: list[Change], statements: list[Statement]
    ) -> None:
        """A new entry with a new document. Equal files on two devices give equal bytes throughout."""
        folder = self._folder
        if finding.path != path:
            finding = replace(finding, path=path)
        if finding.kind is Kind.TEXT:
            record = new_text(folder, entry, document_id_for(entry), finding, statements, is_own=True)
            content = Content.text(record.document, finding.mode, finding.stamp.mtime_ns)
        else:
            content = content_of(finding)
            record = replace(record_of(entry, content, finding), is_own=True)
            statements += save_chunks(finding)
            if content.kind is Kind.SYMLINK:
                folder.notices.tell_symlink(path, content.target, entry)
        statements.append(record.save(folder.id))
        folder.files.set(record)
        before = folder.catalogue.entries.get(entry)
        mode = finding.mode if before is not None and before.mode != finding.mode else None
        changes.append(Change(entry, path, content, mode, revive=before is not None))

    async def _meets_whole(self, occupant: Entry, finding: Finding) -> None:
        """A file stands where another device's entry belongs, and one of them is no text."""
        folder = self._folder
        here = folder.files.get(occupant.id)
        assert finding.kind is not None
        if here is None and finding.kind is occupant.kind and finding.content == occupant.content.hash:
            record = replace(record_of(occupant.id, occupant.content, finding), mode=finding.mode)
            folder.files.set(record)
            folder.database.submit([*save_chunks(finding), record.save(folder.id)])
            folder.render_queue.want(occupant.id)
            folder.rendered([occupant.id])
        elif finding.kind is not Kind.DIRECTORY:
            record = replace(
                record_of(occupant.id, occupant.content, finding), content=finding.content, kind=finding.kind
            )  # fmt: skip
            await self._opaque.keep_beside(record)

    async def _as_kind_of(self, occupant: Entry, finding: Finding) -> Finding:
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

    async def _meets_entry(
        self,
        occupant: Entry,
        finding: Finding,
        changes: list[Change],
        statements: list[Statement],
        imported_entries: list[EntryID],
    ) -> None:
        """A file stands where another device's entry belongs: the same content is that entry, else it moves aside."""
        folder = self._folder
        digest = folder.texts.digests.get(occupant.document)
        if digest is None:
            return  # its document is on its way; rendering it will look here again
        if digest.content == finding.content and occupant.id not in folder.files:
            seq, _ = folder.texts.head(occupant.document)
            record = FileRecord(
                occupant.id, finding.path, occupant.document, seq, None, finding.content,
                finding.mode, finding.stamp,
            )  # fmt: skip
            await folder.database.pending().wait()
            folder.files.set(record)
            folder.database.submit([record.save(folder.id)])
            folder.rendered([occupant.id])
            return
        entry = entry_id_for(b"conflict", occupant.id, finding.content)
        copy = folder.catalogue.entries.get(entry)
        if copy is not None and folder.catalogue.is_alive(copy) and copy.document not in folder.texts.digests:
            self._pending.busy[finding.path] = trio.current_time() + BUSY_RETRY_S  # its text is on its way
            return
        if copy is not None and folder.catalogue.is_alive(copy) and self._holds(copy, finding):
            # Another device had this very file and put it beside already: one copy, not one a device.
            seq = folder.texts.open(copy.document).last_seq
            result = await self._move(finding, f"{new_place()}/{finding.path}")
            if result.outcome is Outcome.DONE:
                self._moved_away(
                    FileRecord(
                        copy.id, finding.path, copy.document, seq, None, finding.content,
                        finding.mode, finding.stamp,
                    )
                )  # fmt: skip
            folder.render_queue.want(occupant.id)
            return
        if copy is not None:
            entry = EntryID(os.urandom(16))
        beside = conflict_path(finding.path, entry)
        result = await self._move(finding, beside)
        if result.outcome is not Outcome.DONE or result.stamp is None:
            return
        self._add(entry, beside, replace(finding, path=beside, stamp=result.stamp), changes, statements)
        imported_entries.append(entry)
        self._moved_away(replace(folder.files[entry], path=finding.path))
        folder.render_queue.want(occupant.id)
        text = f"another device has a different file of this name; this one is {beside.rpartition('/')[2]} now"
        folder.notices.add(NoticeKind.KEPT_BESIDE, finding.path, text, entry)
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

    async def _revive(self, entry: Entry, finding: Finding) -> None:
        """A file is back where one was deleted: the same entry lives again, with the difference as an edit."""
        folder = self._folder
        live = folder.texts.open(entry.document)
        record = FileRecord(
            entry.id, finding.path, entry.document, live.last_seq, None, live.text.content(), entry.mode,
            NO_STAMP,
        )  # fmt: skip
        folder.files.set(record)
        commit = folder.catalogue.write([Change(entry.id, path=finding.path, revive=True)], [record.save(folder.id)])
        await commit.wait()
        await self._known_file(record, finding)
