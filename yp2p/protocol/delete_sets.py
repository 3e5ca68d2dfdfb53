"""Sets of deleted operations as ranges: in order, taken from one another, put into an update.

Ranges are client ID, first clock and number of operations, as Yjs has them.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable

from yp2p.protocol.wire import write_varint
from yp2p.protocol.ysync import DeletedRange, Shape, UpdateParser


def in_order(ranges: Iterable[DeletedRange]) -> list[DeletedRange]:
    """The same operations in the fewest ranges, by client and clock."""
    found: list[DeletedRange] = []
    for client, start, length in sorted(ranges):
        if found and found[-1][0] == client and start <= found[-1][1] + found[-1][2]:
            _, before, known = found.pop()
            found.append((client, before, max(known, start + length - before)))
        else:
            found.append((client, start, length))
    return found


def without(ranges: Iterable[DeletedRange], known: Iterable[DeletedRange]) -> list[DeletedRange]:
    """What is in `ranges` and not in `known`, in order."""
    left: list[DeletedRange] = []
    others = in_order(known)
    at = 0
    for client, start, length in in_order(ranges):
        stop = start + length
        while at < len(others) and (others[at][0], others[at][1] + others[at][2]) <= (client, start):
            at += 1
        number = at
        while start < stop and number < len(others) and others[number][:2] < (client, stop):
            _, first, size = others[number]
            if first > start:
                left.append((client, start, first - start))
            start = max(start, first + size)
            number += 1
        if start < stop:
            left.append((client, start, stop - start))
    return left


class GrowingSet:
    """A set of deleted operations to which ranges are added one by one."""

    def __init__(self) -> None:
        self._starts: dict[int, list[int]] = {}
        self._stops: dict[int, list[int]] = {}

    def add(self, deleted: DeletedRange) -> int:
        """Add a range; gives how many of its operations are new."""
        client, start, length = deleted
        starts, stops = self._starts.setdefault(client, []), self._stops.setdefault(client, [])
        stop = start + length
        first = bisect_left(stops, start)  # the first range that touches this one, or is behind it
        last = bisect_right(starts, stop)  # behind the last one
        known = sum(min(stop, stops[n]) - max(start, starts[n]) for n in range(first, last))
        if first < last:
            start, stop = min(start, starts[first]), max(stop, stops[last - 1])
        starts[first:last], stops[first:last] = [start], [stop]
        return length - known


def shared(ranges: Iterable[DeletedRange], others: Iterable[DeletedRange]) -> list[DeletedRange]:
    """What is in both, in order."""
    ranges = list(ranges)
    return without(ranges, without(ranges, others))


def encode(ranges: Iterable[DeletedRange]) -> bytes:
    """A delete set as it stands at the end of an update."""
    by_client: dict[int, list[tuple[int, int]]] = {}
    for client, start, length in in_order(ranges):
        by_client.setdefault(client, []).append((start, length))
    out = [write_varint(len(by_client))]
    for client, found in by_client.items():
        out += [write_varint(client), write_varint(len(found))]
        out += [write_varint(number) for pair in found for number in pair]
    return b"".join(out)


def deleting_less(update: bytes, shape: Shape, known: Iterable[DeletedRange]) -> bytes:
    """An update that does not name again what was deleted before it. Raises InvalidUpdate."""
    parser = UpdateParser(update, shape)
    parser.parse()
    return update[: parser.deletes_at] + encode(without(parser.ranges, known))
