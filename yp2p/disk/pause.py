"""Pausing a folder on request (`yp2p folder pause`), for instance to unmount its disk.

Nothing of the root stays open then, and no watch on it. The pause lasts until a person ends it or, where one said for
how long, until then: also when the daemon starts again meanwhile, or the machine sleeps.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import trio

from yp2p.machine import LOOK_S, Until
from yp2p.store.writer import Commit


class Pause:
    """Whether it is wished, and whether it is so.

    Args:
        wake: has whoever works on the root see that it is wished.
        store: remembers for the next start whether it is, and until when.
        is_wanted: whether it was wished before this start.
        until: when that wish ends; None: when a person says so.
    """

    def __init__(
        self,
        wake: Callable[[], None],
        store: Callable[[bool, Until | None], Commit],
        *,
        is_wanted: bool = False,
        until: Until | None = None,
    ) -> None:
        self._wake = wake
        self._store = store
        self.is_wanted = is_wanted
        self.until = until
        self._changed = trio.Event()
        self._is_given_back = trio.Event()

    async def begin(self, until: Until | None = None) -> None:
        """Wish it, and return when nothing of the root is open any more, and the next start will know."""
        self.is_wanted, self.until = True, until
        stored = self._store(True, until)
        self._wake()
        self._touch()
        await self._is_given_back.wait()
        await stored.wait()

    def last(self, until: Until | None) -> None:
        """Have a pause that is there end then."""
        self.until = until
        self._store(True, until)
        self._touch()

    def end(self) -> None:
        """Go on."""
        self.is_wanted, self.until = False, None
        self._store(False, None)
        self._touch()

    def end_if_over(self) -> None:
        """Go on where it was wished for a time that is over."""
        if self.until is not None and not self.until.left_s:
            self.end()

    def _touch(self) -> None:
        changed, self._changed = self._changed, trio.Event()
        changed.set()

    async def rest(self, limit_s: float) -> None:
        """Wait, with nothing open: for `limit_s`, or until the wish changes; as long as it lasts as it is."""
        if not self.is_wanted:
            with trio.move_on_after(limit_s):
                await self._changed.wait()
        self._is_given_back.set()
        until = self.until
        while self.is_wanted and self.until is until:
            with trio.move_on_after(min(LOOK_S, self.until.left_s) if self.until is not None else math.inf):
                await self._changed.wait()
            self.end_if_over()
        self._is_given_back = trio.Event()
