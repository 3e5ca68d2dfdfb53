"""Entries that are replaced as a whole: blobs, symlinks, directories, and files that become or cease to be text.

Theory of operation
    Such an entry has no document to merge changes in. Its register in the manifest names its content and the contents
    that this one replaced (`protocol/entries.py`).

    * A save of a file whose content the register names replaces that content in the register.
    * When the register has moved on to a content that does not replace what was saved here, the two are in conflict:
      the file here becomes a conflict copy (`conflict_copies.py`): it steps aside, and is imported as a new file.
      Several devices that saved the same content compute the same entry, so there is one copy.
    * When the entry was deleted meanwhile, the save revives it: an edit beats a delete.
    * A file that was only rendered here, and not saved, is replaced by any later register: if a copy has to be kept,
      the device that saved it keeps it.
    * When the register goes back to a content that a save here has replaced (several devices made one change, and
      only some of them the next), the save is written into the register again.

Invariants
    * No content that was ever in place is lost: the one that replaces it sends it to the trash, or it becomes a
      conflict copy.
    * A save is never written over a register that has moved on since.
    * The store forgets a file before it steps aside: then a crash in between leaves a file of nobody, which steps aside
      again, or was put there.
"""

from __future__ import annotations

from dataclasses import replace

import structlog
import trio

from yp2p.disk.ingest.conflict_copies import copy_id, copy_path, may_hold
from yp2p.disk.ingest.file_status import observable_mode
from yp2p.disk.ingest.pending_paths import BUSY_RETRY_S, PendingPaths
from yp2p.documents.registers import Change, Entry
from yp2p.files.inspect import MAX_TEXT_BYTES, Finding, inspect
from yp2p.files.replace import Outcome, move_away
from yp2p.files.root import OURS, Root
from yp2p.files.syscalls import sync_file_system
from yp2p.files.trash import new_place
from yp2p.folder.folder import Folder
from yp2p.folder.new_texts import document_id_for, new_text, next_entry_id
from yp2p.folder.notices import NoticeKind
from yp2p.folder.records import FileRecord, save_chunks
from yp2p.identity import EntryID
from yp2p.protocol.entries import Content, Kind

log = structlog.get_logger()


def content_of(finding: Finding) -> Content:
    """What an entry is that has the blob, symlink or directory that was found."""
    match finding.kind:
        case Kind.BLOB:
            # The very first nanosecond of 1970 would say that the time does not matter.
            return Content.blob(finding.content, finding.stamp.size, finding.mode, finding.stamp.mtime_ns or 1)
        case Kind.SYMLINK:
            return Content.symlink(finding.target)
        case Kind.DIRECTORY:
            return Content.directory()
    raise ValueError(f"{finding.path} is {finding.found.name}, which is no content of its own")


def record_of(entry: EntryID, content: Content, finding: Finding) -> FileRecord:
    """The base of a file that is no text."""
    return FileRecord(
        entry, finding.path, content.document, 0, None, content.hash, content.mode, finding.stamp, content.kind
    )  # fmt: skip


def holds_unreplaced_save(record: FileRecord, found: Entry, content: bytes) -> bool:
    """Whether a file holds what was saved here and the content of its entry does not replace.

    What was rendered may always be followed by something else: who saved it keeps it, where it has to be kept.

    Args:
        content: the hash of what the entry holds now.
    """
    if not record.is_own or record.kind is Kind.DIRECTORY or record.document == found.document:
        return False
    is_same = record.kind is found.kind and record.content == content
    return not is_same and not found.content.replaces(record.content)


def _is_made_of(record: FileRecord, found: Entry) -> bool:
    """Whether what the file held is what the register says, whichever version that is called."""
    is_same = record.kind is found.kind and record.content == found.content.hash
    return record.document == found.document or is_same or (record.kind is Kind.TEXT and found.kind is Kind.TEXT)


def _is_former(record: FileRecord, found: Entry, finding: Finding) -> bool:
    """Whether a blob holds a former version of its entry."""
    is_blob = record.kind is finding.kind is found.kind is Kind.BLOB
    return is_blob and found.content.replaces(finding.content)


