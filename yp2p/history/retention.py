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

    The work is done in a thread, a document at a time, beside everything else. Only putting the result into the store
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
from collections.abc import Callable, Iterable, Sequence, Set
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import structlog
import trio

from yp2p.config import History
from yp2p.documents.manifest import Entry, Manifest, ManifestReplica
from yp2p.documents.thinning import joined
from yp2p.errors import CrdtPanic, InvalidUpdate, MissingDependency, YpError
from yp2p.folder.catalogue import manifest_document_id
from yp2p.folder.folder import Folder
from yp2p.folder.records import FileRecord
from yp2p.folder.uncounted import KEPT_APART_S
from yp2p.history.ages import DAY_S, HOUR_S, Ages, versions_that_stay, width_at
from yp2p.history.packing import Packing, give_back_room
from yp2p.identity import DocumentID, EntryID, FolderID
from yp2p.protocol.clients import Writer
from yp2p.protocol.entries import Kind
from yp2p.protocol.messages import MANIFEST_DOCUMENTS
from yp2p.protocol.ysync import Shape, UpdateParser
from yp2p.store import tables
from yp2p.store.sql import Statement

# A 64th of a day is twenty minutes.
_MOST_SQUEEZED = 64
_YOUNG_S = DAY_S / _MOST_SQUEEZED
# What the log of one text may take: a floor, and a multiple of the text.
_LEAST_BYTES, _TIMES_THE_TEXT = 1 << 20, 10
# A row costs about so much beside its data: the table's and the index's entries.
_ROW_BYTES = 80

_LOOK_S, _INTERVAL_S = 300.0, 6 * HOUR_S
_BUSY_RETRY_S, _BUSY_LIMIT_S = 1.0, 60.0
# When the store has grown by so much, that may be too much.
_WRITTEN_BYTES = 16 << 20
_MANIFEST = frozenset(manifest_document_id(index) for index in range(MANIFEST_DOCUMENTS))

_AT_ONCE = 64
_FAULTS = (YpError, CrdtPanic, InvalidUpdate, MissingDependency, OSError)

