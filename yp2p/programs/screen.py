"""What one program shows, for whoever finds a save (`folder/screens.py`): asks it over its connection."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import trio

from yp2p.documents.synced import Channel
from yp2p.folder.live_document import LiveDocument
from yp2p.programs.websocket import WebSocketClosed
from yp2p.protocol.channel import Saved, Showed, encode


class _Question:
    def __init__(self) -> None:
        self.answer = 0
        self.is_answered = trio.Event()


class Screen:
    """Of one program.

    Args:
        client: the client ID that it writes with.
    """

    def __init__(self, live: LiveDocument, client: int, channel: Channel) -> None:
        self._live = live
        self._client = client
        self._channel = channel
        self._asked: deque[_Question] = deque()

    async def ask(self, contents: Sequence[bytes]) -> int:
        """Which of the texts with these hashes it showed, from 1; 0: none, or it is waited for already."""
        if self._asked:
            return 0
        question = _Question()
        self._asked.append(question)
        try:
            await self._channel.send(encode(Saved(tuple(contents))))
        except (WebSocketClosed, trio.BrokenResourceError, trio.ClosedResourceError):
            return 0  # it is going, and is not asked again
        await question.is_answered.wait()
        return question.answer

    def answered(self, message: Showed) -> None:
        """The program answers what it was asked first."""
        if not self._asked:
            return
        question = self._asked.popleft()
        if self._live.replica.clocks().get(self._client, 0) >= message.clock:
            question.answer = message.number
        question.is_answered.set()

    def end(self) -> None:
        """It is gone, and answers nothing."""
        for question in self._asked:
            question.is_answered.set()
