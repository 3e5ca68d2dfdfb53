"""Turns: long work is done in slices, and of all tasks that are at some one goes on at a time.

The loop runs a step of each task that can go on before it looks at what came in. With a slice of many peers' long work
in each round everybody else would wait for all of them; so in a round there is one such slice, whoever it is for. And
whoever works for a member that had its share rests before the next one (`budget.py`).
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
