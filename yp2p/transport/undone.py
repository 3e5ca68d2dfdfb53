"""What came over a link and is not dealt with yet: how much of it is in memory.

Theory of operation
    Messages wait in the inbox of a session and in the channels of documents. Each of these holds some dozens, and a
    link has hundreds of channels: with messages of a quarter of a mebibyte these are gigabytes, which a member can send
    faster than anybody works on them. So their bytes are counted for a link altogether. Whoever has one more to add
    waits until there is room for it; meanwhile the link is not read, and the window of the peer closes.

Invariants
    * What is not dealt with has `MOST_BYTES` at most, or is one message, whatever its size.
    * What was added is done with once: by whoever takes the next message, or when nobody will take it any more.
"""

from __future__ import annotations

import trio

# Some hundred keystrokes are a few kilobytes, and what is larger comes one after the other anyway.
MOST_BYTES = 2 << 20


class Undone:
    """What of one link is not dealt with.

    Attributes:
        large_one: set when the large message that a channel has is dealt with; None where none has one.
    """

    def __init__(self) -> None:
        self.bytes = 0
        self.large_one: trio.Event | None = None
        self._less = trio.Event()

    async def add(self, size: int) -> None:
        """A message of so many bytes is to be kept; returns when there is room for it."""
        while self.bytes and self.bytes + size > MOST_BYTES:
            await self._less.wait()
        self.bytes += size

    def done(self, size: int) -> None:
        """So many bytes of them are dealt with, or dropped."""
        self.bytes -= size
        if self._less.statistics().tasks_waiting:
            self._less.set()
            self._less = trio.Event()