# A row that stays: its number, its update, and the device that it is said to come from.
Joined = tuple[int, bytes, bytes]
Read = Callable[[str, Sequence[Any]], list[tuple[Any, ...]]]

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the log: `at` in seconds since 1970, `origin` the device that it came from."""

    seq: int
    at: float
    origin: bytes
    data: bytes


@dataclass(frozen=True, slots=True)
class Mark:
    """A row of the log without its update; `packed` bytes hold those from `first` on that it is the sum of."""

    seq: int
    at: float
    first: int
    packed: int = 0

    def holds(self, seq: int) -> bool:
        """Whether a row is in the pack and not its end."""
        return self.first <= seq < self.seq


def senders(
    rows: Sequence[Row], stay: Set[int], shape: Shape, claimed: Set[int], apart: Set[int] = frozenset()
) -> dict[int, bytes]:
    """The rows that stay, and the device each is said to come from.

    Where only the sender of a row tells who wrote it, it is joined with no row of which only another sender tells.

    Args:
        claimed: the client IDs whose devices are known otherwise.
        apart: the rows that are joined with no row before of another sender, nor with one that is none of these or
            repairs a meeting.
    """
    found: dict[int, bytes] = {}
    teller: bytes | None = None
    before, sender, was_repair = 0, b"", False
    for row in rows:
        is_other = sender != row.origin or before not in apart or was_repair
        if row.seq in apart and before and is_other and before not in found:
            found[before], teller = teller if teller is not None else sender, None
        sections = UpdateParser(row.data, shape).parse().sections
        needs_teller = any(client not in claimed for client in sections)
        if needs_teller and teller is not None and teller != row.origin:
            found[before], teller = teller, None
        if needs_teller:
            teller = row.origin
        if row.seq in stay:
            found[row.seq], teller = teller if teller is not None else row.origin, None
        before, sender = row.seq, row.origin
        was_repair = bool(sections) and all(Writer.of(client) is Writer.REPAIR for client in sections)
    return found


def before_others(rows: Sequence[Row], ages: Callable[[int, float], float]) -> set[int]:
    """The rows whose versions others changed within the last day: that of a day ago, and those written here."""
    found: set[int] = set()
    is_old = [ages(row.seq, row.at) >= DAY_S for row in rows]
    for (row, was_old), (following, is_next_old) in pairwise(zip(rows, is_old, strict=True)):
        if not is_next_old and (was_old or (following.origin and not row.origin)):
            found.add(row.seq)
    return found


@dataclass(frozen=True, slots=True)
class _Plan:
    """What thinning makes of the log of a document: which rows go, and what brings that about."""

    document: DocumentID
    removed: Set[int]
    unpackable: Sequence[Mark]  # packs whose rows go
    bytes_gained: int
    statements: list[Statement]

    @classmethod
    def of(
        cls, folder: FolderID, document: DocumentID, old: list[Row], new: list[Joined], going: Sequence[Mark]
    ) -> _Plan:
        """Args: `new` with the devices that its rows are said to come from; `going` are packs whose rows go."""
        statements: list[Statement] = []
        last = at = 0
        for seq, data, origin in new:
            first = old[at].seq
            while old[at].seq != seq:
                at += 1
            at += 1
            if first != seq:
                last = seq
                statements += tables.log.join(folder, document, first, seq, data, origin)
        for pack in going:
            last = max(last, pack.seq)
            statements.append(tables.pack.delete(pack.seq))
        # A group of steps is undone as a whole, and needs all of its rows and what they removed.
        statements.append(tables.step.delete_groups_until(folder, document, last))
        removed = {row.seq for row in old} - {seq for seq, _, _ in new}
        gained = _cost(row.data for row in old) - _cost(data for _, data, _ in new) + sum(p.packed for p in going)
        return cls(document, removed, going, gained, statements)

    def needs(self, used: Set[int]) -> bool:
        """Whether something that is in use goes."""
        return bool(used & self.removed) or any(pack.holds(seq) for pack in self.unpackable for seq in used)


@dataclass(slots=True)
class _Work:
    """One document to be thinned, with what a thread needs to know: see `versions_that_stay` and `senders`."""

    document: DocumentID
    size: int  # of its log, in bytes, without the rows of packs
    limit: int  # what that may be, with them
    ages: Ages
    squeeze: int
    young: int
    in_use: Set[int]
    claimed: Set[int]
    certain: int

    def may_be_doubted(self, seq: int, at: float) -> bool:
        """Whether it has to be known who brought a row."""
        return seq > self.certain and self.ages(seq, at) < KEPT_APART_S

    @property
    def shape(self) -> Shape:
        return Shape.MANIFEST if self.document in _MANIFEST else Shape.TEXT


def _is_held(mark: Mark, work: _Work) -> bool:
    """Whether something refers to a row in the middle of a pack, or it has to be known who brought each."""
    is_doubtful = mark.first != mark.seq and work.may_be_doubted(mark.seq, mark.at)
    return is_doubtful or any(mark.holds(seq) for seq in work.in_use)


def _cost(updates: Iterable[bytes]) -> int:
    return sum(len(update) + _ROW_BYTES for update in updates)


class Retention:
    """Thins the log of one folder, now and then.

    Args:
        bases: what a save that turns up may have been made of, beside what the files are known to hold.
    """

    def __init__(self, folder: Folder, settings: History, bases: Callable[[], Iterable[FileRecord]]) -> None:
        self._folder = folder
        self._max_age_s = settings.max_age_days * DAY_S
        self._max_bytes = settings.max_bytes
        self._bases = bases
        self._marks = [(trio.current_time(), folder.database.last_seq)]  # the last row there was, at some moments

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
                    works = [self._work(*one, ages, squeeze, young) for one in candidates[start : start + _AT_ONCE]]
                    for plan in await trio.to_thread.run_sync(self._plans, works, abandon_on_cancel=True):
                        if await self._replace(plan):
                            count += len(plan.removed) + len(plan.unpackable)
                            in_round += plan.bytes_gained
                    await folder.database.pending().wait()
            gained += in_round
            if squeeze == _MOST_SQUEEZED or used - in_round <= self._max_bytes:
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
            rows = tables.log.sizes(read, self._folder.id, young, _ROW_BYTES)
            packed = tables.pack.total_bytes(read, self._folder.id)
        several = [(DocumentID(document), size) for document, count, size in rows if count > 1]
        return sum(size for _, _, size in rows) + packed, several

    def _work(self, document: DocumentID, size: int, ages: Ages, squeeze: int, young: int) -> _Work:
        folder = self._folder
        claimed = folder.catalogue.claims.keys() | folder.clients.ids
        record = folder.files.get(folder.catalogue.entry_of.get(document, EntryID(b"")))
        text = record.stamp.size if record is not None else 0
        limit = max(_LEAST_BYTES, _TIMES_THE_TEXT * text)
        certain = folder.observers.uncounted.certain()
        return _Work(document, size, limit, ages, squeeze, young, self._to_stay(document), claimed, certain)

    async def _replace(self, plan: _Plan) -> bool:
        """Put a plan into effect, if nobody has come to need what goes."""
        folder = self._folder
        if not await self._rests():
            return False
        # no await: nobody refers to another row until the rows are replaced
        if plan.needs(self._to_stay(plan.document)):
            return False
        folder.database.submit(plan.statements)
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

    def _plans(self, works: list[_Work]) -> list[_Plan]:
        """What to make of some logs. Blocks; reads and nothing else."""
        found: list[_Plan] = []
        with self._folder.database.reader() as read:
            for work in works:
                try:
                    plan = self._plan(work, read)
                except _FAULTS as error:
                    log.warning(
                        "history_not_thinned",
                        folder=self._folder.label, document=work.document.hex(), error=str(error),
                    )  # fmt: skip
                    continue
                if plan is not None and (plan.removed or plan.unpackable):
                    found.append(plan)
        return found

    def _plan(self, work: _Work, read: Read) -> _Plan | None:
        where = (self._folder.id, work.document)
        marks = [Mark(*row) for row in tables.log.pack_sizes(read, *where)]
        rows: list[Row] = []
        new: list[Joined] = []
        size, before = work.size, -1
        while True:
            kept: set[int] = set()
            if work.squeeze > 1:
                rows = rows or [Row(*row) for row in tables.log.rows(read, *where)]
                kept = before_others(rows, work.ages)
            stay = self._stay(work, marks, kept)
            if len(stay) < len(marks) and len(stay) != before:
                rows = rows or [Row(*row) for row in tables.log.rows(read, *where)]
                new, before = self._joined(work, rows, stay), len(stay)
                size = _cost(data for _, data, _ in new)
            going = self._going(work, marks, {seq for seq, _, _ in new} if new else {mark.seq for mark in marks})
            packed = sum(mark.packed for mark in marks) - sum(mark.packed for mark in going)
            if size + packed <= work.limit or work.squeeze >= _MOST_SQUEEZED or work.shape is Shape.MANIFEST:
                break
            work.squeeze *= 2
        return _Plan.of(self._folder.id, work.document, rows, new, going) if new or going else None

    def _stay(self, work: _Work, marks: Sequence[Mark], kept: Set[int]) -> set[int]:
        in_use = work.in_use | kept
        for number, mark in enumerate(marks):
            if _is_held(mark, work):
                in_use |= {mark.seq, marks[max(0, number - 1)].seq}  # so that it is joined with nothing
        times = [(mark.seq, mark.at) for mark in marks]
        return versions_that_stay(
            times, work.ages, self._max_age_s, squeeze=work.squeeze, young=work.young, in_use=in_use
        )  # fmt: skip

    def _going(self, work: _Work, marks: Sequence[Mark], stay: Set[int]) -> list[Mark]:
        """The packs that are to be merged, and those so old that not every version of them is kept."""
        found: list[Mark] = []
        is_alone = True
        for mark in marks:
            is_alone = is_alone and mark.seq in stay
            is_old = (
                mark.seq <= work.young and width_at(work.ages(mark.seq, mark.at), self._max_age_s, work.squeeze) > 0
            )
            if mark.first != mark.seq and (not is_alone or (is_old and not _is_held(mark, work))):
                found.append(mark)
            is_alone = mark.seq in stay
        return found

    def _joined(self, work: _Work, rows: list[Row], stay: Set[int]) -> list[Joined]:
        apart = {row.seq for row in rows if work.may_be_doubted(row.seq, row.at)}
        origins = senders(rows, stay, work.shape, work.claimed, apart)
        new = joined([(row.seq, row.data) for row in rows], origins.keys(), work.shape)
        return [(seq, data, origins[seq]) for seq, data in new]

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
