"""The provider: Yjs sync step 1, step 2 and live updates for one document over one channel, with tasks of its own.

It is a conversation (`conversation.py`) that is given what comes over the channel, and sends, until the channel ends.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import TracebackType

import trio

from yp2p.documents.conversation import Conversation
from yp2p.errors import ungrouped

# How long the end of a block waits for a peer to read: a slow one gets what is left with its next step 1.
_LAST_SEND_S = 5.0


def _check_trio() -> None:
    try:
        trio.lowlevel.current_task()
    except RuntimeError:
        raise RuntimeError(
            "a Provider of yp2p runs on trio, and no trio runs here; `File` is for asyncio too"
        ) from None


class Provider(Conversation):
    """A conversation with two tasks, one that takes what comes over the channel and one that sends.

    `start` and `stop` run it and end it, and so does a block: `async with provider`.
    """

    _is_running = False
    _scope: trio.CancelScope
    _stopped: trio.Event

    async def start(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Run until the channel ends or `stop` is called. It can be started again afterwards.

        Raises:
            InvalidUpdate: the peer sent what no honest device sends.
            RuntimeError: it runs already, or no trio runs here.
        """
        _check_trio()
        if self._is_running:
            raise RuntimeError(f"the provider of {self._channel.path} runs already; stop it first")
        self._is_running, self._scope, self._stopped = True, trio.CancelScope(), trio.Event()
        try:
            with self._scope:
                async with trio.open_nursery() as nursery:
                    await self.begin()
                    nursery.start_soon(self._send)
                    task_status.started()
                    async for message in self._channel:
                        taken = [message]
                        del message  # what it says is copied: of a large one only the copy is kept
                        await self.take(taken)
                    nursery.cancel_scope.cancel()
        finally:
            self._is_running = False
            self.end()
            self._stopped.set()

    async def stop(self) -> None:
        """End `start`; returns when it has ended, at once where it does not run."""
        if self._is_running:
            self._scope.cancel()
            await self._stopped.wait()

    async def __aenter__(self) -> Provider:
        """Start; `started` is set then.

        When the block ends, what waits is sent, for a limited time; an exception ends the provider at once. What the
        provider raises comes out of the block as it was raised, where it is alone.
        """
        self._block = self._open_block()
        return await self._block.__aenter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        return await self._block.__aexit__(kind, error, trace)  # noqa: ASYNC102 (it only ends our own tasks)

    @asynccontextmanager
    async def _open_block(self) -> AsyncIterator[Provider]:
        with ungrouped():
            _check_trio()
            async with trio.open_nursery() as nursery:
                await nursery.start(self._start_alone)
                yield self
                with trio.move_on_after(_LAST_SEND_S):
                    while self._is_running and self._live and (self._sending.locked() or not self.is_idle):
                        await self._went.wait()
                nursery.cancel_scope.cancel()

    async def _start_alone(self, *, task_status: trio.TaskStatus[None]) -> None:  # noqa: ASYNC128 (`start` does)
        with ungrouped():
            await self.start(task_status=task_status)

    async def _send(self) -> None:
        while True:
            await self._more.wait()
            await self.send_waiting()
