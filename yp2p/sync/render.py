"""Render: from the documents onto the disk.

Theory of operation
    For every entry that may differ, a plan compares where `layout` wants it and what the document says with the file's
    record: create, replace, move, remove, or nothing. Plans are carried out in batches: all temporary files are
    written and forced to the disk, all intents committed at once, all files put in place, all bases advanced.

    The order for one file (invariants 1 and 3): the text is taken -> its updates, the intent and the temporary file are
    durable -> exchange under a lease -> base advanced. A crash between any two leaves either the old file with the old
    base, or the new file with evidence that `after_crash.py` turns into the new base. What came out of an exchange is
    kept for a while (`late.py`).

    What is no text is put in place likewise: a blob once it was fetched or copied, whole, and a symlink. What it
    replaces goes to the trash.

Invariants
    * Nothing is overwritten that is not the base: a file that differs is ingested first.
    * At most `MAX_RENDERS_PER_S` a file, and the last state always comes.
    * Nothing is rendered before the first scan after a start: the disk may be older than the store.
    * Incoming deletions are done together, when no more come, and only past the guard (`guard.py`).
    * What the store says of a rename or a deletion, the disk has durably.
    * A file leaves only into the trash.
"""

from __future__ import annotations

import errno
import stat
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace

import structlog
import trio

from yp2p.documents.manifest import Change, Entry
from yp2p.files import replace as disk
from yp2p.files.blobs import name_of
from yp2p.files.capabilities import folded
from yp2p.files.ignore import IGNORE_FILE
from yp2p.files.inspect import NO_STAMP, Found
from yp2p.files.replace import Filling, Outcome, Purpose, Result, Temporary
from yp2p.files.root import TMP, TRASH, Root
from yp2p.files.syscalls import sync_file_system
from yp2p.files.trash import new_place
from yp2p.identity import DocumentID, EntryID
from yp2p.protocol.entries import Kind, Mode
from yp2p.protocol.ysync import read_state_vector
from yp2p.sync.after_crash import PARKED
from yp2p.sync.folder import Folder
from yp2p.sync.ingest import Ingest
from yp2p.sync.late import Late, keep_in_trash
from yp2p.sync.left_out import is_left_alone
from yp2p.sync.records import FileRecord, Intent
from yp2p.sync.unsettled import FLOOD_S, GRACE_S
from yp2p.sync.wholes import is_apart, told_mode

MAX_RENDERS_PER_S = 10
RETRY_S = 0.25
BLOCKED_RETRY_S = 5.0
BATCH = 1024
_BATCH_CHARS = 8 << 20
# Fewer deletions than this are done at once.
_FLOOD_FILES = 3

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Put:
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
    whole: str = ""
    copy_of: FileRecord | None = None
    mtime_ns: int | None = None

    @property
    def is_next_version(self) -> bool:
        """Whether a file of the same document is replaced: what is saved late can be merged."""
        return self.record is not None and self.record.document == self.document

    def intent(self, temporary: Temporary) -> Intent:
        return Intent(
            self.entry, self.path, self.document, temporary, self.seq, self.content, self.mode, self.kind
        )  # fmt: skip

    def temporary(self, root: Root) -> Temporary:
        """Raises OSError."""
        purpose = Purpose.of(self.entry, self.seq, self.content) if self.record is not None else None
        if self.kind is Kind.SYMLINK:
            return disk.make_symlink(root, self.target, purpose)
        return disk.take_over(root, self.whole, purpose) if self.whole else disk.create_temporary(root, purpose)

    def filling(self, temporary: Temporary) -> Filling:
        """What goes into the temporary file."""
        copy = self.copy_of
        return Filling(
            temporary,
            self.path if self.record is not None else None,
            self.text.encode() if self.kind is Kind.TEXT else None,
            self.mode,
            self.mtime_ns,
            (copy.path, copy.stamp) if copy is not None else None,
            is_link=self.kind is Kind.SYMLINK,
        )


