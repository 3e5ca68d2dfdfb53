"""Staged writes: new contents are written to temporary files, synced in one batch, then put in place together.

Theory of operation
    All temporary files of a batch are written and forced to the disk, all intents committed at once, all files put in
    place, all bases advanced.

    The loop decides and remembers; what touches the disk is done for the whole batch in a worker thread: a file system
    that commits its journal holds up whoever makes a file meanwhile. The intent of a new file names its temporary
    file, so the batch is written first, and forced to the disk while the intents are committed.

    The order for one file (invariants 1 and 3): take the text -> make its updates, the intent and the temporary file
    durable -> exchange under a lease -> advance the base. A crash between any two leaves either the old file with the
    old base, or the new file with evidence that `crash_recovery.py` turns into the new base. The file that was
    exchanged for the new one is kept for a while (`displaced_files.py`).

    Blobs, once they were fetched or copied, and symlinks are put in place likewise. What they replace goes to the
    trash.

Invariants
    * Nothing is overwritten that is not the base: a file that differs is ingested first.
    * An intent is deleted before its temporary file.
    * What came out leaves its name, which is evidence, when the base of what was put in place is durable.
"""

from __future__ import annotations

import errno
import stat
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TypeAlias

import trio

from yp2p.disk.ingest.file_status import observable_mode
from yp2p.disk.ingest.ingest import Ingest
from yp2p.disk.render.displaced_files import DisplacedFiles, keep_in_trash, keep_late_save
from yp2p.disk.render.retries import Retries
from yp2p.documents.registers import Change
from yp2p.files import replace as disk
from yp2p.files import temporary_files
from yp2p.files.inspect import Found
from yp2p.files.new_files import NewFiles
from yp2p.files.replace import Outcome, Result
from yp2p.files.root import Root
from yp2p.files.temporary_files import Filling
from yp2p.files.temporary_names import Purpose, Temporary
from yp2p.folder.folder import Folder
from yp2p.folder.records import FileRecord, Intent, delete_intents
from yp2p.folder.turns import Slice
from yp2p.identity import DocumentID, EntryID
from yp2p.machine import low_room
from yp2p.machine import reason as reason_of
from yp2p.memory import keep_from_the_collector
from yp2p.protocol.entries import Kind, Mode
from yp2p.store.writer import Commit

# Files of which is told, and stored, in one go: a few milliseconds. The store takes fifty rows of a kind at once.
_TOLD_TOGETHER = 100


@dataclass(frozen=True, slots=True)
class StagedWrite:
    """One file to create (`record` None) or replace: a text, a symlink, a blob that came, or a copy of one."""

    entry: EntryID
    document: DocumentID
    path: str
    kind: Kind
    content: bytes
    mode: Mode
    record: FileRecord | None
    seq: int = 0
    text: str = ""
    target: bytes = b""
    downloaded: str = ""  # the temporary file of a blob that was fetched
    copy_of: FileRecord | None = None
    mtime_ns: int | None = None

    @property
    def is_next_version(self) -> bool:
        """Whether a text of the same document is replaced: what is saved late can be merged."""
        return self.kind is Kind.TEXT and self.record is not None and self.record.document == self.document

    def intent(self, temporary: Temporary) -> Intent:
        return Intent(
            self.entry, self.path, self.document, temporary, self.seq, self.content, self.mode, self.kind
        )  # fmt: skip

    def make(self, root: Root, new_files: NewFiles, *, sync: bool) -> Temporary:
        """Make the temporary file with what goes into it, forced to the disk if `sync`. Blocks.

        Raises OSError: nothing was made, and a blob that was fetched is where it was.
        """
        purpose = Purpose.of(self.entry, self.seq, self.content) if self.record is not None else None
        if self.kind is Kind.SYMLINK:
            return temporary_files.make_symlink(root, self.path, self.target, purpose, new_files=new_files)
        if not self.downloaded:
            return temporary_files.create_filled(root, self.path, purpose, self.filling, new_files=new_files, sync=sync)
        temporary = temporary_files.take_over(root, self.downloaded, purpose)
        try:
            temporary_files.fill_temporary(root, self.filling(temporary), sync=sync)
        except OSError:
            temporary_files.rename_own(root, temporary.name, self.downloaded)
            raise
        return temporary

    def filling(self, temporary: Temporary) -> Filling:
        """What goes into the temporary file."""
        copy = self.copy_of
        return Filling(
            temporary,
            self.path if self.record is not None else None,
            self.text.encode() if self.kind is Kind.TEXT else None,
            self.mode,
            self.mtime_ns,
            (copy.path, copy.stamp, self.content) if copy is not None else None,
            is_link=self.kind is Kind.SYMLINK,
        )


