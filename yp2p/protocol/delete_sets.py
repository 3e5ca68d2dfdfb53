"""Sets of deleted operations: their difference, and writing one into an update."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator

from yp2p.protocol.deleted_ranges import DeletedRange, encode, in_order
from yp2p.protocol.ysync import Shape, UpdateParser

__all__ = ["GrowingSet", "deleting_less", "deleting_quickly", "encode", "in_order", "shared", "without"]


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

    def missing(self, client: int, start: int, stop: int) -> Iterator[DeletedRange]:
        """The operations of a client between two clocks that are not in it."""
        starts, stops = self._starts.get(client, []), self._stops.get(client, [])
        number = bisect_right(stops, start)
        while start < stop:
            next_start = min(stop, starts[number]) if number < len(starts) else stop
            if start < next_start:
                yield client, start, next_start - start
            start = stops[number] if number < len(stops) else stop
            number += 1


def shared(ranges: Iterable[DeletedRange], others: Iterable[DeletedRange]) -> list[DeletedRange]:
    """What is in both, in order."""
    ranges = list(ranges)
    return without(ranges, without(ranges, others))


def deleting_less(update: bytes, shape: Shape, known: Iterable[DeletedRange]) -> bytes:
    """An update that does not name again what was deleted before it. Raises InvalidUpdate."""
    parser = UpdateParser(update, shape)
    parser.parse()
    return update[: parser.deletes_at] + encode(without(parser.ranges, known))


def deleting_quickly(update: bytes, shape: Shape) -> bytes:
    """The same update, with its deleted ranges in the order of `encode`."""
    return deleting_less(update, shape, ())
