"""When step 1 of Yjs sync goes to a peer again, because something that came before lacks here."""

from __future__ import annotations

import math

# For so long step 1 does not go again: a peer that leaves gaps on purpose would have it go for every message.
RESYNC_INTERVAL_S = 1.0


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

    def may_ask(self, now: float) -> bool:
        """Whether it may go now for what was heard of as deleted only."""
        return now - self._last_at >= RESYNC_INTERVAL_S

    def went(self, now: float) -> None:
        """It goes now."""
        self._last_at, self.due_at = now, math.inf
