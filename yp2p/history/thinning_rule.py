"""Which rows of one document's log stay, and what the others are joined into: the rule, over rows that were read.

Theory of operation
    `retention.py` says which rows are meant to stay, and why; here that is decided for one log. By its age each row
    stays or goes (`ages.py`). Where what is left takes more than the log may, all spans are halved, and it is decided
    anew; then what others changed within the last day stays (`before_others`).

    A row that goes is joined with the next one that stays (`documents/thinning.py`), as one of the device that is said
    to have brought it (`senders`). So some rows stay only because they have another sender.

    A pack (`folder/packs.py`) is a row whose update is the sum of single ones that are kept beside it. These go when
    the pack itself is joined, or is so old that not each of them would stay.

Nothing in here touches the store or the folder.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence, Set
from dataclasses import dataclass
from itertools import pairwise

from yp2p.documents.thinning import joined
from yp2p.folder.uncounted import KEPT_APART_S
from yp2p.history.ages import DAY_S, Ages, versions_that_stay, width_at
from yp2p.protocol.clients import Writer
from yp2p.protocol.ysync import Shape, UpdateParser

# A 64th of a day is twenty minutes.
MOST_SQUEEZED = 64
# A row costs about so much beside its data: the table's and the index's entries.
ROW_BYTES = 80

# A row that stays: its number, its update, and the device that it is said to come from.
Joined = tuple[int, bytes, bytes]


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
class Log:
    """What is known of a document's log and of what it may take.

    Attributes:
        shape: of its updates.
        size: its bytes, without the rows of packs; `limit`: what it may have, with them.
        max_age_s, squeeze, young, in_use: see `versions_that_stay`.
        claimed: the client IDs whose devices are known otherwise.
        certain: up to which row nothing can come to be doubted.
    """

    shape: Shape
    size: int
    limit: int
    ages: Ages
    max_age_s: float
    squeeze: int
    young: int
    in_use: Set[int]
    claimed: Set[int]
    certain: int

    def may_be_doubted(self, seq: int, at: float) -> bool:
        """Whether it has to be known who brought a row."""
        return seq > self.certain and self.ages(seq, at) < KEPT_APART_S

    def is_held(self, mark: Mark) -> bool:
        """Whether something refers to a row in the middle of a pack, or it has to be known who brought each."""
        is_doubtful = mark.first != mark.seq and self.may_be_doubted(mark.seq, mark.at)
        return is_doubtful or any(mark.holds(seq) for seq in self.in_use)


@dataclass(frozen=True, slots=True)
class Thinned:
    """What is made of a log: `old` rows become `new` ones, and the single rows of the packs `going` go."""

    old: Sequence[Row]
    new: Sequence[Joined]
    going: Sequence[Mark]

    @property
    def removed(self) -> set[int]:
        return {row.seq for row in self.old} - {seq for seq, _, _ in self.new}

    @property
    def bytes_gained(self) -> int:
        packed = sum(pack.packed for pack in self.going)
        return _cost(row.data for row in self.old) - _cost(data for _, data, _ in self.new) + packed

    def needs(self, used: Set[int]) -> bool:
        """Whether something that is in use goes."""
        return bool(used & self.removed) or any(pack.holds(seq) for pack in self.going for seq in used)


def thinned(log: Log, marks: Sequence[Mark], read_rows: Callable[[], Sequence[Row]]) -> Thinned | None:
    """What to make of a log with these rows; None: it stays as it is. The rows themselves are read when they matter."""
    rows: Sequence[Row] = ()
    new: list[Joined] = []
    size, before, squeeze = log.size, -1, log.squeeze
    while True:
        kept: set[int] = set()
        if squeeze > 1:
            rows = rows or read_rows()
            kept = before_others(rows, log.ages)
        stay = _stay(log, marks, kept, squeeze)
        if len(stay) < len(marks) and len(stay) != before:
            rows = rows or read_rows()
            new, before = _joined(log, rows, stay), len(stay)
            size = _cost(data for _, data, _ in new)
        going = _going(log, marks, {seq for seq, _, _ in new} if new else {mark.seq for mark in marks}, squeeze)
        packed = sum(mark.packed for mark in marks) - sum(mark.packed for mark in going)
        if size + packed <= log.limit or squeeze >= MOST_SQUEEZED or log.shape is Shape.MANIFEST:
            break
        squeeze *= 2
    found = Thinned(rows if new else (), new, going)
    return found if found.removed or going else None


def _stay(log: Log, marks: Sequence[Mark], kept: Set[int], squeeze: int) -> set[int]:
    in_use = log.in_use | kept
    for number, mark in enumerate(marks):
        if log.is_held(mark):
            in_use |= {mark.seq, marks[max(0, number - 1)].seq}  # so that it is joined with nothing
    times = [(mark.seq, mark.at) for mark in marks]
    return versions_that_stay(times, log.ages, log.max_age_s, squeeze=squeeze, young=log.young, in_use=in_use)


def _going(log: Log, marks: Sequence[Mark], stay: Set[int], squeeze: int) -> list[Mark]:
    """The packs that are to be merged, and those so old that not every version of them is kept."""
    found: list[Mark] = []
    is_alone = True
    for mark in marks:
        is_alone = is_alone and mark.seq in stay
        is_old = mark.seq <= log.young and width_at(log.ages(mark.seq, mark.at), log.max_age_s, squeeze) > 0
        if mark.first != mark.seq and (not is_alone or (is_old and not log.is_held(mark))):
            found.append(mark)
        is_alone = mark.seq in stay
    return found


def _joined(log: Log, rows: Sequence[Row], stay: Set[int]) -> list[Joined]:
    apart = {row.seq for row in rows if log.may_be_doubted(row.seq, row.at)}
    origins = senders(rows, stay, log.shape, log.claimed, apart)
    new = joined([(row.seq, row.data) for row in rows], origins.keys(), log.shape)
    return [(seq, data, origins[seq]) for seq, data in new]


def _cost(updates: Iterable[bytes]) -> int:
    return sum(len(update) + ROW_BYTES for update in updates)
