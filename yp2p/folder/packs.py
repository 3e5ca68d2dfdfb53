"""Packs: rows of the log that were written close together are one row, and can still be read one by one.

Theory of operation
    A program writes an update for every keystroke. Each of them was applied, stored and told by itself, but whoever
    opens the document or looks back needs hardly ever more than their sum. So the keystrokes of a minute become a
    *pack*: the log has their sum (`protocol/update_merge.py`) under the number of the last of them. The table `pack`
    has the rows themselves, compressed, for whoever asks for one of them: the base of a file, the version that somebody
    names, the undo of a few words, the versions that are compared with a file after a power cut.

    So every number that a row ever had stays valid, and nothing has to be asked before rows are packed. What is older
    than all versions that stay loses its packs' rows with them (`history/retention.py`).

Invariants
    * The log's row has exactly the operations of the pack's rows, in which no section has a gap.
    * The first row of a document is in no pack: it may be an import, or what another device had before.
    * In a pack with rows of several devices all authors are known by their client IDs.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import msgspec
import structlog

from yp2p.errors import DamagedError, InvalidUpdate
from yp2p.identity import DocumentID, FolderID
from yp2p.protocol.clients import Writer
from yp2p.protocol.state_vectors import StateVector
from yp2p.protocol.update_merge import UpdateMerge
from yp2p.protocol.ysync import parse_update
from yp2p.store import tables
from yp2p.store.sql import Read, Statement
from yp2p.store.tables.log import ALL, NOTHING, around

log = structlog.get_logger()

# The keystrokes of so long are one version of `yp2p log`, and told as written then by `yp2p blame`.
SPAN_S = 60.0
# One pack is unpacked in a few milliseconds.
MAX_ROWS = 2000
# Less than a keystroke in two seconds is not worth it: a day has at most 40,000 of them, and then they are thinned.
MIN_ROWS = 32
# Larger rows are pasted texts and saves, of which there are few.
MAX_ROW_BYTES = 1024
# Rows that are read at once where somebody waits for his turn: most have less than a kilobyte.
_PAGE = 64


@dataclass(frozen=True, slots=True)
class Single:
    """One row as it was stored: `at` in seconds since 1970, `origin` empty for our own.

    `group` is that of its undo step, 0 where it is none.
    """

    seq: int
    at: float
    origin: bytes
    group: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Stored:
    """A row of the log; `first` to `seq` are the rows that it is the sum of, as `Pack` has them."""

    seq: int
    at: float
    origin: bytes
    data: bytes
    first: int
    since: float
    alike: bool = True
    removers: bytes = b""
    rows: bytes | None = None

    @classmethod
    def of(cls, row: Sequence[Any]) -> Stored:
        """Args: `row` as `tables.log.rows_with_packs` gives it."""
        seq, at, origin, data, first, since, alike, removers, rows = row
        if first is None:
            return cls(seq, at, origin, data, seq, at)
        return cls(seq, at, origin, data, first, since, bool(alike), removers, rows)

    @property
    def is_pack(self) -> bool:
        return self.first != self.seq

    def singles(self) -> list[Single]:
        """The rows themselves, where they were read; else the one that there is, which is their sum.

        Of a pack that cannot be read the sum stands for its first row: whoever wants the text as it was somewhere in it
        gets it as it was at its end. Without it he would get one that lacks all of it, and take a file for newer.
        """
        if self.rows is not None:
            try:
                return unpacked(self)
            except DamagedError as error:
                log.warning("pack_left_out", reason=str(error), advice="the text is whole, its history is coarser")
                return [Single(self.first, self.since, self.origin, 0, self.data)]
        return [Single(self.seq, self.at, self.origin, 0, self.data)]


class _Columns(msgspec.Struct, array_like=True):
    """The rows of a pack, column by column: differences to the row before, indices into `devices` and `groups`."""

    seqs: list[int]
    times_us: list[int]
    devices: list[bytes]
    origins: list[int]
    groups: list[int]
    steps: list[int]
    updates: list[bytes]


_ENCODER, _DECODER = msgspec.msgpack.Encoder(), msgspec.msgpack.Decoder(_Columns)


def _encoded(rows: Sequence[Single]) -> bytes:
    devices = list(dict.fromkeys(row.origin for row in rows))
    groups = list(dict.fromkeys(row.group for row in rows))
    seqs = [row.seq for row in rows]
    times = [round(row.at * 1e6) for row in rows]
    columns = _Columns(
        [seqs[0], *(b - a for a, b in pairwise(seqs))],
        [times[0], *(b - a for a, b in pairwise(times))],
        devices, [devices.index(row.origin) for row in rows] if len(devices) > 1 else [],
        groups, [groups.index(row.group) for row in rows] if len(groups) > 1 else [],
        [row.data for row in rows],
    )  # fmt: skip
    return zlib.compress(_ENCODER.encode(columns))


def unpacked(stored: Stored) -> list[Single]:
    """The rows of a pack that was read with them. Raises DamagedError."""
    assert stored.rows is not None
    try:
        columns = _DECODER.decode(zlib.decompress(stored.rows))
        found: list[Single] = []
        seq = at_us = 0
        for number, update in enumerate(columns.updates):
            seq += columns.seqs[number]
            at_us += columns.times_us[number]
            origin = columns.devices[columns.origins[number] if columns.origins else 0]
            group = columns.groups[columns.steps[number] if columns.steps else 0]
            found.append(Single(seq, at_us / 1e6, origin, group, update))
    except (zlib.error, msgspec.MsgspecError, IndexError, OverflowError) as error:
        raise DamagedError(f"rows {stored.first} to {stored.seq} of the log cannot be read: {error}") from error
    return found


@dataclass(frozen=True, slots=True)
class Pack:
    """Rows to be packed, and their sum."""

    rows: Sequence[Single]
    data: bytes
    removers: tuple[bytes, ...]

    def statements(self, folder: FolderID, document: DocumentID) -> list[Statement]:
        first, last = self.rows[0], self.rows[-1]
        span = (folder, document, first.seq, last.seq)
        others = [row.origin for row in self.rows if row.origin]
        alike = len({row.origin for row in self.rows}) == 1 and len({bool(row.group) for row in self.rows}) == 1
        # Of a group of undo steps the last row stands for those of the pack. (An undo may have put it aside meanwhile.)
        # Where a file came back (a negative group) its own step is among them, which is no row: they all stay.
        steps = sorted({row.group: row.seq for row in self.rows if row.group > 0}.values())
        removers, rows = _ENCODER.encode(self.removers), _encoded(self.rows)
        return [
            *tables.log.join(*span, self.data, others[0] if others else b""),
            tables.pack.insert(last.seq, folder, document, first.seq, first.at, removers, rows, alike=alike),
            tables.step.delete_between(*span, but=steps),
        ]


class _Window:
    """Rows that may become a pack."""

    def __init__(self, claimed: Set[int]) -> None:
        self._claimed = claimed
        self._merge = UpdateMerge()
        self._removers: set[bytes] = set()
        self._origins: set[bytes] = set()
        self.rows: list[Single] = []

    def take(self, row: Single) -> bool:
        """Add the next row; False when it is not of this window."""
        if self.rows and not (len(self.rows) < MAX_ROWS and 0 <= row.at - self.rows[0].at <= SPAN_S):
            return False
        if len(row.data) > MAX_ROW_BYTES:
            return False
        if self._origins and row.origin not in self._origins and not self._all_claimed(row):
            return False
        known = len(self._merge.sections), self._merge.inserted_units
        try:
            if not self._merge.add(row.data):
                return False
        except InvalidUpdate:
            return False  # it stays as it is
        if known == (len(self._merge.sections), self._merge.inserted_units):
            self._removers.add(row.origin)
        self._origins.add(row.origin)
        self.rows.append(row)
        return True

    def _all_claimed(self, row: Single) -> bool:
        try:
            return {*self._merge.sections, *parse_update(row.data).sections} <= self._claimed
        except InvalidUpdate:
            return False

    def is_over(self, now: float) -> bool:
        return len(self.rows) >= MAX_ROWS or (bool(self.rows) and now - self.rows[0].at > SPAN_S)

    def pack(self) -> Pack | None:
        if len(self.rows) < MIN_ROWS:
            return None
        return Pack(self.rows, self._merge.update(), tuple(self._removers) if len(self._origins) > 1 else ())


def packs_of(rows: Iterable[Single], now: float, claimed: Set[int]) -> Iterator[tuple[int, Pack | None]]:
    """What to pack of rows that follow one another in a log, and up to which row that was decided.

    Args:
        now: seconds since 1970. What may go on in a moment is left for later.
        claimed: the client IDs whose devices are known.
    """
    window = _Window(claimed)
    for row in rows:
        if window.take(row):
            continue
        if window.rows:
            yield window.rows[-1].seq, window.pack()
        window = _Window(claimed)
        if not window.take(row):
            yield row.seq, None
    if window.is_over(now):
        yield window.rows[-1].seq, window.pack()


def stored_rows(read: Read, folder: FolderID, document: DocumentID, unpack: Statement = NOTHING) -> list[Stored]:
    """The log of a document, in order; some packs with their rows."""
    return [Stored.of(row) for row in tables.log.rows_with_packs(read, folder, document, unpack)]


def singles_in_pages(read: Read, folder: FolderID, document: DocumentID) -> Iterator[Single]:
    """The rows of a document as they were stored, in order, read some at a time: others may write between two of them.

    Rows that become a pack meanwhile are given once.
    """
    after = 0
    while rows := tables.log.rows_with_packs(read, folder, document, ALL, after=after, limit=_PAGE):
        for stored in map(Stored.of, rows):
            yield from (row for row in stored.singles() if row.seq > after)
            after = stored.seq


def rows_as_made(read: Read, folder: FolderID, document: DocumentID, known: StateVector) -> list[bytes]:
    """The updates of a document, and instead of a pack its rows where a holder of `known` has only some of it, or where
    there is a repair in it that they lack."""
    found: list[bytes] = []
    for stored in stored_rows(read, folder, document):
        sections = parse_update(stored.data).sections if stored.is_pack else {}
        lacked = {client for client, (_, stop) in sections.items() if stop > known.get(client, 0)}
        is_partly_known = any(start < known.get(client, 0) for client, (start, _) in sections.items())
        if lacked and (is_partly_known or any(Writer.of(client) is Writer.REPAIR for client in lacked)):
            stored = replace(stored, rows=tables.pack.rows_of(read, stored.seq))
        found += (row.data for row in stored.singles())
    return found


def removers_of(stored: Stored) -> list[bytes]:
    """The devices that only removed something in a pack of several."""
    try:
        found: list[bytes] = msgspec.msgpack.decode(stored.removers, type=list[bytes]) if stored.removers else []
    except msgspec.MsgspecError:
        return []
    return found


def rows_until(
    read: Read, folder: FolderID, document: DocumentID, seq: int | None = None, *, singly: int = 0
) -> list[tuple[int, bytes]]:
    """The updates of a document up to a row, with their numbers: as few as there are.

    Args:
        seq: that row; it may be in a pack. Without it: all of them.
        singly: so many of them, the last ones, are to be rows as they were stored.
    """
    until = seq if seq is not None else math.inf
    unpack = ALL if singly else around(seq) if seq is not None else NOTHING
    found: list[tuple[int, bytes]] = []
    wanted = singly
    for stored in reversed(stored_rows(read, folder, document, unpack)):
        if stored.first > until:
            continue
        if stored.seq <= until and wanted <= 0:
            found.append((stored.seq, stored.data))
            continue
        rows = [(row.seq, row.data) for row in stored.singles() if row.seq <= until]
        found += reversed(rows)
        wanted -= len(rows)
    return found[::-1]
