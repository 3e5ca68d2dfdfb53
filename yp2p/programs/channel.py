"""The channel of one document over the connection of a program of this device."""

from __future__ import annotations

import trio

from yp2p.programs.websocket import WebSocket
from yp2p.transport.nowait import write_nowait

RECEIVE_BYTES = 64 << 10


class ProgramChannel:
    """The channel of one document over a connection. Whoever sends waits for those before; `send_nowait` for nobody."""

    def __init__(self, stream: trio.SocketStream, socket: WebSocket, path: str, nursery: trio.Nursery) -> None:
        self.path = path
        self._stream = stream
        self._socket = socket
        self._nursery = nursery
        self._sending = trio.Lock()
        self.rest = memoryview(b"")  # what has to go before anything else: a message may be out in part

    async def send(self, message: bytes) -> None:
        await self._send(self._socket.message(message))

    async def _send(self, data: bytes) -> None:
        async with self._sending:
            self.rest = memoryview(bytes(self.rest) + data)
            try:
                while self.rest:
                    self.rest = self.rest[await self._stream.socket.send(self.rest) :]
            except OSError as error:
                raise trio.BrokenResourceError from error

    def send_nowait(self, message: bytes) -> bool:
        """Send what the kernel takes at once; False when something is being sent, or it is over."""
        if self._sending.locked() or self.rest or self._socket.closed is not None:
            return False
        data = self._socket.message(message)
        self.rest = memoryview(data)[write_nowait(self._stream, data) :]
        if self.rest:
            self._nursery.start_soon(self._send, b"")
        return True

    def __aiter__(self) -> ProgramChannel:
        return self

    async def __anext__(self) -> bytes:
        if self._socket.messages:
            await trio.lowlevel.checkpoint()
        while not self._socket.messages:
            if self._socket.fault is not None:
                raise self._socket.fault
            if self._socket.closed is not None:
                raise StopAsyncIteration
            self._socket.receive(await self._stream.receive_some(RECEIVE_BYTES))
            if self._socket.to_send:
                answer, self._socket.to_send = self._socket.to_send, b""
                await self._send(answer)
        return self._socket.messages.popleft()
