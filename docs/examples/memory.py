"""What several examples share: a document and a channel in memory, for yp2p's provider."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import trio
import trio.testing

from yp2p.documents.diff import Hunk
from yp2p.documents.text import TextReplica


class Stored:
    """An update that is stored at once."""

    async def wait(self) -> None:
        await trio.lowlevel.checkpoint()


class MemoryDocument:
    """A text that a `Provider` can synchronise."""

    def __init__(self, client: int) -> None:
        self.replica = TextReplica(client)
        self._listeners: list[Callable[[bytes, object], None]] = []

    def insert(self, index: int, text: str) -> None:
        self._tell(self.replica.edit([Hunk(index, index, text)]), None)

    def __str__(self) -> str:
        return self.replica.text()

    def _tell(self, update: bytes | None, source: object) -> None:
        for listener in self._listeners if update is not None else ():
            listener(update, source, None)  # type: ignore[arg-type]

    def state_vector(self) -> bytes:
        return self.replica.state_vector()

    def cut(self, state_vector: bytes) -> tuple[bytes, Stored]:
        return self.replica.update_since(state_vector), Stored()

    async def receive_all(self, updates: Sequence[bytes], source: object, theirs: object) -> None:
        for update in updates:
            self._tell(self.replica.receive(update), source)
        await trio.lowlevel.checkpoint()

    def subscribe(self, listener: Callable[[bytes, object], None]) -> Callable[[], None]:
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)


class MemoryChannel:
    """A channel of the seed's shape: `path`, `send`, `recv` and async iteration."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.is_broken = False
        self._send, self._receive = trio.open_memory_channel[bytes](100)
        self._peer: MemoryChannel | None = None

    def connect_to(self, peer: MemoryChannel) -> None:
        self._peer, peer._peer = peer, self

    async def send(self, message: bytes) -> None:
        if self.is_broken or self._peer is None:
            raise ConnectionError("the network is down")
        await self._peer._send.send(message)

    async def recv(self) -> bytes:
        return await self._receive.receive()

    def __aiter__(self) -> MemoryChannel:
        return self

    async def __anext__(self) -> bytes:
        try:
            return await self.recv()
        except (trio.EndOfChannel, trio.ClosedResourceError):
            raise StopAsyncIteration from None

    def close(self) -> None:
        self.is_broken = True
        self._receive.close()


async def until(condition: Callable[[], Any]) -> None:
    """Wait until something holds."""
    while not condition():
        await trio.testing.wait_all_tasks_blocked()
