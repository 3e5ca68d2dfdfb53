"""What was written into a text lately, by whom it was not read for sure: removing it is told."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from itertools import takewhile

from yp2p.protocol.delete_sets import shared

# Removing what others wrote this recently is told: nobody can say for sure that the writer had read it.
RECENT_S = 600.0
# What a program types is remembered by so much at once.
_ONE_RANGE_S = 60.0


class Recent:
    """Which operations were written elsewhere in the last ten minutes; `overlap` tells what of them a save removes."""

    def __init__(self) -> None:
        self._ranges: deque[tuple[float, int, int, int]] = deque()

    def add(self, at: float, sections: Mapping[int, tuple[int, int]]) -> None:
        """Args: `at` in seconds since 1970; `sections` as in `ysync.Parsed`."""
        for client, (start, stop) in sections.items():
            self._ranges.append((at, client, start, stop))
        self.forget(at)

    def add_typed(self, at: float, sections: Mapping[int, tuple[int, int]]) -> None:
        """The same, for many small updates: what a client goes on with within a minute is kept as one."""
        for client, (start, stop) in sections.items():
            last = self._ranges[-1] if self._ranges else None
            if last is not None and (last[1], last[3]) == (client, start) and at < last[0] + _ONE_RANGE_S:
                self._ranges[-1] = (last[0], client, last[2], stop)
            else:
                self._ranges.append((at, client, start, stop))
        self.forget(at)

    def newest(self) -> set[int]:
        """The client IDs of the last update."""
        newest_first = takewhile(lambda found: found[0] == self._ranges[-1][0], reversed(self._ranges))
        return {client for _, client, _, _ in newest_first}

    def forget(self, now: float) -> None:
        while self._ranges and self._ranges[0][0] < now - RECENT_S:
            self._ranges.popleft()

    def __bool__(self) -> bool:
        return bool(self._ranges)

    def overlap(self, deleted: Iterable[tuple[int, int, int]]) -> int:
        """How many of these operations (client ID, first clock, number) are among them."""
        recent = [(client, start, stop - start) for _, client, start, stop in self._ranges]
        return sum(length for _, _, length in shared(deleted, recent))
