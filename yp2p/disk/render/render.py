"""Render: from the documents onto the disk.

Theory of operation
    For every entry that may differ, a plan compares where `layout` wants it and what the document says with the file's
    record: create, replace, move, remove, or nothing. What needs no new content is done at once (`moves.py`); files to
    be written are put in place in batches (`staged_writes.py`).

Invariants
    * A file is replaced a few times a second at most (`pace.py`), and the last state always comes.
    * Nothing is rendered before the first scan after a start: the disk may be older than the store.
    * What is not chosen is not written; what is here of it leaves (`unchosen.py`).
    * Incoming deletions are carried out together, and only past the guard (`incoming_deletions.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import replace

import structlog
import trio

from yp2p.disk.ingest.ingest import Ingest
from yp2p.disk.ingest.kept_local import has_news
from yp2p.disk.render.conflict_names import ConflictNames
from yp2p.disk.render.directory_moves import DirectoryMoves
from yp2p.disk.render.displaced_files import DisplacedFiles
from yp2p.disk.render.equal_entries import join_equal_entries
from yp2p.disk.render.incoming_deletions import IncomingDeletions
from yp2p.disk.render.moves import Moves
from yp2p.disk.render.pace import Pace
from yp2p.disk.render.plan import Facts, Step, plan
from yp2p.disk.render.replacements import Replacements
from yp2p.disk.render.retries import Retries
from yp2p.disk.render.staged_writes import Expecting, StagedWrite, StagedWrites
from yp2p.disk.render.unchosen import UnchosenFiles
from yp2p.documents.registers import Entry
from yp2p.files import replace as disk
from yp2p.files import temporary_files
from yp2p.files.blobs import name_of
from yp2p.files.ignore import IGNORE_FILE
from yp2p.files.inspect import NO_STAMP
from yp2p.files.root import Root
from yp2p.files.temporary_names import Purpose
from yp2p.folder.folder import Folder
from yp2p.folder.records import FileRecord, Sight
from yp2p.folder.turns import Slice
from yp2p.identity import EntryID
from yp2p.machine import reason as reason_of
from yp2p.protocol.entries import Kind, Mode
from yp2p.protocol.state_vectors import read_state_vector

BATCH = 1024
_BATCH_CHARS = 8 << 20

log = structlog.get_logger()


def _has_one_writer(folder: Folder, found: Entry) -> bool:
    """Whether all of a text was written by one client: as a rule it is as its file was when that was shared."""
    digest = folder.texts.digests.get(found.document)
    return digest is not None and len(read_state_vector(digest.clocks)) == 1


class Render:
    """Brings the files of one folder in step with its documents.

    Args:
        look: asks for a path to be looked at before it is rendered.
        expecting: see `staged_writes.py`.
    """

    def __init__(
        self,
        folder: Folder,
        root: Root,
        ingest: Ingest,
        look: Callable[[str], None],
        expecting: Expecting = lambda _: nullcontext(set()),
    ) -> None:
        self._folder = folder
        self._root = root
        self._ingest = ingest
        self._look = look
        self.displaced = DisplacedFiles(folder, root, ingest.edits)
        self.retries = Retries(folder, root, look)
        self._moves = Moves(folder, root, ingest.readers, self.retries)
        self._replacements = Replacements(folder)
        self._directories = DirectoryMoves(folder, root, ingest.readers, self.retries)
        self._deletions = IncomingDeletions(folder, self.retries)
        self._unchosen = UnchosenFiles(folder, root, self._moves, self.displaced, self.retries, ingest)
        self._pace = Pace(folder)
        self._names = ConflictNames(folder)
        self._staged = StagedWrites(
            folder, root, ingest, self.displaced, self.retries, expecting, self._replacements.done, self._pace.placed
        )  # fmt: skip

    def drop_caches(self) -> None:
        """Forget what does not matter any more."""
        self._pace.forget()

    def next_deadline(self) -> float:
        """When `run` or `displaced.inspect` has something to do, in trio's time."""
        return min(self.next_run(), self.displaced.next_deadline())

    def next_run(self) -> float:
        """When `run` has something to do, in trio's time, whatever comes into the queue."""
        if self.displaced.is_written:
            return self.displaced.next_deadline()
        return min(part.next_deadline() for part in (self.retries, self._replacements, self._unchosen))

    @property
    def is_idle(self) -> bool:
        return not self.retries

    async def run(self) -> None:
        """Carry out one batch of what is to be rendered."""
        folder = self._folder
        now = trio.current_time()
        self.retries.take_due(now)
        if folder.catalogue.layout().conflicts and not folder.membership.is_reader:
            await join_equal_entries(folder)
        await self._name_makers()
        # What comes in from now on is for the next round: the guard has not counted it.
        batches = folder.render_queue.batches()
        reason = await self._deletions.refused(now)
        if reason:
            folder.state.pause_for_confirmation(reason)
            return
        rules = folder.catalogue.layout().entry_at.get(IGNORE_FILE)
        if rules is not None and rules in folder.render_queue and not folder.render_queue.has_failed(rules):
            self._look(IGNORE_FILE)  # what it leaves out is not rendered after it
            batches = [[rules]]
        else:
            await self._move_directories()
        for wanted in batches:
            await self._carry_out_batch(wanted)
        await self.displaced.inspect()
        await self._unchosen.run()
        self._replacements.tell()
        self._remove_obsolete()
        await self._name_makers()  # of what came to stand beside another one in this round there may be no further one

    async def _carry_out_batch(self, wanted: Sequence[EntryID]) -> None:
        """Bring the files of these entries in step, or of as many as are a batch."""
        folder = self._folder
        tried: list[EntryID] = []
        try:
            puts = await self._carry_out_all(wanted, tried)
            if puts:
                with self._pace.putting(len(puts)):
                    await self._staged.commit_batch(puts)
        except trio.Cancelled:
            # The root is away: the work goes on when it is there again, and it is not known which are in place.
            folder.render_queue.want_all(tried)
            raise
        except BaseException:
            folder.render_queue.failed(tried)
            raise
        folder.render_queue.succeeded(tried)
        self.retries.forget_failures(tried)

    async def _carry_out_all(self, wanted: Sequence[EntryID], tried: list[EntryID]) -> list[StagedWrite]:
        """Do what needs no new content for these entries, up to a batch; gives the files to write.

        Args:
            tried: is given those whose turn it was.
        """
        folder, part = self._folder, Slice()
        puts: list[StagedWrite] = []
        chars = 0
        for entry in wanted:
            if len(puts) >= BATCH or chars >= _BATCH_CHARS:
                break
            await part.end_if_long()
            if entry not in folder.render_queue or self._deletions.came_since(entry):
                continue
            folder.render_queue.take(entry)
            tried.append(entry)
            put = await self._carry_out(entry)
            if put is not None:
                puts.append(put)
                chars += len(put.text)
        return puts

    async def _name_makers(self) -> None:
        if self._folder.catalogue.layout().conflicts and not self._folder.membership.is_reader:
            await self._names.write()

    async def _move_directories(self) -> None:
        for source in await self._directories.run():
            await self._moves.remove_empty_parents(source)

    def _remove_obsolete(self) -> None:
        """Blobs that nobody wants any more, whole or not."""
        blobs = self._folder.files.blobs
        for blob in blobs.garbage - blobs.fetching - blobs.installing:
            blobs.garbage.discard(blob)
            self._folder.files.quota.forget(blob)
            blobs.downloaded.pop(blob, None)
            temporary_files.discard(self._root, name_of(blob))

    async def _carry_out(self, entry: EntryID) -> StagedWrite | None:
        """Do what needs no new content (`plan.py` says what); give the file to write, if there is one."""
        if self._is_kept(entry):
            return None
        facts = self._facts(entry)
        while True:
            match plan(facts):
                case Step.NEED_CONTENT:
                    facts = self._with_content(facts)
                case Step.MOVE:
                    assert facts.record is not None
                    if await self._moves.move(facts.record, facts.path) is None:
                        return None
                    facts = self._facts(entry)  # others were at work meanwhile
                case Step.ADVANCE_BASE:
                    assert facts.entry is not None
                    assert facts.record is not None
                    await self._advance_base(facts.entry, facts.record)
                    facts = self._facts(entry)  # its mode may have to be another one
                case step:
                    return await self._do(step, entry, facts)

    def _is_kept(self, entry: EntryID) -> bool:
        """Whether the file of an entry was changed here, where this device only reads, and has not stepped aside."""
        record = self._folder.files.get(entry)
        if record is None or not self._folder.files.local.keeps(record.path):
            return False
        if has_news(self._folder, record):
            self._look(record.path)
            self.retries.retry_soon(entry)
        else:
            self.retries.done(entry)
        return True

    def _facts(self, entry: EntryID) -> Facts:
        folder = self._folder
        found, record = folder.catalogue.entries.get(entry), folder.files.get(entry)
        if found is None:
            return Facts(None, record)
        is_alive = folder.catalogue.is_alive(found)
        return Facts(
            found,
            record,
            path=folder.catalogue.layout().path_of[entry] if is_alive else "",
            is_ignored=folder.files.is_left_alone(entry),
            is_file_ignored=record is not None and folder.files.ignored.covers(record.path, record.kind),
            is_alive=is_alive,
            is_here=found.kind is not Kind.TEXT or found.document in folder.texts.digests,
            is_due=trio.current_time() >= self._pace.due_at(found),
        )

    def _with_content(self, facts: Facts) -> Facts:
        found, record = facts.entry, facts.record
        assert found is not None
        if found.kind is not Kind.TEXT:
            return replace(facts, content=found.content.hash)
        with self._pace.making(found.id):
            digest = self._folder.texts.digests.get(found.document)
        assert digest is not None
        is_rendered = (
            record is not None and record.document == found.document and self._folder.texts.is_rendered(record)
        )
        return replace(facts, content=digest.content, is_rendered=is_rendered)

    async def _do(self, step: Step, entry: EntryID, facts: Facts) -> StagedWrite | None:
        """Carry out the last step of a plan."""
        found, record = facts.entry, facts.record
        if found is None or step is Step.NOTHING:
            self.retries.done(entry)
            return None
        match step:
            case Step.WAIT:
                self.retries.schedule(entry, self._pace.due_at(found))
            case Step.MAKE_DIRECTORY:
                await self._make_directory(found, facts.path, record)
            case Step.WRITE_OPAQUE:
                return self._staged_opaque(found, facts.path, record)
            case Step.WRITE:
                return self._staged_text(found, facts)
        if record is not None:
            await self._do_with_file(step, found, record, facts.path)
        return None

    async def _do_with_file(self, step: Step, found: Entry, record: FileRecord, path: str) -> None:
        """Carry out a step that is about the file that is there."""
        folder = self._folder
        match step:
            case Step.MOVE_OUT:
                # Nobody looks there: were it not stored, it would look deleted after a crash.
                await folder.files.lose_sight([found.id], Sight.LOST).wait()
                await self._moves.move(folder.files[found.id], path)
            case Step.FORGET:
                folder.files.drop(found.id)
                folder.database.submit([record.delete(folder.id)])
            case Step.REMOVE:
                await self._moves.remove(record)
            case Step.REINSTATE | Step.CONFLICT_COPY:
                await self._keep_saved(record, found, is_later=step is Step.REINSTATE)
            case Step.SET_MODE:
                await self._set_mode(record, found.mode)

    async def _advance_base(self, found: Entry, record: FileRecord) -> None:
        """The file holds what the document says by now."""
        seq, _ = self._folder.texts.head(found.document)
        await self._set_base(replace(record, document=found.document, base_seq=seq, base_state=None))

    async def _keep_saved(self, record: FileRecord, found: Entry, *, is_later: bool) -> None:
        """Keep what was saved here: as what the entry is, where that came later, else beside it."""
        opaque = self._ingest.opaque
        is_later = is_later and not self._folder.membership.is_reader
        if not await (opaque.reinstate(record, found) if is_later else opaque.keep_conflict_copy(record)):
            self.retries.retry_soon(found.id)

    def _staged_text(self, found: Entry, facts: Facts) -> StagedWrite | None:
        record, path = facts.record, facts.path
        if record is None and self._staged.is_taken(found.id, path):
            return None
        seq, text = self._folder.texts.head(found.document)
        assert facts.content is not None
        is_first = (
            record is None
            and _has_one_writer(self._folder, found)
            and self._ingest.readers.former.at(path) is None
        )  # fmt: skip
        return StagedWrite(
            found.id, found.document, path, Kind.TEXT, facts.content, found.mode, record, seq, text,
            mtime_ns=(found.content.mtime_ns or None) if is_first else None,
        )  # fmt: skip

    def _staged_opaque(self, found: Entry, path: str, record: FileRecord | None) -> StagedWrite | None:
        """How a blob or symlink is to be put in place; None while its content is not here."""
        folder, content = self._folder, found.content
        if record is None and self._staged.is_taken(found.id, path):
            return None
        write = StagedWrite(
            found.id, found.document, path, found.kind, content.hash, found.mode, record,
            mtime_ns=content.mtime_ns or None,
        )  # fmt: skip
        if found.kind is Kind.SYMLINK:
            return replace(write, target=content.target)
        downloaded = folder.files.blobs.downloaded.pop(content.hash, "")
        if downloaded:
            folder.files.blobs.installing.add(content.hash)
            return replace(write, downloaded=downloaded)
        source = folder.files.blobs.file_with(content.hash)
        if source is not None:
            return replace(write, copy_of=folder.files[source])
        for session in folder.observers.sessions.values():
            session.fetch()
        return None

    async def _make_directory(self, found: Entry, path: str, record: FileRecord | None) -> None:
        if record is not None and record.path == path:
            return
        if record is not None:
            await self._moves.remove_empty_parents(f"{record.path}/")
        if self._folder.files.by_path(path) is not None:
            self.retries.retry_soon(found.id)  # a file that has to go elsewhere first
            return
        try:
            await trio.to_thread.run_sync(self._root.make_directory, path)
        except OSError as error:
            self.retries.wait(found.id, reason_of(error))
            self.retries.inspect_parents(path)
            return
        made = FileRecord(
            found.id, path, found.document, 0, None, found.content.hash, found.mode, NO_STAMP, Kind.DIRECTORY
        )  # fmt: skip
        await self._set_base(made)

    async def _set_base(self, record: FileRecord) -> None:
        folder = self._folder
        self.retries.done(record.entry)
        folder.files.set(record)
        await folder.database.pending().wait()
        folder.database.submit([record.save(folder.id)])
        folder.rendered([record.entry])

    async def _set_mode(self, record: FileRecord, mode: Mode) -> None:
        if record.mode == mode:
            self.retries.done(record.entry)
            return
        try:
            purpose = Purpose.of(record.entry, record.base_seq, record.content)
            stamp = await trio.to_thread.run_sync(disk.set_mode, self._root, purpose, record.path, mode, record.kind)
        except OSError as error:
            self.retries.wait(record.entry, reason_of(error))
            return
        known = record.stamp
        if stamp is None or (stamp.size, stamp.mtime_ns) != (known.size, known.mtime_ns):
            self._look(record.path)  # it is another one than was known: that is to be seen
            stamp = NO_STAMP
        await self._set_base(replace(record, mode=mode, stamp=stamp))
