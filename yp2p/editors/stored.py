"""What the daemon may have stored of a file that an editor has open.

Theory of operation
    When the daemon goes, the disk has what it had stored: all of others that was received here, and the editor's edits
    up to some one of them. Which one that is nobody knows here, as the daemon stores before it says so. So each text
    that it may be is kept, from the one that is known to be stored on; whoever saves what is missing looks which of
    them the disk has (`rescue.py`). A change made from any other would put in again what is there already.

    A text is kept as the way back to it: an operation on what the file says here. An edit puts its own inverse in front
    of all of them, and what others change is carried over by each: it is in all these texts.

Invariants
    * Applied to what the file says, the first way back gives what is known to be stored.
    * No way back removes what others wrote.
"""

from __future__ import annotations

from collections.abc import Sequence

import trio

from yp2p.client import File
from yp2p.documents.diff import Hunk
from yp2p.editors.operation import Operation, compose, transform

# So often the daemon is asked whether it has stored what was written; it stores it at once.
_STORE_PACE_S = 0.25
# Nobody types as much in that time. Of what a program writes, the first edits and all of them are enough.
_MOST_WAYS = 64


class Stored:
    """Of one file; nothing is known at first."""

    def __init__(self) -> None:
        self._ways: list[tuple[int, Operation]] = []  # each with the number of edits that it leaves
        self._edits = 0
        self._was_connected = False
        self._more = trio.Event()

    def texts(self, text: str) -> tuple[str, ...]:
        """What may be stored where the file says this, from what is known to be; nothing where that is not known."""
        return tuple(way.apply(text) for _, way in self._ways)

    def is_all(self, text: str) -> bool:
        """Whether all of it is known to be stored."""
        return bool(self._ways) and not self._ways[0][1].changes_in(text)

    def become_all(self) -> None:
        """What the file says is stored."""
        self._ways = [(self._edits, Operation())]

    def edit(self, before: str, changes: Sequence[Hunk], *, is_connected: bool) -> None:
        """The editor has changed what the file said; the daemon is told at once where it is connected."""
        if (is_connected or self._was_connected) and 0 < len(self._ways) < _MOST_WAYS:
            self._keep_way()
        self._was_connected = is_connected
        self._edits += 1
        back = _inverse(before, changes)
        self._ways = [(edits, compose(back, way)) for edits, way in self._ways]
        self._more.set()

    def receive(self, changes: Sequence[Hunk]) -> None:
        """Others have changed it."""
        change = Operation.of(changes)
        self._ways = [(edits, transform(way, change)[0]) for edits, way in self._ways]

    async def follow(self, file: File) -> None:
        """See to it that it is known, a moment after something was written, until cancelled."""
        while True:
            self._more = trio.Event()
            if file.unstored:
                self._keep_way()
                stored = self._edits
                await file.flush()
                self._ways = [(edits, way) for edits, way in self._ways if edits >= stored]
                await trio.sleep(_STORE_PACE_S)
            else:
                await self._more.wait()

    def _keep_way(self) -> None:
        if not self._ways or self._ways[-1][0] < self._edits:
            self._ways.append((self._edits, Operation()))


def _inverse(text: str, changes: Sequence[Hunk]) -> Operation:
    """What takes changes of a text back."""
    found: list[Hunk] = []
    moved = 0
    for hunk in changes:
        start = hunk.start + moved
        found.append(Hunk(start, start + len(hunk.text), text[hunk.start : hunk.stop]))
        moved += len(hunk.text) - (hunk.stop - hunk.start)
    return Operation.of(found)
