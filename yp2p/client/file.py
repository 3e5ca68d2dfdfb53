"""A file of a folder as a live document of this process (`connect`, `Device.open`).

The document is a `pycrdt.Doc`, kept in step by the daemon over its documents socket: a WebSocket that speaks the
protocol of Yjs providers (docs/protocol.md, "Local API").

Theory of operation
    Each side says what it has (step 1) and answers with what the other lacks (step 2); afterwards each update goes to
    the other side when it is made. Should the daemon go, edits go on here; when it is back, both sides say again what
    they have. Updates are idempotent, so nothing is lost or doubled. `flush` is a step 1 whose answer comes after all
    that was sent before it was stored.

    What was written meanwhile may have been saved as well, by whoever shows the text. So a daemon that is back is told
    first which texts there were (`away.py`), and what is here; only then it is asked for what it has, which is then
    merged with that.

    However the block of `open` is left, by its end, an exception, `sys.exit`, Ctrl-C or a cancellation, a last flush
    follows. What keeps the file in step is shielded, so that it outlives the cancellation of the block, and ends when
    that flush has ended or its time is over.
"""

from __future__ import annotations

import logging
import os
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes

import anyio
import anyio.to_thread

from yp2p.client.away import AwayTexts
from yp2p.client.changes import ChangeCount, NextChange
from yp2p.client.connection import Connection
from yp2p.client.edits import Authors, Edits, Received
from yp2p.client.screen import Screen
from yp2p.control.call import RemoteError, call
from yp2p.control.names import is_text
from yp2p.documents.editable import EditableText
from yp2p.documents.positions import Position
from yp2p.documents.shared import SharedText
from yp2p.errors import FileUnavailable, NotRunning, ungrouped
from yp2p.programs.websocket import WebSocketClosed
from yp2p.protocol import awareness, channel
from yp2p.protocol.awareness import Presence
from yp2p.protocol.state_vectors import read_state_vector

_MOST_REFUSALS = 8
# How long the end of a block waits for a daemon: longer than a restart takes, shorter than a person waits after Ctrl-C.
_LAST_FLUSH_S = 5.0
_FIRST_RETRY_S, _LONGEST_RETRY_S = 0.05, 2.0
# What an editor says before it saves is read by then, where both have come.
_TOLD_S = 0.1
_OTHERS = "others"
_LONGEST_NAME = 100

log = logging.getLogger(__name__)


class _Update(bytes):
    """An update among the messages that wait."""


