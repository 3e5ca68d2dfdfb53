"""How much of the past is kept: of old versions fewer and fewer, until the oldest are gone.

Theory of operation
    Every update is a row of the log and the end of a version. All of them stay for a day; then the last one of each
    hour for a week, of each day for a month, of each week until `history.max_age_days`. What is between two that stay
    is joined with the later one (`documents/thinning.py`); what is older than all of that is joined with the oldest
    that stays. Nothing that a file holds now goes, only what it held once.

    Where that is too much, because one text is rewritten again and again or the log of the folder gets larger than
    `history.max_bytes`, all of these spans are halved (every version of half a day, one each half hour for half a
    week...), and halved again, down to a 64th: what came within the last twenty minutes always stays. So does for a day
    what others have changed since: the version of a day ago, and each that was written here and changed by others.
    Nobody can make room for what he replaces by replacing more.

    Of a pack (`folder/packs.py`) the single rows are as many versions: they go when not all of its age stay, and the
    pack is one version from then on.

    The rule for one log is `thinning_rule.py`; here is what feeds it from the store, and puts its result there. The
    work is done in a thread, a document at a time, beside everything else. Only putting the result into the store
    is done on the loop: there, and not before, is it looked at which rows are in use.

Invariants
    * A row that something in the store or in memory refers to stays the end of a version: the base of a file, also the
      one before it, and the version that a notice can bring back. Where it is in a pack, that pack stays as it is.
    * The last row that is older than all that stay whole stays as well. So every row that was the newest of its
      document within the last twenty minutes is there: whoever is at work with one finds it.
    * So does the last row of each document that was there when people here removed a device.
    * Only when all files have been looked at since the folder is open, and while the disk actor rests, are rows
      replaced, in one transaction, with the undo steps that need them. What a file held while no daemon ran is told by
      comparing it with the rows; of a folder that is held or paused nobody has looked.
    * A clock that jumps or was wrong ages nothing: the age of a row is at most the days on which this daemon ran since,
      and what came within the last twenty minutes of this process is young whatever its time says.
    * A fault in here is told, costs nothing but room, and ends nothing.
    * Who wrote what is known afterwards: rows whose author only their sender tells are joined with no other sender's.
      Nor are, for a month, rows that two other devices are not known to have: what came from one of these may not
      count, once that is removed (`folder/uncounted.py`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import structlog
import trio

from yp2p.config import History
from yp2p.documents.manifest import Manifest
from yp2p.documents.manifest_replica import ManifestReplica
from yp2p.documents.registers import Entry
from yp2p.errors import CrdtPanic, InvalidUpdate, MissingDependency, YpError
from yp2p.folder.catalogue import manifest_document_id
from yp2p.folder.folder import Folder
from yp2p.folder.records import FileRecord
from yp2p.history.ages import DAY_S, HOUR_S, Ages
from yp2p.history.packing import Packing, give_back_room
from yp2p.history.thinning_rule import MOST_SQUEEZED, ROW_BYTES, Log, Mark, Row, Thinned, thinned
from yp2p.identity import DocumentID, EntryID, FolderID
from yp2p.protocol.entries import Kind
from yp2p.protocol.messages import MANIFEST_DOCUMENTS
from yp2p.protocol.ysync import Shape
from yp2p.store import tables
from yp2p.store.sql import Statement

_YOUNG_S = DAY_S / MOST_SQUEEZED
# What the log of one text may take: a floor, and a multiple of the text.
_LEAST_BYTES, _TIMES_THE_TEXT = 1 << 20, 10

_LOOK_S, _INTERVAL_S = 300.0, 6 * HOUR_S
_BUSY_RETRY_S, _BUSY_LIMIT_S = 1.0, 60.0
# When the store has grown by so much, that may be too much.
_WRITTEN_BYTES = 16 << 20
_MANIFEST = frozenset(manifest_document_id(index) for index in range(MANIFEST_DOCUMENTS))

_AT_ONCE = 64
_FAULTS = (YpError, CrdtPanic, InvalidUpdate, MissingDependency, OSError)

Read = Callable[[str, Sequence[Any]], list[tuple[Any, ...]]]

log = structlog.get_logger()


def _statements(folder: FolderID, document: DocumentID, result: Thinned) -> list[Statement]:
    """What brings about that a log is as it is to be."""
    statements: list[Statement] = []
    last = at = 0
    for seq, data, origin in result.new:
        first = result.old[at].seq
        while result.old[at].seq != seq:
            at += 1
        at += 1
        if first != seq:
            last = seq
            statements += tables.log.join(folder, document, first, seq, data, origin)
    for pack in result.going:
        last = max(last, pack.seq)
        statements.append(tables.pack.delete(pack.seq))
    # A group of steps is undone as a whole, and needs all of its rows and what they removed.
    statements.append(tables.step.delete_groups_until(folder, document, last))
    return statements


class Retention:
    """Thins the log of one folder, now and then.

    Args:
        bases: what a save that turns up may have been made of, beside what the files are known to hold.
    """

    def __init__(self, folder: Folder, settings: History, bases: Callable[[], Iterable[FileRecord]]) -> None:
        self._folder = folder
        self.use(settings)
        self._bases = bases
        self._marks = [(trio.current_time(), folder.database.last_seq)]  # the last row there was, at some moments

    def use(self, settings: History) -> None:
        """Keep so much from now on."""
        self._max_age_s = settings.max_age_days * DAY_S
        self._max_bytes = settings.max_bytes

    async def run(self) -> None:
        """Work until cancelled; keystrokes are packed beside."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(Packing(self._folder).run)
            await self._run()

    async def _run(self) -> None:
        due = trio.current_time() + _YOUNG_S + _LOOK_S
        size = self._store_bytes()
        while True:
            await trio.sleep(_LOOK_S)
            self.mark()
            is_young = not self._young()
            if not is_young and (trio.current_time() >= due or self._store_bytes() - size > _WRITTEN_BYTES):
                await self.thin(time.time())
                due, size = trio.current_time() + _INTERVAL_S, self._store_bytes()

    def _store_bytes(self) -> int:
        try:
            return self._folder.database.path.stat().st_size
        except OSError:
            return 0

    async def thin(self, now: float) -> int:
        """Thin what there is to thin; gives the number of versions that went. `now` in seconds since 1970."""
        try:
            return await self._thin(now)
        except _FAULTS as error:
            log.warning("history_not_thinned", folder=self._folder.label, document="", error=str(error))
            return 0

    async def _thin(self, now: float) -> int:
        folder = self._folder
        ages = Ages(now, sorted(tables.day.last_rows(folder.database.rows)))
        young = self._young()
        count, gained, squeeze = 0, 0, 1
        while True:
            used, candidates = await trio.to_thread.run_sync(self._candidates, young, abandon_on_cancel=True)
            in_round = 0
            for start in range(0, len(candidates), _AT_ONCE):
                async with folder.texts.rewriting:
                    await folder.database.pending().wait()
                    some = candidates[start : start + _AT_ONCE]
                    works = [(document, self._log(document, size, ages, squeeze, young)) for document, size in some]
                    found = await trio.to_thread.run_sync(self._thinned, works, abandon_on_cancel=True)
                    for document, result in found:
                        if await self._replace(document, result):
                            count += len(result.removed) + len(result.going)
                            in_round += result.bytes_gained
                    await folder.database.pending().wait()
            gained += in_round
            if squeeze == MOST_SQUEEZED or used - in_round <= self._max_bytes:
                break
            squeeze *= 2
            await folder.database.pending().wait()
        forgotten = await self._forget_deleted(ages)
        if count or forgotten:
            log.info("history_thinned", folder=folder.label, count=count, bytes=gained, forgotten=forgotten)
            await give_back_room(folder.database)
        return count

    def mark(self) -> None:
        """Remember what there is now: in twenty minutes it is not young any more."""
        now = trio.current_time()
        old = [mark for mark in self._marks if mark[0] <= now - _YOUNG_S]
        self._marks = [*old[-1:], *self._marks[len(old) :], (now, self._folder.database.last_seq)]

    def _young(self) -> int:
        """The last row that there was twenty minutes ago; 0: this process is younger."""
        return max((seq for at, seq in self._marks if at <= trio.current_time() - _YOUNG_S), default=0)

    def _candidates(self, young: int) -> tuple[int, list[tuple[DocumentID, int]]]:
        """How many bytes the log has, and the documents of several rows with theirs. Blocks."""
        with self._folder.database.reader() as read:
            rows = tables.log.sizes(read, self._folder.id, young, ROW_BYTES)
            packed = tables.pack.total_bytes(read, self._folder.id)
        several = [(DocumentID(document), size) for document, count, size in rows if count > 1]
        return sum(size for _, _, size in rows) + packed, several

    def _log(self, document: DocumentID, size: int, ages: Ages, squeeze: int, young: int) -> Log:
        folder = self._folder
        claimed = folder.catalogue.authorship.claims.keys() | folder.clients.ids
        record = folder.files.get(folder.catalogue.entry_of.get(document, EntryID(b"")))
        text = record.stamp.size if record is not None else 0
        limit = max(_LEAST_BYTES, _TIMES_THE_TEXT * text)
        certain = folder.observers.uncounted.certain()
        shape = Shape.MANIFEST if document in _MANIFEST else Shape.TEXT
        in_use = self._to_stay(document)
        return Log(shape, size, limit, ages, self._max_age_s, squeeze, young, in_use, claimed, certain)

    async def _replace(self, document: DocumentID, result: Thinned) -> bool:
        """Put the result into the store, if nobody has come to need what goes."""
        folder = self._folder
        if not await self._rests():
            return False
        # no await: nobody refers to another row until the rows are replaced
        if result.needs(self._to_stay(document)):
            return False
        folder.database.submit(_statements(folder.id, document, result))
        return True

    async def _rests(self) -> bool:
        """Whether all files have been looked at and the disk actor rests, after waiting for that a while."""
        folder = self._folder

        def is_quiet() -> bool:
            return folder.state.is_scanned and folder.state.settled and not folder.state.pause_reason

        with trio.move_on_after(_BUSY_LIMIT_S if folder.state.is_scanned else 0):
            while not is_quiet():
                with trio.move_on_after(_BUSY_RETRY_S):
                    await folder.state.changed.wait()
        return is_quiet()

    def _to_stay(self, document: DocumentID) -> set[int]:
        """The rows that something refers to, and what there was when people here removed a device, for who asks."""
        read, found = self._folder.database.rows, self._in_use(document)
        for seq in self._folder.observers.uncounted.boundaries():
            found |= {seq, tables.log.last_until(read, self._folder.id, document, seq)} - {0}
        return found

    def _in_use(self, document: DocumentID) -> set[int]:
        """The rows of a document that something refers to."""
        folder = self._folder
        found = {base.base_seq for base in self._bases() if base.document == document}
        found |= {n.undo.seq for n in folder.notices if n.undo is not None and n.undo.document == document}
        entry = folder.catalogue.entry_of.get(document)
        # A document that no entry has any more can be the base of a file that is not rendered yet.
        records = [folder.files.get(entry)] if entry is not None else folder.files.values()
        return found | {record.base_seq for record in records if record is not None and record.document == document}

    def _thinned(self, works: list[tuple[DocumentID, Log]]) -> list[tuple[DocumentID, Thinned]]:
        """What to make of some logs. Blocks; reads and nothing else."""
        found: list[tuple[DocumentID, Thinned]] = []
        with self._folder.database.reader() as read:
            for document, known in works:
                try:
                    result = self._thinned_one(document, known, read)
                except _FAULTS as error:
                    log.warning(
                        "history_not_thinned",
                        folder=self._folder.label, document=document.hex(), error=str(error),
                    )  # fmt: skip
                    continue
                if result is not None:
                    found.append((document, result))
        return found

    def _thinned_one(self, document: DocumentID, known: Log, read: Read) -> Thinned | None:
        where = (self._folder.id, document)
        marks = [Mark(*row) for row in tables.log.pack_sizes(read, *where)]
        return thinned(known, marks, lambda: [Row(*row) for row in tables.log.rows(read, *where)])

    async def _forget_deleted(self, ages: Ages) -> int:
        """Let go of the texts of files that were deleted longer ago than anything is kept; gives how many."""
        folder, count = self._folder, 0
        for index in range(MANIFEST_DOCUMENTS):
            gone = await trio.to_thread.run_sync(self._long_deleted, index, ages, abandon_on_cancel=True)
            for number, was in enumerate(gone):
                now = folder.catalogue.entries.get(was.id)
                if (
                    now is not None
                    and now.deletion == was.deletion
                    and folder.state.is_scanned
                    and not folder.state.pause_reason
                ):
                    count += self._forget(now, ages)
                if number % _AT_ONCE == 0:
                    await trio.lowlevel.checkpoint()
        return count

    def _long_deleted(self, index: int, ages: Ages) -> list[Entry]:
        """Entries of a manifest document that were deleted so long ago. Blocks.

        They are in its first row: thinning joins all that is older.
        """
        with self._folder.database.reader() as read:
            first = tables.log.first_row(read, self._folder.id, manifest_document_id(index))
        if first is None or ages(first[0], first[1]) < self._max_age_s:
            return []
        replica = ManifestReplica(1)
        replica.load([first[2]])
        return [entry for entry in Manifest.read(replica, index) if entry.deletion is not None]

    def _forget(self, entry: Entry, ages: Ages) -> bool:
        folder, document = self._folder, entry.document
        if entry.kind is not Kind.TEXT or folder.catalogue.is_alive(entry) or document not in folder.texts.digests:
            return False
        last = tables.log.last_row(folder.database.rows, folder.id, document)
        if last is None or ages(*last) < self._max_age_s or self._in_use(document):
            return False
        return folder.texts.forget(document)
