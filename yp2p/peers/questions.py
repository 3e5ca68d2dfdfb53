"""The asking side of a folder session: one question is open at a time, and its answers come in order."""

from __future__ import annotations

import trio

from yp2p.protocol.messages import FolderMessage
from yp2p.transport.link import Link

_REPLY_LIMIT_S = 60.0
# Answers that nobody has taken yet; then the link is not read.
_MAX_REPLIES = 64


class Questions:
    """Asks one peer about one folder."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._replies_in, self._replies = trio.open_memory_channel[FolderMessage](_MAX_REPLIES)

    async def deliver(self, reply: FolderMessage) -> None:
        """An answer of the peer; waits while there are too many."""
        await self._replies_in.send(reply)

    async def ask(self, question: FolderMessage) -> FolderMessage:
        """Send a question; gives the first answer. Raises trio.TooSlowError, LinkClosed."""
        await self._link.send(question)
        return await self.reply()

    async def tell(self, message: FolderMessage) -> None:
        """Send what needs no answer. Raises LinkClosed."""
        await self._link.send(message)

    async def reply(self) -> FolderMessage:
        """The next answer. Raises trio.TooSlowError."""
        with trio.fail_after(_REPLY_LIMIT_S):
            return await self._replies.receive()
