"""What two sides of one text had before they went apart: operations, and what of them was deleted.

Theory of operation
    What both had are the updates that both have in full. An operation that came to either side in another repair is a
    change of both sides, and so is what both deleted, each with an update of its own.

    The text of that may be one that nobody ever had: where both have the edits of two others, and each has repaired
    them in its own way, the union of these edits is what Yjs made of it. What a side went on from is that with its own
    repairs. With those of both a line that either put in at another place would stand twice, and each side would seem
    to have taken out one of them. So there are three pasts: as it was, and with the repairs of either side; the one is
    right from which both sides went on with the least changes (`joined.py`).

Invariants
    * Whatever is given here does not depend on which side is ours.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from yp2p.documents.removals import is_repair
from yp2p.protocol import delete_sets
from yp2p.protocol.clients import Writer
from yp2p.protocol.deleted_ranges import DeletedRange
from yp2p.protocol.state_vectors import StateVector, contains
from yp2p.protocol.ysync import Parsed, Shape, UpdateParser


@dataclass(frozen=True, slots=True)
class Side:
    """What one side had: its state vector, and what was deleted there."""

    vector: StateVector
    deleted: Iterable[DeletedRange]


class Ranges:
    """Deleted ranges, to be asked."""

    def __init__(self, ranges: Iterable[DeletedRange]) -> None:
        self._starts: dict[int, list[int]] = {}
        self._stops: dict[int, list[int]] = {}
        for client, start, length in delete_sets.in_order(ranges):
            self._starts.setdefault(client, []).append(start)
            self._stops.setdefault(client, []).append(start + length)

    def has(self, client: int, clock: int) -> bool:
        starts = self._starts.get(client)
        if starts is None:
            return False
        at = bisect_right(starts, clock) - 1
        return at >= 0 and clock < self._stops[client][at]

    def cut(self, client: int, start: int, stop: int, into: set[int]) -> None:
        """Add where ranges begin or end between two clocks."""
        starts = self._starts.get(client)
        if starts is None or starts[-1] < start >= self._stops[client][-1]:
            return
        stops = self._stops[client]
        at = max(0, bisect_right(starts, start) - 1)
        while at < len(starts) and starts[at] < stop:
            if starts[at] > start:
                into.add(starts[at])
            if start < stops[at] < stop:
                into.add(stops[at])
            at += 1


@dataclass(frozen=True, slots=True)
class _Had:
    """An update, and which sides have had it in full."""

    parsed: Parsed
    deleted: Sequence[DeletedRange]
    by_ours: bool
    by_theirs: bool

    @property
    def by_both(self) -> bool:
        return self.by_ours and self.by_theirs


def _operations(parsed: Parsed) -> StateVector:
    return {client: stop for client, (_, stop) in parsed.sections.items()}


def _read(updates: Iterable[bytes], ours: StateVector, theirs: StateVector) -> Iterator[_Had]:
    for update in updates:
        parser = UpdateParser(update, Shape.TEXT)
        parsed = parser.parse()
        ends = _operations(parsed)
        yield _Had(parsed, parser.ranges, contains(ours, ends), contains(theirs, ends))


@dataclass(frozen=True, slots=True)
class OneSide:
    """One side, with repairs that it alone has made.

    Attributes:
        name: `ours` or `theirs`.
        copies: the client IDs of what these repairs put in.
        took_out: what these repairs took out.
    """

    name: str
    vector: StateVector
    copies: frozenset[int]
    took_out: Ranges


@dataclass(slots=True)
class SharedPast:
    """What both had before they went apart; with repairs of it that one side has made since, if a side is given."""

    vector: dict[int, int]
    deleted: list[DeletedRange]
    side: OneSide | None = None

    @classmethod
    def all_of(cls, updates: Iterable[bytes], ours: Side, theirs: Side) -> list[SharedPast]:
        """What both may have gone on from: as it was and, where both have repairs, with those of either."""
        found, told = cls._of(updates, ours, theirs)
        are_both_repaired = all(
            Writer.REPAIR in {Writer.of(client) for client, clock in one.items() if clock > other.get(client, 0)}
            for one, other in ((ours.vector, theirs.vector), (theirs.vector, ours.vector))
        )
        if not are_both_repaired:
            return [found]
        return [
            found,
            *(
                found._repaired(name, vector, told)
                for name, vector in (("ours", ours.vector), ("theirs", theirs.vector))
            ),
        ]

    def _repaired(self, name: str, vector: StateVector, told: Iterable[_Had]) -> SharedPast:
        """What both had, with the repairs of one side."""
        alone = [update for update in told if not update.by_both and getattr(update, f"by_{name}")]
        took_out = [item for update in alone if is_repair(update.parsed) for item in update.deleted]
        repairs = {client: clock for client, clock in vector.items() if Writer.of(client) is Writer.REPAIR}
        return SharedPast(
            self.vector | repairs,
            [*self.deleted, *took_out],
            OneSide(name, vector, frozenset(repairs).difference(self.vector), Ranges(took_out)),
        )

    @classmethod
    def _of(cls, updates: Iterable[bytes], ours: Side, theirs: Side) -> tuple[SharedPast, list[_Had]]:
        """What both had: all operations that both have, and what was deleted by updates that both have in full; and all
        updates.

        Of a sum of updates (what is left of an old pack, or an answer to step 1) of which both have only some, what
        both have deleted counts as deleted before: but not what a repair took out that one side alone has. That stood
        until then, and a line that each side put in at another place would be in the past of neither.
        """
        both = {c: min(clock, theirs.vector.get(c, 0)) for c, clock in ours.vector.items()}
        found = cls({client: clock for client, clock in both.items() if clock}, [])
        told = list(_read(updates, ours.vector, theirs.vector))
        found._leave_out_pieces(told)
        repairs: list[_Had] = []
        of_sums: list[DeletedRange] = []
        for update in told:
            if update.by_both:
                found.deleted += update.deleted
            elif is_repair(update.parsed):
                repairs.append(update)
            elif any(start < found.vector.get(client, 0) for client, (start, _) in update.parsed.sections.items()):
                of_sums += update.deleted
        if of_sums:
            unknown = delete_sets.without(of_sums, [item for one in repairs for item in one.deleted])
            found.deleted += delete_sets.shared(unknown, delete_sets.shared(ours.deleted, theirs.deleted))
        return found, told

    def _has(self, clocks: Mapping[int, int]) -> bool:
        return contains(self.vector, clocks)

    def _leave_out_pieces(self, told: Iterable[_Had]) -> None:
        """Leave out operations that both have of repairs alone, and of none in full."""
        others: set[int] = set()
        pieces: set[int] = set()
        for update in told:
            is_piece = not update.by_both and is_repair(update.parsed)
            (pieces if is_piece else others).update(update.parsed.sections)
        for client in pieces - others:
            self.vector.pop(client, None)
