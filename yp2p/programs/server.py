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

import math
import os
import time
from collections.abc import Iterable
from contextlib import suppress
from functools import partial
from typing import Any, Protocol
from urllib.parse import quote

import structlog
import trio

from yp2p.documents.provider import Provider
from yp2p.errors import CrdtPanic, FileGone, YpError, first_of
from yp2p.folder.folder import Folder
from yp2p.programs.awareness_feed import RENEWED_S, AwarenessFeed
from yp2p.programs.channel import ProgramChannel
from yp2p.programs.document import ProgramDocument
from yp2p.programs.echo import Echo
from yp2p.programs.programs import PRESENCE_AGE_S, Program, Programs, states_for
from yp2p.programs.refusals import refusal
from yp2p.programs.wanted import Wanted, find_soon, name_of
from yp2p.programs.websocket import WebSocket, WebSocketClosed
from yp2p.protocol import awareness
from yp2p.protocol.awareness import as_json
from yp2p.protocol.channel import AwarenessUpdate, Denied, encode

# The client ID under which the daemon says who else is there: no document has it.
_DAEMON_CLIENT = 0
_PRESENCE_DELAY_S = 0.05
_CLOSE_LIMIT_S = 0.5

log = structlog.get_logger()


class Device(Protocol):
    """What live documents need of the device."""

    @property
    def folders(self) -> Iterable[Folder]: ...

    @property
    def shown_id(self) -> str: ...

    def programs(self, folder: Folder) -> Programs: ...

    def present(self, folder: Folder) -> list[dict[str, Any]]:
        """The awareness states of all who are in a folder."""


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

    async def _serve_document(self, stream: trio.SocketStream, socket: WebSocket, wanted: Wanted) -> None:
        try:
            folder, entry = await find_soon(self._device.folders, wanted)
        except YpError as error:
            await stream.send_all(socket.accept() + refusal(socket, error))
            return
        programs = self._device.programs(folder)
        most = str(programs.max_text_bytes).encode()
        headers = [(b"yp2p-file", name_of(entry).encode()), (b"yp2p-max-text-bytes", most)]
        await stream.send_all(socket.accept(headers))
        program = Program(entry.id, wanted.client, is_this_file=bool(wanted.file))
        if not program.is_this_file and (path := folder.catalogue.layout().path_of.get(entry.id)) is not None:
            program.earlier = programs.served.note(path, entry.document)
        programs.add(program)
        channel: ProgramChannel | None = None
        try:
            async with trio.open_nursery() as nursery:
                channel = ProgramChannel(stream, socket, wanted.path, nursery)
                live = folder.texts.open(entry.document)
                document = ProgramDocument(
                    folder,
                    live,
                    program,
                    programs.max_text_bytes,
                    programs.displaced_in(entry.document),
                    is_synced=lambda: provider.synced.is_set(),
                    tell=partial(programs.refused, program),
                )
                provider = Provider(
                    document,
                    channel,
                    source=program,
                    must_relay=lambda source: True,  # nobody else tells it
                    on_awareness=lambda data: programs.said(program, data),
                    batches=wanted.takes_lists,
                    pace_s=live.pace_s,
                )
                if wanted.is_echoed:
                    echo = Echo(live, program, channel)
                    nursery.start_soon(echo.run)
                nursery.start_soon(self._tell, folder, program, channel, wanted)
                await provider.start()
                nursery.cancel_scope.cancel()
        except* (YpError, CrdtPanic, WebSocketClosed) as group:
            fault = first_of(group)
            if isinstance(fault, WebSocketClosed) and fault is not socket.fault:
                raise  # the program went
            log.warning("program_refused", reason=str(fault)[:200])
            if channel is not None:
                await _say(stream, bytes(channel.rest) + refusal(socket, fault))
        finally:
            programs.remove(program)

    async def _tell(self, folder: Folder, program: Program, channel: ProgramChannel, wanted: Wanted) -> None:
        """What was refused, and who else has the file open and where it is, whenever that changes."""
        programs = self._device.programs(folder)
        feed = AwarenessFeed(programs.clocks(program.entry))
        last = -math.inf
        while True:
            changed = folder.state.changed
            if all(folder is not one for one in self._device.folders):
                raise FileGone(f"this device has left the folder of {wanted.path}")
            if program.refusals:
                reasons, program.refusals = dict.fromkeys(program.refusals), []
                await channel.send(encode(Denied("; ".join(reasons))))
            if program.to_give_back is not None:
                word, program.to_give_back = program.to_give_back, None
                await channel.send(encode(AwarenessUpdate(awareness.encode([word]))))
            states = (self._as_list if wanted.takes_others else self._as_states)(folder, program)
            is_due = not wanted.takes_others and trio.current_time() - last >= RENEWED_S
            if (news := feed.news(states, time.time_ns() // 1_000_000, renew=is_due)) is not None:
                programs.told(program, states)
                last = trio.current_time()
                await channel.send(encode(AwarenessUpdate(news)))
            if not wanted.takes_others or programs.is_current(program.entry):
                with trio.move_on_at(math.inf if wanted.takes_others else last + RENEWED_S):
                    await changed.wait()
            delay_s = max(_PRESENCE_DELAY_S, programs.delay_s(program.entry))
            # Not woken by every keystroke meanwhile; and all at one moment, so that what they are told is made once.
            await trio.sleep_until((trio.current_time() // delay_s + 1) * delay_s)

    def _as_list(self, folder: Folder, program: Program) -> dict[int, str]:
        """One awareness state with all others in it."""
        path = folder.catalogue.layout().path_of.get(program.entry, "")
        where = quote(os.fsencode(f"{folder.path}/{path}")) if path else None  # any name, also one that is not UTF-8
        others = self._device.programs(folder).others(
            program, self._device.present(folder), self._device.shown_id, PRESENCE_AGE_S
        )
        return {_DAEMON_CLIENT: f'{{"others":{others},"path":{as_json(where)}}}'}

    def _as_states(self, folder: Folder, program: Program) -> dict[int, str]:
        """Each of the others as an awareness client."""
        path = folder.catalogue.layout().path_of.get(program.entry, "")
        carets = self._device.programs(folder).carets_besides(program)
        states = states_for(program, carets, self._device.present(folder), self._device.shown_id, path)
        return {client: as_json(state) for client, state in states.items()}


async def _say(stream: trio.SocketStream, data: bytes) -> None:
    """The last word, if it can still be said."""
    with trio.move_on_after(_CLOSE_LIMIT_S, shield=True), suppress(trio.BrokenResourceError, trio.ClosedResourceError):
        await stream.send_all(data)
