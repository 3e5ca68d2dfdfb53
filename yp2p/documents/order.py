"""Every character that a text ever had, in order, with who wrote it as which operation: also what is deleted.

The order is asked of a shadow (`shadow.py`), which is made of the log.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from enum import Enum

from yp2p.documents.shadow import Span, spans_in_order
from yp2p.protocol.delete_sets import in_order
from yp2p.protocol.deleted_ranges import DeletedRange
from yp2p.protocol.update_merge import Place, UpdateMerge

__all__ = ["Order", "Ranges", "Span"]

# A text with more blocks is a text of millions of keystrokes.
MAX_BLOCKS = 60_000


class _Beside(Enum):
    """Who wrote what stands beside something."""

    OURS = "ours"
    THEIRS = "theirs"
    NEITHER = "neither"


class Ranges:
    """Ranges of operations, to be asked."""

    def __init__(self, ranges: Iterable[DeletedRange]) -> None:
        self._starts: dict[int, list[int]] = {}
        self._stops: dict[int, list[int]] = {}
        for client, start, length in in_order(ranges):
            self._starts.setdefault(client, []).append(start)
            self._stops.setdefault(client, []).append(start + length)

    def parts(self, span: Span) -> Iterator[tuple[Span, bool]]:
        """A span in parts, of which each is in the ranges or is not."""
        starts, stops = self._starts.get(span.client, []), self._stops.get(span.client, [])
        at, end = span.clock, span.clock + span.length
        number = max(0, bisect_right(starts, at) - 1)
        while at < end:
            while number < len(starts) and stops[number] <= at:
                number += 1
            start = min(end, starts[number]) if number < len(starts) else end
            if at < start:
                yield span.cut(at, start), False
            if start < end:
                stop = min(end, stops[number])
                yield span.cut(max(at, start), stop), True
                at = stop
            else:
                at = end

    def __contains__(self, place: Place) -> bool:
        return all(inside for _, inside in self.parts(Span(*place, 1)))


class Order:
    """All characters of a text in order.

    `sections` are the operations of each client, from the first to behind the last; `ranges`, also as `deleted`, those
    that are not there any more.
    """

    def __init__(self, merge: UpdateMerge, spans: list[Span]) -> None:
        self.sections = merge.sections
        self.spans = spans
        self.ranges = merge.ranges
        self.deleted = Ranges(merge.ranges)
        self.blocks = merge.blocks
        self._block_at = {client: [block.clock for block in blocks] for client, blocks in merge.blocks.items()}
        self._texts: dict[Place, bytes | None] = {}  # of blocks, as UTF-16

    @classmethod
    def of(cls, log: Iterable[bytes]) -> Order | None:
        """The order of a text with this log; None where a row is missing in it, or it has too many blocks.

        Raises:
            CrdtPanic: the library panicked.
            InvalidUpdate: a row is no update of a text.
        """
        merge = UpdateMerge(with_repeats=True)
        return cls.of_sum(merge) if all(merge.add(update) for update in log) else None

    @classmethod
    def of_sum(cls, merge: UpdateMerge) -> Order | None:
        """`of`, where the log has been put together already."""
        blocks = [block for found in merge.blocks.values() for block in found]
        if len(blocks) > MAX_BLOCKS:
            return None
        spans = spans_in_order(blocks)
        return cls(merge, [span for _, span in spans]) if spans is not None else None

    def replaced(
        self, deleted: Iterable[DeletedRange], ours: Iterable[DeletedRange], theirs: Iterable[DeletedRange]
    ) -> list[DeletedRange]:
        """Of deleted characters those that stand next to something that was written: `ours`, and not `theirs`.

        Who replaces a text writes beside what he deletes; nothing else tells who deleted it. What was deleted otherwise
        is passed over.
        """
        found: list[Span] = []
        run: list[Span] = []
        left = _Beside.NEITHER
        for part, beside in self._beside(Ranges(deleted), Ranges(ours), Ranges(theirs)):
            if beside is None:
                run.append(part)
                continue
            if _Beside.OURS in (left, beside) and _Beside.THEIRS not in (left, beside):
                found += run
            run, left = [], beside
        if left is _Beside.OURS:
            found += run
        return in_order((span.client, span.clock, span.length) for span in found)

    def _beside(self, deleted: Ranges, ours: Ranges, theirs: Ranges) -> Iterator[tuple[Span, _Beside | None]]:
        """The characters in parts, with what they are to those beside them; None for those that are in question."""
        for span in self.spans:
            for part, is_asked in deleted.parts(span):
                if is_asked:
                    yield part, None
                    continue
                for one, is_ours in ours.parts(part):
                    if is_ours:
                        yield one, _Beside.OURS
                        continue
                    for two, is_theirs in theirs.parts(one):
                        for three, is_gone in self.deleted.parts(two):
                            if is_theirs or not is_gone:
                                yield three, _Beside.THEIRS if is_theirs else _Beside.NEITHER

    def text(self, span: Span) -> str | None:
        """What a span says, which is in one block; None where that is not known."""
        blocks, starts = self.blocks[span.client], self._block_at[span.client]
        block = blocks[bisect_right(starts, span.clock) - 1]
        place = block.client, block.clock
        if place not in self._texts:
            text = block.text()
            self._texts[place] = text.encode("utf-16-le") if text is not None else None
        units, at = self._texts[place], 2 * (span.clock - block.clock)
        return units[at : at + 2 * span.length].decode("utf-16-le") if units is not None else None
