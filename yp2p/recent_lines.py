"""The last lines of the log, in memory, for `yp2p logs`: there where the journal is not, and with their fields.

A process has one log, so there is one of these (`RECENT`). Lines come from any thread; whoever waits for the next one
is in a trio loop.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import Any

import trio

# Some 300 bytes each.
_MOST_LINES = 1000


class RecentLines:
    """The last lines, each a dictionary, numbered from 1 in the order in which they came."""

    def __init__(self, most: int = _MOST_LINES) -> None:
        self._lines: deque[dict[str, Any]] = deque(maxlen=most)
        self._count = 0
        self._lock = threading.Lock()
        self._waiting: list[tuple[trio.lowlevel.TrioToken, trio.Event]] = []

    def add(self, line: dict[str, Any]) -> None:
        """One more line. From any thread."""
        with self._lock:
            self._count += 1
            self._lines.append(line)
            waiting, self._waiting = self._waiting, []
        for token, event in waiting:
            try:
                token.run_sync_soon(event.set)
            except trio.RunFinishedError:
                pass

    def after(self, number: int, most: int) -> tuple[int, list[dict[str, Any]]]:
        """The last lines behind line `number`, at most so many; and the number of the last line there is."""
        with self._lock:
            fresh = min(self._count - number, len(self._lines), most)
            return self._count, list(self._lines)[len(self._lines) - fresh :] if fresh > 0 else []

    async def wait(self, number: int) -> None:
        """Return when there is a line behind line `number`."""
        event = trio.Event()
        entry = (trio.lowlevel.current_trio_token(), event)
        with self._lock:
            if self._count > number:
                return
            self._waiting.append(entry)
        try:
            await event.wait()
        finally:
            with self._lock:
                if entry in self._waiting:
                    self._waiting.remove(entry)


RECENT = RecentLines()
