"""The inbox of a folder session: the peer's messages, in their order.

Messages about documents wait while something that is here may not count (`folder/uncounted.py`). Afterwards they are
taken before what came later.

Invariants
    * It is bounded, in messages, and in bytes with all else that waits of the link (`transport/undone.py`); when it is
      full the link is not read, and the peer's TCP window closes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress

import trio

from yp2p.folder.budget import rest
from yp2p.folder.folder import Folder
from yp2p.peers.presence import AWARENESS_CHANNEL
from yp2p.protocol.messages import ChannelData, FolderMessage, LeavesQuery, ManifestQuery, TreeQuery
from yp2p.transport.large_messages import Turn
from yp2p.transport.undone import Undone

# Messages that wait for the session; then the link is not read.
MAX_INBOX = 64
# Of larger ones a single one waits there: a peer that asks for more than it takes could have us keep 64 times 64 MiB.
LARGE_BYTES = 256 << 10
# Messages about documents that wait until it is known what counts. Others are dropped, and all is compared anew.
_MAX_HELD = 256
_ABOUT_DOCUMENTS = ChannelData | ManifestQuery | TreeQuery | LeavesQuery


class Inbox:
    """Gives the messages of one session to `take`, one after the other.

    Args:
        turn: that of the link, which is held as long as a large message is here.
        undone: what of the link is not dealt with.
    """

    def __init__(
        self, folder: Folder, take: Callable[[FolderMessage], Awaitable[None]], turn: Turn, undone: Undone
    ) -> None:
        self._folder = folder
        self._take = take
        self._turn = turn
        self._undone = undone
        self._messages_in, self._messages = trio.open_memory_channel[tuple[FolderMessage, int, bool]](MAX_INBOX)
        self._took = trio.Event()  # a message, or the session has ended
        self._held: deque[FolderMessage] = deque()
        self._taking = trio.Lock()
        self._trusted = trio.Event()

    @property
    def _is_doubted(self) -> bool:
        return bool(self._folder.observers.uncounted.doubted)

    @property
    def is_idle(self) -> bool:
        """Whether a message that comes now overtakes none, and may be taken."""
        is_waiting = self._messages_in.statistics().tasks_waiting_receive > 0
        return is_waiting and not self._folder.database.writability.problem and not self._is_doubted

    async def put(self, message: FolderMessage, size: int) -> None:
        """Add a message of so many bytes; waits while there is enough to do."""
        while size >= LARGE_BYTES and self._messages_in.statistics().current_buffer_used:
            await self._took.wait()
        await self._undone.add(size)
        holds = size >= LARGE_BYTES and self._turn.hold()
        try:
            await self._messages_in.send((message, size, holds))
        except BaseException:
            self._undone.done(size)
            self._let_go(holds=holds)
            raise

    def _let_go(self, *, holds: bool) -> None:
        if holds:
            self._turn.let_go()

    def close(self) -> None:
        """The session has ended: whoever waits to add a message does not for ever."""
        with suppress(trio.WouldBlock, trio.EndOfChannel, trio.ClosedResourceError):
            while True:
                _, size, holds = self._messages.receive_nowait()
                self._undone.done(size)
                self._let_go(holds=holds)
        self._messages.close()
        self._took.set()

    def trusted(self) -> None:
        """All that is here counts again."""
        self._trusted.set()

    async def run(self) -> None:
        """Work until cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._serve_held)
            while True:
                message, size, holds = await self._messages.receive()
                self._undone.done(size)  # there is one at a time, and it may have to wait in a channel
                took, self._took = self._took, trio.Event()
                took.set()
                try:
                    await self._take_next(message)
                finally:
                    self._let_go(holds=holds)
                del message  # it may be large, and the next one may be long in coming

    async def _take_next(self, message: FolderMessage) -> None:
        await rest()
        await self._folder.database.writability.wait()
        async with self._taking:
            await self._take_held()
            if not self._must_wait(message):
                await self._take(message)
            elif len(self._held) < _MAX_HELD:
                self._held.append(message)

    def _must_wait(self, message: FolderMessage) -> bool:
        is_awareness = isinstance(message, ChannelData) and message.document == AWARENESS_CHANNEL
        # Who pulls documents is answered at once, that there are none.
        return self._is_doubted and isinstance(message, _ABOUT_DOCUMENTS) and not is_awareness

    async def _serve_held(self) -> None:
        while True:
            await self._trusted.wait()
            self._trusted = trio.Event()
            async with self._taking:
                await self._take_held()

    async def _take_held(self) -> None:
        while self._held and not self._is_doubted:
            await self._take(self._held.popleft())
