"""Render: from the documents onto the disk.

Theory of operation
    For every entry that may differ, a plan compares where `layout` wants it and what the document says with the file's
    record: create, replace, move, remove, or nothing. Plans are carried out in batches: all temporary files are
    written and forced to the disk, all intents committed at once, all files put in place, all bases advanced.

    The order for one file (invariants 1 and 3): the text is taken -> its updates, the intent and the temporary file are
    durable -> exchange under a lease -> base advanced. A crash between any two leaves either the old
    file with the old base, or the new file with an intent that `recover` turns into the new base.

    What came out of an exchange is kept for `KEEP_S`, because a program that had the file open, or was opening it, may
    write into it after the exchange. It is looked at when that program closes it, and once more at the end; what was
    written is merged as a save made on the base of that time.

Invariants
    * Nothing is overwritten that is not the base: a file that differs is ingested first.
    * At most `MAX_RENDERS_PER_S` a file, and the last state always comes.
    * Nothing is rendered before the first scan after a start: the disk may be older than the store.
    * Incoming deletions are done together, when no more come, and only past the guard (`guard.py`).
    * What the store says of a rename or a deletion, the disk has durably.
    * A file leaves only into the trash.
"""

from __future__ import annotations

import hashlib
import stat
from collections.abc import Callable, Set
from dataclasses import dataclass, replace

import structlog
import trio

from yp2p.documents.manifest import Kind
from yp2p.files import replace as disk
from yp2p.files.inspect import NO_STAMP, Found, Stamp, inspect
from yp2p.files.replace import Outcome, Purpose, Result, Temporary
from yp2p.files.root import TMP, TRASH, Root
from yp2p.files.syscalls import sync_file_system
from yp2p.files.trash import new_place
from yp2p.identity import DocumentID, EntryID
from yp2p.sync.folder import Folder
from yp2p.sync.ingest import Ingest
from yp2p.sync.records import FileRecord, Intent, load_intents, load_unread
from yp2p.sync.unsettled import FLOOD_S, GRACE_S
from yp2p.sync.versions import older_version

MAX_RENDERS_PER_S = 10
KEEP_S = 60.0
RETRY_S = 0.25
BLOCKED_RETRY_S = 5.0
BATCH = 256
_BATCH_CHARS = 8 << 20
# Fewer deletions than this are done at once.
_FLOOD_FILES = 3
_PARKED = f"{TMP}/park-"

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Put:
    """One file to create (`record` None) or replace."""

    entry: EntryID
    document: DocumentID
    path: str
    text: str
    seq: int
    executable: bool
    record: FileRecord | None

    @property
    def is_next_version(self) -> bool:
        """Whether a file of the same document is replaced: what is saved late can be merged."""
        return self.record is not None and self.record.document == self.document

    @property
    def content(self) -> bytes:
        return hashlib.sha256(self.text.encode()).digest()

    def intent(self, temporary: Temporary) -> Intent:
        return Intent(self.entry, self.path, self.document, temporary, self.seq, self.content, self.executable)


@dataclass(frozen=True, slots=True)
class _CameOut:
    """A file that was replaced, kept for a while."""

    name: str
    stamp: Stamp
    base: FileRecord
    until: float