class OpaqueEntries:
    """Takes the changes of one folder's entries where one side is no text."""

    def __init__(self, folder: Folder, root: Root, pending: PendingPaths) -> None:
        self._folder = folder
        self._root = root
        self._pending = pending

    async def changed(self, record: FileRecord, finding: Finding, *, may_be_older: bool) -> None:
        """A file is another one than its record says.

        Args:
            may_be_older: whether a version that the register replaces is that version, and no edit: after a power cut,
                or when a person said so. After a stop in order whoever put it back meant it.
        """
        folder = self._folder
        found = folder.catalogue.entries.get(record.entry)
        if found is None or finding.kind is None:
            return
        if finding.kind is found.kind and finding.content == found.content.hash:
            folder.database.submit(save_chunks(finding))
            self._set_record(replace(record_of(found.id, found.content, finding), mode=record.mode))
            folder.rendered([found.id])
        elif may_be_older and _is_former(record, found, finding):
            self._set_record(replace(record_of(found.id, content_of(finding), finding), mode=record.mode))
            folder.render_queue.want(found.id)
            text = "the file held an older version; the newest was put back, the older one is in the trash"
            folder.notices.add(NoticeKind.OLDER_VERSION, record.path, text, found.id)
        elif _is_made_of(record, found):
            await self._replace(record, found, finding)
        else:  # it was made of what is no more
            await self.keep_conflict_copy(
                replace(record, content=finding.content, stamp=finding.stamp, kind=finding.kind)
            )

    def _set_record(self, record: FileRecord) -> None:
        self._folder.files.set(record)
        self._folder.database.submit([record.save(self._folder.id)])

    async def _replace(self, record: FileRecord, found: Entry, finding: Finding) -> None:
        """What was made of the content in the register takes its place."""
        folder = self._folder
        statements = save_chunks(finding)
        mode = observable_mode(record, finding.mode)
        if finding.kind is Kind.TEXT:
            document = document_id_for(found.id, finding.content)
            updated = new_text(folder, found.id, document, finding, statements)
            content = Content.text(updated.document, mode, finding.stamp.mtime_ns)
        else:
            content = replace(content_of(finding), mode=mode)
            if content.kind is Kind.SYMLINK:
                folder.notices.tell_symlink(record.path, content.target, found.id)
            updated = record_of(found.id, content, finding)
        before = found.content.before if found.kind is not Kind.TEXT else ()
        content = content.after(record.content, before)
        updated = replace(updated, mode=mode, document=content.document, is_own=True)
        if updated.kind is not Kind.TEXT:
            updated = replace(updated, base_state=b"".join(content.before))
        folder.files.set(updated)
        new_mode = mode if mode != record.mode and finding.kind in (Kind.TEXT, Kind.BLOB) else None
        change = Change(found.id, content=content, mode=new_mode, revive=found.deletion is not None)
        commit = folder.catalogue.write([change], [*statements, updated.save(folder.id)])
        await commit.wait()
        folder.rendered([found.id])
        log.debug("file_replaced", path=record.path, kind=content.kind.name)

    async def reinstate(self, record: FileRecord, found: Entry) -> bool:
        """The entry becomes what was saved here again, after it was deleted or went back; False when it cannot now."""
        finding = await trio.to_thread.run_sync(
            lambda: inspect(
                self._root, record.path, None, MAX_TEXT_BYTES, trust_stamp=False, base=(record.kind, record.content)
            )
        )
        is_same = finding.kind is record.kind and finding.content == record.content
        if is_same:
            digest = self._folder.texts.digests.get(found.document) if found.kind is Kind.TEXT else None
            replaced = digest.content if digest is not None else found.content.hash
            await self._replace(replace(record, content=replaced), found, finding)
        else:
            self._pending.requeue(record.path)
        return is_same

    def _conflict_path(self, record: FileRecord) -> str:
        """Where a file steps aside to: where the copy is that another device made of the same, else beside its path."""
        folder, entry, path = self._folder, copy_id(record.entry, record.content), self._folder.shown_path(record)
        while True:
            copy = folder.catalogue.entries.get(entry)
            is_there = copy is not None and may_hold(folder, copy, record.kind, record.content)
            made = folder.catalogue.layout().path_of.get(entry) if is_there else None
            beside = made or copy_path(folder, path, entry)
            here = folder.files.get(entry) if made else folder.files.by_path(beside)
            if here is not None and here.kind is record.kind and here.content == record.content:
                return f"{new_place()}/{path}"  # it stands there already
            if here is None and folder.files.by_path(beside) is None and self._root.lstat(beside) is None:
                return beside
            entry = next_entry_id(entry)

    async def keep_conflict_copy(self, record: FileRecord) -> bool:
        """A file holds what its entry does not: it steps aside, and is imported there; False when it cannot now."""
        folder = self._folder
        beside, known = self._conflict_path(record), folder.files.get(record.entry)
        if known is not None and known.path == record.path:
            # After a crash that the store does not know of, the entry would look renamed to there by somebody.
            await folder.database.submit([known.delete(folder.id)]).wait()
        result = await trio.to_thread.run_sync(
            lambda: move_away(self._root, record.path, beside, record.content, record.stamp, record.kind)
        )
        if result.outcome is not Outcome.DONE:
            if known is not None and folder.files.get(record.entry) == known:
                folder.database.submit([known.save(folder.id)])
            self._pending.busy[record.path] = trio.current_time() + BUSY_RETRY_S
            return False
        # Were the power to take this back, the file would look like an older version of what comes in its place.
        await trio.to_thread.run_sync(sync_file_system, self._root.descriptor)
        if folder.files.at.get(record.path) == record.entry:  # else its file is still where it was before
            folder.files.drop(record.entry)
            folder.database.submit([record.delete(folder.id)])
        folder.render_queue.want(record.entry)
        if beside.startswith(OURS):
            return True
        self._pending.requeue(beside)
        name = beside.rpartition("/")[2]
        text = f"it was changed on several devices at a time; the version from here is {name}"
        folder.notices.add(NoticeKind.CONFLICT_COPY, folder.shown_path(record), text, record.entry)
        log.warning("conflict_copy_created", folder=folder.label, name=name)
        return True
