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

# Messages that a provider has not taken yet. When the queue is full, or so much waits as may of this link
# (`undone.py`), the session stops reading it, so the sender's TCP window closes: memory does not grow.
MAX_WAITING = 64
# Of larger ones one at a time is with the providers of a link, waiting or being taken: each channel could have 64 of
# 64 MiB else.
LARGE_BYTES = 256 << 10


def _nothing() -> None:
    pass


class LinkChannel:
    """One end of a channel. `deliver` is called by whoever reads the link.

    Attributes:
        used_at: when a message was sent or taken last.
        on_message: is called when a message waits that can be taken, by `next` or by whoever is in `recv`.
    """

    def __init__(self, link: Link, folder: FolderID, document: DocumentID) -> None:
        self._link = link
        self.folder = folder
        self.document = document
        self._send, self._receive = trio.open_memory_channel[bytes](MAX_WAITING)
        self._large: trio.Event | None = None  # a large message is here
        self._large_given = False
        self._kept = 0  # bytes of the messages that wait, and of the one that is being taken
        self._given = 0  # of that one
        self._holds_turn = False
        self.used_at = trio.current_time()
        self.on_message: Callable[[], None] = _nothing

    @property
    def path(self) -> str:
        return f"{self.folder.hex()}/{self.document.hex()}"

    @property
    def has_given_all(self) -> bool:
        """Whether the provider has the last message that came, and is taking it."""
        waiting = self._send.statistics()
        return self._given > 0 and not waiting.current_buffer_used and not waiting.tasks_waiting_send

    async def deliver(self, payload: bytes) -> None:
        """A message arrived for this channel; waits while there are enough, or while a large one is being taken."""
        self.used_at = trio.current_time()
        if len(payload) >= LARGE_BYTES:
            while (waited_for := self._link.undone.large_one) is not None:
                await waited_for.wait()
            self._large = self._link.undone.large_one = trio.Event()
            self._holds_turn = self._link.turn.hold()
        await self._link.undone.add(len(payload))
        self._kept += len(payload)
        try:
            await trio.lowlevel.checkpoint_if_cancelled()
            try:
                self._send.send_nowait(payload)
            except trio.WouldBlock:
                await self._send.send(payload)
        except BaseException as error:
            self._done(min(len(payload), self._kept))
            if isinstance(error, trio.BrokenResourceError):
                self._is_taken()
            raise
        self.on_message()  # no await since it waits there: what comes next would overtake it
        await trio.lowlevel.cancel_shielded_checkpoint()

    def close(self) -> None:
        """No more messages: `recv` ends after those that wait."""
        self._send.close()

    def ended(self) -> None:
        """Nobody takes messages any more."""
        self._receive.close()
        self._is_taken()
        self._done(self._kept)

    def _done(self, size: int) -> None:
        self._kept -= size
        self._link.undone.done(size)

    def _is_taken(self) -> None:
        if self._large is not None:
            self._large.set()
            self._link.undone.large_one = self._large = None
            if self._holds_turn:
                self._holds_turn = False
                self._link.turn.let_go()

    async def send(self, message: bytes) -> None:
        """Send one message. Raises LinkClosed."""
        self.used_at = trio.current_time()
        key = self.folder + self.document
        await self._link.send(ChannelData(self.folder, self.document, message), key)

    def send_nowait(self, message: bytes) -> bool:
        """Send one message, or drop it when too much waits already."""
        self.used_at = trio.current_time()
        key = self.folder + self.document
        return self._link.send_nowait(ChannelData(self.folder, self.document, message), key)

    async def recv(self) -> bytes:
        """The next message; the one before it has been dealt with. Raises trio.EndOfChannel."""
        self._dealt_with()
        return self._gives(await self._receive.receive())

    def next(self) -> bytes | None:
        """The next message that waits, or None; the one before it has been dealt with."""
        self._dealt_with()
        try:
            return self._gives(self._receive.receive_nowait())
        except (trio.WouldBlock, trio.EndOfChannel):
            return None

    def _dealt_with(self) -> None:
        if self._large_given:
            self._is_taken()
        self._done(min(self._given, self._kept))
        self._given, self._large_given = 0, False

    def _gives(self, message: bytes) -> bytes:
        self._given = len(message)
        self._large_given = len(message) >= LARGE_BYTES
        return message

    def __aiter__(self) -> LinkChannel:
        return self

    async def __anext__(self) -> bytes:
        try:
            return await self.recv()
        except trio.EndOfChannel:
            raise StopAsyncIteration from None
