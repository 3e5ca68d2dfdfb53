"""Conditions: what stands between what a device announces and its disk, told to the peer of a folder session.

The digests of a `FolderState` say what a device knows: of a text, that its document is there, whatever its file holds.
While the disk is not what was announced, `FolderState.settled` is false, and a `FolderCondition` says why: work that
takes a while, a directory that is missing, a question that waits for a person, a disk that is full. It also names the
entries whose files wait. A peer that does not know this message ignores it, and still has `settled`.

A folder with a condition is in sync with nobody, for anybody (invariant 10b).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import trio

from yp2p.folder.folder import Folder
from yp2p.identity import EntryID
from yp2p.protocol.messages import MAX_LEAVES, Condition, FolderCondition
from yp2p.transport.link import Link

# What is done sooner is not told: nearly every save would be.
WORKING_S = 2.0
# What changes within this time is told together.
_TOGETHER_S = 0.05


class Conditions:
    """Tells one peer the condition of a folder here, and knows the one there.

    Args:
        are_behind: is told of entries whose files wait at the peer.
        was_apart: whether the peer was told on this link that nobody listens here.
    """

    def __init__(
        self, folder: Folder, link: Link, are_behind: Callable[[Iterable[EntryID]], None], *, was_apart: bool = False
    ) -> None:
        self._folder = folder
        self._link = link
        self._are_behind = are_behind
        self._was_apart = was_apart
        self._working_since = math.inf
        self._of_peer = FolderCondition(folder.id, Condition.NONE)

    @property
    def of_peer(self) -> Condition:
        """What stands between what the peer announced and its disk."""
        return self._of_peer.condition

    def take(self, message: FolderCondition) -> None:
        """The peer says how its folder is doing."""
        self._of_peer = message
        self._are_behind(message.waiting)
        self._folder.state.touch()

    async def run(self) -> None:
        """Tell the peer, whenever that changes, until cancelled."""
        # As long as nothing is said, that is what the peer believes.
        sent = FolderCondition(self._folder.id, Condition.APART if self._was_apart else Condition.NONE)
        while True:
            changed = self._folder.state.changed
            own = self.own(trio.current_time())
            if own != sent:
                await self._link.send(own)
                sent = own
            is_told = own.condition is not Condition.NONE
            with trio.move_on_at(math.inf if is_told else self._working_since + WORKING_S):
                await changed.wait()
                await trio.sleep(_TOGETHER_S)

    def own(self, now: float) -> FolderCondition:
        """What stands between what we announce and our disk; `now` is trio's."""
        folder, state = self._folder, self._folder.state
        self._working_since = math.inf if state.settled else min(self._working_since, now)
        if state.problem:
            condition = Condition.PAUSED
        elif state.question.reason:
            condition = Condition.AWAITING_CONFIRMATION
        elif state.pause_reason:
            condition = Condition.CANNOT_STORE
        else:
            condition = Condition.WORKING if now - self._working_since >= WORKING_S else Condition.NONE
        waiting = sorted(folder.files.waiting.entries)[:MAX_LEAVES] if condition is not Condition.NONE else ()
        return FolderCondition(folder.id, condition, tuple(waiting))
