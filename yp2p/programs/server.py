"""The local API of live documents: a WebSocket at /v1/y/FOLDER/PATH, or at /v1/documents?path=PATH, speaks the protocol
of Yjs providers.

It has a socket of its own beside the control socket, which a program may have without the power to change folders. Who
serves that has read the request; from there on a keystroke passes through nothing but this.

With `&client=ID` a program says what client ID it writes with. The answer has a header `yp2p-file`, which names the
document that this path is now; with `&file=` of that a program that comes back gets the same one, wherever the file is
by then, and never another one that took the path.

Each binary message is one message of `protocol/channel.py`, as on the channel of a document between two devices. So a
provider of Yjs or pycrdt can take part as it is. The daemon sends who else has the file open as awareness, each a
client of its own; with `&others=1` of one client, with the state `{"others": [...]}`. What the program says of itself,
it says as awareness.
"""

from __future__ import annotations

from contextlib import suppress

import structlog
import trio

from yp2p.errors import CrdtPanic, YpError, first_of
from yp2p.programs.channel import ProgramChannel
from yp2p.programs.dialect import in_dialect
from yp2p.programs.hocuspocus import Hocuspocus
from yp2p.programs.refusals import refusal
from yp2p.programs.session import Session
from yp2p.programs.wanted import Device, Wanted, find_soon, name_of
from yp2p.programs.websocket import WebSocket, WebSocketClosed

_CLOSE_LIMIT_S = 0.5

log = structlog.get_logger()


class Documents:
    """Serves the live documents of one device."""

    def __init__(self, device: Device) -> None:
        self._device = device

    async def serve(self, stream: trio.SocketStream, socket: WebSocket) -> None:
        """A live document: a WebSocket whose messages are those of a Yjs provider.

        `path` (or the room, behind /v1/y/) names the file, `client` the client ID that the program writes with, `file`
        the name of the file that it had before; `batch=1`, `others=1` and `echo=1` say what it can read
        (docs/protocol.md, "Live documents").

        Takes the stream, on which `socket` was asked for. The one place where a program's fault stops.
        """
        assert socket.target is not None
        try:
            await self._serve_document(stream, socket, Wanted.of(socket.target))
        except* (WebSocketClosed, trio.BrokenResourceError, trio.ClosedResourceError):
            pass  # it went while something was sent to it
        except* Exception:
            log.exception("program_failed")

    async def serve_hocuspocus(self, stream: trio.SocketStream, socket: WebSocket) -> None:
        """Live documents, any number over one WebSocket: each message has FOLDER/PATH in front, as Hocuspocus has it.

        Takes the stream, on which `socket` was asked for. The one place where a program's fault stops.
        """
        assert socket.target is not None
        try:
            await stream.send_all(socket.accept())
            async with trio.open_nursery() as nursery:
                channel = ProgramChannel(stream, socket, "", nursery)
                await Hocuspocus(self._device, channel, Wanted.of(socket.target)).run()
                nursery.cancel_scope.cancel()
        except* (YpError, WebSocketClosed) as group:
            fault = first_of(group)
            await _say(stream, bytes(channel.rest) + refusal(socket, fault))
        except* (trio.BrokenResourceError, trio.ClosedResourceError):
            pass  # it went while something was sent to it
        except* Exception:
            log.exception("program_failed")

    async def _serve_document(self, stream: trio.SocketStream, socket: WebSocket, wanted: Wanted) -> None:
        try:
            found = await find_soon(self._device, wanted)
        except YpError as error:
            await stream.send_all(socket.accept() + refusal(socket, error))
            return
        most = str(self._device.programs(found.folder).max_text_bytes).encode()
        headers = [(b"yp2p-file", name_of(found.entry).encode()), (b"yp2p-max-text-bytes", most)]
        await stream.send_all(socket.accept(headers))
        channel: ProgramChannel | None = None
        try:
            async with trio.open_nursery() as nursery:
                channel = ProgramChannel(stream, socket, wanted.path, nursery)
                await Session(self._device, found, wanted).run(in_dialect(channel, wanted.root))
                nursery.cancel_scope.cancel()
        except* (YpError, CrdtPanic, WebSocketClosed) as group:
            fault = first_of(group)
            if isinstance(fault, WebSocketClosed) and fault is not socket.fault:
                raise  # the program went
            log.warning("program_refused", reason=str(fault)[:200])
            if channel is not None:
                await _say(stream, bytes(channel.rest) + refusal(socket, fault))


async def _say(stream: trio.SocketStream, data: bytes) -> None:
    """The last word, if it can still be said."""
    with trio.move_on_after(_CLOSE_LIMIT_S, shield=True), suppress(trio.BrokenResourceError, trio.ClosedResourceError):
        await stream.send_all(data)
