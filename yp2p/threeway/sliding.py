"""Blocks of changed rows moved to where git shows them.

A block of rows can often be moved: in `a b a b` either `a b` may be the one that was inserted. As in git's default,
it is moved to the last place where the other side has a change as well, else down as far as it goes: people see the
places that they know, and two who insert at one place are seen to do so. Blocks that meet on the way are one from
then on.
"""

from __future__ import annotations

from collections.abc import Sequence

# Rows that blocks are moved over, all together. Only repeated rows move far: a file of one line 100,000 times is 2e5
# steps.
_MAX_STEPS = 2_000_000


def slide(rows: Sequence[str], changed: bytearray, other_changed: bytearray) -> None:
    """Move each run of flags in `changed`; those of the other side stay where they are."""
    meeting = {gap for gap, _ in _runs(other_changed)}
    ahead = _runs(changed)[::-1]
    behind: list[tuple[int, int]] = []
    changed[:] = bytes(len(changed))
    shift = 0  # rows of the runs in `behind`
    steps = 0
    while ahead:
        gap, size = ahead.pop()  # unchanged rows before the run, and its length
        size_before = 0
        top = bottom = gap
        meets = -1
        while size != size_before and steps < _MAX_STEPS:
            size_before = size
            start = gap + shift
            while gap and rows[start - 1] == rows[start + size - 1]:
                gap -= 1
                start -= 1
                steps += 1
                if behind and behind[-1][0] == gap:
                    grown = behind.pop()[1]
                    start, size, shift = start - grown, size + grown, shift - grown
            top = gap
            meets = gap if gap in meeting else -1
            while start + size < len(rows) and rows[start] == rows[start + size]:
                gap += 1
                start += 1
                steps += 1
                if ahead and ahead[-1][0] == gap:
                    size += ahead.pop()[1]
                if gap in meeting:
                    meets = gap
            bottom = gap
        if bottom != top and meets >= 0:
            gap = meets
        behind.append((gap, size))
        shift += size
    shift = 0
    for gap, size in behind:
        changed[gap + shift : gap + shift + size] = b"\x01" * size
        shift += size


def _runs(changed: bytearray) -> list[tuple[int, int]]:
    """Each run of flags: how many rows without one are before it, and its length."""
    found: list[tuple[int, int]] = []
    shift = 0
    start = changed.find(1)
    while start >= 0:
        stop = changed.find(0, start)
        stop = stop if stop >= 0 else len(changed)
        found.append((start - shift, stop - start))
        shift += stop - start
        start = changed.find(1, stop)
    return found