class Render:
    """Brings the files of one folder in step with its documents."""

    def __init__(
        self,
        folder: Folder,
        root: Root,
        ingest: Ingest,
        look: Callable[[str], None],
        expecting: Callable[[Sequence[str]], AbstractContextManager[set[str]]] = lambda _: nullcontext(set()),
    ) -> None:
        self._folder = folder
        self._root = root
        self._ingest = ingest
        self._look = look  # asks for a path to be looked at before it is rendered
        self._expecting = expecting  # while files are put at paths: the watcher need not tell of that
        self._last: dict[EntryID, float] = {}
        self._later: dict[EntryID, float] = {}
        self._met_something: set[EntryID] = set()  # new files that found their place taken
        self.late = Late(folder, root, ingest.saves)
        self._flood: dict[EntryID, float] = {}  # deletions that are to be rendered: since when

    def let_go(self) -> None:
        """Forget what does not matter any more."""
        due_before = trio.current_time() - 1 / MAX_RENDERS_PER_S
        self._last = {entry: at for entry, at in self._last.items() if at > due_before}

    def next_deadline(self) -> float:
        return min([*self._later.values(), self.late.next_deadline()])

    @property
    def is_idle(self) -> bool:
        return not self._later

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
        rules = folder.layout().entry_at.get(IGNORE_FILE)
        first = [rules] if rules is not None and rules in folder.to_render else []
        if first:
            self._look(IGNORE_FILE)  # what it leaves out is not rendered after it
        for entry in first or list(folder.to_render):  # what comes in meanwhile has not been counted by the guard
            if len(puts) >= BATCH or chars >= _BATCH_CHARS:
                break
            folder.to_render.discard(entry)
            put = await self._plan(entry)
            if put is not None:
                puts.append(put)
                chars += len(put.text)
        if puts:
            await self._put_all(puts)
        await self.late.look()
        self._remove_obsolete()

    def _remove_obsolete(self) -> None:
        """Blobs that nobody wants any more, whole or not."""
        blobs = self._folder.blobs
        for blob in blobs.obsolete - blobs.fetching - blobs.placing:
            blobs.obsolete.discard(blob)
            blobs.whole.pop(blob, None)
            disk.discard(self._root, name_of(blob))

    def _doomed(self) -> dict[EntryID, int]:
        """Entries to be rendered whose file goes, with its size."""
        folder = self._folder
        return {
            entry: folder.files[entry].stamp.size
            for entry in folder.to_render & folder.files.keys()  # of a first sync's ten thousand, none
            if ((found := folder.manifest.entries.get(entry)) is None or not folder.is_alive(found))
            and not self._is_left_out(folder.files[entry])
        }

    def _is_left_out(self, record: FileRecord) -> bool:
        return self._folder.rules.ignores(record.path, directory=record.kind is Kind.DIRECTORY)

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
        if found is None:
            return None  # a register that cannot be read: what is here stays
        if entry in folder.ignored:
            # At a path that is left out what is here stays; but what was renamed to such a path goes there first.
            path = folder.layout().path_of[entry]
            if record is not None and record.path != path and not is_left_alone(folder, record.path):
                await self._move(record, path)
            return None
        if not folder.is_alive(found):
            if record is not None and self._is_left_out(record):
                folder.drop_file(entry)  # it is nobody's file now
                folder.database.submit([record.delete(folder.id)])
            elif record is not None and is_apart(record, found, found.content.hash):
                if not await self._ingest.wholes.come_back(record, found):
                    self._later[entry] = trio.current_time() + RETRY_S
            elif record is not None:
                await self._remove(record)
            return None
        if found.kind is Kind.TEXT and not folder.has_document(found.document):
            return None
        path = folder.layout().path_of[entry]
        digest = folder.digest(found.document) if found.kind is Kind.TEXT else None
        if record is not None and is_apart(record, found, digest.content if digest else found.content.hash):
            wholes = self._ingest.wholes
            is_later = record.replaces(found.content.hash)
            if not await (wholes.come_back(record, found) if is_later else wholes.keep_beside(record)):
                self._later[entry] = trio.current_time() + RETRY_S
            return None
        if found.kind is Kind.DIRECTORY:
            await self._make_directory(found, path, record)
            return None
        if found.kind is not Kind.TEXT:
            return await self._plan_whole(found, path, record)
        if record is not None and record.path != path:
            record = await self._move(record, path)
            if record is None:
                return None
        # A new generation of the document replaces the file like any other change.
        is_current = record is not None and record.document == found.document and record.kind is Kind.TEXT
        if record is not None and is_current and folder.is_rendered(record):
            await self._mode(record, found.mode)
            return None
        if record is None and self._is_taken(entry, path):
            return None
        due_at = self._last.get(entry, -1.0) + 1 / MAX_RENDERS_PER_S
        if trio.current_time() < due_at:
            self._later[entry] = due_at
            return None
        seq, text = folder.head(found.document)
        digest = folder.digest(found.document)
        assert digest is not None
        if record is not None and record.kind is Kind.TEXT and digest.content == record.content:
            await self._base_is(replace(record, document=found.document, base_seq=seq, base_state=None))
            return None
        is_first = (
            record is None
            and len(read_state_vector(digest.clocks)) == 1
            and self._ingest.readers.former(path) is None
        )  # fmt: skip
        return _Put(
            entry, found.document, path, Kind.TEXT, digest.content, found.mode, record, seq, text,
            mtime_ns=(found.content.mtime_ns or None) if is_first else None,
        )  # fmt: skip

    async def _plan_whole(self, found: Entry, path: str, record: FileRecord | None) -> _Put | None:
        """Where a blob or symlink has to be put; None while its content is not here."""
        folder, content = self._folder, found.content
        if record is not None and record.path != path:
            record = await self._move(record, path)
            if record is None:
                return None
        if record is not None and folder.holds(found):
            if found.kind is Kind.BLOB:
                await self._mode(record, found.mode)
            return None
        if record is None and self._is_taken(found.id, path):
            return None
        put = _Put(
            found.id, found.document, path, found.kind, content.hash, found.mode, record,
            mtime_ns=content.mtime_ns or None,
        )  # fmt: skip
        if found.kind is Kind.SYMLINK:
            return replace(put, target=content.target)
        whole = folder.blobs.whole.pop(content.hash, "")
        if whole:
            folder.blobs.placing.add(content.hash)
            return replace(put, whole=whole)
        source = folder.blobs.file_with(content.hash)
        if source is not None:
            return replace(put, copy_of=folder.files[source])
        for session in folder.sessions.values():
            session.fetch()
        return None

    async def _make_directory(self, found: Entry, path: str, record: FileRecord | None) -> None:
        folder = self._folder
        if record is not None and record.path == path:
            return
        if record is not None:
            await self._tidy(f"{record.path}/")
        if self._folder.file_by_path(path) is not None:
            self._later[found.id] = trio.current_time() + RETRY_S  # a file that has to go elsewhere first
            return
        try:
            await trio.to_thread.run_sync(self._root.make_directory, path)
        except OSError as error:
            self._wait(found.id, error.strerror or str(error), BLOCKED_RETRY_S)
            self._look_above(path)
            return
        folder.waiting.entries.pop(found.id, None)
        made = FileRecord(
            found.id, path, found.document, 0, None, found.content.hash, found.mode, NO_STAMP, Kind.DIRECTORY
        )  # fmt: skip
        await self._base_is(made)

    def _is_taken(self, entry: EntryID, path: str) -> bool:
        """Whether something stands where a new file should go: it is looked at first, it may be that file already.

        Asked only of an entry that met something before. To put a file there tells as well; but the next one has to be
        written for that, as long as whatever it is cannot be ingested.
        """
        if self._is_twin(entry, path):
            return True
        if entry not in self._met_something:
            return False
        try:
            status = self._root.lstat(path)
        except OSError:
            return False  # putting the file there will say why it does not work
        if status is None:
            return False
        if stat.S_ISREG(status.st_mode) or stat.S_ISLNK(status.st_mode):
            self._look(path)
            self._later[entry] = trio.current_time() + RETRY_S
        elif stat.S_ISDIR(status.st_mode) and self._root.remove_directory(path):
            return False
        else:
            self._wait(entry, "something else stands at its place", BLOCKED_RETRY_S)
        return True

    def _is_twin(self, entry: EntryID, path: str) -> bool:
        """Whether the file system takes this name for another one: the entry waits until that is gone."""
        try:
            if not self._root.is_twin(path):
                return False
        except OSError:
            return False  # putting the file there will say why it does not work
        self._wait(entry, "the file system here does not hold its name apart from another one", BLOCKED_RETRY_S)
        return True

    async def _put_all(self, puts: list[_Put]) -> None:
        folder = self._folder
        ready: list[tuple[_Put, Intent]] = []
        for put in sorted(puts, key=lambda put: put.path):  # those of one directory together
            try:
                ready.append((put, put.intent(put.temporary(self._root))))
            except OSError as error:
                self._placing_is_over(put)
                self._wait(put.entry, error.strerror or str(error), BLOCKED_RETRY_S)
        new = [intent.save(folder.id) for put, intent in ready if put.record is None]
        # Commits are in order: this one follows those of all updates in the texts. Meanwhile the contents are written.
        durable = folder.database.submit(new) if new else folder.database.pending()
        items = [put.filling(intent.temporary) for put, intent in ready]
        failures = await trio.to_thread.run_sync(disk.fill_temporaries, self._root, items)
        await durable.wait()
        placing: list[tuple[_Put, Intent]] = []
        for (put, intent), failure in zip(ready, failures, strict=True):
            if failure is None:
                base = put.record if put.is_next_version else self._ingest.readers.former(put.path)
                if put.kind is not Kind.TEXT or (base is not None and base.kind is not Kind.TEXT):
                    base = None
                if base is not None and self._ingest.readers.watch_rendered(put.entry, intent.temporary.name):
                    self._ingest.readers.unread.setdefault(put.entry, base)
                placing.append((put, intent))
            else:
                is_stale = put.copy_of is not None and failure.errno == errno.ESTALE
                if put.copy_of is not None and is_stale:
                    self._look(put.copy_of.path)
                    folder.blobs.remove_file(put.content, put.copy_of.entry)  # until it is known again: fetch it
                outcome = Outcome.BUSY if is_stale else Outcome.BLOCKED
                await self._placed(put, intent, Result(outcome, reason=failure.strerror or str(failure)))
        # One exchange is three calls on cached metadata: less than a worker thread costs. A blob may have to be read.
        is_quick = len(placing) == 1 and (placing[0][0].record or placing[0][1]).kind is Kind.TEXT
        with self._expecting([put.path for put, _ in placing if put.record is None]) as done:
            results = (
                self._put_in_place(placing) if is_quick else await trio.to_thread.run_sync(self._put_in_place, placing)
            )
            done |= {put.path for (put, _), it in zip(placing, results, strict=True) if it.outcome is Outcome.DONE}
        placed = [(*item, result) for item, result in zip(placing, results, strict=True)]
        self._new_are_placed([item for item in placed if item[0].record is None and item[2].outcome is Outcome.DONE])
        for put, intent, result in placed:
            if put.record is not None or result.outcome is not Outcome.DONE:
                await self._placed(put, intent, result)

    def _put_in_place(self, ready: list[tuple[_Put, Intent]]) -> list[Result]:
        """Blocks: in a worker thread."""
        new = iter(
            disk.put_all_new(self._root, [(intent.temporary, put.path) for put, intent in ready if put.record is None])
        )
        return [
            next(new)
            if put.record is None
            else disk.exchange(
                self._root, intent.temporary, put.path, put.record.content, put.record.stamp, put.record.kind
            )
            for put, intent in ready
        ]

    def _placing_is_over(self, put: _Put) -> None:
        """Others that want the same blob can copy it now, or fetch it again."""
        if put.whole:
            folder = self._folder
            folder.blobs.placing.discard(put.content)
            folder.to_render |= folder.blobs.who_wants([put.content])
            for session in folder.sessions.values():
                session.fetch()

    def _new_are_placed(self, placed: list[tuple[_Put, Intent, Result]]) -> None:
        """New files are in place: all that is to be stored of that in one go."""
        folder = self._folder
        records = [self._record(put, intent, result) for put, intent, result in placed]
        statements = [record.save(folder.id) for record in records]
        statements += [
            unread.save_as_unread(folder.id, put.entry)
            for put, _, _ in placed
            if (unread := self._ingest.readers.unread.get(put.entry)) is not None
        ]
        statements += [intent.delete(folder.id) for _, intent, _ in placed]
        if statements:
            folder.database.submit(statements)
        folder.all_rendered(record.entry for record in records)

    def _record(self, put: _Put, intent: Intent, result: Result) -> FileRecord:
        """Take a file that was put in place for what is there."""
        folder, now = self._folder, trio.current_time()
        self._last[put.entry] = now
        folder.progress.files.add(1, now)
        record = intent.record(result.stamp)
        folder.waiting.entries.pop(put.entry, None)
        self._met_something.discard(put.entry)
        folder.set_file(record)
        self._placing_is_over(put)
        return record

    async def _placed(self, put: _Put, intent: Intent, result: Result) -> None:
        folder = self._folder
        if result.outcome is not Outcome.DONE:
            # In this order: an intent whose temporary file is gone would mean that it was put in place.
            if put.record is None:
                await folder.database.submit([intent.delete(folder.id)]).wait()
            self._give_up(put, intent.temporary.name)
            self._placing_is_over(put)
            if put.record is None or self._ingest.readers.unread.get(put.entry) is put.record:
                self._ingest.readers.was_read(put.entry)  # nothing was put in place that could be unread
            if result.outcome is Outcome.CHANGED:
                self._make_way(put)
            else:
                retry = RETRY_S if result.outcome is Outcome.BUSY else BLOCKED_RETRY_S
                self._wait(put.entry, result.reason, retry)
                self._look_above(put.path)
            return
        assert put.record is not None
        record = self._record(put, intent, result)
        statements = [record.save(folder.id), *put.record.keep_base(folder.id)]
        unread = self._ingest.readers.unread.get(put.entry)
        if unread is not None:
            statements.append(unread.save_as_unread(folder.id, put.entry))
        folder.database.submit(statements)
        if result.came_out is not None:
            is_text = result.odd is None or result.odd.found in (Found.TEXT, Found.BUSY)
            if put.is_next_version and is_text:
                self.late.add(intent.temporary.name, result.came_out, put.record)
                if result.odd is not None and result.odd.found is Found.TEXT:
                    await self._ingest.saves.save_against(put.record, result.odd)
            else:  # it was made of a document that is no more, or is no text
                await keep_in_trash(folder, self._root, intent.temporary.name)
        folder.rendered(put.entry)
        await self._mode_that_came_out(put, record, result)

    async def _mode_that_came_out(self, put: _Put, record: FileRecord, result: Result) -> None:
        """A chmod after the new file was made, and before it was put in place, was made of the one before."""
        assert put.record is not None
        if result.mode is None or put.record.kind not in (Kind.TEXT, Kind.BLOB):
            return
        mode = told_mode(put.record, result.mode)
        if mode != put.record.mode and record.kind in (Kind.TEXT, Kind.BLOB):
            await self._folder.write_manifest([Change(put.entry, mode=mode)]).wait()

    def _make_way(self, put: _Put) -> None:
        """At the place of a file is not what was expected there: that is looked at first."""
        if put.record is None:
            self._met_something.add(put.entry)
            if not self._is_taken(put.entry, put.path):
                self._folder.to_render.add(put.entry)
        elif self._is_file_or_gone(put.path):
            self._look(put.path)
            self._later[put.entry] = trio.current_time() + RETRY_S
        else:
            self._wait(put.entry, "something else stands at its place", BLOCKED_RETRY_S)

    def _is_file_or_gone(self, path: str) -> bool:
        try:
            status = self._root.lstat(path)
        except OSError:
            return False
        return status is None or stat.S_ISREG(status.st_mode) or stat.S_ISLNK(status.st_mode)

    def _give_up(self, put: _Put, temporary: str) -> None:
        """What was not put in place is thrown away; a blob that was fetched is kept for the next attempt."""
        if put.whole and disk.rename_own(self._root, temporary, put.whole):
            self._folder.blobs.whole[put.content] = put.whole
        else:
            disk.discard(self._root, temporary)

    async def _base_is(self, record: FileRecord) -> None:
        folder = self._folder
        folder.set_file(record)
        await folder.database.pending().wait()
        folder.database.submit([record.save(folder.id)])
        folder.rendered(record.entry)

    async def _mode(self, record: FileRecord, mode: Mode) -> None:
        if record.mode == mode:
            return
        try:
            stamp = await trio.to_thread.run_sync(disk.set_mode, self._root, record.path, mode)
        except OSError as error:
            self._wait(record.entry, error.strerror or str(error), BLOCKED_RETRY_S)
            return
        await self._base_is(replace(record, mode=mode, stamp=stamp or record.stamp))

    async def _move(self, record: FileRecord, path: str) -> FileRecord | None:
        """Rename a file to where the layout wants it; None when that has to wait."""
        folder = self._folder
        blocker = folder.file_by_path(path)
        if blocker is not None:
            if folder.layout().path_of.get(blocker.entry) == path:
                self._later[record.entry] = trio.current_time() + RETRY_S
                return None
            # It has to go elsewhere itself: park it, which also resolves cycles.
            parked = await self._rename(blocker, f"{PARKED}{blocker.entry.hex()}")
            folder.to_render.add(blocker.entry)
            if parked is None:
                self._later[record.entry] = trio.current_time() + RETRY_S
                return None
        self._remove_directory_at(path)
        if self._root.is_twin(path) and folded(record.path) == folded(path):
            parked = await self._rename(record, f"{PARKED}{record.entry.hex()}")  # `Case` becomes `case`
            if parked is None:
                return None
            record = parked
        if self._is_twin(record.entry, path):
            return None
        return await self._rename(record, path)

    def _remove_directory_at(self, path: str) -> None:
        """An empty directory makes room for the file that belongs there."""
        if self._root.is_empty_directory(path):
            self._root.remove_directory(path)

    async def _rename(self, record: FileRecord, path: str) -> FileRecord | None:
        folder = self._folder
        result = await trio.to_thread.run_sync(
            disk.move_away, self._root, record.path, path, record.content, record.stamp, record.kind
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
        await self._tidy(record.path)
        folder.rendered(record.entry)
        return moved

    async def _remove(self, record: FileRecord) -> None:
        """Another device deleted the file: into the trash with it."""
        folder = self._folder
        if record.kind is Kind.DIRECTORY:
            if not self._is_directory_entry(record.path):
                await self._tidy(f"{record.path}/")
            folder.drop_file(record.entry)
            folder.database.submit([record.delete(folder.id)])
            folder.rendered(record.entry)
            return
        target = f"{new_place()}/{record.path}"
        result = await trio.to_thread.run_sync(
            disk.move_away, self._root, record.path, target, record.content, record.stamp, record.kind
        )
        if result.outcome is Outcome.DONE or self._is_gone(record.path):
            await self._force()
            self._ingest.readers.moved_away(record)
            self._ingest.readers.was_read(record.entry)
            folder.drop_file(record.entry)
            folder.guard.count(record.entry, trio.current_time(), record.stamp.size)
            folder.database.submit([record.delete(folder.id)])
            await self._tidy(record.path)
            folder.rendered(record.entry)
        else:
            self._not_moved(record, target, result)

    async def _tidy(self, path: str) -> None:
        """Remove the directories above `path` that nothing is left in, up to one that has an entry of its own."""
        parent = path.rpartition("/")[0]
        while parent and not self._is_directory_entry(parent):
            parent = parent.rpartition("/")[0]
        await trio.to_thread.run_sync(self._root.remove_empty_parents, path, parent)

    def _is_directory_entry(self, path: str) -> bool:
        entry = self._folder.layout().entry_at.get(path)
        return entry is not None and self._folder.manifest.entries[entry].kind is Kind.DIRECTORY

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
            self._look_above(target)

    def _look_above(self, path: str) -> None:
        """What stands where a directory has to be may be a file that nobody knows: once it is known it steps aside."""
        above = path.rpartition("/")[0]
        while above:
            try:
                status = self._root.lstat(above)
            except OSError:
                return  # the reason that was given for what waits says why
            if status is not None:
                if not stat.S_ISDIR(status.st_mode):
                    self._look(above)
                return
            above = above.rpartition("/")[0]

    def _wait(self, entry: EntryID, reason: str, delay_s: float) -> None:
        self._folder.waiting.entries[entry] = reason
        self._later[entry] = trio.current_time() + delay_s
