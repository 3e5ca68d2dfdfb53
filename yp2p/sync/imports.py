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

import hashlib
import os
from collections.abc import Awaitable, Callable
from dataclasses import replace

import structlog
import trio

from yp2p.documents.layout import conflict_path
from yp2p.documents.manifest import Change, Entry, Kind
from yp2p.documents.replica import client_id_from
from yp2p.documents.text import TextReplica, imported
from yp2p.files.inspect import NO_STAMP, Finding, Found
from yp2p.files.replace import Outcome, Result, move_away
from yp2p.files.root import Root
from yp2p.files.trash import new_place
from yp2p.identity import DocumentID, EntryID
from yp2p.store.database import Statement
from yp2p.sync.folder import Folder
from yp2p.sync.notices import NoticeKind
from yp2p.sync.records import Digest, FileRecord, log_row
from yp2p.sync.unsettled import BUSY_RETRY_S, Unsettled

log = structlog.get_logger()


def entry_id_for(*parts: bytes) -> EntryID:
    """Entry ID of a first import: equal on every device that imports the same content at the same path."""
    return EntryID(hashlib.sha256(b"yp2p entry v1" + b"\x00".join(parts)).digest()[:16])


def document_id_for(entry: EntryID) -> DocumentID:
    return DocumentID(hashlib.sha256(b"yp2p document v1" + entry).digest()[:16])


