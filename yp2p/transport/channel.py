"""A channel: the messages of one document, multiplexed over a link.

It has the interface of the Yjs world's `Channel` (`path`, `send`, `recv`, async iteration), so the stock
`pycrdt.Provider` works over it as well as our own.
"""

from __future__ import annotations

from collections.abc import Callable

import trio

from yp2p.identity import DocumentID, FolderID
from yp2p.protocol.messages import ChannelData
from yp2p.transport.link import Link

# Messages that a provider has not taken yet. When the queue is full the session stops reading this link, so the
# sender's TCP window closes: memory does not grow.
MAX_WAITING = 64


class LinkChannel:
    """One end of a channel. `deliver` is called by whoever reads the link."""

    def __init__(self, link: Link, folder: FolderID, document: DocumentID) -> None:
        self._link = link
        self.folder = folder
        self.document = document
        self._send, self._receive = trio.open_memory_channel[bytes](MAX_WAITING)
        self.on_activity: Callable[[], None] = lambda: None

    @property
    def path(self) -> str:
        return f"{self.folder.hex()}/{self.document.hex()}"

    @property
    def is_waited_for(self) -> bool:
        """Whether the provider has taken every message and waits for the next one."""
        return self._send.statistics().tasks_waiting_receive > 0

    async def deliver(self, payload: bytes) -> None:
        """A message arrived for this channel."""
        self.on_activity()
        await self._send.send(payload)

    def close(self) -> None:
        """No more messages: `recv` ends after those that wait."""
        self._send.close()

    async def send(self, message: bytes) -> None:
        """Send one message. Raises LinkClosed."""
        self.on_activity()
        key = self.folder + self.document
        await self._link.send(ChannelData(self.folder, self.document, message), key)

    def send_nowait(self, message: bytes) -> bool:
        """Send one message, or drop it when too much waits already."""
        self.on_activity()
        key = self.folder + self.document
        return self._link.send_nowait(ChannelData(self.folder, self.document, message), key)

    async def recv(self) -> bytes:
        """The next message. Raises trio.EndOfChannel."""
        return await self._receive.receive()

    def __aiter__(self) -> LinkChannel:
        return self

    async def __anext__(self) -> bytes:
        try:
            return await self.recv()
        except trio.EndOfChannel:
            raise StopAsyncIteration from None
