"""Which time on the wall it was when the device had been awake for so long less.

What an editor has open counts by waking time (`documents/save_evidence.py`), which the clock of the loop tells; the
store has the time on the wall. So both are noted together from time to time. Where the device slept in between, the
earlier of the times that it can have been is taken.
"""

from __future__ import annotations

import time
from collections import deque

import trio

# Notes are so far apart at least; between two of them it is not known when the device slept.
_EVERY_S = 60.0
# Whoever set the clock, or came back from a long journey, is not told of all that ever came.
_LONGEST_S = 3 * 86400.0


class WakingTime:
    """The waking time of this device since the daemon was started; before that it counts as awake."""

    def __init__(self) -> None:
        self._notes: deque[tuple[float, float]] = deque()  # seconds awake, and since 1970

    def note(self) -> None:
        """Something happened now that may be asked for later."""
        awake = trio.current_time()
        if not self._notes or awake >= self._notes[-1][0] + _EVERY_S:
            self._notes.append((awake, time.time()))

    def ago(self, awake_s: float) -> float:
        """When it was, in seconds since 1970, that the device had been awake for so long less."""
        self.note()
        now = time.time()
        then = trio.current_time() - awake_s
        while len(self._notes) > 1 and self._notes[1][0] <= then:
            self._notes.popleft()
        awake, at = self._notes[0]
        next_at = self._notes[1][1] if len(self._notes) > 1 else now
        return max(min(at + then - awake, next_at), now - _LONGEST_S)
