"""The reading half of a link: from the stream to single messages, still encoded.

Theory of operation
    Whoever wants messages calls `next`, which reads the stream when no message is left of the last read.

    A device that is busy is not gone. While `next` is not called, because what was received is worked on, or rests
    (`folder/budget.py`), a little is taken from the kernel now and then: to the peer's kernel a window that stays shut
    for 5 s is a pulled cable. Nearly always somebody reads: then there is no timer, and nobody is woken.

Invariants
    * What is taken while nobody reads is bounded by `MAX_TAKEN_BYTES`.
    * A stream that ends without the authenticated end was cut off, and is reported as such.
    * A large message is received when it is the link's turn (`large_messages.py`), or not at all, if nobody wants it.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable

import trio

from yp2p.protocol.frames import HEAD_BYTES, FrameDecoder
from yp2p.transport.handshake import Secured
from yp2p.transport.large_messages import TURN_BYTES, Turn
from yp2p.transport.nowait import read_nowait

# A peer that sends more than we take costs us this much besides, in a minute; then its link ends after 5 s.
MAX_TAKEN_BYTES = 2 << 20
_TAKE_EVERY_S, _A_LITTLE_BYTES = 2.0, 64 << 10
_READ_BYTES = 512 << 10
# Messages that are taken at a stretch, within a millisecond or two: a read may hold fifty thousand that cost us nothing
# else, so that nobody would wait before all of them are read.
_MESSAGES_AT_ONCE = 64
# Who waits for the rest of a large message looks that often whether others wait for that.
_LOOK_S = 1.0


class StreamEnded(Exception):
    """Nothing more comes; the text says why."""


class Incoming:
    """What comes from the peer of one link.

    Args:
        is_wanted: whether somebody waits for a large message that begins with these bytes, and has so many.

    Attributes:
        received_bytes: of ciphertext.
    """

    def __init__(self, secured: Secured, is_wanted: Callable[[bytes, int], bool]) -> None:
        self._stream = secured.stream
        self._decoder = FrameDecoder(secured.transport.receiving)
        self._leftover = secured.leftover
        self._is_reading = False
        self._until_taken = trio.CancelScope()  # of `take_a_little`; it ends when nobody has read for long
        self._messages: deque[bytes] = deque()
        self._given = 0  # messages
        self.received_bytes = 0
        self.turn = Turn()
        self._is_wanted = is_wanted
        self._has_turn_for = -1  # the number of the message
        self._is_turn_given = False  # `next` gave that message, and was not called again

    @property
    def has_more(self) -> bool:
        """Whether messages are here that `next` has not given yet."""
        return bool(self._messages) or self._decoder.is_behind

    async def next(self) -> bytes:
        """The peer's next message.

        Raises:
            StreamEnded: there is none. PeerFault: the peer broke the protocol.
            trio.BrokenResourceError, trio.ClosedResourceError: as `receive_some`.
        """
        if self._is_turn_given:
            self._is_turn_given = False
            self.turn.let_go()
        while not self._messages:
            await self._read()
        self._given += 1
        if self._given % _MESSAGES_AT_ONCE == 0:
            await trio.lowlevel.checkpoint()
        message = self._messages.popleft()
        self._is_turn_given = self.turn.is_taken and len(message) > TURN_BYTES
        return message

    async def _read(self) -> None:
        await self._take_turn()
        data, self._leftover = self._leftover, b""
        if self._decoder.is_behind:
            await trio.lowlevel.checkpoint()
        elif not data:
            if self._decoder.ended:
                raise StreamEnded("the peer closed the link")
            self._is_reading, self._until_taken.deadline = True, math.inf
            try:
                data = await self._receive_some()
            finally:
                self._is_reading, self._until_taken.deadline = False, trio.current_time() + _TAKE_EVERY_S
            if not data:
                raise StreamEnded("the connection was cut off")
        self.received_bytes += len(data)
        self._messages += self._decoder.receive_data(data)

    async def _take_turn(self) -> None:
        """Before more of a large message is read: wait for the turn, or read it for nobody."""
        coming = self._decoder.bulk
        if coming.size <= TURN_BYTES or len(coming.head) < HEAD_BYTES or self._has_turn_for == coming.number:
            return
        if not self._is_wanted(coming.head, coming.size):
            coming.drop()
            return
        await self.turn.take(coming.size)
        self._has_turn_for = coming.number

    async def _receive_some(self) -> bytes:
        """Bytes from the peer; none at the end."""
        if self._has_turn_for != self._decoder.bulk.number:  # nearly always
            return bytes(await self._stream.receive_some(_READ_BYTES))
        while True:
            began, data = trio.current_time(), None
            with trio.move_on_after(_LOOK_S):
                data = await self._stream.receive_some(_READ_BYTES)
            if not self.turn.may_wait(trio.current_time() - began):
                raise StreamEnded("a large message took too long to come, and others wait")
            if data is not None:
                return bytes(data)

    async def take_a_little(self) -> None:
        """While nobody reads, keep the peer's kernel from believing that we are gone; until cancelled."""
        while True:
            deadline = math.inf if self._is_reading else trio.current_time() + _TAKE_EVERY_S
            with trio.CancelScope(deadline=deadline) as self._until_taken:
                await trio.sleep_forever()
            # A read that began at this very moment waits for what would be taken.
            if not self._is_reading and len(self._leftover) < MAX_TAKEN_BYTES:
                self._leftover += read_nowait(self._stream, _A_LITTLE_BYTES)