class Imports:
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
        unsettled: Unsettled,
        look: Callable[[str], None],
        known_file: Callable[[FileRecord, Finding], Awaitable[None]],
        moved_away: Callable[[FileRecord], None],
    ) -> None:
        self._folder = folder
        self._root = root
        self._unsettled = unsettled
        self._look = look
        self._known_file = known_file
        self._moved_away = moved_away

    async def take(self, findings: list[Finding]) -> None:
        """Bring new files into the manifest, many at once."""
        folder = self._folder
        changes: list[Change] = []
        statements: list[Statement] = []
        imported_entries: list[EntryID] = []
        for finding in findings:
            occupant = folder.manifest.entries.get(folder.layout().entry_at.get(finding.path, EntryID(b"")))
            dead = folder.dead_entry_at(finding.path) if occupant is None else None
            if occupant is not None:
                await self._meets_entry(occupant, finding, changes, statements, imported_entries)
            elif dead is not None and dead.id in folder.files:
                # The deleted file still stands at another path here, and goes first.
                folder.to_render.add(dead.id)
                self._unsettled.busy[finding.path] = trio.current_time() + BUSY_RETRY_S
            elif dead is not None:
                await self._revive(dead, finding)
            else:
                entry = entry_id_for(folder.id, os.fsencode(finding.path), finding.content)
                if entry in folder.manifest.entries:
                    entry = EntryID(os.urandom(16))
                self._add(entry, finding.path, finding, changes, statements)
                imported_entries.append(entry)
            self._unsettled.fresh.pop(finding.path, None)
            # It may have moved on while it was imported, before anybody knew that it is ours.
            self._look(finding.path)
        if changes:
            commit = folder.write_manifest(changes, statements)
            await folder.told_manifest(commit)
            folder.unstored.clear()
            for entry in imported_entries:
                folder.rendered(entry)
            log.info("files_imported", folder=folder.label, count=len(changes))

    def _add(
        self, entry: EntryID, path: str, finding: Finding, changes: list[Change], statements: list[Statement]
    ) -> None:
        """A new entry with a new document. Equal files on two devices give equal bytes throughout."""
        folder = self._folder
        document = document_id_for(entry)
        update = imported(finding.text)
        seq = folder.database.next_seq()
        record = FileRecord(entry, path, document, seq, None, finding.content, finding.executable, finding.stamp)
        statements += [log_row(folder.id, document, seq, None, update), record.save(folder.id)]
        replica = TextReplica.from_updates(client_id_from(document), [update])
        digest = Digest(replica.version(), finding.content, replica.state_vector())
        folder.learn_digest(document, digest)
        folder.unstored[document] = (seq, update)
        statements.append(digest.save(folder.id, document, seq))
        folder.set_file(record)
        changes.append(Change(entry, path, (Kind.TEXT, finding.executable, document)))

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
        digest = folder.digest(occupant.document)
        if digest is None:
            return  # its document is on its way; rendering it will look here again
        if digest.content == finding.content and occupant.id not in folder.files:
            live = folder.open_text(occupant.document)
            record = FileRecord(
                occupant.id, finding.path, occupant.document, live.last_seq, None, finding.content,
                finding.executable, finding.stamp,
            )  # fmt: skip
            await folder.database.pending().wait()
            folder.set_file(record)
            folder.database.submit([record.save(folder.id)])
            folder.rendered(occupant.id)
            return
        entry = entry_id_for(b"conflict", occupant.id, finding.content)
        copy = folder.manifest.entries.get(entry)
        if copy is not None and folder.is_alive(copy) and not folder.has_document(copy.document):
            self._unsettled.busy[finding.path] = trio.current_time() + BUSY_RETRY_S  # its text is on its way
            return
        if copy is not None and folder.is_alive(copy) and self._holds(copy, finding):
            # Another device had this very file and put it beside already: one copy, not one a device.
            seq = folder.open_text(copy.document).last_seq
            result = await self._move(finding, f"{new_place()}/{finding.path}")
            if result.outcome is Outcome.DONE:
                self._moved_away(
                    FileRecord(
                        copy.id, finding.path, copy.document, seq, None, finding.content,
                        finding.executable, finding.stamp,
                    )
                )  # fmt: skip
            folder.to_render.add(occupant.id)
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
        folder.to_render.add(occupant.id)
        text = f"another device has a different file of this name; this one is {beside.rpartition('/')[2]} now"
        folder.notices.add(NoticeKind.KEPT_BESIDE, finding.path, text, entry)
        log.warning("different_file_kept_beside", folder=folder.label, name=beside.rpartition("/")[2])

    async def make_room(self, finding: Finding) -> bool:
        """A file that cannot be synchronised stands where an entry belongs: it moves aside, and stays here."""
        folder = self._folder
        entry = folder.layout().entry_at.get(finding.path)
        record = folder.files.get(entry) if entry is not None else None
        is_its_own = record is not None and record.path == finding.path
        if finding.found not in (Found.NOT_TEXT, Found.TOO_BIG) or entry is None or is_its_own:
            return False
        beside = conflict_path(finding.path, entry_id_for(b"conflict", entry, repr(finding.stamp).encode()))
        if (await self._move(finding, beside)).outcome is not Outcome.DONE:
            return False
        folder.to_render.add(entry)
        name = beside.rpartition("/")[2]
        text = f"another device has a text of this name; what was here ({finding.reason}) is {name} now"
        folder.notices.add(NoticeKind.KEPT_BESIDE, finding.path, text, entry)
        log.warning("different_file_kept_beside", folder=folder.label, name=name)
        return True

    def _holds(self, copy: Entry, finding: Finding) -> bool:
        digest = self._folder.digest(copy.document)
        return digest is not None and digest.content == finding.content

    async def _move(self, finding: Finding, target: str) -> Result:
        """Move a file out of the way; when that does not work now, it is tried again."""
        result = await trio.to_thread.run_sync(
            move_away, self._root, finding.path, target, finding.content or None, finding.stamp
        )
        if result.outcome is not Outcome.DONE:
            self._unsettled.busy[finding.path] = trio.current_time() + BUSY_RETRY_S
        return result

    async def _revive(self, entry: Entry, finding: Finding) -> None:
        """A file is back where one was deleted: the same entry lives again, with the difference as an edit."""
        folder = self._folder
        live = folder.open_text(entry.document)
        record = FileRecord(
            entry.id, finding.path, entry.document, live.last_seq, None, live.text.content(), entry.executable,
            NO_STAMP,
        )  # fmt: skip
        folder.set_file(record)
        commit = folder.write_manifest([Change(entry.id, path=finding.path, revive=True)], [record.save(folder.id)])
        await folder.told_manifest(commit)
        await self._known_file(record, finding)
