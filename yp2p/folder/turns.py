"""Turns: long work is done in slices, and in each round of the loop one task does one slice.

The loop runs a step of every task that is ready before it looks at what came in. If many tasks did a slice in the same
round, everybody else would wait for all of those slices. Whoever works for a member that had its share rests before
the next slice (`budget.py`).
"""

from __future__ import annotations

import time
from collections.abc import Iterable

import trio

from yp2p.folder.budget import rest

# What goes on between two turns where bytes do not tell how long it takes, by the time of the processor.
SLICE_S = 0.008

_LOCK: trio.lowlevel.RunVar[trio.Lock] = trio.lowlevel.RunVar("turns")


async def turn() -> None:
    """Wait until a slice of long work may go on; others get their step before that."""
    await rest()
    try:
        lock = _LOCK.get()
    except LookupError:
        lock = trio.Lock()
        _LOCK.set(lock)
    async with lock:
        await trio.lowlevel.checkpoint()


class Slice:
    """What goes on between two turns: so much time of the processor."""

    def __init__(self, limit_s: float = SLICE_S) -> None:
        self._limit_s = limit_s
        self._began = time.thread_time()

    @property
    def is_long(self) -> bool:
        """Whether it is time for the next turn."""
        return time.thread_time() - self._began >= self._limit_s

    async def end_if_long(self) -> None:
        """Let others go on where it is time for that."""
        if self.is_long:
            await self.end()

    async def end(self) -> None:
        """Let others go on, and begin the next one."""
        await turn()
        self._began = time.thread_time()


async def any_of(events: Iterable[trio.Event]) -> None:
    """Return when one of these has happened."""

    async def cancel_when(event: trio.Event) -> None:
        await event.wait()
        nursery.cancel_scope.cancel()

    async with trio.open_nursery() as nursery:
        for event in events:
            nursery.start_soon(cancel_when, event)
