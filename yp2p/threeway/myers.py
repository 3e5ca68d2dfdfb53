"""The difference of two sequences of lines that git finds, line for line.

Theory of operation
    Several shortest differences of two texts may exist, and which one is taken decides whether a merge is clean. So
    that a merge is clean where `git merge-file` says so, this is git's default: Myers' linear-space algorithm (E. W.
    Myers, "An O(ND) Difference Algorithm and Its Variations", 1986), with what git adds to it:

    * lines that the other text lacks are changed, and are left out of the search; so are lines that are frequent in the
      other text and stand among such lines;
    * the search of a middle point stops early where a long enough run of equal lines has been found, or after a
      number of steps that grows with the square root of the size.

    The search takes time quadratic in the number of differences. `budget` bounds its steps; beyond it there is no
    answer, and the caller takes a coarser one.

Source: git 2.39, xdiff (behaviour; compared with it in tests/threeway/test_against_git.py).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

# Steps of the search: 0.05 s, and twice as many as the largest of 850 merges took that git makes alone.
MAX_STEPS = 150_000

# Rows that are compared at once: a list compares a hundred times as fast as its rows one by one.
_SLICE = 64

# git's figures. A line is frequent when it occurs as often as the square root of the size, at most this often.
_MAX_FREQUENT = 1024
_FREQUENT_WINDOW = 100
_FREQUENT_SHARE = 4  # of this many lines around, all but one have no match
_MIN_COST = 256  # the search is not cut short before as many rounds
_LONG_RUN = 20  # equal lines that show a good path
_GOOD_FACTOR = 4  # a path is good that has come as many lines a round


def changed_rows(old: Sequence[str], new: Sequence[str], budget: int = MAX_STEPS) -> tuple[bytearray, bytearray] | None:
    """One flag a row of either side: whether it differs; None where that takes more than `budget` steps."""
    gone, come = bytearray(len(old)), bytearray(len(new))
    low, high_old, high_new = middle(old, new)
    count_old, count_new = Counter(old), Counter(new)
    rows_old = _searched(old, low, high_old, count_new, gone)
    rows_new = _searched(new, low, high_new, count_old, come)
    numbers: dict[str, int] = {}
    search = _Search(
        [numbers.setdefault(old[row], len(numbers)) for row in rows_old],
        [numbers.setdefault(new[row], len(numbers)) for row in rows_new],
        budget,
    )
    if not search.run():
        return None
    for at in search.gone:
        gone[rows_old[at]] = 1
    for at in search.come:
        come[rows_new[at]] = 1
    return gone, come


def middle(old: Sequence[str], new: Sequence[str]) -> tuple[int, int, int]:
    """The rows between those that both begin with and those that both end with: the first, and where they stop."""
    low, most = 0, min(len(old), len(new))
    while low + _SLICE <= most and old[low : low + _SLICE] == new[low : low + _SLICE]:
        low += _SLICE
    while low < most and old[low] == new[low]:
        low += 1
    end = 0  # rows that both end with
    most -= low
    while end + _SLICE <= most and _equal_ends(old, new, end):
        end += _SLICE
    high_old, high_new = len(old) - end, len(new) - end
    while high_old > low and high_new > low and old[high_old - 1] == new[high_new - 1]:
        high_old -= 1
        high_new -= 1
    return low, high_old, high_new


def _equal_ends(old: Sequence[str], new: Sequence[str], end: int) -> bool:
    """Whether the rows before the last `end` ones are equal."""
    return old[len(old) - end - _SLICE : len(old) - end] == new[len(new) - end - _SLICE : len(new) - end]


def _rough_root(number: int) -> int:
    """A power of two near the square root."""
    return 1 << ((number.bit_length() + 1) // 2)


def _searched(rows: Sequence[str], low: int, high: int, others: Counter[str], changed: bytearray) -> list[int]:
    """The rows of `low:high` that take part in the search; the others are flagged as changed."""
    frequent = min(_rough_root(len(rows)), _MAX_FREQUENT)
    # What is known of each row: 0 has no match, 1 has few, 2 has many.
    kinds = bytearray(0 if not (count := others[row]) else 2 if count >= frequent else 1 for row in rows[low:high])
    if 0 not in kinds:
        return list(range(low, high))
    kept: list[int] = []
    for at, kind in enumerate(kinds):
        if kind == 1 or (kind == 2 and not _is_among_unmatched(kinds, at)):
            kept.append(low + at)
        else:
            changed[low + at] = 1
    return kept


def _is_among_unmatched(kinds: bytearray, at: int) -> bool:
    """Whether a frequent row stands between rows that have no match, with few frequent ones among them."""
    before = _run(kinds[max(0, at - _FREQUENT_WINDOW) : at][::-1])
    if not before[0]:
        return False
    after = _run(kinds[at + 1 : at + 1 + _FREQUENT_WINDOW])
    if not after[0]:
        return False
    unmatched, frequent = before[0] + after[0], before[1] + after[1] + 2
    return frequent * _FREQUENT_SHARE < frequent + unmatched


def _run(kinds: bytearray) -> tuple[int, int]:
    """How many rows have no match, and how many are frequent, up to the first that is neither."""
    stop = kinds.find(1)
    run = kinds if stop < 0 else kinds[:stop]
    return run.count(0), run.count(2)


@dataclass(frozen=True, slots=True)
class _Split:
    """A point that the difference goes through, and whether each half of it is to be searched to the end."""

    old: int
    new: int
    is_exact_before: bool = True
    is_exact_behind: bool = True


class _Search:
    """The search over rows that are numbers; equal rows are equal numbers."""

    def __init__(self, old: list[int], new: list[int], budget: int) -> None:
        self._old, self._new = old, new
        self._left = budget
        diagonals = len(old) + len(new) + 3
        # How far each diagonal (row of `old` minus row of `new`) was followed; negative ones count from the end.
        self._forward, self._backward = [0] * diagonals, [0] * diagonals
        self._max_rounds = max(_rough_root(diagonals), _MIN_COST)
        self.gone: list[int] = []
        self.come: list[int] = []

    def run(self) -> bool:
        """Search; whether the budget was enough."""
        old, new = self._old, self._new
        boxes = [(0, len(old), 0, len(new), False)]
        while boxes:
            start, stop, start_new, stop_new, is_exact = boxes.pop()
            while start < stop and start_new < stop_new and old[start] == new[start_new]:
                start += 1
                start_new += 1
            while start < stop and start_new < stop_new and old[stop - 1] == new[stop_new - 1]:
                stop -= 1
                stop_new -= 1
            if start == stop or start_new == stop_new:
                self.gone.extend(range(start, stop))
                self.come.extend(range(start_new, stop_new))
                continue
            split = self._split(start, stop, start_new, stop_new, is_exact)
            if split is None:
                return False
            boxes.append((split.old, stop, split.new, stop_new, split.is_exact_behind))
            boxes.append((start, split.old, start_new, split.new, split.is_exact_before))
        return True

    def _split(  # noqa: C901 (see below)
        self, start: int, stop: int, start_new: int, stop_new: int, is_exact: bool
    ) -> _Split | None:
        """A point inside a box that a shortest difference goes through, or a good one; None when the budget is used.

        It is one function, longer than others, because it is where comparing spends its time: a call for each diagonal
        doubles that.
        """
        old, new, forward, backward = self._old, self._new, self._forward, self._backward
        lowest, highest = start - stop_new, stop - start_new
        first, last = start - start_new, stop - stop_new
        is_odd = (first - last) & 1
        low = high = first
        low_back = high_back = last
        forward[first], backward[last] = start, stop
        beyond = len(old) + len(new) + 1
        for rounds in range(1, len(old) + len(new) + 2):
            self._left -= high - low + high_back - low_back + 4
            if self._left < 0:
                return None
            has_run = False
            walked = 0
            # The range of diagonals grows at both ends, but where it would leave the box it shrinks there.
            low, high = _grown(forward, low, high, lowest, highest, -1)
            for diagonal in range(high, low - 1, -2):
                below, above = forward[diagonal - 1], forward[diagonal + 1]
                i = began = below + 1 if below >= above else above
                j = i - diagonal
                while i < stop and j < stop_new and old[i] == new[j]:
                    i += 1
                    j += 1
                walked += i - began
                if i - began > _LONG_RUN:
                    has_run = True
                forward[diagonal] = i
                if is_odd and low_back <= diagonal <= high_back and backward[diagonal] <= i:
                    return _Split(i, j)
            low_back, high_back = _grown(backward, low_back, high_back, lowest, highest, beyond)
            for diagonal in range(high_back, low_back - 1, -2):
                below, above = backward[diagonal - 1], backward[diagonal + 1]
                i = began = below if below < above else above - 1
                j = i - diagonal
                while i > start and j > start_new and old[i - 1] == new[j - 1]:
                    i -= 1
                    j -= 1
                walked += began - i
                if began - i > _LONG_RUN:
                    has_run = True
                backward[diagonal] = i
                if not is_odd and low <= diagonal <= high and i <= forward[diagonal]:
                    return _Split(i, j)
            self._left -= walked
            if is_exact:
                continue
            box = start, stop, start_new, stop_new
            if has_run and rounds > _MIN_COST:
                split = self._good_forward(box, rounds, range(high, low - 1, -2), first) or self._good_backward(
                    box, rounds, range(high_back, low_back - 1, -2), last
                )
                if split is not None:
                    return split
            if rounds >= self._max_rounds:
                return self._farthest(box, range(high, low - 1, -2), range(high_back, low_back - 1, -2))
        raise AssertionError("two searches from both ends of a box meet")

    def _good_forward(self, box: tuple[int, int, int, int], rounds: int, diagonals: range, first: int) -> _Split | None:
        """The end of the path that came farthest, if that is far and it ends with a long run of equal rows."""
        start, stop, start_new, stop_new = box
        best, found = _GOOD_FACTOR * rounds, None
        for diagonal in diagonals:
            i = self._forward[diagonal]
            j = i - diagonal
            value = i - start + j - start_new - abs(diagonal - first)
            if (
                value > best
                and start + _LONG_RUN <= i < stop
                and start_new + _LONG_RUN <= j < stop_new
                and self._old[i - _LONG_RUN : i] == self._new[j - _LONG_RUN : j]
            ):
                best, found = value, _Split(i, j, is_exact_behind=False)
        return found

    def _good_backward(self, box: tuple[int, int, int, int], rounds: int, diagonals: range, last: int) -> _Split | None:
        """The same of the paths from the end."""
        start, stop, start_new, stop_new = box
        best, found = _GOOD_FACTOR * rounds, None
        for diagonal in diagonals:
            i = self._backward[diagonal]
            j = i - diagonal
            value = stop - i + stop_new - j - abs(diagonal - last)
            if (
                value > best
                and start < i <= stop - _LONG_RUN
                and start_new < j <= stop_new - _LONG_RUN
                and self._old[i : i + _LONG_RUN] == self._new[j : j + _LONG_RUN]
            ):
                best, found = value, _Split(i, j, is_exact_before=False)
        return found

    def _farthest(self, box: tuple[int, int, int, int], forward: range, backward: range) -> _Split:
        """The end of the path that came farthest, from whichever end."""
        start, stop, start_new, stop_new = box
        ahead = (-1, 0)
        for diagonal in forward:
            i = min(self._forward[diagonal], stop, stop_new + diagonal)
            if ahead[0] < 2 * i - diagonal:
                ahead = 2 * i - diagonal, i
        behind = (2 * (len(self._old) + len(self._new)) + 2, 0)
        for diagonal in backward:
            i = max(self._backward[diagonal], start, start_new + diagonal)
            if 2 * i - diagonal < behind[0]:
                behind = 2 * i - diagonal, i
        if stop + stop_new - behind[0] < ahead[0] - start - start_new:
            return _Split(ahead[1], ahead[0] - ahead[1], is_exact_behind=False)
        return _Split(behind[1], behind[0] - behind[1], is_exact_before=False)


def _grown(reached: list[int], low: int, high: int, lowest: int, highest: int, beyond: int) -> tuple[int, int]:
    if low > lowest:
        low -= 1
        reached[low - 1] = beyond
    else:
        low += 1
    if high < highest:
        high += 1
        reached[high + 1] = beyond
    else:
        high -= 1
    return low, high
