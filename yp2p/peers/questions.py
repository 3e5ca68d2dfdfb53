"""The asking side of a folder session: one question is open at a time, and its answers come in order."""

from __future__ import annotations

from contextlib import suppress

import trio

from yp2p.identity import DocumentID
from yp2p.protocol.messages import CountedQuery, Documents, FolderMessage, Pull
from yp2p.transport.link import Link
from yp2p.transport.pacing import LOOK_S

_REPLY_LIMIT_S = 60.0
# Answers that nobody has taken yet, of a quarter of a mebibyte at most; then the link is not read. Of larger ones (of
# up to 64 MiB) a single one waits.
_MAX_REPLIES = 8
_LARGE_BYTES = 256 << 10


class Questions:
    """Asks one peer about one folder."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._is_open = False
        self._documents: frozenset[DocumentID] = frozenset()  # that were asked for last
        self._took = trio.Event()
        self._replies_in, self._replies = trio.open_memory_channel[FolderMessage](_MAX_REPLIES)

    async def deliver(self, reply: FolderMessage) -> None:
        """An answer of the peer; waits while there are too many. It is dropped where nothing was asked."""
        while self._is_open and _is_large(reply) and self._replies.statistics().current_buffer_used:
            await self._took.wait()
        if self._is_open:
            await self._replies_in.send(reply)

    def close(self) -> None:
        """No answer is waited for any more: those that wait, and those that come, are dropped."""
        self._is_open = False
        self._documents = frozenset()
        with suppress(trio.WouldBlock):
            while True:
                self._replies.receive_nowait()
        self._note_taken()

    def _note_taken(self) -> None:
        self._took.set()
        self._took = trio.Event()

    async def ask(self, question: FolderMessage) -> FolderMessage:
        """Send a question that has one answer, and give that. Raises trio.TooSlowError, LinkClosed."""
        await self.tell(question)
        try:
            return await self.reply()
        finally:
            self.close()  # the link would not be read while further ones wait, and nobody takes them

    async def tell(self, message: FolderMessage) -> None:
        """Send a message whose answers, if there are any, are taken by `reply`. Raises LinkClosed."""
        self._is_open = True
        if isinstance(message, Pull | CountedQuery):
            self._documents = frozenset(message.documents)
        await self._link.send(message)

    @property
    def is_limited(self) -> bool:
        """Whether a person limits what is received over the link."""
        return self._link.pace.limits_download

    async def turn(self) -> None:
        """Wait until what came before is paid for (`transport/pacing.py`)."""
        pace = self._link.pace
        while pace.due_at > (now := trio.current_time()):  # noqa: ASYNC110 (it waits for a time, not for an event)
            await trio.sleep_until(min(pace.due_at, now + LOOK_S))

    def asks_for(self, document: DocumentID) -> bool:
        """Whether the peer is being asked for a document."""
        return self._is_open and document in self._documents

    async def reply(self) -> FolderMessage:
        """The next answer. Raises trio.TooSlowError."""
        with trio.fail_after(_REPLY_LIMIT_S):
            reply = await self._replies.receive()
        self._note_taken()
        return reply


def _is_large(reply: FolderMessage) -> bool:
    return isinstance(reply, Documents) and sum(len(state) for _, state in reply.states) >= _LARGE_BYTES