class File(EditableText):
    """A text file that is open: its document, where it is the same on all devices. Indices count code points.

    It stays this file when it is renamed, which `path` follows. After its block it raises FileUnavailable.
    """

    def __init__(self, socket: Path, path: str) -> None:
        self.path = path
        self._socket_path = socket
        super().__init__(SharedText(self._changed, self._tell, self._before_edit))
        self._away = AwayTexts()
        self._waiting: deque[bytes] = deque()
        self._more = anyio.Event()
        self._connection: Connection | None = None
        self._name = ""  # what the daemon calls this file, whatever becomes of its path
        self._is_closed = False
        self._runner: anyio.CancelScope | None = None  # of what keeps this file in step, while that runs
        self._failure: FileUnavailable | None = None  # why it does not any more
        self._made = self._stored = 0  # edits: how many were made here, and how many of them are known to be stored
        self._is_sender_idle = False
        self._is_live = False  # whether step 2 went out: only then are updates sent
        self._own_state: dict[str, Any] = {}
        self._own_clock = 0
        self._others: list[dict[str, Any]] = []
        self.note = ""  # what hinders the file on the disk, as a sentence; empty when nothing does
        self.is_reader: bool | None = None  # whether this device may only read the folder; None: nobody said yet
        self._answers = 0  # how many answers to our step 1 came, and how many we asked for
        self._asked = 0
        self._progress = anyio.Event()
        self._changes = ChangeCount(self._check_open)
        self._authors = Authors(lambda: self._others, self._ask_authors)
        self.screen = Screen(time.monotonic)

    @classmethod
    @asynccontextmanager
    async def opened(cls, socket: Path, path: str) -> AsyncIterator[File]:
        """The text file at an absolute path. Raises as `Device.open`."""
        file = cls(socket, path)
        await file._connect()
        async with file._kept_in_step():
            yield file

    # --- bookmarks ----------------------------------------------------------------------------------------------

    async def bookmarks(self) -> dict[str, Position]:
        """The named positions of this file, on all devices. Raises NotRunning."""
        found = await self._call("/v1/bookmarks", {"path": self.path})
        return {item["name"]: Position.from_json(item["position"]) for item in found}

    async def set_bookmark(self, name: str, position: Position | None) -> None:
        """Put a bookmark at a position, or remove it. Raises NotRunning, RemoteError: the name is none, or too many."""
        await self.flush()
        wanted = position.to_json() if position is not None else None
        await self._call("/v1/bookmarks/set", {"path": self.path, "name": name, "position": wanted})

    async def _call(self, path: str, body: dict[str, Any]) -> Any:
        return await anyio.to_thread.run_sync(call, self._socket_path, "POST", path, body)

    # --- what others change -------------------------------------------------------------------------------------

    def edits(self) -> Edits:
        """What others change from now on: an asynchronous iterator over `Edit`, with who made each.

        `async for edit in file.edits():` is told of each once, in order. Raises FileUnavailable when the block is over.
        """
        self._check_open()
        return Edits(self._shared.followers, self._authors, self._changes)

    def follow(self, callback: Callable[[Received], None]) -> Callable[[], None]:
        """Call back with each change of others at once, when the text has it; gives what ends that.

        For a copy of the text that is kept in step: what the callback is told fits into the text as it was before.
        """
        self._shared.followers.append(callback)
        return lambda: self._shared.followers.remove(callback)

    async def _ask_authors(self, clients: Sequence[int]) -> list[dict[str, Any]]:
        try:
            found: list[dict[str, Any]] = await self._call(
                "/v1/history/authors", {"path": self.path, "clients": list(clients)}
            )
        except (NotRunning, RemoteError):  # it may be away for a moment
            return []
        return found

    # --- who is here --------------------------------------------------------------------------------------------

    @property
    def awareness(self) -> Sequence[dict[str, Any]]:
        """Who else has this file open: `device`, `since`, and where known `name`, `line` and `cursor` (JSON)."""
        return tuple(self._others)

    def set_awareness(
        self, name: str | None = None, cursor: Position | None = None, anchor: Position | None = None
    ) -> None:
        """Say who edits here, and where their cursor is; `anchor` is where a selection began that ends there.

        Raises:
            ValueError: the name is no text of at most 100 characters, or the cursor or anchor is no `Position`.
        """
        self._check_open()
        if name is not None and not (isinstance(name, str) and len(name) <= _LONGEST_NAME and is_text(name)):
            raise ValueError(f"a name is a text of at most {_LONGEST_NAME} characters, and not {name!r:.50}")
        ends = {"cursor": cursor, "anchor": anchor if anchor != cursor else None}
        for what, end in ends.items():
            if end is not None and not isinstance(end, Position):
                raise ValueError(f"a cursor is a Position, and not {end!r:.50} (its {what})")
        self._own_state = {
            **({"name": name} if name is not None else {}),
            **{what: end.to_json() for what, end in ends.items() if end is not None},
        }
        self._own_clock += 1
        self._queue(self._own_presence())

    def _own_presence(self) -> bytes:
        presence = Presence(self.doc.client_id, self._own_clock, self._own_state)
        return channel.encode(channel.AwarenessUpdate(awareness.encode([presence])))

    # --- keeping in step ----------------------------------------------------------------------------------------

    @property
    def is_connected(self) -> bool:
        """Whether the daemon is there and has what is here."""
        return self._is_live

    @property
    def unstored(self) -> int:
        """How many edits were made here that are not known to be stored: since a flush, or since the block was left."""
        return self._made - self._stored

    async def flush(self) -> None:
        """Return when everything written here so far is stored by the daemon, which may have to come back first."""
        wanted, made = None, self._made
        while wanted is None or self._answers < wanted:
            self._check_open()
            if self._is_live and wanted is None:
                self._ask()
                wanted, made = self._asked, self._made
            elif not self._is_live:
                wanted = None
            await self._progress.wait()
        self._stored = max(self._stored, made)

    def changed(self) -> NextChange:
        """What others change: the text, who else has it open, its path, what hinders it; whether the daemon is there; a
        refused edit.

        `await file.changed()` returns when something changes next, and at once where something did since it last
        returned to the same task. `async for _ in file.changed():` begins a round after each change, however long a
        round takes: changes of that time are one more round.

        Raises:
            FileUnavailable: the block is over; also while it is waited for.
        """
        return self._changes.next()

    def _touch(self) -> None:
        """Something came or went: whoever waits looks whether it was that."""
        event, self._progress = self._progress, anyio.Event()
        event.set()

    def _tell(self) -> None:
        """Something changed that others can see."""
        self._changes.add()
        self._touch()

    def _before_edit(self) -> None:
        """Raises FileUnavailable."""
        self._check_open()
        if self._away.is_away:
            self._away.note(str(self))

    def _changed(self, update: bytes) -> None:
        self._made += 1
        self._touch()
        if not self._is_live or self._connection is None:
            return  # it is part of step 2, once the daemon says what it has
        if self._is_sender_idle and not self._more.is_set():
            # The first of a burst goes at once. The others gather until the sender has woken, and go in one message.
            self._connection.send_nowait(channel.encode(channel.Updates((update,))))
            self._more.set()
        else:
            self._queue(_Update(update))

    def _queue(self, message: bytes) -> None:
        self._waiting.append(message)
        self._more.set()

    async def _connect(self) -> None:
        """Raises FileUnavailable, NotRunning."""
        self._connection = await Connection.open(self._socket_path, self.path, self.doc.client_id, self._name)
        self._name = self._connection.name
        self._shared.max_bytes = self._connection.max_text_bytes

    async def _until_here(self) -> None:
        """Return when the document is here."""
        while not self._is_live or not self._answers:
            await self._progress.wait()

    def _close(self) -> None:
        self._is_closed, self._is_live = True, False
        self._shared.close()
        self._tell()  # whoever still waits is told

    def _check_open(self) -> None:
        if self._is_closed:
            raise FileUnavailable(f"{self.path} is not open any more: its `async with` block is over")

    @asynccontextmanager
    async def _kept_in_step(self) -> AsyncIterator[None]:
        """Keep in step while the block runs, and until what was written in it is stored. Raises as `Device.open`."""
        try:
            with ungrouped():
                async with self._running():
                    await self._until_here()
                    try:
                        yield
                    except BaseException as error:
                        await self._store_last(error)  # noqa: ASYNC102 (it shields itself, for a limited time)
                        raise
                    await self._store_last()
        finally:
            self._close()

    @asynccontextmanager
    async def _running(self) -> AsyncIterator[None]:
        """Run what keeps this file in step, until the block is left: no other cancellation reaches it."""
        runner = anyio.CancelScope(shield=True)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._run, runner)
            try:
                yield
            finally:
                runner.cancel()

    async def _store_last(self, left_by: BaseException | None = None) -> None:
        """Store what was written in a block that is left, or tell how much is not stored.

        Raises:
            NotRunning: it is not; where an `Exception` left the block, that has a note instead.
        """
        cancelled: BaseException | None = None
        if self._failure is None and self.unstored:
            with anyio.move_on_after(_LAST_FLUSH_S, shield=True) as limit:
                cancelled = await self._flush_last(limit, anew=not isinstance(left_by, Exception | None))
        if self._failure is not None or not self.unstored:
            if cancelled is not None:
                raise cancelled
            return
        away = "answer" if self._is_live else "come back"
        what = f"the daemon did not {away} within {_LAST_FLUSH_S:g} s: {self._not_stored()}"
        if isinstance(left_by, Exception):
            left_by.add_note(what)
        else:
            raise NotRunning(what) from (left_by or cancelled)

    def _not_stored(self) -> str:
        return f"{self.unstored} edits of {self.path} are not known to be stored"

    async def _flush_last(self, limit: anyio.CancelScope, *, anew: bool) -> BaseException | None:
        """Flush; gives the cancellation that came meanwhile: a task of asyncio can be cancelled through any shield."""
        cancelled: BaseException | None = None
        while True:
            try:
                await (self._flush_anew() if anew else self.flush())
            except anyio.get_cancelled_exc_class() as error:  # noqa: ASYNC103 (the caller raises it)
                if limit.cancel_called:
                    raise  # its time is over
                cancelled, anew = error, True
            else:
                return cancelled

    async def _flush_anew(self) -> None:
        """Flush over another connection: asyncio cancels every task when a program ends, also what keeps in step."""
        while self._runner is not None:
            self._runner.cancel()
            await self._progress.wait()
        async with self._running():
            await self.flush()

    async def _run(self, runner: anyio.CancelScope) -> None:
        """Keep in step until `runner` is cancelled. Raises FileUnavailable."""
        self._runner = runner
        try:
            with runner:
                await self._stay_connected()
        except FileUnavailable as error:
            self._failure = error
            if self.unstored:
                error.add_note(self._not_stored())
            raise
        finally:
            self._runner, self._connection, self._is_live = None, None, False
            self._tell()

    async def _stay_connected(self) -> None:
        """Keep in step, over one connection after the other."""
        retry_s, refused = _FIRST_RETRY_S, 0
        while True:
            if self._connection is not None:
                retry_s = _FIRST_RETRY_S
                try:
                    await self._talk(self._connection)
                except* (anyio.BrokenResourceError, anyio.ClosedResourceError, WebSocketClosed):
                    pass
                if self._connection.refusal is not None:
                    raise FileUnavailable(self._connection.refusal)
                self._connection = None
            self._is_live = False
            self._tell()
            await anyio.sleep(retry_s)
            retry_s = min(_LONGEST_RETRY_S, 2 * retry_s)
            try:
                await self._connect()
            except NotRunning:
                refused = 0
            except FileUnavailable:
                refused += 1  # a daemon that has just started may not have loaded the folder
                if refused > _MOST_REFUSALS:
                    raise

    async def _talk(self, connection: Connection) -> None:
        self._waiting.clear()
        self._asked = self._answers = 0
        connection.wake_sender = lambda: self._more.set()
        try:
            async with connection, anyio.create_task_group() as tasks:
                tasks.start_soon(self._send, connection)
                if not self._away.is_away:
                    self._ask()
                if self._own_clock:
                    self._queue(self._own_presence())
                async for data in connection:
                    if (message := self._take(data)) is not None:
                        tasks.start_soon(self._tell_shown, message)
                    self._touch()
                tasks.cancel_scope.cancel()
        finally:
            self._is_live = False
            self._away.begin(str(self), is_stored=not self.unstored)

    def _ask(self) -> None:
        self._asked += 1
        self._queue(channel.encode(channel.Step1(self._shared.state_vector())))

    def _answer(self, state_vector: bytes) -> None:
        """Say what the daemon lacks; after a while without it, what was shown here, and then ask what it has."""
        update = channel.Step2(self._shared.update_since(state_vector))
        if not self._away.is_away:
            self._queue(channel.encode(update))
            return
        self._away.note(str(self))
        self._away.is_away = False
        have, shown = channel.Have(self._shared.state_vector()), channel.Shown(self._away.hashes)
        for message in (shown, channel.Since(self._away.since_ms), have, update):
            self._queue(channel.encode(message))
        self._ask()

    async def _send(self, connection: Connection) -> None:
        try:
            while True:
                while self._waiting or connection.has_rest:
                    await connection.send_rest()
                    if self._waiting:
                        await connection.send(self._next_message())
                self._more = anyio.Event()
                self._is_sender_idle = True
                await self._more.wait()
                self._is_sender_idle = False
        finally:
            self._is_sender_idle = False

    def _next_message(self) -> bytes:
        """What waits longest; updates that wait behind each other go in one message, and are stored at once."""
        updates: list[bytes] = []
        while self._waiting and isinstance(self._waiting[0], _Update) and len(updates) < channel.MAX_UPDATES:
            updates.append(bytes(self._waiting.popleft()))
        return channel.encode(channel.Updates(tuple(updates))) if updates else self._waiting.popleft()

    async def _tell_shown(self, message: channel.Saved) -> None:
        """Answer whether a save is of what is shown here. What was told before it was saved may be on its way."""
        number = self.screen.number_of(message.contents, str(self))
        with anyio.move_on_after(_TOLD_S):
            while self._is_live and self.screen.is_told and not number:
                await self._progress.wait()
                number = self.screen.number_of(message.contents, str(self))
        clocks = read_state_vector(self._shared.state_vector())
        self._queue(channel.encode(channel.Showed(number, clocks.get(self.doc.client_id, 0))))

    def _take(self, data: bytes) -> channel.Saved | None:
        """Take a message; gives it back where it is to be answered."""
        match message := channel.decode(data):
            case channel.Saved():
                return message
            case channel.Step1(state_vector):
                self._answer(state_vector)
                if not self._is_live:
                    self._is_live = True
                    self._tell()
            case channel.Step2(update):
                self._shared.receive(update)
                self._answers += 1
                self._away.forget()
            case channel.Updates(updates):
                self._shared.receive(*updates)
            case channel.Denied(reason):
                log.warning("%s: %s", self.path, reason)  # and the text is what it was: an update says so
                if self._connection is not None:
                    self._connection.denied = reason
                self._tell()
            case channel.AwarenessUpdate(states):
                before = self._others, self.path, self.note
                for presence in awareness.decode(states):
                    state = presence.state or {}
                    self._others = list(state.get(_OTHERS, []))
                    self.note, self.is_reader = str(state.get("note", "")), bool(state.get("reader"))
                    if state.get("path"):
                        self.path = os.fsdecode(unquote_to_bytes(state["path"]))  # it may have been renamed
                if before != (self._others, self.path, self.note):
                    self._tell()
        return None
