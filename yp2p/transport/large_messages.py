"""Large messages: how much of them all links together have in memory.

Theory of operation
    A message may have 64 MiB, and so each link may have one on its way in and another one that is worked on; a member
    may let in any number of devices. So a link that learns that a message has more than `TURN_BYTES` reads on when it
    is its turn: what the messages of all links that have one take together is at most `MOST_BYTES`; a larger one goes
    alone. A turn lasts until the message was dealt with: received, taken by whoever it is for, and done.

    Turns are given in the order in which they were asked for. Whoever has one and does not get on keeps the others
    from theirs; so while others wait a message may take as long as a slow network needs for it, and then its link ends.
    Only the time counts in which there was nothing to read, and so none that we take ourselves.

    What nobody asked for needs no turn: it is dropped as it comes (`Incoming`).

Invariants
    * A link has one turn at most.
    * What is held is let go of: by whoever dealt with the message, or with the end of the session or the link.
"""

from __future__ import annotations

from collections import deque

import trio

# Chunks of files come in messages of 2 MiB, of which each link has a few: these need no turn.
TURN_BYTES = 3 << 20
# While it is worked on a message is in memory twice.
MOST_BYTES = 16 << 20
# How long others may have to wait for a message to come.
_PATIENCE_S, _SLOW_BYTES_PER_S = 5.0, 1 << 19


class _Room:
    """The turns of this loop's links."""

    def __init__(self) -> None:
        self.waiting: deque[tuple[int, trio.Event]] = deque()
        self.used, self.turns = 0, 0

    async def take(self, size: int) -> None:
        if self.waiting or not self._fits(size):
            asked = size, trio.Event()
            self.waiting.append(asked)
            try:
                await asked[1].wait()
            except BaseException:
                if asked in self.waiting:
                    self.waiting.remove(asked)
                    self._give()
                else:  # it was given at this moment
                    self.give_back(size)
                raise
        else:
            self.used, self.turns = self.used + size, self.turns + 1

    def _fits(self, size: int) -> bool:
        return not self.turns or self.used + size <= MOST_BYTES

    def give_back(self, size: int) -> None:
        self.used, self.turns = self.used - size, self.turns - 1
        self._give()

    def _give(self) -> None:
        while self.waiting and self._fits(self.waiting[0][0]):
            size, given = self.waiting.popleft()
            self.used, self.turns = self.used + size, self.turns + 1
            given.set()


_ROOM: trio.lowlevel.RunVar[_Room] = trio.lowlevel.RunVar("large messages")


def _room() -> _Room:
    try:
        return _ROOM.get()
    except LookupError:
        _ROOM.set(_Room())
        return _ROOM.get()


class Turn:
    """The turn of one link."""

    def __init__(self) -> None:
        self._size = 0
        self._holders = 0
        self._waits_left_s = 0.0
        self._over = trio.Event()

    @property
    def is_taken(self) -> bool:
        """Whether a large message of this link is on its way or is worked on."""
        return self._holders > 0

    async def take(self, size: int) -> None:
        """Wait until a message of so many bytes may be received, and hold it."""
        while self.is_taken:
            await self._over.wait()
        await _room().take(size)
        self._size, self._holders = size, 1
        self._waits_left_s = _PATIENCE_S + size / _SLOW_BYTES_PER_S

    def may_wait(self, seconds: float) -> bool:
        """There was nothing to read of it for so long; tells whether others, if any wait, have not waited enough."""
        if _room().waiting:
            self._waits_left_s -= seconds
        return self._waits_left_s >= 0

    def hold(self) -> bool:
        """Somebody works on the message; tells whether there is one, and so `let_go` is due."""
        self._holders += self.is_taken
        return self.is_taken

    def let_go(self) -> None:
        """Somebody who held it is done."""
        if self._holders == 1:
            self.end()
        elif self._holders:
            self._holders -= 1

    def end(self) -> None:
        """The message, or the link, is gone."""
        if self.is_taken:
            self._holders = 0
            self._over.set()
            self._over = trio.Event()
            _room().give_back(self._size)
