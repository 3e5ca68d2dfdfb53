"""After a crash: what lies in `.yp2p/tmp` and in the store says what was being done when it happened.

A replacement's evidence is the name of its temporary file, a new file's an intent in the store (`files/replace.py`).
Both are settled before the first scan, so that a file that was put in place is not taken for a person's edit. What
cannot be settled goes to the trash. Evidence goes when what follows from it is durable: the next crash may come any
time.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

import structlog
import trio

from yp2p.disk.ingest.ingest import Ingest
from yp2p.disk.ingest.opaque_entries import content_of, record_of
from yp2p.disk.render import intended_moves
from yp2p.disk.render.displaced_files import keep_in_trash
from yp2p.documents.registers import Entry
from yp2p.errors import YpError
from yp2p.files import replace as disk
from yp2p.files import temporary_files
from yp2p.files.blobs import PREFIX, name_of
from yp2p.files.editor_locks import lock_of
from yp2p.files.inspect import MAX_TEXT_BYTES, NO_STAMP, Found, inspect
from yp2p.files.root import Root
from yp2p.files.temporary_names import ASIDE, Purpose, Temporary, is_fresh, read_left, read_parked, read_purpose
from yp2p.folder.folder import Folder
from yp2p.folder.notices import NoticeKind
from yp2p.folder.old_versions import older_version
from yp2p.folder.records import Candidate, FileRecord, Intent, load_intents, load_unread
from yp2p.identity import ID_BYTES, DocumentID, EntryID
from yp2p.protocol.blobs import chunk_count
from yp2p.protocol.entries import Kind
from yp2p.store.sql import Statement

log = structlog.get_logger()


class CrashRecovery:
    """Settles what a crash left of one folder's files."""

    def __init__(self, folder: Folder, root: Root, ingest: Ingest) -> None:
        self._folder = folder
        self._root = root
        self._ingest = ingest

    async def recover(self) -> None:
        """Settle what is between intent and base, and clear `.yp2p/tmp`."""
        folder = self._folder
        folder.files.blobs.start_over()
        document_of = lambda entry: e.document if (e := folder.catalogue.entries.get(entry)) is not None else None  # noqa: E731
        readers = self._ingest.readers
        readers.former.load()
        for entry, candidate, is_read in load_unread(folder.database, folder.id, folder.files, document_of):
            readers.recovered(entry, candidate, is_read=is_read)
        for entry in [entry for entry in folder.files if readers.is_unread(entry)]:
            self._recover_unread(entry)
        for intent in load_intents(folder.database, folder.id):
            await self._recover_intent(intent)
        for name in sorted(self._root.temporaries()):
            if name.endswith(ASIDE):
                await self._one_by_one(self._recover_aside, name)
        wanted = {
            name_of(content.hash) for content in folder.files.blobs.wanted.values() if chunk_count(content.size) > 1
        }
        for name in sorted(self._root.temporaries()):
            if name not in wanted:  # else the fetch goes on from there
                await self._one_by_one(self._recover_temporary, name)

    async def _one_by_one(self, recover: Callable[[str], Awaitable[None]], name: str) -> None:
        """Whatever is wrong with one of them, the others are settled; it stays where it is, and is told."""
        try:
            await recover(name)
        except YpError:
            raise  # the store's
        except Exception:
            log.exception("temporary_file_left", name=name)
            self._tell(name, "cannot be settled after the last stop; it is left where it is")

    def _tell(self, name: str, what: str) -> None:
        notices, kind, text = self._folder.notices, NoticeKind.SET_ASIDE, f"{name!r} {what}"
        if not any(notice.kind is kind and notice.path == name and notice.text == text for notice in notices):
            notices.add(kind, name, text, EntryID(bytes(ID_BYTES)))

    async def _recover_intent(self, intent: Intent) -> None:
        """A new file that was about to be put in place, or one that was about to get another name."""
        folder = self._folder
        if intended_moves.is_of_a_move(intent):
            moved = intended_moves.settled(folder, self._root, intent)
            if moved is not None:
                folder.files.set(moved)
                folder.database.submit([moved.save(folder.id)])
                folder.render_queue.want(moved.entry)
            await folder.database.submit([intent.delete(folder.id)]).wait()
            return
        if disk.was_installed(self._root, intent.temporary) and not self._is_undone(intent):
            record = intent.record()
            folder.files.set(record)
            folder.database.submit([record.save(folder.id)])
        await folder.database.submit([intent.delete(folder.id)]).wait()
        temporary_files.discard(self._root, intent.temporary.name)

    async def _recover_temporary(self, name: str) -> None:
        purpose, parked, left = read_purpose(name), read_parked(name), read_left(name)
        if purpose is not None:
            await self._recover_replacement(*purpose)
        elif parked is not None:
            await self._recover_parked(name, EntryID(parked))
        elif left is not None:
            await self._recover_left(name, EntryID(left[0]), left[1])
        elif is_fresh(name) or name.startswith(PREFIX):
            temporary_files.discard(self._root, name)
        else:
            await self._set_aside(name)

    async def _set_aside(self, name: str) -> None:
        """What is not known to be ours is somebody's: into the trash with it, and told."""
        await keep_in_trash(self._folder, self._root, name)
        if self._root.lstat(name) is None:
            self._tell(name, "was not made by yp2p, or its file is not known any more; it is in the trash")
        else:
            self._tell(name, "was not made by yp2p, and cannot be moved to the trash; it is left where it is")

    async def _recover_aside(self, name: str) -> None:
        """An exchange by hand that a crash cut in two."""
        purpose = read_purpose(name.removesuffix(ASIDE))
        record = self._folder.files.get(EntryID(purpose[0].entry)) if purpose is not None else None
        if purpose is not None and record is not None:
            disk.settle_aside(self._root, purpose[1], record.path)

    async def _recover_parked(self, name: str, entry: EntryID) -> None:
        """A file that was on its way to another name: its record says where it is, or it would look deleted."""
        record = self._folder.files.get(entry)
        if record is None or (record.path != name and self._root.lstat(record.path) is not None):
            await self._set_aside(name)
            return
        if record.path != name:
            parked = replace(record, path=name, stamp=NO_STAMP)
            self._folder.files.set(parked)
            self._folder.database.submit([parked.save(self._folder.id)])
        self._folder.render_queue.want(entry)

    async def _recover_left(self, name: str, entry: EntryID, content: bytes) -> None:
        """A file that was not to be on this disk any more (`unchosen.py`): another device keeps what it held then."""
        folder, record = self._folder, self._folder.files.get(entry)
        if record is not None and self._root.lstat(record.path) is None:
            folder.files.drop(entry)
            await folder.database.submit([record.delete(folder.id)]).wait()
            folder.render_queue.want(entry)
        if await trio.to_thread.run_sync(self._holds, name, content):
            temporary_files.discard(self._root, name)
        else:  # somebody has written into it since
            await keep_in_trash(folder, self._root, name)

    def _holds(self, name: str, content: bytes) -> bool:
        """Whether a file has a content whose hash begins so, as a text or as a blob. Blocks."""
        return any(
            inspect(self._root, name, None, limit, trust_stamp=False).content.startswith(content)
            for limit in (MAX_TEXT_BYTES, 0)
        )

    def _is_undone(self, intent: Intent) -> bool:
        """Whether the file is not in place all the same.

        A power cut can take back that it was put there, and its temporary name as well.
        """
        try:
            status = self._root.lstat(intent.path)
        except OSError:
            return True
        return status is None or (self._ingest.damage.is_expected and status.st_ino != intent.temporary.inode)

    def _recover_unread(self, entry: EntryID) -> None:
        """Whether a file was read while nobody watched: its access time tells, as long as it is the same file.

        One that was rendered has been read if it was after it was written; one that others' changes brought to its
        path, if it was since then: it may have been read where it was before.
        """
        folder = self._folder
        record = folder.files[entry]
        try:
            status = self._root.lstat(record.path)
        except OSError:
            status = None
        known = record.stamp
        is_rendered = status is not None and (status.st_ino, status.st_size, status.st_mtime_ns) == (
            known.inode, known.size, known.mtime_ns,
        )  # fmt: skip
        came_at = self._ingest.readers.came_at(record)
        since_ns = known.mtime_ns if came_at is None else max(known.mtime_ns, int(came_at * 1e9))
        was_read = status is None or (is_rendered and status.st_atime_ns > since_ns)
        log.debug("unread_recovered", path=record.path, unread=not was_read)
        if was_read:
            self._ingest.readers.was_read(entry)
        elif is_rendered:
            self._ingest.readers.watch_reading(record)
        # Else it was saved meanwhile: who reads it from now on reads that save, and says nothing about who made it.

    async def _recover_replacement(self, purpose: Purpose, temporary: Temporary) -> None:
        """Settle one replacement from what lies under its temporary name."""
        folder, entry, seq = self._folder, EntryID(purpose.entry), purpose.seq
        if not disk.was_exchanged(self._root, temporary):
            temporary_files.discard(self._root, temporary.name)
            return
        base = folder.files.get(entry)
        there = folder.catalogue.entries.get(entry)
        if any(one is not None and one.kind is not Kind.TEXT for one in (base, there)):
            await self._recover_opaque(purpose, base, there)
            await keep_in_trash(folder, self._root, temporary.name)
            return
        if base is not None and not self._is_known(purpose, base.document):
            # The store is older than this file: it was brought back from a backup.
            await keep_in_trash(folder, self._root, temporary.name)
            return
        displaced = inspect(self._root, temporary.name, None, MAX_TEXT_BYTES, trust_stamp=False)
        if displaced.found is Found.TEXT and displaced.content.startswith(purpose.content):
            # The version itself is still there: this is the copy of a disk, and it was never put in place.
            temporary_files.discard(self._root, temporary.name)
            return
        if (
            base is not None
            and displaced.found is Found.TEXT
            and await older_version(folder, base, displaced.content, displaced.stamp.size)
        ):
            displaced = replace(displaced, found=Found.UNCHANGED)  # nothing was written into it late
        # A save that came after this replacement has a later row as its base; one before it an earlier or the same.
        if base is not None and (base.base_seq < seq or (base.base_seq == seq and base.base_state is not None)):
            found = folder.catalogue.entries.get(entry)
            document = found.document if found is not None else base.document
            statements: list[Statement] = []
            if document == base.document:
                candidate = Candidate(base, 0.0, lock_of(self._root, base.path))
                self._ingest.readers.recovered(entry, candidate, is_read=False)
                statements = self._ingest.readers.statements(entry)
            content = folder.texts.at(document, seq).content()
            record = replace(base, document=document, base_seq=seq, base_state=None, content=content, stamp=NO_STAMP)
            folder.files.set(record)
            await folder.database.submit([record.save(folder.id), *statements]).wait()
            is_save = displaced.found is Found.TEXT and document == base.document and not displaced.is_linked
            is_save = is_save and not folder.membership.is_reader
            if is_save and not self._ingest.damage.is_expected:
                await self._ingest.edits.merge_late_save(base, displaced)
                displaced = replace(displaced, found=Found.UNCHANGED)
        if displaced.found is Found.UNCHANGED:
            temporary_files.discard(self._root, temporary.name)
            return
        # Its base is gone, or it is no text, or the power went: what is in it cannot be merged, so keep it.
        await keep_in_trash(folder, self._root, temporary.name)

    async def _recover_opaque(self, purpose: Purpose, base: FileRecord | None, there: Entry | None) -> None:
        """Where the old or the new file is no text: a file that still has what we wrote is recorded as rendered."""
        if base is None:
            return
        for longest_text in (0, MAX_TEXT_BYTES):
            found = await trio.to_thread.run_sync(
                lambda limit=longest_text: inspect(self._root, base.path, None, limit, trust_stamp=False)  # type: ignore[misc]
            )
            if found.kind is None or not found.content.startswith(purpose.content):
                continue
            if found.kind is not Kind.TEXT:
                rendered = record_of(base.entry, content_of(found), found)
            elif there is not None and there.kind is Kind.TEXT and there.document in self._folder.texts.digests:
                rendered = FileRecord(
                    base.entry, base.path, there.document, purpose.seq, None, found.content, found.mode, found.stamp
                )
            else:
                continue
            self._folder.files.set(rendered)
            await self._folder.database.submit([rendered.save(self._folder.id)]).wait()
            return

    def _is_known(self, purpose: Purpose, document: DocumentID) -> bool:
        """Whether the store holds the version that was put in place."""
        found = self._folder.catalogue.entries.get(EntryID(purpose.entry))
        versions = {document, found.document if found is not None else document}
        return any(
            self._folder.texts.at(version, purpose.seq).content().startswith(purpose.content) for version in versions
        )
