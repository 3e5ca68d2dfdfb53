"""Who of two devices had which character of a merged text, and what either of them had taken out in between.

The merged document has the operations of both, and state vectors tell what each had before. Every character of its
update is replaced by a letter: one for what both had, another one for each piece that only one side had, and two for
what is deleted. Without its delete set, loading that gives the letters in the order of the text, with the gaps in it.

The result is made for looking at and never merged anywhere.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass

from yp2p.protocol.wire import write_varint
from yp2p.protocol.ysync import Cursor, DeletedRange, Shape, StateVector, UpdateParser

BOTH = "b"
GONE = "g"  # deleted by both, or before
GAP = "s"  # deleted by one side only, while the other kept it
_DELETED, _STRING = 1, 4
# Letters for pieces: one UTF-16 unit each, below the surrogates.
_FIRST, _LAST = 0x100, 0xD7FF
MAX_PIECES = _LAST - _FIRST


@dataclass(frozen=True, slots=True)
class Side:
    """What one device had: its state vector, and what was deleted there."""

    vector: StateVector
    deleted: Iterable[DeletedRange]


class _Ranges:
    """Deleted ranges, to be asked."""

    def __init__(self, ranges: Iterable[DeletedRange]) -> None:
        self._starts: dict[int, list[int]] = {}
        self._stops: dict[int, list[int]] = {}
        for client, start, length in sorted(ranges):
            self._starts.setdefault(client, []).append(start)
            self._stops.setdefault(client, []).append(start + length)

    def holds(self, client: int, clock: int) -> bool:
        starts = self._starts.get(client)
        if starts is None:
            return False
        at = bisect_right(starts, clock) - 1
        return at >= 0 and clock < self._stops[client][at]

    def touches(self, client: int, clock: int, length: int) -> bool:
        """Whether anything of a block is in them."""
        starts = self._starts.get(client)
        if starts is None:
            return False
        at = bisect_right(starts, clock + length - 1) - 1
        return at >= 0 and clock < self._stops[client][at]


class _Labeller(UpdateParser):
    def __init__(self, state: bytes, ours: Side, theirs: Side) -> None:
        super().__init__(state, Shape.TEXT)
        self._data = state
        self._vectors = ours.vector, theirs.vector
        self._deleted = _Ranges(ours.deleted), _Ranges(theirs.deleted)
        self._all: _Ranges = _Ranges([])
        self.sides: list[bool] = []

    def labelled(self) -> bytes:
        scout = UpdateParser(self._data, Shape.TEXT)
        scout.parse()
        self._all = _Ranges(scout.ranges)
        cursor = self._cursor
        out: list[bytes] = []
        number = cursor.count(4)
        out.append(write_varint(number))
        for _ in range(number):
            self._labelled_section(out)
        out.append(b"\x00")  # nothing is deleted: the gaps are to be seen
        return b"".join(out)

    def _labelled_section(self, out: list[bytes]) -> None:
        cursor = self._cursor
        begin = cursor.at
        blocks, client, clock = self._section()
        out.append(self._data[begin : cursor.at])
        for _ in range(blocks):
            begin = cursor.at
            length = self._block(client, clock)
            block = self._data[begin : cursor.at]
            if block[0] & 0x1F in (_STRING, _DELETED):
                letters = self._letters(client, clock, length).encode()
                head = bytes([block[0] & ~0x1F | _STRING]) + block[1 : _content_at(block)]
                block = head + write_varint(len(letters)) + letters
            out.append(block)
            clock += length

    def _letters(self, client: int, clock: int, length: int) -> str:
        ours, theirs = (vector.get(client, 0) for vector in self._vectors)
        both = max(0, min(length, min(ours, theirs) - clock))
        letters = BOTH * both
        if both < length:
            self.sides.append(ours > theirs)
            letters += (chr(_FIRST + len(self.sides) - 1) if len(self.sides) <= MAX_PIECES else BOTH) * (length - both)
        if not self._all.touches(client, clock, length):
            return letters
        return "".join(
            self._gap(client, clock + at, at < both) if self._all.holds(client, clock + at) else letter
            for at, letter in enumerate(letters)
        )

    def _gap(self, client: int, clock: int, common: bool) -> str:
        ours, theirs = (ranges.holds(client, clock) for ranges in self._deleted)
        return GAP if common and ours != theirs else GONE


def _content_at(block: bytes) -> int:
    """Where the content of a block begins: after the info byte and the origins or the parent."""
    cursor = Cursor(block)
    cursor.at = 1
    for flag in (0x80, 0x40):
        if block[0] & flag:
            cursor.client()
            cursor.varint()
    if not block[0] & 0xC0:
        cursor.varint()
        cursor.text()
    return cursor.at


def labelled(state: bytes, ours: Side, theirs: Side) -> tuple[bytes, list[bool]]:
    """A text document with a letter for every UTF-16 unit that ever was, and of each piece whether it is ours.

    Args:
        state: a whole text document, made here.
        ours, theirs: what each side had; together all there is.
    """
    labeller = _Labeller(state, ours, theirs)
    return labeller.labelled(), labeller.sides


def piece_number(letter: str) -> int:
    """The index of the piece that a letter stands for."""
    return ord(letter) - _FIRST