class Render:
    """Brings the files of one folder in step with its documents."""

    def __init__(
        self,
        folder: Folder,
        root: Root,
        ingest: Ingest,
        look: Callable[[str], None],
    ) -> None:
        self._folder = folder
        self._root = root
        self._ingest = ingest
        self._look = look  # asks for a path to be looked at before it is rendered
        self._last: dict[EntryID, float] = {}
        self._later: dict[EntryID, float] = {}
        self._came_out: list[_CameOut] = []
        self._flood: dict[EntryID, float] = {}  # deletions that are to be rendered: since when

    def next_deadline(self) -> float:
        return min([*self._later.values(), *(out.until for out in self._came_out[:1])], default=float("inf"))

    @property
    def is_idle(self) -> bool:
        return not self._later

    async def recover(self) -> None:
        """After a start: settle what a crash left between intent and base, and clear `.yp2p/tmp`."""
        folder = self._folder
        document_of = lambda entry: e.document if (e := folder.manifest.entries.get(entry)) is not None else None  # noqa: E731
        for entry, base in load_unread(folder.database, folder.id, folder.files, document_of).items():
            self._recover_unread(entry, base)
        for intent in load_intents(folder.database, folder.id):
            if disk.was_put(self._root, intent.temporary) and not self._is_undone(intent):
                record = intent.record()
                folder.set_file(record)
                folder.database.submit([record.save(folder.id)])
            await folder.database.submit([intent.delete(folder.id)]).wait()
            disk.discard(self._root, intent.temporary.name)
        for name in sorted(self._root.temporaries()):
            if name.endswith(disk.ASIDE):
                self._recover_aside(name.removesuffix(disk.ASIDE))
        for name in sorted(self._root.temporaries()):
            purpose = disk.read_purpose(name)
            if purpose is not None:
                await self._recover_replacement(*purpose)
            elif name.startswith(_PARKED):
                self._recover_parked(name)
            elif name.endswith(disk.ASIDE):
                await self._keep(name)
            else:
                disk.discard(self._root, name)

    def _recover_aside(self, name: str) -> None:
        """An exchange by hand that a crash cut in two."""
        purpose = disk.read_purpose(name)
        record = self._folder.files.get(EntryID(purpose[0].entry)) if purpose is not None else None
        if purpose is not None and record is not None:
            disk.settle_aside(self._root, purpose[1], record.path)

    def _recover_parked(self, name: str) -> None:
        """A file that was on its way to another name: its record says where it is, or it would look deleted."""
        record = self._folder.files.get(EntryID(bytes.fromhex(name.removeprefix(_PARKED))))
        if record is not None and record.path != name:
            parked = replace(record, path=name, stamp=NO_STAMP)
            self._folder.set_file(parked)
            self._folder.database.submit([parked.save(self._folder.id)])
            self._folder.to_render.add(record.entry)

    def _is_undone(self, intent: Intent) -> bool:
        """Whether the file is not in place all the same.

        A power cut can take back that it was put there, and its temporary name as well; a copied disk has other inodes.
        """
        try:
            status = self._root.lstat(intent.path)
        except OSError:
            return True
        return status is None or (self._ingest.after_power_cut and status.st_ino != intent.temporary.inode)

    def _recover_unread(self, entry: EntryID, base: FileRecord) -> None:
        """Whether a file was read while nobody watched: its access time tells, as long as it is the same file."""
        folder = self._folder
        self._ingest.readers.unread[entry] = base
        record = folder.files[entry]
        try:
            status = self._root.lstat(record.path)
        except OSError:
            status = None
        known = record.stamp
        is_rendered = status is not None and (status.st_ino, status.st_size, status.st_mtime_ns) == (
            known.inode, known.size, known.mtime_ns,
        )  # fmt: skip
        was_read = status is None or (is_rendered and status.st_atime_ns > known.mtime_ns)
        log.debug("unread_recovered", path=record.path, unread=not was_read)
        if was_read:
            self._ingest.readers.was_read(entry)
        elif is_rendered:
            self._ingest.readers.watch_reading(entry, record.path)
        # Else it was saved meanwhile: who reads it from now on reads that save, and says nothing about who made it.

    async def _recover_replacement(self, purpose: Purpose, temporary: Temporary) -> None:
        """Settle one replacement from what lies under its temporary name."""
        folder, entry, seq = self._folder, EntryID(purpose.entry), purpose.seq
        if not disk.was_put(self._root, temporary):
            disk.discard(self._root, temporary.name)
            return
        base = folder.files.get(entry)
        if base is not None and not self._is_known(purpose, base.document):
            await self._keep(temporary.name)  # the store is older than this file: it was brought back from a backup
            return
        came_out = inspect(self._root, temporary.name, None, 1 << 30, trust_stamp=False)
        if (
            base is not None
            and came_out.found is Found.TEXT
            and older_version(folder, base, came_out.content, came_out.stamp.size)
        ):
            came_out = replace(came_out, found=Found.UNCHANGED)  # nothing was written into it late
        # A save that came after this replacement has a later row as its base; one before it an earlier or the same.
        if base is not None and (base.base_seq < seq or (base.base_seq == seq and base.base_state is not None)):
            found = folder.manifest.entries.get(entry)
            document = found.document if found is not None else base.document
            if document == base.document:
                self._ingest.readers.unread.setdefault(entry, base)
            content = folder.text_at(document, seq).content()
            record = replace(base, document=document, base_seq=seq, base_state=None, content=content, stamp=NO_STAMP)
            folder.set_file(record)
            await folder.database.submit([record.save(folder.id)]).wait()
            if came_out.found is Found.TEXT and document == base.document and not self._ingest.after_power_cut:
                await self._ingest.saves.save_against(base, came_out)
                came_out = replace(came_out, found=Found.UNCHANGED)
        if came_out.found is Found.UNCHANGED:
            disk.discard(self._root, temporary.name)
            return
        # Its base is gone, or it is no text, or the power went: what is in it cannot be merged, so keep it.
        await self._keep(temporary.name)

    def _is_known(self, purpose: Purpose, document: DocumentID) -> bool:
        """Whether the store holds the version that was put in place."""
        found = self._folder.manifest.entries.get(EntryID(purpose.entry))
        versions = {document, found.document if found is not None else document}
        return any(
            self._folder.text_at(version, purpose.seq).content().startswith(purpose.content) for version in versions
        )

    async def run(self) -> None:
        """Carry out one batch of what is to be rendered."""
        folder = self._folder
        now = trio.current_time()
        for entry, at in list(self._later.items()):
            if at <= now:
                del self._later[entry]
                folder.to_render.add(entry)
        self._wait_for_flood(now)
        reason = self._too_many_deletions(now)
        if reason:
            folder.hold(f"{reason} by another device")
            return
        puts: list[_Put] = []
        chars = 0
        for entry in list(folder.to_render):  # what comes in meanwhile has not been counted by the guard
            if len(puts) >= BATCH or chars >= _BATCH_CHARS:
                break
            folder.to_render.discard(entry)
            put = await self._plan(entry)
            if put is not None:
                puts.append(put)
                chars += len(put.text)
        if puts:
            await self._put_all(puts)
        await self._look_at_what_came_out()

    def _doomed(self) -> dict[EntryID, int]:
        """Entries to be rendered whose file goes, with its size."""
        folder = self._folder
        return {
            entry: record.stamp.size
            for entry in folder.to_render
            if (record := folder.files.get(entry)) is not None
            and ((found := folder.manifest.entries.get(entry)) is None or not folder.is_alive(found))
        }

    def _wait_for_flood(self, now: float) -> None:
        """Deletions come in pieces: many are looked at together, when no more of them come."""
        doomed = self._doomed()
        waiting = {entry: since for entry, since in self._flood.items() if entry in self._later}
        self._flood = waiting | {entry: self._flood.get(entry, now) for entry in doomed}
        since = self._flood.values()
        if len(since) >= _FLOOD_FILES and max(since) + GRACE_S > now and min(since) + FLOOD_S > now:
            self._folder.to_render -= doomed.keys()
            self._later.update(dict.fromkeys(self._flood, max(since) + GRACE_S))

    def _too_many_deletions(self, now: float) -> str:
        """Why the deletions among what is to be rendered have to wait for a person's word; empty otherwise."""
        folder = self._folder
        doomed = self._doomed()
        return folder.guard.refuses(doomed, len(folder.layout().path_of) + len(doomed), now) if doomed else ""

    async def _plan(self, entry: EntryID) -> _Put | None:
        """Do what needs no new content; give the file to write, if there is one."""
        folder = self._folder
        found = folder.manifest.entries.get(entry)
        record = folder.files.get(entry)
        if found is None or found.kind is not Kind.TEXT or not folder.is_alive(found):
            if record is not None:
                await self._remove(record)
            return None
        if not folder.has_document(found.document):
            return None
        path = folder.layout().path_of[entry]
        if record is not None and record.path != path:
            record = await self._move(record, path)
            if record is None:
                return None
        # A new generation of the document replaces the file like any other change.
        is_current = record is not None and record.document == found.document
        if record is not None and is_current and folder.is_rendered(record):
            await self._mode(record, found.executable)
            return None
        if record is None and self._is_taken(entry, path):
            return None
        live = folder.open_text(found.document)
        now = trio.current_time()
        if now - self._last.get(entry, -1.0) < 1 / MAX_RENDERS_PER_S:
            self._later[entry] = self._last[entry] + 1 / MAX_RENDERS_PER_S
            return None
        text = live.text.text()
        if record is not None and live.text.content() == record.content:
            await self._base_is(replace(record, document=found.document, base_seq=live.last_seq, base_state=None))
            return None
        return _Put(entry, found.document, path, text, live.last_seq, found.executable, record)

    def _is_taken(self, entry: EntryID, path: str) -> bool:
        """Whether something stands where a new file should go: it is looked at first, it may be that file already."""
        try:
            status = self._root.lstat(path)
        except OSError:
            return False  # putting the file there will say why it does not work
        if status is None:
            return False
        if stat.S_ISREG(status.st_mode):
            self._look(path)
            self._later[entry] = trio.current_time() + RETRY_S
        else:
            self._wait(entry, "something else stands at its place", BLOCKED_RETRY_S)
        return True

    async def _put_all(self, puts: list[_Put]) -> None:
        folder = self._folder
        ready: list[tuple[_Put, Intent]] = []
        for put in puts:
            purpose = Purpose.of(put.entry, put.seq, put.content) if put.record is not None else None
            try:
                ready.append((put, put.intent(disk.create_temporary(self._root, purpose))))
            except OSError as error:
                self._wait(put.entry, error.strerror or str(error), BLOCKED_RETRY_S)
        new = [intent.save(folder.id) for put, intent in ready if put.record is None]
        # Commits are in order: this one follows those of all updates in the texts. Meanwhile the contents are written.
        durable = folder.database.submit(new) if new else folder.database.pending()
        items = [
            (intent.temporary, put.path if put.record is not None else None, put.text.encode(), put.executable)
            for put, intent in ready
        ]
        failures = await trio.to_thread.run_sync(disk.fill_temporaries, self._root, items)
        await durable.wait()
        placing: list[tuple[_Put, Intent]] = []
        for (put, intent), failure in zip(ready, failures, strict=True):
            if failure is None:
                base = put.record if put.is_next_version else self._ingest.readers.former(put.path)
                if base is not None and self._ingest.readers.watch_rendered(put.entry, intent.temporary.name):
                    self._ingest.readers.unread.setdefault(put.entry, base)
                placing.append((put, intent))
            else:
                blocked = Result(Outcome.BLOCKED, reason=failure.strerror or str(failure))
                await self._placed(put, intent, blocked)
        # One exchange is three calls on cached metadata: less than a worker thread costs.
        results = (
            self._put_in_place(placing)
            if len(placing) == 1
            else await trio.to_thread.run_sync(self._put_in_place, placing)
        )
        for (put, intent), result in zip(placing, results, strict=True):
            await self._placed(put, intent, result)

    def _put_in_place(self, ready: list[tuple[_Put, Intent]]) -> list[Result]:
        """Blocks: in a worker thread."""
        return [
            disk.put_new(self._root, intent.temporary, put.path)
            if put.record is None
            else disk.exchange(self._root, intent.temporary, put.path, put.record.content, put.record.stamp)
            for put, intent in ready
        ]

    async def _placed(self, put: _Put, intent: Intent, result: Result) -> None:
        folder = self._folder
        if result.outcome is not Outcome.DONE:
            # In this order: an intent whose temporary file is gone would mean that it was put in place.
            if put.record is None:
                await folder.database.submit([intent.delete(folder.id)]).wait()
            disk.discard(self._root, intent.temporary.name)
            if put.record is None or self._ingest.readers.unread.get(put.entry) is put.record:
                self._ingest.readers.was_read(put.entry)  # nothing was put in place that could be unread
            if result.outcome is Outcome.CHANGED and self._is_file_or_gone(put.path):
                self._look(put.path)
                self._later[put.entry] = trio.current_time() + RETRY_S
            elif result.outcome is Outcome.CHANGED:
                self._wait(put.entry, "something else stands at its place", BLOCKED_RETRY_S)
            else:
                retry = RETRY_S if result.outcome is Outcome.BUSY else BLOCKED_RETRY_S
                self._wait(put.entry, result.reason, retry)
            return
        now = trio.current_time()
        self._last[put.entry] = now
        record = intent.record(result.stamp)
        folder.waiting.entries.pop(put.entry, None)
        folder.set_file(record)
        statements = [record.save(folder.id)]
        if put.record is not None:
            statements += put.record.keep_base(folder.id)
        unread = self._ingest.readers.unread.get(put.entry)
        if unread is not None:
            statements.append(unread.save_as_unread(folder.id, put.entry))
        if put.record is None:
            statements.append(intent.delete(folder.id))
        folder.database.submit(statements)
        if put.record is not None and result.came_out is not None:
            self._came_out.append(_CameOut(intent.temporary.name, result.came_out, put.record, now + KEEP_S))
            if not put.is_next_version:
                self._came_out.pop()
                await self._keep(intent.temporary.name)  # it was made of a document that is no more
            elif result.odd is not None and result.odd.found is Found.TEXT:
                await self._ingest.saves.save_against(put.record, result.odd)
            elif result.odd is not None and result.odd.found is not Found.BUSY:
                self._came_out.pop()
                await self._keep(intent.temporary.name)
        folder.rendered(put.entry)

    def _is_file_or_gone(self, path: str) -> bool:
        try:
            status = self._root.lstat(path)
        except OSError:
            return False
        return status is None or stat.S_ISREG(status.st_mode)

    def written_late(self, names: Set[str]) -> None:
        """Somebody closed these files in `.yp2p/tmp`: look now at those that came out and are another since."""
        if names:
            late = [out for out in self._came_out if out.name in names and self._is_another(out)]
            rest = [out for out in self._came_out if out not in late]
            self._came_out = [*(replace(out, until=trio.current_time()) for out in late), *rest]

    def _is_another(self, out: _CameOut) -> bool:
        try:
            status = self._root.lstat(out.name)
        except OSError:
            return False
        return status is not None and (status.st_size, status.st_mtime_ns) != (out.stamp.size, out.stamp.mtime_ns)

    async def _look_at_what_came_out(self) -> None:
        now = trio.current_time()
        while self._came_out and self._came_out[0].until <= now:
            out = self._came_out.pop(0)
            await self._merge_late(out)

    async def _merge_late(self, out: _CameOut) -> None:
        await self._folder.database.pending().wait()
        late = await trio.to_thread.run_sync(disk.read_late, self._root, out.name, out.stamp)
        if late is not None and late.found is Found.BUSY:
            self._came_out.append(replace(out, until=trio.current_time() + KEEP_S))
        elif late is not None and late.found is not Found.TEXT:
            await self._keep(out.name)
        else:
            if late is not None:
                await self._ingest.saves.save_against(out.base, late)
            disk.discard(self._root, out.name)

    async def _keep(self, name: str) -> None:
        """Into the trash with a file in `.yp2p/tmp` that cannot be merged."""
        purpose = disk.read_purpose(name.removesuffix(disk.ASIDE))
        record = self._folder.files.get(EntryID(purpose[0].entry)) if purpose is not None else None
        target = f"{new_place()}/{record.path if record is not None else name.rpartition('/')[2]}"
        await trio.to_thread.run_sync(disk.move_away, self._root, name, target, None, NO_STAMP)

    async def finish(self) -> None:
        """Before stopping: look once more at everything that is kept."""
        waiting, self._came_out = self._came_out, []
        for out in waiting:
            await self._merge_late(out)  # what is busy stays in `.yp2p/tmp`, for the next start

    async def _base_is(self, record: FileRecord) -> None:
        folder = self._folder
        folder.set_file(record)
        await folder.database.pending().wait()
        folder.database.submit([record.save(folder.id)])
        folder.rendered(record.entry)

    async def _mode(self, record: FileRecord, executable: bool) -> None:
        if record.executable == executable:
            return
        try:
            stamp = await trio.to_thread.run_sync(disk.set_executable, self._root, record.path, executable)
        except OSError as error:
            self._wait(record.entry, error.strerror or str(error), BLOCKED_RETRY_S)
            return
        await self._base_is(replace(record, executable=executable, stamp=stamp or record.stamp))

    async def _move(self, record: FileRecord, path: str) -> FileRecord | None:
        """Rename a file to where the layout wants it; None when that has to wait."""
        folder = self._folder
        blocker = folder.file_by_path(path)
        if blocker is not None:
            if folder.layout().path_of.get(blocker.entry) == path:
                self._later[record.entry] = trio.current_time() + RETRY_S
                return None
            # It has to go elsewhere itself: park it, which also resolves cycles.
            parked = await self._rename(blocker, f"{_PARKED}{blocker.entry.hex()}")
            folder.to_render.add(blocker.entry)
            if parked is None:
                self._later[record.entry] = trio.current_time() + RETRY_S
                return None
        return await self._rename(record, path)

    async def _rename(self, record: FileRecord, path: str) -> FileRecord | None:
        folder = self._folder
        result = await trio.to_thread.run_sync(
            disk.move_away, self._root, record.path, path, record.content, record.stamp
        )
        if result.outcome is not Outcome.DONE:
            self._not_moved(record, path, result)
            return None
        moved = replace(record, path=path, stamp=result.stamp or record.stamp)
        if not record.path.startswith(TMP):
            self._ingest.readers.moved_away(record)
        await self._force()
        folder.set_file(moved)
        folder.database.submit([moved.save(folder.id)])
        await trio.to_thread.run_sync(self._root.remove_empty_parents, record.path)
        folder.rendered(record.entry)
        return moved

    async def _remove(self, record: FileRecord) -> None:
        """Another device deleted the file: into the trash with it."""
        folder = self._folder
        target = f"{new_place()}/{record.path}"
        result = await trio.to_thread.run_sync(
            disk.move_away, self._root, record.path, target, record.content, record.stamp
        )
        if result.outcome is Outcome.DONE or self._is_gone(record.path):
            await self._force()
            self._ingest.readers.moved_away(record)
            self._ingest.readers.was_read(record.entry)
            folder.drop_file(record.entry)
            folder.guard.count(record.entry, trio.current_time())
            folder.database.submit([record.delete(folder.id)])
            await trio.to_thread.run_sync(self._root.remove_empty_parents, record.path)
            folder.rendered(record.entry)
        else:
            self._not_moved(record, target, result)

    async def _force(self) -> None:
        """A rename that a power cut took back would look like one that a person made."""
        await trio.to_thread.run_sync(sync_file_system, self._root.descriptor)

    def _is_gone(self, path: str) -> bool:
        try:
            return self._root.lstat(path) is None
        except OSError:
            return False

    def _not_moved(self, record: FileRecord, target: str, result: Result) -> None:
        if result.outcome is Outcome.CHANGED:
            self._look(record.path)
            if not target.startswith((TMP, TRASH)):
                self._look(target)
            self._later[record.entry] = trio.current_time() + RETRY_S
        else:
            self._wait(record.entry, result.reason, RETRY_S if result.outcome is Outcome.BUSY else BLOCKED_RETRY_S)

    def _wait(self, entry: EntryID, reason: str, delay_s: float) -> None:
        self._folder.waiting.entries[entry] = reason
        self._later[entry] = trio.current_time() + delay_s
