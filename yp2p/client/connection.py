"""A program's connection to the daemon (`programs/server.py`) for one live document, on trio and on asyncio."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from urllib.parse import quote

import anyio
import anyio.abc
from wsproto import ConnectionType

from yp2p.config import documents_socket
from yp2p.errors import FileUnavailable, NotRunning
from yp2p.programs.websocket import Close, WebSocket, WebSocketClosed
from yp2p.protocol import channel

_RECEIVE_BYTES = 1 << 16


class Connection:
    """A connection to the daemon for one file. Closing it from the other side raises WebSocketClosed."""

    def __init__(self, stream: anyio.abc.SocketStream) -> None:
        self._stream = stream
        self._raw = stream.extra(anyio.abc.SocketAttribute.raw_socket)  # its number is -1 once it is closed
        self._socket = WebSocket(ConnectionType.CLIENT)
        self._rest = b""  # of what was sent in part
        self.denied = ""  # why something was refused
        self.wake_sender: Callable[[], None] = lambda: None

    @classmethod
    async def open(cls, control: Path, path: str, client: int, name: str) -> Connection:
        """Connect for the text at a path, or for the one that had this name before, wherever it is.

        Raises:
            NotRunning: no daemon answers.
            FileUnavailable: there is no such text.
        """
        documents = documents_socket(control)
        made: Connection | None = None
        try:
            directory = os.open(documents.parent, os.O_PATH | os.O_DIRECTORY)
            try:
                stream = await anyio.connect_unix(f"/proc/self/fd/{directory}/{documents.name}")
            finally:
                os.close(directory)
            made = cls(stream)
            async with AsyncExitStack() as unless_open:
                unless_open.push_async_callback(made._close)
                await made._shake_hands(path, client, name)
                unless_open.pop_all()
        except (OSError, anyio.BrokenResourceError, WebSocketClosed) as error:
            if made is not None and (made.denied or made.refusal is not None):
                raise FileUnavailable(made.denied or made.refusal or "", is_later=made.refusal is None) from None
            raise NotRunning("no yp2p daemon answers at its control socket; start one with `yp2p daemon`") from error
        return made

    @property
    def name(self) -> str:
        return self._socket.headers.get(b"yp2p-file", b"").decode()

    @property
    def max_text_bytes(self) -> int | None:
        """How large the daemon lets a text become, if it says so."""
        told = self._socket.headers.get(b"yp2p-max-text-bytes", b"")
        return int(told) if told.isdigit() else None

    async def _shake_hands(self, path: str, client: int, name: str) -> None:
        asked = f"path={quote(os.fsencode(path))}&client={client}{name and f'&file={name}'}"
        target = f"/v1/documents?{asked}&batch=1&others=1&asked=1"
        await self._stream.send(self._socket.ask(target))
        while not self._socket.is_open or not self._socket.messages:
            await self._read()  # until the first message came, or why there is none
        if self._is_denial(self._socket.messages[0]):
            while True:
                await self._read()  # raises WebSocketClosed, now or soon

    async def __aenter__(self) -> Connection:
        return self

    async def __aexit__(self, *_: object) -> None:
        with anyio.CancelScope(shield=True):
            await self._stream.aclose()

    async def _close(self) -> None:
        with anyio.CancelScope(shield=True):
            await anyio.aclose_forcefully(self._stream)

    @property
    def refusal(self) -> str | None:
        """Why the daemon does not serve this file, if that is why it closed."""
        closed = self._socket.closed
        if closed is None or not Close.is_final(closed.code):
            return None
        return self.denied or str(closed) or "there is no such file"

    def _is_denial(self, message: bytes) -> bool:
        """Whether a message tells that something was refused; the reason is whole in there only."""
        match channel.decode(message):
            case channel.Denied(reason):
                self.denied = reason
                return True
            case _:
                return False

    async def send(self, message: bytes) -> None:
        """Raises WebSocketClosed."""
        await self._stream.send(self._socket.message(message))

    def send_nowait(self, message: bytes) -> None:
        """Send what the kernel takes at once, while nobody is in `send`; `send_rest` has to follow."""
        try:
            data = self._rest + self._socket.message(message)
            self._rest = data
            self._rest = data[os.write(self._raw.fileno(), data) :]
        except (OSError, WebSocketClosed):
            pass  # whoever sends or reads next is told

    @property
    def has_rest(self) -> bool:
        return bool(self._rest)

    async def send_rest(self) -> None:
        """Send what `send_nowait` could not."""
        rest, self._rest = self._rest, b""
        if rest:
            await self._stream.send(rest)

    def __aiter__(self) -> Connection:
        return self

    async def __anext__(self) -> bytes:
        while not self._socket.messages:
            await self._read()
        return self._socket.messages.popleft()

    async def _read(self) -> None:
        if self._socket.closed is not None:
            raise self._socket.closed
        try:
            data = await self._stream.receive(_RECEIVE_BYTES)
        except anyio.EndOfStream:
            data = b""
        self._socket.receive(data)
        self._rest += self._socket.to_send
        self._socket.to_send = b""
        if self._rest:
            self.wake_sender()
