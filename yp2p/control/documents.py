"""The local API of live documents: a WebSocket at /v1/documents?path=PATH speaks the protocol of Yjs providers.

With `&client=ID` a program says what client ID it writes with.

Each binary message is one message of `protocol/channel.py`, as on the channel of a document between two devices. So a
provider of Yjs or pycrdt can take part as it is. The daemon sends who else has the file open as awareness, of one
client with the state `{"others": [...]}`; what the program says of itself, it says as awareness.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import parse_qs

import structlog
import trio
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from yp2p.errors import DocumentPoisoned, UsageError, YpError
from yp2p.protocol import awareness, channel
from yp2p.protocol.awareness import Presence
from yp2p.protocol.ysync import MAX_CLIENT
from yp2p.sync import history
from yp2p.sync.folder import Folder
from yp2p.sync.programs import Program, ProgramDocument, Programs, others_in
from yp2p.sync.provider import Provider

# The client ID under which the daemon says who else is there: no document has it.
_DAEMON_CLIENT = 0
# WebSocket close codes for applications (RFC 6455, section 7.4.2).
REFUSED, WRONG = 4000, 4001  # there is no such text (any more); what was sent is in no document

log = structlog.get_logger()


class _WebSocketChannel:
    """The channel of one document over a WebSocket."""

    def __init__(self, socket: WebSocket, path: str) -> None:
        self.path = path
        self._socket = socket

    async def send(self, message: bytes) -> None:
        await self._socket.send_bytes(message)

    async def recv(self) -> bytes:
        return await self._socket.receive_bytes()

    def __aiter__(self) -> _WebSocketChannel:
        return self

    async def __anext__(self) -> bytes:
        try:
            return await self.recv()
        except (WebSocketDisconnect, KeyError, TypeError):  # it closed, or sent text
            raise StopAsyncIteration from None


def _wanted(socket: WebSocket) -> tuple[str, int | None]:
    """The path that is asked for (any name, also one that is not UTF-8), and what the program writes with."""
    query = parse_qs(socket.scope["query_string"].decode("latin-1"), errors="surrogateescape")
    client = str(query.get("client", [""])[0])
    is_client = client.isdecimal() and len(client) <= len(str(MAX_CLIENT)) and int(client) <= MAX_CLIENT
    return str(query.get("path", [""])[0]), int(client) if is_client else None


def _first(group: BaseExceptionGroup[Exception]) -> BaseException:
    """What is at the bottom of a group of one."""
    found: BaseException = group
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    return found


def document_routes(
    folders: Callable[[], Iterable[Folder]],
    programs: Callable[[Folder], Programs],
    present: Callable[[Folder], list[dict[str, Any]]],
    own: str,
) -> list[WebSocketRoute]:
    """The route of live documents.

    Args:
        present: the awareness states of all who are in a folder; `own` is the ID in that of this device.
    """

    def find(path: str, client: int | None) -> tuple[Folder, Program, ProgramDocument]:
        folder, inside = history.find(folders(), path)
        entry = history.entry_at(folder, inside)
        if not folder.is_alive(entry):
            raise UsageError(f"{inside} was deleted; `yp2p restore` brings it back")
        live = folder.live_document(entry.document) if folder.has_document(entry.document) else None
        if live is None:
            raise UsageError(f"the text of {inside} has not come to this device yet")
        program = Program(entry.id, client)
        return folder, program, ProgramDocument(folder, live, program)

    async def tell_others(folder: Folder, program: Program, socket: WebSocket) -> None:
        """Who else has the file open, whenever that changes."""
        clock, told = 0, None
        while True:
            changed = folder.changed
            path = folder.layout().path_of.get(program.entry, "")
            others = others_in(present(folder), own, path)
            if others != told:
                clock, told = clock + 1, others
                states = awareness.encode([Presence(_DAEMON_CLIENT, clock, {"others": others})])
                await socket.send_bytes(channel.encode(channel.AwarenessUpdate(states)))
            await changed.wait()

    async def open_document(socket: WebSocket) -> None:
        await socket.accept()
        try:
            path, client = _wanted(socket)
            folder, program, document = find(path, client)
        except YpError as error:
            await socket.close(REFUSED, str(error)[:100])
            return
        programs(folder).add(program)
        provider = Provider(
            document,
            _WebSocketChannel(socket, path),
            source=program,
            must_relay=lambda source: True,  # nobody else tells it
            on_awareness=lambda data: programs(folder).said(program, data),
        )
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(tell_others, folder, program, socket)
                await provider.start()
                nursery.cancel_scope.cancel()
        except* (YpError, DocumentPoisoned) as group:
            reason = str(_first(group))
            log.warning("program_refused", reason=reason[:200])
            await socket.close(WRONG, reason[:100])
        except* (WebSocketDisconnect, RuntimeError):
            pass  # it went while something was sent to it
        finally:
            programs(folder).remove(program)

    return [WebSocketRoute("/v1/documents", open_document)]
