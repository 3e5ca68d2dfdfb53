"""Telling several tasks of changes, so that a slow task misses none.

Changes are counted, and a task is woken when the count differs from the one that it saw last. So changes that come
while a task works cost it one more round, however many they are.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Generator
from typing import Any
from weakref import WeakKeyDictionary

import anyio
import trio


def _current_task() -> object:
    try:
        return trio.lowlevel.current_task()
    except RuntimeError:  # no trio runs here
        return asyncio.current_task()


class ChangeCount:
    """Counts changes.

    Args:
        check: raises when nobody is to wait any more.
    """

    def __init__(self, check: Callable[[], None]) -> None:
        self.check = check
        self.count = 0
        self.event = anyio.Event()
        # By task, which may be gone: which count an `await` there returned with.
        self.told: WeakKeyDictionary[object, int] = WeakKeyDictionary()

    def add(self) -> None:
        self.count += 1
        self.wake()

    def wake(self) -> None:
        """Let those who wait look again."""
        event, self.event = self.event, anyio.Event()
        event.set()

    def next(self) -> NextChange:
        return NextChange(self)


class NextChange(Coroutine[Any, Any, None]):
    """A coroutine that returns at the next change, and an iterator over rounds of changes.

    As a coroutine it returns at once where something changed since another one returned to the same task.
    """

    def __init__(self, changes: ChangeCount) -> None:
        self._changes = changes
        self._seen = changes.count
        self._waiting: Coroutine[Any, Any, None] | None = None

    async def _once(self) -> None:
        task, told = _current_task(), self._changes.told
        self._seen = min(self._seen, told.get(task, self._seen))
        await self.__anext__()
        told[task] = self._seen

    def __aiter__(self) -> NextChange:
        return self

    async def __anext__(self) -> None:
        changes = self._changes
        changes.check()
        while changes.count == self._seen:
            await changes.event.wait()
            changes.check()
        self._seen = changes.count

    def __await__(self) -> Generator[Any, Any, None]:
        return self._coroutine().__await__()

    def _coroutine(self) -> Coroutine[Any, Any, None]:
        if self._waiting is None:
            self._waiting = self._once()
        return self._waiting

    def send(self, value: Any) -> Any:
        return self._coroutine().send(value)

    def throw(self, *arguments: Any) -> Any:
        return self._coroutine().throw(*arguments)

    def close(self) -> None:
        if self._waiting is not None:
            self._waiting.close()
