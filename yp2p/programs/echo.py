"""What a program wrote comes back to it when it is stored.

Stock clients show their own update as saved when they hear of it again. Nothing else comes of it: a client has its own
operations already, so an echo may come before or after anything else. It is sent when the update is durable, and not
before: what a client shows as saved is there after a power cut.
"""

from __future__ import annotations

import trio

from yp2p.documents.synced import Channel
from yp2p.folder.live_document import LiveDocument
from yp2p.programs.programs import Program
from yp2p.protocol.channel import Updates, encode

# Of a client that writes and does not read; beyond them one update says the same.
_MAX_WAITING, _MAX_WAITING_BYTES = 256, 1 << 20
_EMPTY_VECTOR = b"\x00"


class Echo:
    """Of what one program writes into one document."""

    def __init__(self, live: LiveDocument, program: Program, channel: Channel) -> None:
        self._live = live
        self._program = program
        self._channel = channel
        self._waiting: list[bytes] = []
        self._size = 0
        self._is_too_much = False
        self._more = trio.Event()

    async def run(self) -> None:
        """Send them until cancelled."""
        unsubscribe = self._live.subscribe(self._stored)
        try:
            while True:
                await self._more.wait()
                self._more = trio.Event()
                for update in await self._take():
                    await self._channel.send(encode(Updates((update,))))
        finally:
            unsubscribe()

    def _stored(self, update: bytes, source: object, vector: bytes | None) -> None:
        if source is not self._program:
            return
        is_first = not (self._waiting or self._is_too_much or self._more.is_set())
        send_nowait = getattr(self._channel, "send_nowait", None)  # as `Provider` has it
        if is_first and send_nowait is not None and send_nowait(encode(Updates((update,)))):
            return
        self._waiting.append(update)
        self._size += len(update)
        if len(self._waiting) > _MAX_WAITING or self._size > _MAX_WAITING_BYTES:
            self._waiting, self._size, self._is_too_much = [], 0, True
        self._more.set()

    async def _take(self) -> list[bytes]:
        if self._is_too_much:
            self._waiting, self._size, self._is_too_much = [], 0, False
            everything, durable = self._live.cut(_EMPTY_VECTOR)
            await durable.wait()
            return [everything]
        updates, self._waiting, self._size = self._waiting, [], 0
        return updates
