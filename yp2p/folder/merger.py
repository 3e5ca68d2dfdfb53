"""Runs three-way merges: in this process where that is quick and safe, else in a process of their own.

A merge by lines alone is quick: it stays on the loop for small texts. Where a person would have been asked in a file
of a language, the result is parsed; parsers are native code and the text is a member's, so that happens in a worker
process (`threeway/worker.py`). It is started when it is needed, and ends when nothing was asked for a while.

Invariants
    * The answer is the same wherever it is found. Where the worker dies of a text, or does not answer in time, the
      text is merged as one of no language.
    * One merge at a time.
"""

from __future__ import annotations

import math
import sys
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from typing import Protocol

import msgspec
import structlog
import trio

from yp2p.threeway.languages import language_of
from yp2p.threeway.lines import Clean, Three, merge_lines, split_lines
from yp2p.threeway.merge import Merged, merge
from yp2p.threeway.worker import Answer, Request, framed

# Merged on the loop: less than a millisecond a thousand lines.
_INLINE_CHARS = 50_000
_IDLE_S = 30.0
# The budgets of a merge are steps; on the slowest machine that we know they take five seconds.
_LIMIT_S = 30.0
_RECEIVE_BYTES = 1 << 20
_STOP_LIMIT_S = 1.0  # it is killed

log = structlog.get_logger()


class Merger(Protocol):
    """Merges three texts."""

    async def merge(self, path: str, base: str, ours: str, theirs: str, back: Collection[str] = ()) -> Merged:
        """As `threeway.merge.merge`."""


class InlineMerger:
    """Merges where it is: for tests in virtual time."""

    async def merge(self, path: str, base: str, ours: str, theirs: str, back: Collection[str] = ()) -> Merged:
        await trio.lowlevel.checkpoint()
        return merge(path, base, ours, theirs, back)


class _WorkerDied(Exception):
    """The worker ended, or did not answer in time."""


class WorkerMerger:
    """Merges in a worker process where it has to."""

    def __init__(self) -> None:
        self._lock = trio.Lock()
        self._process: trio.Process | None = None
        self._received = bytearray()
        self._used = trio.Event()

    async def merge(self, path: str, base: str, ours: str, theirs: str, back: Collection[str] = ()) -> Merged:
        is_small = max(len(base), len(ours), len(theirs)) <= _INLINE_CHARS
        if is_small and (language_of(path) is None or _is_clean(base, ours, theirs)):
            await trio.lowlevel.checkpoint()
            return merge(path, base, ours, theirs, back)
        try:
            async with self._lock:
                return await self._ask(Request(path, base, ours, theirs, sorted(back)))
        except _WorkerDied:
            log.warning("merge_worker_died", advice="the text was merged by lines and words alone")
            return await trio.to_thread.run_sync(merge, "", base, ours, theirs, back)

    async def _ask(self, request: Request) -> Merged:
        self._used.set()
        is_answered = False
        try:
            process = await self._started()
            assert process.stdin is not None
            assert process.stdout is not None
            with trio.fail_after(_LIMIT_S):
                await process.stdin.send_all(framed(request))
                data = await self._message(process.stdout)
            merged = msgspec.msgpack.decode(data, type=Answer).merged()
            is_answered = True
            return merged
        except (trio.TooSlowError, trio.BrokenResourceError, trio.ClosedResourceError, msgspec.DecodeError, OSError):
            raise _WorkerDied from None
        finally:
            # What was not answered whole may still be answered: the next request needs a worker of its own.
            if not is_answered:
                with trio.move_on_after(_STOP_LIMIT_S, shield=True):
                    await self.stop()

    async def _started(self) -> trio.Process:
        if self._process is None:
            command = [sys.executable, "-I", "-m", "yp2p.threeway.worker"]
            self._received.clear()
            self._process = await trio.lowlevel.open_process(command, stdin=-1, stdout=-1)  # -1: a pipe
        return self._process

    async def _message(self, stream: trio.abc.ReceiveStream) -> bytes:
        wanted = math.inf
        while len(self._received) < wanted:
            if wanted == math.inf and len(self._received) >= 4:
                wanted = 4 + int.from_bytes(self._received[:4], "big")
                continue
            data = await stream.receive_some(_RECEIVE_BYTES)
            if not data:
                await self.stop()
                raise _WorkerDied
            self._received += data
        message = bytes(self._received[4:])
        self._received.clear()
        return message

    async def stop(self) -> None:
        """End the worker; the next merge starts another one."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            with trio.CancelScope(shield=True):  # it has been killed: this takes no time
                await process.wait()
                for stream in (process.stdin, process.stdout):
                    if stream is not None:
                        await trio.aclose_forcefully(stream)

    async def run(self) -> None:
        """End the worker whenever nothing was asked for a while, until cancelled."""
        while True:
            await self._used.wait()
            while self._used.is_set():
                self._used = trio.Event()
                await trio.sleep(_IDLE_S)
            async with self._lock:
                if not self._used.is_set():
                    await self.stop()


def _is_clean(base: str, ours: str, theirs: str) -> bool:
    return all(isinstance(part, Clean) for part in merge_lines(Three(*map(split_lines, (base, ours, theirs)))))


@asynccontextmanager
async def open_merger() -> AsyncIterator[WorkerMerger]:
    """A merger that ends its worker when it is left."""
    merger = WorkerMerger()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(merger.run)
        try:
            yield merger
        finally:
            nursery.cancel_scope.cancel()
            with trio.move_on_after(_STOP_LIMIT_S, shield=True):
                await merger.stop()
