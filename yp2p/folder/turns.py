"""Turns: long work is done in slices, and in each round of the loop one task does one slice.

The loop runs a step of every task that is ready before it looks at what came in. If many tasks did a slice in the same
round, everybody else would wait for all of those slices. Whoever works for a member that had its share rests before
the next slice (`budget.py`).
"""

from __future__ import annotations

import trio

from yp2p.folder.budget import rest

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
