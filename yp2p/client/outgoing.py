"""What a file of this process sends to the daemon: messages in the order in which they were made.

What is typed alone goes at once, without a task that has to wake. What is typed while the sender works gathers, and
goes in one message.
"""

from __future__ import annotations

from collections import deque

import anyio

from yp2p.client.connection import Connection
from yp2p.protocol import channel


class _Update(bytes):
    """An update among the messages that wait."""


class Outgoing:
    """Messages that wait for a connection to take them."""

    def __init__(self) -> None:
        self._waiting: deque[bytes] = deque()
        self._more = anyio.Event()
        self._is_idle = False  # whether `send` waits for more

    def clear(self) -> None:
        """Forget what waits: it was for another connection."""
        self._waiting.clear()

    def wake(self) -> None:
        """Have `send` look whether there is something to send."""
        self._more.set()

    def add(self, message: bytes) -> None:
        self._waiting.append(message)
        self.wake()

    def add_update(self, update: bytes, connection: Connection) -> None:
        """Send what was written here, at once where nothing waits and nobody sends."""
        if self._is_idle and not self._more.is_set():
            # The first of a burst goes at once. The others gather until the sender has woken, and go in one message.
            connection.send_nowait(channel.encode(channel.Updates((update,))))
            self.wake()
        else:
            self.add(_Update(update))

    async def send(self, connection: Connection) -> None:
        """Send what waits, and what comes, until this is cancelled. Raises WebSocketClosed."""
        try:
            while True:
                while self._waiting or connection.has_rest:
                    await connection.send_rest()
                    if self._waiting:
                        await connection.send(self._next())
                self._more = anyio.Event()
                self._is_idle = True
                await self._more.wait()
                self._is_idle = False
        finally:
            self._is_idle = False

    def _next(self) -> bytes:
        """What waits longest; updates that wait behind each other go in one message, and are stored at once."""
        updates: list[bytes] = []
        while self._waiting and isinstance(self._waiting[0], _Update) and len(updates) < channel.MAX_UPDATES:
            updates.append(bytes(self._waiting.popleft()))
        return channel.encode(channel.Updates(tuple(updates))) if updates else self._waiting.popleft()
