"""The difference of two sequences of rows (lines, or words): the same on every machine, in bounded time and memory.

Theory of operation
    Rows become numbers, and the common rows are a longest common subsequence (rapidfuzz's `Indel`, which is exact and has
    no time limit). Its memory is the product of both lengths in bits, so a pair that is too large is cut first at rows
    that occur once on both sides, in the longest run of them that is in order (patience diff). What is still too
    large after that is one block: a coarser answer, and a right one.

    A block of rows can often be moved: in `a b a b` two different pairs may be the inserted one. As in git's default, it
    is moved to where the other side has a change as well, else down as far as it goes: people see the places that they
    know, and two who insert at one place are seen to do so.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rapidfuzz.distance import Indel

# Rows times rows of one comparison: 2**27 are 16 MiB of the matrix of bits, and a tenth of a second.
_MAX_CELLS = 1 << 27


@dataclass(frozen=True, slots=True)
class Block:
    """Rows `old_start:old_stop` became rows `new_start:new_stop`."""

    old_start: int
    old_stop: int
    new_start: int
    new_stop: int


def blocks(old: Sequence[str], new: Sequence[str]) -> list[Block]:
    """The blocks of rows that differ, in order, where git would see them; between them the rows are equal."""
    return _compacted(differences(old, new), old, new)


def differences(old: Sequence[str], new: Sequence[str]) -> list[Block]:
    """The blocks of rows that differ, in order; between them the rows are equal, one for one."""
    low, high_old, high_new = 0, len(old), len(new)
    while low < high_old and low < high_new and old[low] == new[low]:
        low += 1
    while high_old > low and high_new > low and old[high_old - 1] == new[high_new - 1]:
        high_old -= 1
        high_new -= 1
    if low == high_old and low == high_new:
        return []
    if low == high_old or low == high_new:
        return [Block(low, high_old, low, high_new)]
    numbers: dict[str, int] = {}
    rows_old = [numbers.setdefault(row, len(numbers)) for row in old[low:high_old]]
    rows_new = [numbers.setdefault(row, len(numbers)) for row in new[low:high_new]]
    return list(_joined(_differences(rows_old, rows_new, low, low)))


def _joined(found: Iterator[Block]) -> Iterator[Block]:
    """Blocks that touch each other are one."""
    last: Block | None = None
    for block in found:
        if last is not None and last.old_stop == block.old_start and last.new_stop == block.new_start:
            last = Block(last.old_start, block.old_stop, last.new_start, block.new_stop)
            continue
        if last is not None:
            yield last
        last = block
    if last is not None:
        yield last


def _differences(old: list[int], new: list[int], at_old: int, at_new: int) -> Iterator[Block]:
    if not old or not new:
        if old or new:
            yield Block(at_old, at_old + len(old), at_new, at_new + len(new))
        return
    if len(old) * len(new) <= _MAX_CELLS:
        yield from _longest_common(old, new, at_old, at_new)
        return
    anchors = _anchors(old, new)
    if not anchors:
        yield Block(at_old, at_old + len(old), at_new, at_new + len(new))
        return
    i = j = 0
    for row_old, row_new in [*anchors, (len(old), len(new))]:
        if (row_old - i) * (row_new - j) <= _MAX_CELLS:
            yield from _differences(old[i:row_old], new[j:row_new], at_old + i, at_new + j)
        else:  # no row of it occurs once on both sides, in order
            yield Block(at_old + i, at_old + row_old, at_new + j, at_new + row_new)
        i, j = row_old + 1, row_new + 1


def _longest_common(old: list[int], new: list[int], at_old: int, at_new: int) -> Iterator[Block]:
    i = j = 0
    for step in Indel.opcodes(old, new):
        if step.tag == "equal":
            if i < step.src_start or j < step.dest_start:
                yield Block(at_old + i, at_old + step.src_start, at_new + j, at_new + step.dest_start)
            i, j = step.src_end, step.dest_end
    if i < len(old) or j < len(new):
        yield Block(at_old + i, at_old + len(old), at_new + j, at_new + len(new))


def _anchors(old: list[int], new: list[int]) -> list[tuple[int, int]]:
    """Pairs of equal rows that occur once on both sides: as many as are in order on both."""
    count_old, count_new = Counter(old), Counter(new)
    place = {row: at for at, row in enumerate(new) if count_new[row] == 1}
    pairs = [(at, place[row]) for at, row in enumerate(old) if count_old[row] == 1 and row in place]
    tails: list[int] = []  # the last row of `new` of the best run of each length
    ends: list[int] = []  # which pair that is
    before: list[int] = []
    for number, (_, row) in enumerate(pairs):
        length = bisect_left(tails, row)
        before.append(ends[length - 1] if length else -1)
        if length == len(tails):
            tails.append(row)
            ends.append(number)
        else:
            tails[length], ends[length] = row, number
    run: list[tuple[int, int]] = []
    at = ends[-1] if ends else -1
    while at >= 0:
        run.append(pairs[at])
        at = before[at]
    return run[::-1]


def _compacted(found: list[Block], old: Sequence[str], new: Sequence[str]) -> list[Block]:
    """The same difference with its blocks where git puts them (`xdl_change_compact`)."""
    if not found:
        return []
    gone, come = bytearray(len(old)), bytearray(len(new))
    for block in found:
        gone[block.old_start : block.old_stop] = b"\x01" * (block.old_stop - block.old_start)
        come[block.new_start : block.new_stop] = b"\x01" * (block.new_stop - block.new_start)
    _slide(old, gone, come)
    _slide(new, come, gone)
    result: list[Block] = []
    i = j = 0
    while True:
        i, j = _unchanged(gone, come, i, j)
        if i >= len(old) and j >= len(new):
            return result
        start_old, start_new = i, j
        while i < len(old) and gone[i]:
            i += 1
        while j < len(new) and come[j]:
            j += 1
        result.append(Block(start_old, i, start_new, j))


def _unchanged(gone: bytearray, come: bytearray, i: int, j: int) -> tuple[int, int]:
    """Past the rows that stand on both sides."""
    next_gone, next_come = gone.find(1, i), come.find(1, j)
    steps = min(
        (next_gone if next_gone >= 0 else len(gone)) - i,
        (next_come if next_come >= 0 else len(come)) - j,
    )
    return i + steps, j + steps


class _Group:
    """A run of changed rows (it may be empty) between two unchanged ones."""

    def __init__(self, changed: bytearray) -> None:
        self._changed = changed
        self.start = 0
        self.stop = self._end(0)

    def _end(self, at: int) -> int:
        stop = self._changed.find(0, at)
        return stop if stop >= 0 else len(self._changed)

    def next(self) -> bool:
        if self.stop == len(self._changed):
            return False
        self.start = self.stop + 1
        self.stop = self._end(self.start)
        return True

    def previous(self) -> bool:
        if self.start == 0:
            return False
        self.stop = self.start - 1
        self.start = self._changed.rfind(0, 0, self.stop) + 1
        return True

    def slide_up(self, rows: Sequence[str]) -> bool:
        if self.start == 0 or rows[self.start - 1] != rows[self.stop - 1]:
            return False
        self.start -= 1
        self.stop -= 1
        self._changed[self.start], self._changed[self.stop] = 1, 0
        self.start = self._changed.rfind(0, 0, self.start) + 1
        return True

    def slide_down(self, rows: Sequence[str]) -> bool:
        if self.stop == len(rows) or rows[self.start] != rows[self.stop]:
            return False
        self._changed[self.start], self._changed[self.stop] = 0, 1
        self.start += 1
        self.stop = self._end(self.stop)
        return True


def _slide(rows: Sequence[str], changed: bytearray, other_changed: bytearray) -> None:
    """Move each run of changed rows: to the last changed run of the other side that it can meet, else down."""
    group, other = _Group(changed), _Group(other_changed)
    while True:
        if group.stop > group.start:
            while True:
                size = group.stop - group.start
                matching = False
                while group.slide_up(rows):
                    other.previous()
                earliest = group.stop
                matching = other.stop > other.start
                while group.slide_down(rows):
                    other.next()
                    matching = matching or other.stop > other.start
                if size == group.stop - group.start:
                    break
            if group.stop != earliest and matching:
                while other.stop == other.start:
                    group.slide_up(rows)
                    other.previous()
        if not group.next():
            return
        other.next()
