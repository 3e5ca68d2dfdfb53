"""When step 1 of Yjs sync goes to a peer again, because something that came before is missing here."""

from __future__ import annotations

import math
from collections.abc import Collection

# For so long step 1 does not go again: a peer that leaves gaps on purpose would have it go for every message.
RESYNC_INTERVAL_S = 1.0
# An answer that has not come by then does not come.
_ANSWER_S = 10.0


class Resyncs:
    """When step 1 goes again, by trio's clock: after a gap, at most once a second, or because somebody asks for it."""

    def __init__(self) -> None:
        self._last_at = -math.inf
        self.due_at = math.inf  # when a gap that came too soon after the last one is to be closed
        self._is_wanted = False

    def want(self) -> None:
        """Have it go, whatever went before."""
        self._is_wanted = True

    def take_wanted(self, now: float) -> bool:
        """Whether it has to go now; then nobody wants it any more."""
        is_wanted, self._is_wanted = self._is_wanted, False
        return is_wanted or now >= self.due_at

    def may_after_gap(self, now: float) -> bool:
        """Whether it may go now that there is a gap; else it is due later."""
        if now - self._last_at >= RESYNC_INTERVAL_S:
            return True
        self.due_at = self._last_at + RESYNC_INTERVAL_S
        return False

    def went(self, now: float) -> None:
        """It goes now."""
        self._last_at, self.due_at = now, math.inf


class Asking:
    """Step 1 that goes for characters of which only the deletion is known here, and which answer has them.

    Each step 1 has its answer, in order. What comes before the one that was asked for is dropped: that one says it too.
    """

    def __init__(self) -> None:
        self._unanswered = 0
        self._before = 0  # answers that come before the one that was asked for
        self._asked_at = -math.inf
        self._clients: frozenset[int] = frozenset()

    @property
    def next_at(self) -> float:
        """When it may go for characters again."""
        return self._asked_at + RESYNC_INTERVAL_S

    def went(self) -> None:
        """Step 1 goes, as ever."""
        self._unanswered += 1

    def asked(self, clients: Collection[int], now: float) -> None:
        """Step 1 goes for characters of these clients."""
        self._clients, self._before, self._asked_at = frozenset(clients), self._unanswered, now
        self._unanswered += 1

    def is_waiting(self, now: float) -> bool:
        """Whether the answer with the characters is still to come."""
        return bool(self._clients) and now < self._asked_at + _ANSWER_S

    def take(self, now: float, *, is_answer: bool) -> frozenset[int] | None:
        """What to do with a message: None, it is dropped; else the clients of which it says again what is here."""
        is_waiting = self.is_waiting(now)
        if is_answer:
            self._unanswered = max(0, self._unanswered - 1)
        if not is_waiting:
            self._clients = frozenset()
            return self._clients
        if not is_answer or self._before:
            self._before -= is_answer
            return None
        clients, self._clients = self._clients, frozenset()
        return clients