@dataclass(frozen=True, slots=True)
class _Replaced:
    """A file that was put in place of another one, and what is known of it by now.

    Attributes:
        before: what was there, as far as we knew.
        record: what is there.
    """

    write: StagedWrite
    before: FileRecord
    intent: Intent
    result: Result
    record: FileRecord

    @property
    def is_text(self) -> bool:
        """Whether what came out is a text, or may be one."""
        unexpected = self.result.unexpected
        return unexpected is None or unexpected.found in (Found.TEXT, Found.BUSY)

    @property
    def takes_evidence(self) -> bool:
        """Whether what came out does not stay under its name, which tells after a crash what was put in place."""
        is_kept = self.write.is_next_version and self.is_text and not self.result.is_linked
        return self.result.displaced is not None and (not is_kept or self.result.unexpected is not None)


# Used while files are put at these paths: the watcher need not tell of those that are named in the set by the end.
Expecting: TypeAlias = Callable[[Sequence[str]], AbstractContextManager[set[str]]]


class StagedWrites:
    """Writes files of one folder, a batch at a time.

    Args:
        replaced: is told of a file that went to the trash for another one.
        placed: is told of each entry whose file was put in place.
    """

    def __init__(
        self,
        folder: Folder,
        root: Root,
        ingest: Ingest,
        displaced: DisplacedFiles,
        retries: Retries,
        expecting: Expecting,
        replaced: Callable[[FileRecord], None],
        placed: Callable[[EntryID], None],
    ) -> None:
        self._folder = folder
        self._root = root
        self._ingest = ingest
        self._displaced = displaced
        self._retries = retries
        self._expecting = expecting
        self._was_replaced = replaced
        self._was_placed = placed
        self._obstructed: set[EntryID] = set()  # new files that found their place taken

    async def commit_batch(self, writes: Sequence[StagedWrite]) -> None:
        """Put a batch of files in place; what cannot be is tried again later."""
        installing = await self._write(writes)
        results = await self._install(installing)
        installed = [(*item, result) for item, result in zip(installing, results, strict=True)]
        await self._record_new(
            [item for item in installed if item[0].record is None and item[2].outcome is Outcome.DONE]
        )
        replaced = [
            _Replaced(write, write.record, intent, result, self._record_replaced(write, write.record, intent, result))
            for write, intent, result in installed
            if write.record is not None and result.outcome is Outcome.DONE
        ]
        for write, intent, result in installed:
            if result.outcome is not Outcome.DONE:
                await self._not_installed(write, intent, result)
        if any(one.takes_evidence for one in replaced):
            await self._folder.database.pending().wait()
        for one in replaced:
            await self._put_away(one)

    async def _write(self, writes: Sequence[StagedWrite]) -> list[tuple[StagedWrite, Intent]]:
        """Write the temporary files; gives those that are durable, with their intents."""
        folder = self._folder
        batch = sorted(writes, key=lambda write: write.path)  # those of one directory together
        is_new = any(write.record is None for write in batch)
        is_together = is_new or len(batch) >= temporary_files.BULK
        durable = folder.database.pending()
        # Of a replacement the name tells, so that it can be forced to the disk at once.
        made = await trio.to_thread.run_sync(self._make_all, batch, not is_together)
        ready = [(write, write.intent(it)) for write, it in zip(batch, made, strict=True) if isinstance(it, Temporary)]
        failures: list[OSError | None] = [None] * len(ready)
        if is_new:
            # Commits are in order: these follow those of all updates in the texts.
            durable = await self._submit([intent for write, intent in ready if write.record is None])
        if is_together:
            temporaries = [intent.temporary for _, intent in ready]
            failures = await trio.to_thread.run_sync(temporary_files.force_temporaries, self._root, temporaries)
        await durable.wait()
        for write, it in zip(batch, made, strict=True):
            if isinstance(it, OSError):
                self._not_made(write, it)
        for (write, intent), failure in zip(ready, failures, strict=True):
            if failure is not None:
                await self._not_installed(write, intent, Result(Outcome.BLOCKED, reason=reason_of(failure)))
        return [item for item, failure in zip(ready, failures, strict=True) if failure is None]

    async def _submit(self, intents: Sequence[Intent]) -> Commit:
        """Submit intents in slices; gives the last commit, which follows the others."""
        folder, part = self._folder, Slice()
        for start in range(0, len(intents), _TOLD_TOGETHER):
            some = intents[start : start + _TOLD_TOGETHER]
            folder.database.submit([intent.save(folder.id) for intent in some])
            await part.end_if_long()
        return folder.database.pending()

    def _make_all(self, writes: Sequence[StagedWrite], sync: bool) -> list[Temporary | OSError]:
        """Blocks: in a worker thread. Gives the temporary files, or why there is none."""
        new_files = NewFiles(self._root)
        shortage = low_room(self._folder.path)
        try:
            with new_files.keeping_open():
                return [self._make(it, new_files, shortage, sync=sync) for it in writes]
        except OSError as error:  # there is no `.yp2p/tmp`, and none can be made
            return [error] * len(writes)

    def _make(self, write: StagedWrite, new_files: NewFiles, shortage: str, *, sync: bool) -> Temporary | OSError:
        if shortage and not write.downloaded:  # what was fetched has its room already
            return OSError(errno.ENOSPC, shortage)
        try:
            return write.make(self._root, new_files, sync=sync)
        except OSError as error:
            return error

    def _not_made(self, write: StagedWrite, failure: OSError) -> None:
        """There is no temporary file: it is tried again later."""
        blobs = self._folder.files.blobs
        if write.downloaded:  # it is kept for the next attempt
            blobs.downloaded[write.content] = write.downloaded
        is_stale = write.copy_of is not None and failure.errno == errno.ESTALE
        if write.copy_of is not None and is_stale:
            self._retries.look(write.copy_of.path)
            # Until it is known again the blob is fetched.
            blobs.remove_file(write.content, write.copy_of.entry)
        self._retries.wait(write.entry, reason_of(failure), is_busy=is_stale)
        self._install_is_over(write)

    async def _install(self, installing: Sequence[tuple[StagedWrite, Intent]]) -> list[Result]:
        await self._watch_for_readers(installing)
        # One exchange is three calls on cached metadata: less than a worker thread costs. A blob may have to be read.
        is_quick = len(installing) == 1 and (installing[0][0].record or installing[0][1]).kind is Kind.TEXT
        with self._expecting([write.path for write, _ in installing if write.record is None]) as done:
            results = (
                self._install_files(installing)
                if is_quick
                else await trio.to_thread.run_sync(self._install_files, installing)
            )
            done |= {
                write.path for (write, _), it in zip(installing, results, strict=True) if it.outcome is Outcome.DONE
            }
        installed = {write.entry for write, _ in installing if write.path in done}
        self._ingest.readers.were_installed(installed, {write.entry for write, _ in installing} - installed)
        return results

    async def _watch_for_readers(self, installing: Sequence[tuple[StagedWrite, Intent]]) -> None:
        """A save may turn out to be made of what was there before: remember that, and see who reads the new file."""
        readers = self._ingest.readers
        replaced: list[tuple[EntryID, FileRecord]] = []
        for write, intent in installing:
            former = readers.former.at(write.path)
            base = write.record if write.is_next_version else former.record if former is not None else None
            if write.kind is Kind.TEXT and base is not None and base.kind is Kind.TEXT:
                replaced.append((write.entry, base))
                readers.watch_rendered(write.entry, intent.temporary.name)
        await readers.will_replace(replaced)

    def _install_files(self, ready: Sequence[tuple[StagedWrite, Intent]]) -> list[Result]:
        """Blocks: in a worker thread."""
        new = iter(
            disk.put_all_new(
                self._root, [(intent.temporary, write.path) for write, intent in ready if write.record is None]
            )
        )
        return [
            next(new)
            if write.record is None
            else disk.exchange(
                self._root, intent.temporary, write.path, write.record.content, write.record.stamp, write.record.kind
            )
            for write, intent in ready
        ]

    def _install_is_over(self, write: StagedWrite) -> None:
        """Others that want the same blob can copy it now, or fetch it again; what failed already waits for its time."""
        if write.downloaded:
            folder = self._folder
            folder.files.blobs.installing.discard(write.content)
            folder.render_queue.want_unless_resting(folder.files.blobs.who_wants([write.content]))
            for session in folder.observers.sessions.values():
                session.fetch()

    async def _record_new(self, installed: Sequence[tuple[StagedWrite, Intent, Result]]) -> None:
        """New files are in place: what is to be stored of that, many in one go."""
        part = Slice()
        for start in range(0, len(installed), _TOLD_TOGETHER):
            self._record_some(installed[start : start + _TOLD_TOGETHER])
            await part.end_if_long()
        keep_from_the_collector(len(installed))

    def _record_some(self, installed: Sequence[tuple[StagedWrite, Intent, Result]]) -> None:
        folder = self._folder
        records = [self._record(write, intent, result) for write, intent, result in installed]
        statements = [record.save(folder.id) for record in records]
        statements += [row for write, _, _ in installed for row in self._ingest.readers.statements(write.entry)]
        statements.append(delete_intents(folder.id, [intent for _, intent, _ in installed]))
        folder.database.submit(statements)
        folder.rendered(record.entry for record in records)

    def _record(self, write: StagedWrite, intent: Intent, result: Result) -> FileRecord:
        """Take a file that was put in place for what is there."""
        folder = self._folder
        self._was_placed(write.entry)
        folder.state.progress.files.add(1, trio.current_time())
        record = intent.record(result.stamp)
        if result.stamp is None:
            self._retries.look(write.path)  # somebody was quick: what is there by now is that one's
        self._retries.done(write.entry)
        folder.files.waiting.done(write.entry)
        self._obstructed.discard(write.entry)
        folder.files.set(record)
        if write.kind is Kind.SYMLINK:
            folder.notices.tell_symlink(write.path, write.target, write.entry)
        self._install_is_over(write)
        return record

    async def _not_installed(self, write: StagedWrite, intent: Intent, result: Result) -> None:
        # In this order: an intent whose temporary file is gone would mean that it was put in place.
        if write.record is None:
            await self._folder.database.submit([intent.delete(self._folder.id)]).wait()
        self._discard(write, intent.temporary.name)
        if write.record is None:
            self._ingest.readers.forget(write.entry)  # nothing was put in place that could be unread
        if result.outcome is Outcome.CHANGED:
            self._inspect_obstacle(write)
        else:
            self._retries.not_done(write.entry, write.path, result)
        self._install_is_over(write)

    def _record_replaced(self, write: StagedWrite, before: FileRecord, intent: Intent, result: Result) -> FileRecord:
        """A file was exchanged for the one that stood at its place, `before` as far as we knew."""
        folder = self._folder
        record = self._record(write, intent, result)
        statements = [record.save(folder.id), *before.keep_base(folder.id)]
        folder.database.submit([*statements, *self._ingest.readers.statements(write.entry)])
        return record

    async def _put_away(self, replaced: _Replaced) -> None:
        """What came out is kept for a while, or goes to the trash."""
        folder, write, before = self._folder, replaced.write, replaced.before
        name, result = replaced.intent.temporary.name, replaced.result
        if result.displaced is not None:
            if folder.membership.is_reader and result.unexpected is not None and replaced.is_text:
                await keep_late_save(folder, self._root, name, before)
            elif write.is_next_version and replaced.is_text:
                if result.is_linked:  # what is written to it from now on is written under its other names
                    temporary_files.discard(self._root, name)
                else:
                    self._displaced.add(name, result.displaced, before)
                if result.unexpected is not None and result.unexpected.found is Found.TEXT:
                    await self._ingest.edits.merge_late_save(before, result.unexpected)
            else:  # it was made of a document that is no more, or is no text
                await keep_in_trash(folder, self._root, name)
                if before.document != write.document:  # else it was damaged (`disk/damaged_files.py`)
                    self._was_replaced(before)
        folder.rendered([write.entry])
        await self._take_displaced_mode(write, before, replaced.record, result)

    async def _take_displaced_mode(
        self, write: StagedWrite, before: FileRecord, record: FileRecord, result: Result
    ) -> None:
        """A chmod after the new file was made, and before it was put in place, was made of the one before."""
        if result.mode is None or before.kind not in (Kind.TEXT, Kind.BLOB):
            return
        mode = observable_mode(before, result.mode)
        is_change = mode != before.mode and not self._folder.membership.is_reader
        if is_change and record.kind in (Kind.TEXT, Kind.BLOB):
            await self._folder.catalogue.write([Change(write.entry, mode=mode)]).wait()

    def _inspect_obstacle(self, write: StagedWrite) -> None:
        """At the place of a file is not what was expected there: that is looked at first."""
        if write.record is None:
            self._obstructed.add(write.entry)
            if not self.is_taken(write.entry, write.path):
                self._folder.render_queue.want(write.entry)
        elif self._is_file_or_gone(write.path):
            self._retries.look(write.path)
            self._retries.retry_soon(write.entry)
        else:
            self._retries.wait(write.entry, "something else stands at its place")

    def is_taken(self, entry: EntryID, path: str) -> bool:
        """Whether something stands where a new file should go: it is looked at first, it may be that file already.

        Asked only of an entry that met something before. To put a file there tells as well; but the next one has to be
        written for that, as long as whatever it is cannot be ingested.
        """
        if self._retries.is_twin(entry, path):
            return True
        if entry not in self._obstructed:
            return False
        try:
            status = self._root.lstat(path)
        except OSError:
            return False  # putting the file there will say why it does not work
        if status is None:
            return False
        if stat.S_ISREG(status.st_mode) or stat.S_ISLNK(status.st_mode):
            self._retries.look(path)
            self._retries.retry_soon(entry)
        elif stat.S_ISDIR(status.st_mode) and self._root.remove_directory(path):
            return False
        else:
            self._retries.wait(entry, "something else stands at its place")
        return True

    def _is_file_or_gone(self, path: str) -> bool:
        try:
            status = self._root.lstat(path)
        except OSError:
            return False
        return status is None or stat.S_ISREG(status.st_mode) or stat.S_ISLNK(status.st_mode)

    def _discard(self, write: StagedWrite, temporary: str) -> None:
        """What was not put in place is thrown away; a blob that was fetched is kept for the next attempt."""
        if write.downloaded and temporary_files.rename_own(self._root, temporary, write.downloaded):
            self._folder.files.blobs.downloaded[write.content] = write.downloaded
        else:
            temporary_files.discard(self._root, temporary)
