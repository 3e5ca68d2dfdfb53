"""Versions of documents: 32 bytes that are equal on two devices exactly when they hold the same operations.

Theory of operation
    A version is the SHA-256 of a state vector and of what is deleted, in canonical order: by client and clock, and in
    the fewest ranges. The library gives both as a snapshot, whose bytes are not canonical (clients in any order, ranges
    unmerged). To read a hundred thousand ranges takes a fifth of a second, and a change of the document seldom changes
    more than a few. So what is deleted of a client's text is read by regions, each as many clocks long: where the bytes
    of a region are those of the last time, so is what was made of them. Regions follow the clocks, not the number of
    ranges, so a range more in one moves no other.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from operator import add, ge

from yp2p.errors import InvalidUpdate
from yp2p.protocol.cursor import Cursor
from yp2p.protocol.state_vectors import MAX_CLOCK, StateVector, vector_at

# A region has at most 8192 ranges, with as many clocks between them: some 15 ms.
_REGION_BITS = 14
# Read at a time, while the end of a region is looked for.
_RANGES_AT_ONCE = 256
# So many are read in less than 40 us, and not kept.
_FEW_RANGES = 64


@dataclass(frozen=True, slots=True)
class _Region:
    """What is deleted of a client's text from one clock to another: as it stands in a snapshot, and as it is hashed.

    Attributes:
        ranges: how many there are in `data`.
        start, stop: the clocks of the first and behind the last operation.
    """

    data: bytes
    ranges: int
    start: int
    stop: int
    text: str


def document_version(snapshot: bytes) -> bytes:
    """The version of a document. Raises InvalidUpdate.

    Args:
        snapshot: an encoded Yjs snapshot, which is a delete set followed by a state vector.
    """
    return VersionReader().version(snapshot)


def hash_of(vector: StateVector, deleted: list[str]) -> bytes:
    """The version of a document (`versions.py`).

    Args:
        deleted: what is deleted of each client's text, in canonical form and in the order of the clients.
    """
    canonical = f"({sorted(item for item in vector.items() if item[1])!r}, [{', '.join(deleted)}])"
    return hashlib.sha256(canonical.encode()).digest()


class VersionReader:
    """Reads the versions of one document, again and again."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, int], _Region] = {}  # by client and number of the region
        self.ranges_read = 0  # how many were not known from the last time

    def version(self, snapshot: bytes) -> bytes:
        """As `document_version`."""
        cursor = Cursor(snapshot)
        texts: dict[int, str] = {}
        kept: dict[tuple[int, int], _Region] = {}
        for _ in range(cursor.count(2)):
            client = cursor.client()
            if client in texts:
                raise InvalidUpdate(f"client {client} is twice in a delete set", cursor.at)
            texts[client] = self._section(cursor, client, kept)
        vector = vector_at(cursor)
        cursor.finish()
        self._known = kept
        return hash_of(vector, [texts[client] for client in sorted(texts) if texts[client]])

    def _section(self, cursor: Cursor, client: int, kept: dict[tuple[int, int], _Region]) -> str:
        """What is deleted of one client's text, as it is hashed."""
        number, begins = cursor.count(2), cursor.at
        if number <= _FEW_RANGES:
            return _text(client, *_canonical(self._numbers(cursor, number), cursor.at))
        texts: list[str] = []
        reached = -1
        for region in self._regions(cursor, client, number, kept):
            if region.start <= reached:  # they touch, or are out of order: what the library never gives
                cursor.at = begins
                return _text(client, *_canonical(self._numbers(cursor, number), cursor.at))
            reached = region.stop
            texts.append(region.text)
        return ", ".join(texts)

    def _regions(
        self, cursor: Cursor, client: int, left: int, kept: dict[tuple[int, int], _Region]
    ) -> Iterator[_Region]:
        while left:
            key = client, _next_region(cursor)
            region = self._known.get(key)
            if region is None or not _stands_next(region, cursor, left):
                region = self._read_region(cursor, client, left)
            else:
                cursor.at += len(region.data)
            kept[key] = region
            left -= region.ranges
            yield region

    def _read_region(self, cursor: Cursor, client: int, left: int) -> _Region:
        begins, numbers = cursor.at, list[int]()
        while left:
            at, some = cursor.at, self._numbers(cursor, min(left, _RANGES_AT_ONCE))
            region = numbers[0] >> _REGION_BITS if numbers else some[0] >> _REGION_BITS
            inside = next((n for n, start in enumerate(some[::2]) if start >> _REGION_BITS != region), None)
            if inside is not None:
                cursor.at = at
                numbers += cursor.varints(2 * inside)
                break
            numbers += some
            left -= len(some) // 2
        starts, stops = _canonical(numbers, cursor.at)
        data = cursor.data[begins : cursor.at]
        return _Region(data, len(numbers) // 2, starts[0], stops[-1], _text(client, starts, stops))

    def _numbers(self, cursor: Cursor, ranges: int) -> list[int]:
        self.ranges_read += ranges
        return cursor.varints(2 * ranges)


def _next_region(cursor: Cursor) -> int:
    """The region of the range that comes next."""
    at = cursor.at
    start = cursor.varint()
    cursor.at = at
    return start >> _REGION_BITS


def _stands_next(region: _Region, cursor: Cursor, left: int) -> bool:
    """Whether a region is what comes next, all of it."""
    if region.ranges > left or not cursor.data.startswith(region.data, cursor.at):
        return False
    if region.ranges == left:
        return True
    behind = Cursor(cursor.data)
    behind.at = cursor.at + len(region.data)
    return _next_region(behind) != region.start >> _REGION_BITS


def _canonical(numbers: Sequence[int], at: int) -> tuple[list[int], list[int]]:
    """Where the ranges with these first clocks and lengths begin and end: in order, in the fewest ranges."""
    starts, lengths = list(numbers[::2]), numbers[1::2]
    stops = list(map(add, starts, lengths))
    if 0 in lengths or max(stops, default=0) > MAX_CLOCK:
        raise InvalidUpdate("a delete range that is empty or too large", at)
    if any(map(ge, stops, starts[1:])):
        starts, stops = _merged(starts, stops)
    return starts, stops


def _merged(starts: list[int], stops: list[int]) -> tuple[list[int], list[int]]:
    first: list[int] = []
    last: list[int] = []
    for start, stop in sorted(zip(starts, stops, strict=True)):
        if not last or start > last[-1]:
            first.append(start)
            last.append(stop)
        else:
            last[-1] = max(last[-1], stop)
    return first, last


def _text(client: int, starts: list[int], stops: list[int]) -> str:
    pattern = ", ".join([f"[{client}, %d, %d]"] * len(starts))
    return pattern % tuple(chain.from_iterable(zip(starts, stops, strict=True)))
