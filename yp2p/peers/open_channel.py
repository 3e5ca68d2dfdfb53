"""One open channel of a folder session: its document's conversation with the peer, and the tasks of that.

Theory of operation
    A link has hundreds of channels, and of most of them nothing is heard for seconds. So a channel has no task while
    there is nothing to do: one begins when a message comes, and takes all that wait; another one when something is to
    be sent. Tasks that wait cost memory, and to cancel hundreds of them when a link ends takes megabytes for a moment,
    in which what stays comes to lie: that is memory which does not come back.

Invariants
    * There is one task at most that takes, so messages are taken in their order; and one that sends.
    * What came before the channel was closed is taken; nothing is sent any more.
    * When it is over, it is known to nobody: what it holds goes without the collector.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import trio

from yp2p.documents.conversation import Conversation
from yp2p.transport.channel import LinkChannel

Work = Callable[[], Awaitable[None]]


def _nothing() -> None:
    pass


class OpenChannel:
    """See above.

    Args:
        start: has a task do some work within a scope, and `end` this where that fails.
    """

    def __init__(
        self,
        channel: LinkChannel,
        conversation: Conversation,
        start: Callable[[OpenChannel, trio.CancelScope, Work], None],
    ) -> None:
        self.channel = channel
        self.conversation = conversation
        self._start = start
        self._taking: trio.CancelScope | None = None
        self._sending: trio.CancelScope | None = None
        self._is_closed = False
        self.is_over = False

    @property
    def is_taking(self) -> bool:
        """Whether messages are being taken, or the conversation begins: what comes now has to wait."""
        return self._taking is not None

    def begin(self) -> None:
        """Say step 1, and take what comes from now on."""
        self.channel.on_message = self._take_soon
        self._taking = trio.CancelScope()
        self._start(self, self._taking, self._begin)

    async def _begin(self) -> None:
        await self.conversation.begin(self._send_soon)
        await self._take()

    def _take_soon(self) -> None:
        if self._taking is None and not self.is_over:
            self._taking = trio.CancelScope()
            self._start(self, self._taking, self._take)

    async def _take(self) -> None:
        while (message := self.channel.next()) is not None:
            taken = [message]
            del message  # what it says is copied: of a large one only the copy is kept
            await self.conversation.take(taken)
            await trio.lowlevel.checkpoint()
        self._taking = None  # no await since nothing waits
        if self._is_closed:
            self.end()

    def _send_soon(self) -> None:
        if self._sending is None and not self._is_closed:
            self._sending = trio.CancelScope()
            self._start(self, self._sending, self._send)

    async def _send(self) -> None:
        await self.conversation.send_waiting()
        self._sending = None  # no await since nothing is to be sent

    def close(self) -> None:
        """No more messages come, and none is sent; it is over when those that wait are taken."""
        self.channel.close()
        self._is_closed = True
        if self._sending is not None:
            self._sending.cancel()
        if self._taking is None:
            self.end()

    def end(self) -> None:
        """Nothing is taken and sent any more; once more is nothing."""
        self.is_over = self._is_closed = True
        for scope in (self._taking, self._sending):
            if scope is not None:
                scope.cancel()
        self.conversation.end()
        self.channel.ended()
        self.channel.on_message = _nothing
