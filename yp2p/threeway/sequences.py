"""The difference of two sequences of rows (lines, or words): the same on every machine, in bounded time and memory.

Theory of operation
    Rows become numbers, and the common rows are a longest common subsequence (rapidfuzz's `Indel`, which is exact and
    has no time limit). Its memory is the product of both lengths in bits, so a pair that is too large is cut first at
    rows that occur once on both sides, in the longest run of them that is in order (patience diff). What is still too
    large after that is one block: a coarser answer, and a right one.

    `blocks` are the differences of lines that git would find (`myers.py`, `sliding.py`), while that takes few enough
    steps; `differences` is any longest common subsequence, for words and for large texts.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from yp2p.threeway.myers import MAX_STEPS, changed_rows, middle
from yp2p.threeway.sliding import slide

# Rows times rows of one comparison: 2**27 are 16 MiB of the matrix of bits, and a tenth of a second.
_MAX_CELLS = 1 << 27
# As many are compared at once, as they are: words of two lines.
_FEW_CELLS = 1 << 14


@dataclass(frozen=True, slots=True)
class Block:
    """Rows `old_start:old_stop` became rows `new_start:new_stop`."""

    old_start: int
    old_stop: int
    new_start: int
    new_stop: int


@cache
def _indel() -> Any:
    """The library, which takes 5 MiB: a device that only receives never needs it."""
    from rapidfuzz.distance import Indel

    return Indel


def blocks(old: Sequence[str], new: Sequence[str], budget: int = MAX_STEPS) -> list[Block]:
    """The blocks of rows that differ, in order, where git would see them; between them the rows are equal.

    Args:
        budget: steps of the search; beyond it another difference is taken, which is as short.
    """
    if old == new:
        return []
    flags = changed_rows(old, new, budget)
    if flags is None:
        flags = bytearray(len(old)), bytearray(len(new))
        for block in differences(old, new):
            for row in range(block.old_start, block.old_stop):
                flags[0][row] = 1
            for row in range(block.new_start, block.new_stop):
                flags[1][row] = 1
    slide(old, *flags)
    slide(new, *flags[::-1])
    return list(_flagged(*flags))


def _flagged(gone: bytearray, come: bytearray) -> Iterator[Block]:
    """The blocks of rows with a flag."""
    i = j = 0
    while True:
        steps = min(gone.find(1, i) % (len(gone) + 1) - i, come.find(1, j) % (len(come) + 1) - j)
        start_old, start_new = i + steps, j + steps
        if start_old == len(gone) and start_new == len(come):
            return
        i, j = gone.find(0, start_old) % (len(gone) + 1), come.find(0, start_new) % (len(come) + 1)
        yield Block(start_old, i, start_new, j)


def differences(old: Sequence[str], new: Sequence[str], *, is_anchored: bool = False) -> list[Block]:
    """The blocks of rows that differ, in order; between them the rows are equal, one for one.

    Args:
        is_anchored: rows that occur once on both sides are equal first, and then what is between them. That is longer,
            and in long texts less by chance.
    """
    low, high_old, high_new = middle(old, new)
    if low == high_old or low == high_new:
        return [Block(low, high_old, low, high_new)] if low < high_old or low < high_new else []
    numbers: dict[str, int] = {}
    rows_old = [numbers.setdefault(row, len(numbers)) for row in old[low:high_old]]
    rows_new = [numbers.setdefault(row, len(numbers)) for row in new[low:high_new]]
    if len(rows_old) * len(rows_new) <= _FEW_CELLS and not is_anchored:
        return list(_few_differences(rows_old, rows_new, low))
    found = _Matched(rows_old, rows_new, is_anchored=is_anchored)
    return [
        Block(low + block.old_start, low + block.old_stop, low + block.new_start, low + block.new_stop)
        for block in _flagged(found.gone, found.come)
    ]


def _few_differences(old: list[int], new: list[int], low: int) -> Iterator[Block]:
    """The same of short sequences, without a detour."""
    i = j = 0
    for step in _indel().opcodes(old, new):
        if step.tag == "equal":
            if i < step.src_start or j < step.dest_start:
                yield Block(low + i, low + step.src_start, low + j, low + step.dest_start)
            i, j = step.src_end, step.dest_end
    if i < len(old) or j < len(new):
        yield Block(low + i, low + len(old), low + j, low + len(new))


class _Matched:
    """The rows that are no part of a common subsequence, as flags; the rows are numbers."""

    def __init__(self, old: list[int], new: list[int], *, is_anchored: bool) -> None:
        self.gone, self.come = bytearray(b"\x01" * len(old)), bytearray(b"\x01" * len(new))
        # Rows that the other side lacks have no part in the search.
        both = set(old).intersection(new)
        self._rows_old = [row for row, number in enumerate(old) if number in both]
        self._rows_new = [row for row, number in enumerate(new) if number in both]
        self._old, self._new = [old[row] for row in self._rows_old], [new[row] for row in self._rows_new]
        if is_anchored or len(self._old) * len(self._new) > _MAX_CELLS:
            self._match_anchors()
        else:
            self._match(0, len(self._old), 0, len(self._new))

    def _match_anchors(self) -> None:
        i = j = 0  # behind the last anchor
        start = 0  # where the run of equal rows before it begins, in the old rows
        for row_old, row_new in [*_anchors(self._old, self._new), (len(self._old), len(self._new))]:
            if row_old != i or row_new != j:
                self._equal(start, j - (i - start), i - start)
                if (row_old - i) * (row_new - j) <= _MAX_CELLS:  # else no row of it occurs once on both sides, in order
                    self._match(i, row_old, j, row_new)
                start = row_old
            i, j = row_old + 1, row_new + 1
        self._equal(start, len(self._new) - (len(self._old) - start), len(self._old) - start)

    def _match(self, start: int, stop: int, start_new: int, stop_new: int) -> None:
        if start < stop and start_new < stop_new:
            for step in _indel().opcodes(self._old[start:stop], self._new[start_new:stop_new]):
                if step.tag == "equal":
                    self._equal(start + step.src_start, start_new + step.dest_start, step.src_end - step.src_start)

    def _equal(self, row_old: int, row_new: int, size: int) -> None:
        for flags, rows, row in ((self.gone, self._rows_old, row_old), (self.come, self._rows_new, row_new)):
            if len(rows) == len(flags):  # no row was left out
                flags[row : row + size] = bytes(size)
            else:
                for at in rows[row : row + size]:
                    flags[at] = 0


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
