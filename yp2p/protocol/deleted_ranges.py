"""Deleted operations as Yjs writes them: ranges of client ID, first clock and number, in order and in bytes.

The library cuts the string that a range is in at both ends of the range, which takes as long as the string is. Range
after range of one long string that is quadratic; from the last range to the first it is so with a large factor
(150,000 ranges of 600 KB: 131 s). So what is given to the library begins with some ranges far apart, which leave short
strings to the others (0.3 s).

What a peer sent is believed no further than its bytes go: lengths are checked before anything is made of them. Long
sets are read and written in stretches, between which the loop does other work.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Iterable, Iterator
from itertools import chain
from typing import TypeVar

from yp2p.errors import InvalidUpdate
from yp2p.protocol.cursor import Cursor
from yp2p.protocol.state_vectors import MAX_CLOCK
from yp2p.protocol.wire import write_varint

DeletedRange = tuple[int, int, int]  # client ID, first clock, number

_Result = TypeVar("_Result")

# Fewer ranges of one client are not worth it, whatever their order is (1 ms in a string of a megabyte).
FEW_RANGES = 16
_FAR_APART = 512
_SLICE = 1 << 13
# Ranges read at a stretch, in some 10 ms.
RANGES_AT_ONCE = 1 << 14


def in_order(ranges: Iterable[DeletedRange]) -> list[DeletedRange]:
    """The same operations in the fewest ranges, by client and clock."""
    return finish(ordering_slices(ranges))


def ordering_slices(ranges: Iterable[DeletedRange]) -> Generator[None, None, list[DeletedRange]]:
    """`in_order` in slices of some milliseconds, but for the sorting, which takes as long as a few of them."""
    found: list[DeletedRange] = []
    last, reached = -1, -1
    for number, (client, start, length) in enumerate(sorted(ranges), 1):
        if client != last or start > reached:
            found.append((client, start, length))
            last, reached = client, start + length
        elif start + length > reached:
            reached = start + length
            found[-1] = client, found[-1][1], reached - found[-1][1]
        if number % _SLICE == 0:
            yield
    return found


def finish(steps: Generator[None, None, _Result]) -> _Result:
    """What a generator gives that works in slices, at a stretch."""
    while True:
        try:
            next(steps)
        except StopIteration as done:
            found: _Result = done.value
            return found


def encode(ranges: Iterable[DeletedRange]) -> bytes:
    """A delete set as it stands at the end of an update, in an order in which it takes the library little time."""
    return finish(encoding(ranges))


def encoding(ranges: Iterable[DeletedRange]) -> Generator[None, None, bytes]:
    """`encode` in slices of some milliseconds each."""
    ordered = yield from ordering_slices(ranges)
    by_client: dict[int, list[tuple[int, int]]] = {}
    for number, (client, start, length) in enumerate(ordered, 1):
        by_client.setdefault(client, []).append((start, length))
        if number % _SLICE == 0:
            yield
    out = [write_varint(len(by_client))]
    unyielded = 0
    for client, found in by_client.items():
        out += [write_varint(client), write_varint(len(found))]
        pairs = _far_apart_first(found)
        for at in range(0, len(pairs), _SLICE):
            part = pairs[at : at + _SLICE]
            out += [write_varint(number) for pair in part for number in pair]
            unyielded += len(part)
            if unyielded >= _SLICE:
                unyielded = 0
                yield
    return b"".join(out)


def _far_apart_first(ranges: list[tuple[int, int]]) -> list[tuple[int, int]]:
    if len(ranges) <= _FAR_APART:
        return ranges
    return ranges[::_FAR_APART] + [pair for number, pair in enumerate(ranges) if number % _FAR_APART]


def read_delete_set(cursor: Cursor, most: float = math.inf) -> Iterator[list[DeletedRange]]:
    """The ranges of a delete set, at most `RANGES_AT_ONCE` of one client at a time; the cursor is behind it then.

    Raises InvalidUpdate: it has more than `most` ranges, an empty one, or a client twice.
    """
    seen: set[int] = set()
    number = 0
    for _ in range(cursor.count(2)):
        client = cursor.client()
        if client in seen:
            raise InvalidUpdate(f"client {client} is twice in a delete set", cursor.at)
        seen.add(client)
        left = cursor.count(2)
        number += left
        if number > most:
            raise InvalidUpdate(f"more than {most} deleted ranges", cursor.at)
        while left:
            some = min(left, RANGES_AT_ONCE)
            left -= some
            yield _read_ranges(cursor, client, some)


def _read_ranges(cursor: Cursor, client: int, number: int) -> list[DeletedRange]:
    numbers = iter(cursor.varints(2 * number))
    ranges = [(client, start, length) for start, length in zip(numbers, numbers, strict=True)]
    if any(length == 0 or start + length > MAX_CLOCK for _, start, length in ranges):
        raise InvalidUpdate("a delete range that is empty or too large", cursor.at)
    return ranges


def snapshot_parts(snapshot: bytes) -> Iterator[list[DeletedRange]]:
    """What is deleted in a document, from its encoded snapshot, some ranges at a time."""
    return read_delete_set(Cursor(snapshot))


def snapshot_ranges(snapshot: bytes) -> list[DeletedRange]:
    """What is deleted in a document, from its encoded snapshot."""
    return list(chain.from_iterable(snapshot_parts(snapshot)))
