"""How much of the past is kept: of old versions fewer and fewer, until the oldest are gone.

Theory of operation
    Every update is a row of the log and the end of a version. All of them stay for a day; then the last one of each
    hour for a week, of each day for a month, of each week until `history.max_age_days`. What is between two that stay
    is joined with the later one (`documents/thinning.py`); what is older than all of that is joined with the oldest
    that stays. Nothing that a file holds now goes, only what it held once.

    Where that is too much, because one text is rewritten again and again or the log of the folder gets larger than
    `history.max_bytes`, all of these spans are halved (every version of half a day, one each half hour for half a
    week...), and halved again, down to a 64th: what came within the last twenty minutes always stays.

    The work is done in a thread, a document at a time, beside everything else. Only putting the result into the store
    is done on the loop: there, and not before, is it looked at which rows are in use.

Invariants
    * A row that something in the store or in memory refers to stays the end of a version: the base of a file, also the
      one before it, and the version that a notice can bring back.
    * The last row that is older than all that stay whole stays as well. So every row that was the newest of its
      document within the last twenty minutes is there: whoever is at work with one finds it.
    * Only while the disk actor rests are rows replaced, in one transaction, with the undo steps that need them.
    * A clock that jumps ages nothing: the age of a row is at most the days on which this daemon ran since.
    * Who wrote what is known afterwards: rows whose author only their sender tells are joined with no other sender's.
"""

from __future__ import annotations

import bisect
import calendar
import math
import time
from collections.abc import Callable, Iterable, Sequence, Set
from dataclasses import dataclass
from itertools import pairwise

import structlog
import trio

from yp2p.config import History
from yp2p.documents.manifest import Entry, ManifestReplica
from yp2p.documents.text import TextReplica
from yp2p.documents.thinning import joined
from yp2p.errors import YpError
from yp2p.identity import DocumentID, FolderID
from yp2p.protocol.entries import Kind
from yp2p.protocol.messages import MANIFEST_DOCUMENTS
from yp2p.protocol.ysync import Shape, UpdateParser
from yp2p.store.database import GIVE_BACK_ROOM, Statement
from yp2p.sync.folder import Folder, manifest_document_id
from yp2p.sync.records import FileRecord

