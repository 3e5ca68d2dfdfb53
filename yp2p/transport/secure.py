"""A secured stream without a link: single messages in turn, as pairing needs them."""

from __future__ import annotations

from types import TracebackType

import trio

from yp2p.errors import FrameFault
from yp2p.transport.handshake import Secured

_MAX_MESSAGE_BYTES = 2 << 20
# A grant with all statements of a folder (`trust/limits.py`); it is waited for by who has shown a code or a token only.
MAX_GRANT_BYTES = 12 << 20
_PART_BYTES = 60_000


class SecureMessages:
    """Noise transport messages with their length in front."""

    def __init__(self, secured: Secured) -> None:
        self._stream = secured.stream
        self._transport = secured.transport
        self._buffer = bytearray(secured.leftover)

    async def __aenter__(self) -> SecureMessages:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await trio.aclose_forcefully(self._stream)

    async def send(self, message: bytes) -> None:
        """Send a message, its length (u32) in front, in as many transport messages as it takes."""
        if len(message) > MAX_GRANT_BYTES:
            raise ValueError(f"a message of {len(message)} bytes is too long for pairing")
        data = len(message).to_bytes(4, "big") + message
        for start in range(0, len(data), _PART_BYTES):
            sealed = self._transport.sending.encrypt(b"", data[start : start + _PART_BYTES])
            await self._stream.send_all(len(sealed).to_bytes(2, "big") + sealed)

    async def receive(self, limit: int = _MAX_MESSAGE_BYTES) -> bytes:
        """Raises HandshakeFailed, FrameFault."""
        data = bytearray(await self._receive_part())
        size = int.from_bytes(data[:4], "big")
        if len(data) < 4 or size > limit:
            raise FrameFault(f"a pairing message of {size} bytes")
        while len(data) < 4 + size:
            data += await self._receive_part()
        return bytes(data[4 : 4 + size])

    async def _receive_part(self) -> bytes:
        size = int.from_bytes(await self._take(2), "big")
        return self._transport.receiving.decrypt(b"", await self._take(size))

    async def _take(self, size: int) -> bytes:
        while len(self._buffer) < size:
            data = await self._stream.receive_some(_PART_BYTES)
            if not data:
                raise FrameFault("the other device closed the connection")
            self._buffer += data
        taken = bytes(self._buffer[:size])
        del self._buffer[:size]
        return taken
