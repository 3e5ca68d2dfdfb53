"""Refused connections are logged in one line a minute, because strangers decide how often they connect.

A device that was removed, or set up anew, goes on dialling for as long as it runs: of each key that is not known there
is one line an hour. Keys cost nothing, so whoever makes a new one for each connection is back at a line a minute.
"""

from __future__ import annotations

import math
from collections import Counter

import structlog
import trio

# A stranger can connect a thousand times a second; a line for each would fill a disk within days.
_PAUSE_S = 60.0
# A reason may quote what was sent, so that there are any number of them.
_MOST_REASONS = 8
_OTHERS = "other reasons"
_UNKNOWN_PAUSE_S = 3600.0
# Devices that are not known any more, and dial: a household has a few.
_MOST_UNKNOWN = 256

log = structlog.get_logger()


class Refusals:
    """Counts what is refused, and tells of it: the first at once, the rest with the first after a minute.

    Attributes:
        total: how many there were since the start.
    """

    def __init__(self) -> None:
        self.total = 0
        self._counts: Counter[str] = Counter()
        self._told_at = -math.inf
        self._unknown: dict[bytes, float] = {}  # by key: when it was noted, the newest last

    def note_unknown(self, key: bytes, host: str) -> None:
        """A device was refused because its key is not known here."""
        now = trio.current_time()
        if now < self._unknown.get(key, -math.inf) + _UNKNOWN_PAUSE_S:
            self.total += 1
            return
        self._unknown.pop(key, None)
        self._unknown[key] = now
        while len(self._unknown) > _MOST_UNKNOWN:
            del self._unknown[next(iter(self._unknown))]
        self.note(f"a device that is not known (key {key.hex()[:8]}, at {host})")

    def note(self, reason: str) -> None:
        """Something was refused."""
        self.total += 1
        known = reason in self._counts or len(self._counts) < _MOST_REASONS
        self._counts[reason if known else _OTHERS] += 1
        now = trio.current_time()
        if now < self._told_at + _PAUSE_S:
            return
        reasons = [f"{count} x {reason}" for reason, count in self._counts.most_common()]
        log.info("connections_refused", count=self._counts.total(), reasons=reasons)
        self._counts.clear()
        self._told_at = now