DAY_S, HOUR_S = 86400.0, 3600.0
# Younger than the first: every version stays. Younger than the second: the last one of so many seconds.
_STAGES = ((DAY_S, 0.0), (7 * DAY_S, HOUR_S), (30 * DAY_S, DAY_S))
_LAST_STAGE_S = 7 * DAY_S
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

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the log: `at` in seconds since 1970, `origin` the device that it came from."""

    seq: int
    at: float
    origin: bytes
    data: bytes


@dataclass(slots=True)
class Ages:
    """How old something is: by the clock, but no older than the days on which a daemon ran allow.

    `days` are midnights (UTC) of those days, in seconds since 1970 and in order.
    """

    now: float
    days: Sequence[float] = ()

    def __call__(self, at: float) -> float:
        seen = len(self.days) - bisect.bisect_right(self.days, at)
        return min(max(0.0, self.now - at), (seen + 1) * DAY_S)


def _width(age_s: float, max_age_s: float, squeeze: int) -> float:
    """Of how many seconds the last version is kept, at this age; 0: all of them are."""
    if age_s * squeeze >= max_age_s:
        return math.inf
    return next((width_s for until_s, width_s in _STAGES if age_s * squeeze < until_s), _LAST_STAGE_S) / squeeze


def versions_that_stay(
    rows: Sequence[tuple[int, float]],
    ages: Callable[[float], float],
    max_age_s: float,
    *,
    squeeze: int = 1,
    young: float = math.inf,
    in_use: Set[int] = frozenset(),
) -> set[int]:
    """Of rows (number and time, in order) those whose versions stay.

    Args:
        squeeze: by what all spans are divided.
        young: rows with a larger number than this stay, whatever their time says.
    """
    widths = [_width(ages(at), max_age_s, squeeze) if seq <= young else 0.0 for seq, at in rows]
    stay = {rows[-1][0]} if rows else set()
    for number, ((seq, at), (_, next_at)) in enumerate(pairwise(rows)):
        width, next_width = widths[number], widths[number + 1]
        if width == math.inf:
            is_last = next_width < math.inf
        else:
            is_last = width == 0 or next_width == 0 or at // width != next_at // width
        if is_last or seq in in_use:
            stay.add(seq)
    return stay


def senders(rows: Sequence[Row], stay: Set[int], shape: Shape, claimed: Set[int]) -> dict[int, bytes]:
    """The rows that stay, and the device each is said to come from.

    Where only the sender of a row tells who wrote it, it is joined with no row of which only another sender tells.

    Args:
        claimed: the client IDs whose devices are known otherwise.
    """
    found: dict[int, bytes] = {}
    teller: bytes | None = None
    before = 0
    for row in rows:
        sections = UpdateParser(row.data, shape).parse().sections
        needs_teller = any(client not in claimed for client in sections)
        if needs_teller and teller is not None and teller != row.origin:
            found[before], teller = teller, None
        if needs_teller:
            teller = row.origin
        if row.seq in stay:
            found[row.seq], teller = teller if teller is not None else row.origin, None
        before = row.seq
    return found


@dataclass(frozen=True, slots=True)
class _Plan:
    """What thinning makes of the log of a document: the old rows, and the new ones with their senders."""

    document: DocumentID
    old: list[Row]
    new: list[tuple[int, bytes]]
    origins: dict[int, bytes]

    @property
    def bytes_gained(self) -> int:
        return _cost(row.data for row in self.old) - _cost(data for _, data in self.new)

    def removed(self) -> set[int]:
        return {row.seq for row in self.old} - self.origins.keys()

    def statements(self, folder: FolderID) -> list[Statement]:
        where = (folder, self.document)
        found: list[Statement] = []
        first, last = 0, 0
        for seq, data in self.new:
            rows = [row for row in self.old if first < row.seq <= seq]
            if len(rows) > 1:
                last = seq
                span = (*where, rows[0].seq, seq)
                found.append(("DELETE FROM log WHERE folder = ? AND document = ? AND seq >= ? AND seq < ?", span))
                found.append(("UPDATE log SET data = ?, origin = ? WHERE seq = ?", (data, self.origins[seq], seq)))
            first = seq
        # A group of steps is undone as a whole, and needs all of its rows and what they removed.
        steps = "DELETE FROM step WHERE folder = ? AND document = ? AND grp IN (SELECT grp FROM step"
        found.append((f"{steps} WHERE folder = ? AND document = ? AND seq <= ?)", (*where, *where, last)))
        return found


@dataclass(slots=True)
class _Work:
    """One document to be thinned, with what a thread needs to know: see `versions_that_stay` and `senders`."""

    document: DocumentID
    size: int  # of its log, in bytes
    ages: Ages
    squeeze: int
    young: int
    in_use: Set[int]
    claimed: Set[int]

    @property
    def shape(self) -> Shape:
        return Shape.MANIFEST if self.document in _MANIFEST else Shape.TEXT

    @property
    def is_large(self) -> bool:
        return self.size > _LEAST_BYTES and self.shape is Shape.TEXT


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
        self._marks = [(-math.inf, folder.database.last_seq)]  # the last row there was, at some moments

    async def run(self) -> None:
        """Work until cancelled."""
        due = trio.current_time()
        size = 0
        while True:
            await trio.sleep(_LOOK_S)
            self.mark()
            grown = self._store_bytes() - size
            if trio.current_time() >= due or grown > _WRITTEN_BYTES:
                await self.thin(time.time())
                due, size = trio.current_time() + _INTERVAL_S, self._store_bytes()

    def _store_bytes(self) -> int:
        return self._folder.database.path.stat().st_size

    async def thin(self, now: float) -> int:
        """Thin what there is to thin; gives the number of versions that went. `now` in seconds since 1970."""
        folder = self._folder
        ages = Ages(now, sorted(_midnight(day) for (day,) in folder.database.rows("SELECT day FROM day")))
        young = self._young()
        count, gained, squeeze = 0, 0, 1
        while True:
            used, candidates = await trio.to_thread.run_sync(self._candidates)
            for document, size in candidates:
                plan = await self._thinned(document, size, ages, squeeze, young)
                if plan is not None:
                    count += len(plan.removed())
                    gained += plan.bytes_gained
            if squeeze == _MOST_SQUEEZED or used - gained <= self._max_bytes:
                break
            squeeze *= 2
            await folder.database.pending().wait()
        forgotten = await self._forget_deleted(ages)
        if count or forgotten:
            await folder.database.submit([GIVE_BACK_ROOM]).wait()
            log.info("history_thinned", folder=folder.label, count=count, bytes=gained, forgotten=forgotten)
        return count

    def mark(self) -> None:
        """Remember what there is now: in twenty minutes it is not young any more."""
        now = trio.current_time()
        old = [mark for mark in self._marks if mark[0] <= now - _YOUNG_S]
        self._marks = [*old[-1:], *self._marks[len(old) :], (now, self._folder.database.last_seq)]

    def _young(self) -> int:
        """The last row that there was twenty minutes ago."""
        return max(seq for at, seq in self._marks if at <= trio.current_time() - _YOUNG_S)

    def _candidates(self) -> tuple[int, list[tuple[DocumentID, int]]]:
        """How many bytes the log has, and the documents of several rows with theirs. Blocks."""
        query = (
            f"SELECT document, count(*), sum(length(data) + {_ROW_BYTES}) FROM log WHERE folder = ? GROUP BY document"
        )
        with self._folder.database.reader() as read:
            rows = read(query, (self._folder.id,))
        several = [(DocumentID(document), size) for document, count, size in rows if count > 1]
        return sum(size for _, _, size in rows), several

    async def _thinned(self, document: DocumentID, size: int, ages: Ages, squeeze: int, young: int) -> _Plan | None:
        folder = self._folder
        claimed = folder.manifest.claims.keys() | folder.own_clients
        work = _Work(document, size, ages, squeeze, young, self._in_use(document), claimed)
        try:
            plan = await trio.to_thread.run_sync(self._plan, work)
        except YpError as error:
            log.warning("history_not_thinned", folder=folder.label, document=document.hex(), error=str(error))
            return None
        if plan is None or not await self._rests():
            return None
        # no await: nobody refers to another row until the rows are replaced
        if self._in_use(document) & plan.removed():
            return None
        folder.database.submit(plan.statements(folder.id))
        return plan

    async def _rests(self) -> bool:
        """Whether the disk actor rests, after waiting for that a while."""
        folder = self._folder
        with trio.move_on_after(_BUSY_LIMIT_S):
            while not folder.settled or folder.problem:
                with trio.move_on_after(_BUSY_RETRY_S):
                    await folder.changed.wait()
        return folder.settled and not folder.problem

    def _in_use(self, document: DocumentID) -> set[int]:
        """The rows of a document that something refers to."""
        folder = self._folder
        found = {base.base_seq for base in self._bases() if base.document == document}
        found |= {n.undo.seq for n in folder.notices if n.undo is not None and n.undo.document == document}
        entry = folder.entry_of.get(document)
        # A document that no entry has any more can be the base of a file that is not rendered yet.
        records = [folder.files.get(entry)] if entry is not None else folder.files.values()
        return found | {record.base_seq for record in records if record is not None and record.document == document}

    def _plan(self, work: _Work) -> _Plan | None:
        """What to make of the log of a document; None where there is nothing to do. Blocks."""
        where = (self._folder.id, work.document)
        with self._folder.database.reader() as read:
            times = read("SELECT seq, received FROM log WHERE folder = ? AND document = ? ORDER BY seq", where)
            if not work.is_large and len(self._stay(work, times)) == len(times):
                return None
            query = "SELECT seq, received, origin, data FROM log WHERE folder = ? AND document = ? ORDER BY seq"
            rows = [Row(*row) for row in read(query, where)]
        plan = self._joined(work, rows)
        if not work.is_large:
            return plan
        text = TextReplica.from_updates(1, [row.data for row in rows])
        limit = max(_LEAST_BYTES, _TIMES_THE_TEXT * text.size())
        while work.squeeze < _MOST_SQUEEZED and _cost(data for _, data in plan.new) > limit:
            work.squeeze *= 2
            plan = self._joined(work, rows)
        return plan if plan.removed() else None

    def _stay(self, work: _Work, times: Sequence[tuple[int, float]]) -> set[int]:
        return versions_that_stay(
            times, work.ages, self._max_age_s, squeeze=work.squeeze, young=work.young, in_use=work.in_use
        )  # fmt: skip

    def _joined(self, work: _Work, rows: list[Row]) -> _Plan:
        stay = self._stay(work, [(row.seq, row.at) for row in rows])
        origins = senders(rows, stay, work.shape, work.claimed)
        new = joined([(row.seq, row.data) for row in rows], origins.keys(), work.shape)
        return _Plan(work.document, rows, new, origins)

    async def _forget_deleted(self, ages: Ages) -> int:
        """Let go of the texts of files that were deleted longer ago than anything is kept; gives how many.

        What was deleted so long ago is in the first row of its manifest document: thinning joins all that is older.
        """
        folder, count = self._folder, 0
        query = "SELECT received, data FROM log WHERE folder = ? AND document = ? ORDER BY seq LIMIT 1"
        for index in range(MANIFEST_DOCUMENTS):
            await trio.lowlevel.checkpoint()
            for received, data in folder.database.rows(query, (folder.id, manifest_document_id(index))):
                if ages(received) < self._max_age_s:
                    continue
                replica = ManifestReplica(1)
                replica.load([data])
                for was in folder.manifest.read(replica, index):
                    now = folder.manifest.entries.get(was.id)
                    if now is not None and now.deletion is not None and now.deletion == was.deletion:
                        count += self._forget(now, ages)
        return count

    def _forget(self, entry: Entry, ages: Ages) -> bool:
        folder, document = self._folder, entry.document
        if entry.kind is not Kind.TEXT or folder.is_alive(entry) or not folder.has_document(document):
            return False
        query = "SELECT max(received) FROM log WHERE folder = ? AND document = ?"
        last = folder.database.rows(query, (folder.id, document))[0][0]
        if last is None or ages(last) < self._max_age_s or self._in_use(document):
            return False
        return folder.forget_document(document)


def _midnight(day: str) -> float:
    return float(calendar.timegm(time.strptime(day, "%Y-%m-%d")))
