"""Hocuspocus' framing: any number of live documents over one WebSocket.

Each message has the name of its document in front, which is the room, FOLDER/PATH, as it is: it stands in no address.
Behind a NUL the name may have a session, where one program has a document open twice. What follows is a message of
y-protocols, but for authentication, which has more of it, and these kinds:

====  =========================================================================================
kind  meaning
====  =========================================================================================
02    00 token version: the client asks for the document; 01 reason: denied; 02 scope: granted
05    text: anything; here, why something of what a client wrote was not taken
07    the end of this document, with the reason where it comes from here
08    01: one of the client's updates is stored; 00: it is not taken, or not as it is
====  =========================================================================================

The token is not looked at: who may connect may edit. A client counts its updates and shows the text as saved when as
many answers (08) came, which is when they are stored.

Source: the packages `@hocuspocus/provider` and `@hocuspocus/common` 4.8.
"""

from __future__ import annotations

import structlog
import trio

from yp2p.documents.synced import Channel
from yp2p.errors import CrdtPanic, InvalidUpdate, YpError, first_of
from yp2p.folder.live_document import LiveDocument
from yp2p.programs.dialect import in_dialect
from yp2p.programs.session import Session
from yp2p.programs.wanted import Device, Wanted, find_soon
from yp2p.protocol.channel import Denied, Step1, Step2, Updates, decode, encode
from yp2p.protocol.cursor import Cursor
from yp2p.protocol.wire import write_varint
from yp2p.transport.undone import Undone

_AUTH, _STATELESS, _CLOSE, _STATUS, _PONG = 2, 5, 7, 8, 10
_TOKEN, _DENIED, _GRANTED = 0, 1, 2
# Messages that wait while a document takes what came before; then nobody reads the connection. `Undone` bounds
# the bytes of all its documents.
_MAX_WAITING = 64
# Each is a program in the eyes of everybody else. Without the cap one connection could be thousands.
_MAX_DOCUMENTS = 256

log = structlog.get_logger()


def _text(value: str) -> bytes:
    data = value.encode(errors="replace")
    return write_varint(len(data)) + data


class Hocuspocus:
    """One connection of such a client.

    Args:
        wanted: what its address says of all its documents.
    """

    def __init__(self, device: Device, channel: Channel, wanted: Wanted) -> None:
        self._device = device
        self._channel = channel
        self._wanted = wanted
        self._rooms: dict[str, _Room] = {}
        self._undone = Undone()

    async def run(self) -> None:
        """Until the connection ends. Raises InvalidUpdate: a message is none."""
        async with trio.open_nursery() as nursery:
            async for message in self._channel:
                cursor = Cursor(message)
                if message == bytes([_PONG]):
                    continue
                name = cursor.text()
                rest = message[cursor.at :]
                room = self._rooms.get(name)
                if room is not None and rest[:1] == bytes([_CLOSE]):
                    room.scope.cancel()
                    await room.ended.wait()  # the client may ask for the same one next
                elif room is not None:
                    await room.take(rest)
                elif rest[:2] == bytes([_AUTH, _TOKEN]):
                    if len(self._rooms) >= _MAX_DOCUMENTS:
                        raise InvalidUpdate(f"more than {_MAX_DOCUMENTS} documents over one connection")
                    room = self._rooms[name] = _Room(name, self._channel, self._undone)
                    nursery.start_soon(self._serve, room)
            nursery.cancel_scope.cancel()

    async def _serve(self, room: _Room) -> None:
        """One document; its fault ends it, and no other one of the connection."""
        try:
            with room.scope:
                await room.run(self._device, self._wanted)
        except* (YpError, CrdtPanic) as group:
            reason = str(first_of(group))
            log.warning("program_refused", reason=reason[:200])
            await room.refuse(reason)
        finally:
            room.close()
            del self._rooms[room.name]
            room.ended.set()


class _Room:
    """One document of a connection, as a channel.

    Args:
        undone: what of all documents of the connection is not dealt with.
    """

    def __init__(self, name: str, channel: Channel, undone: Undone) -> None:
        self.name = name
        self.path = name.partition("\0")[0]
        self.scope = trio.CancelScope()
        self.ended = trio.Event()
        self._channel = channel
        self._undone = undone
        self._bytes = 0  # of the messages that wait, and of the one that is being taken
        self._last = 0  # of that one
        self._session: Session | None = None
        self._put, self._messages = trio.open_memory_channel[bytes](_MAX_WAITING)
        self._has_asked = False
        self._refused: int | None = None  # how often something was, before the update that is being taken
        self._taken: list[bool] = []  # of each update that was dealt with, and not answered: whether it was taken
        self._more = trio.Event()

    async def run(self, device: Device, of_all: Wanted) -> None:
        """Raises as `Session.run`, and where there is no such text."""
        wanted = Wanted(self.path, is_room=True, root=of_all.root)
        found = await find_soon(device, wanted)
        session = self._session = Session(device, found, wanted)
        is_reader = found.folder.membership.is_reader
        await self._send(bytes([_AUTH, _GRANTED]) + _text("readonly" if is_reader else "read-write"))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._acknowledge, session.live)
            await session.run(in_dialect(self, wanted.root))
            nursery.cancel_scope.cancel()

    async def refuse(self, reason: str) -> None:
        """The last word, and the end."""
        await self._send(bytes([_AUTH, _DENIED]) + _text(reason))
        await self._send(bytes([_CLOSE]) + _text(reason))

    async def take(self, message: bytes) -> None:
        """A message of the client; waits while too many are there."""
        if message[:1] in (bytes([_AUTH]), bytes([_STATELESS])):
            return
        await self._undone.add(len(message))
        self._bytes += len(message)
        try:
            await self._put.send(message)
        except trio.BrokenResourceError:
            self._done(self._bytes)  # it has ended

    def close(self) -> None:
        """Nothing is taken any more; who waits for that goes on."""
        self._messages.close()
        self._done(self._bytes)
        self._last = 0

    def _done(self, size: int) -> None:
        self._bytes -= size
        self._undone.done(size)

    async def _send(self, message: bytes) -> None:
        await self._channel.send(_text(self.name) + message)

    async def _acknowledge(self, live: LiveDocument) -> None:
        while True:
            await self._more.wait()
            self._more, taken, self._taken = trio.Event(), self._taken, []
            await live.stored()
            for is_taken in taken:
                await self._send(bytes([_STATUS, int(is_taken)]))

    # --- the channel of a provider ------------------------------------------------------------------------------

    async def send(self, message: bytes) -> None:
        found = decode(message)
        await self._send(bytes([_STATELESS]) + _text(found.reason) if isinstance(found, Denied) else message)

    def __aiter__(self) -> _Room:
        return self

    async def __anext__(self) -> bytes:
        self._done(self._last)
        self._last = 0
        if self._session is not None and self._refused is not None:
            # whoever asks for the next message has dealt with the last one
            self._taken.append(self._session.refused == self._refused)
            self._refused = None
            self._more.set()
        message = await self._messages.receive()
        self._last = len(message)
        match decode(message):
            case Step1() if self._has_asked and self._session is not None:
                # It counts its updates anew, and what it sends as the answer to this is the first one.
                await self.send(encode(Step1(self._session.live.state_vector())))
            case Step1():
                self._has_asked = True
            case Step2() | Updates() if self._session is not None:
                self._refused = self._session.refused
            case _:
                pass
        return message
