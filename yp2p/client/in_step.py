"""A text of this process stays in step with the daemon while a block of the program runs, and is stored at its end.

Theory of operation
    There is one connection after the other: where the daemon goes, it is looked for again, less and less often.

    However the block is left, by its end, an exception, `sys.exit`, Ctrl-C or a cancellation, a last flush follows.
    What keeps the text in step is shielded, so that it outlives the cancellation of the block, and ends when that flush
    has ended or its time is over.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio

from yp2p.client.connection import Connection
from yp2p.client.conversation import Conversation
from yp2p.errors import FileUnavailable, NotRunning, ungrouped
from yp2p.programs.websocket import WebSocketClosed

_MOST_REFUSALS = 8
# How long the end of a block waits for a daemon: longer than a restart takes, shorter than a person waits after Ctrl-C.
_LAST_FLUSH_S = 5.0
_FIRST_RETRY_S, _LONGEST_RETRY_S = 0.05, 2.0


class InStep:
    """Keeps one text in step.

    Args:
        socket: the control socket of the daemon.
    """

    def __init__(self, socket: Path, conversation: Conversation) -> None:
        self._socket = socket
        self._conversation = conversation
        self._connection: Connection | None = None
        self._name = ""  # what the daemon calls this file, whatever becomes of its path
        self._runner: anyio.CancelScope | None = None  # of what keeps it in step, while that runs
        self._failure: FileUnavailable | None = None  # why it does not any more

    async def connect(self) -> None:
        """Raises FileUnavailable, NotRunning."""
        shared, path = self._conversation.shared, self._conversation.presence.path
        self._connection = await Connection.open(self._socket, path, shared.doc.client_id, self._name)
        self._name = self._connection.name
        shared.max_bytes = self._connection.max_text_bytes

    @asynccontextmanager
    async def kept(self) -> AsyncIterator[None]:
        """Keep in step while the block runs, and until what was written in it is stored. Raises as `Device.open`."""
        try:
            with ungrouped():
                async with self._running():
                    while not self._conversation.is_here:
                        await self._conversation.progress.wait()
                    try:
                        yield
                    except BaseException as error:
                        await self._store_last(error)  # noqa: ASYNC102 (it shields itself, for a limited time)
                        raise
                    await self._store_last()
        finally:
            self._conversation.close()

    @asynccontextmanager
    async def _running(self) -> AsyncIterator[None]:
        """Run what keeps this text in step, until the block is left: no other cancellation reaches it."""
        runner = anyio.CancelScope(shield=True)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._run, runner)
            try:
                yield
            finally:
                runner.cancel()

    # --- the end of the block -----------------------------------------------------------------------------------

    async def _store_last(self, left_by: BaseException | None = None) -> None:
        """Store what was written in a block that is left, or tell how much is not stored.

        Raises:
            NotRunning: it is not; where an `Exception` left the block, that has a note instead.
        """
        talk = self._conversation
        cancelled: BaseException | None = None
        if self._failure is None and talk.unstored:
            with anyio.move_on_after(_LAST_FLUSH_S, shield=True) as limit:
                cancelled = await self._flush_last(limit, anew=not isinstance(left_by, Exception | None))
        if self._failure is not None or not talk.unstored:
            if cancelled is not None:
                raise cancelled
            return
        away = "answer" if talk.is_live else "come back"
        what = f"the daemon did not {away} within {_LAST_FLUSH_S:g} s: {self._not_stored()}"
        if isinstance(left_by, Exception):
            left_by.add_note(what)
        else:
            raise NotRunning(what) from (left_by or cancelled)

    def _not_stored(self) -> str:
        return f"{self._conversation.unstored} edits of {self._conversation.presence.path} are not known to be stored"

    async def _flush_last(self, limit: anyio.CancelScope, *, anew: bool) -> BaseException | None:
        """Flush; gives the cancellation that came meanwhile: a task of asyncio can be cancelled through any shield."""
        cancelled: BaseException | None = None
        while True:
            try:
                await (self._flush_anew() if anew else self._conversation.flush())
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
            await self._conversation.progress.wait()
        async with self._running():
            await self._conversation.flush()

    # --- one connection after the other -------------------------------------------------------------------------

    async def _run(self, runner: anyio.CancelScope) -> None:
        """Keep in step until `runner` is cancelled. Raises FileUnavailable."""
        self._runner = runner
        try:
            with runner:
                await self._stay_connected()
        except FileUnavailable as error:
            self._failure = error
            if self._conversation.unstored:
                error.add_note(self._not_stored())
            raise
        finally:
            self._runner = self._connection = None
            self._conversation.lost()

    async def _stay_connected(self) -> None:
        retry_s, refused = _FIRST_RETRY_S, 0
        while True:
            if self._connection is not None:
                retry_s = _FIRST_RETRY_S
                await self._talk(self._connection)
                self._connection = None
            self._conversation.lost()
            await anyio.sleep(retry_s)
            retry_s = min(_LONGEST_RETRY_S, 2 * retry_s)
            try:
                await self.connect()
            except NotRunning:
                refused = 0
            except FileUnavailable:
                refused += 1  # a daemon that has just started may not have loaded the folder
                if refused > _MOST_REFUSALS:
                    raise

    async def _talk(self, connection: Connection) -> None:
        """Until the connection ends. Raises FileUnavailable: the daemon does not serve this file."""
        try:
            await self._conversation.talk(connection)
        except* (anyio.BrokenResourceError, anyio.ClosedResourceError, WebSocketClosed):
            pass
        if connection.refusal is not None:
            raise FileUnavailable(connection.refusal)
