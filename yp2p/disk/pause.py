"""Pausing a folder on request (`yp2p folder pause`), for instance to unmount its disk.

Nothing of the root stays open then, and no watch on it. The pause lasts until a person ends it, also when the daemon
starts again meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable

import trio

from yp2p.store.writer import Commit


class Pause:
    """Whether it is wished, and whether it is so.

    Args:
        wake: has whoever works on the root see that it is wished.
        store: remembers for the next start whether it is.
        is_wanted: whether it was wished before this start.
    """

    def __init__(self, wake: Callable[[], None], store: Callable[[bool], Commit], *, is_wanted: bool = False) -> None:
        self._wake = wake
        self._store = store
        self.is_wanted = is_wanted
        self._changed = trio.Event()
        self._is_given_back = trio.Event()

    async def begin(self) -> None:
        """Wish it, and return when nothing of the root is open any more, and the next start will know."""
        self.is_wanted = True
        stored = self._store(True)
        self._wake()
        self._touch()
        await self._is_given_back.wait()
        await stored.wait()

    def end(self) -> None:
        """Go on."""
        self.is_wanted = False
        self._store(False)
        self._touch()

    def _touch(self) -> None:
        changed, self._changed = self._changed, trio.Event()
        changed.set()

    async def rest(self, limit_s: float) -> None:
        """Wait, with nothing open: for `limit_s`, or until the wish changes; as long as it lasts."""
        if not self.is_wanted:
            with trio.move_on_after(limit_s):
                await self._changed.wait()
        self._is_given_back.set()
        while self.is_wanted:
            await self._changed.wait()
        self._is_given_back = trio.Event()
