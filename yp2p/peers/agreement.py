"""Agreement: how far a device and the peer of a folder session are known to have the same.

Three things are told in both directions: what a device has (`announcements.py`), which entries are on its disk in
which version (`acks.py`), and what keeps its disk from being what it announces (`conditions.py`). The two are in sync
when all three say so, on both sides, and a first comparison (`reconciliation.py`) has come to its end.
"""

from __future__ import annotations

from collections.abc import Callable

import trio

from yp2p.folder.folder import Folder
from yp2p.identity import DeviceID, DocumentID, EntryID
from yp2p.peers.acks import Acks
from yp2p.peers.announcements import Announcements
from yp2p.peers.conditions import Conditions
from yp2p.protocol.messages import Condition, FolderState
from yp2p.protocol.reconcile import Leaf
from yp2p.transport.link import Link

# A peer that does not say whether it is at rest within this time is not.
_REST_LIMIT_S = 5.0


class Agreement:
    """What is known of one peer's copy of a folder.

    Args:
        document_agreed: is told of a document that the peer has as we do.
        was_apart: whether the peer was told on this link that there is no session here.

    Attributes:
        compared: whether a first comparison with the peer came to its end.
        announcements, acks, conditions: what tells the peer of changes here; the session runs them.
    """

    def __init__(
        self,
        folder: Folder,
        link: Link,
        peer: DeviceID,
        document_agreed: Callable[[DocumentID], None],
        *,
        was_apart: bool,
    ) -> None:
        self._folder = folder
        self._peer = peer
        self.compared = False
        self.acks = Acks(folder, link, document_agreed)
        self.announcements = Announcements(folder, link, self.acks.caught_up)
        self.conditions = Conditions(folder, link, self.acks.are_behind, was_apart=was_apart)

    @property
    def of_peer(self) -> FolderState | None:
        """What the peer announced last."""
        return self.announcements.of_peer

    @property
    def behind(self) -> dict[EntryID, Leaf | None]:
        """The entries that the peer is not known to have as we have them."""
        return self.acks.behind

    @property
    def condition(self) -> Condition:
        """What stands between what the peer announced and its disk."""
        return self.conditions.of_peer

    @property
    def in_sync(self) -> bool:
        """Whether the peer acknowledged everything we have, and we have what it announced last, on both disks."""
        is_there = self.announcements.is_settled_there and self.condition is Condition.NONE
        return self.compared and not self.behind and is_there and self.announcements.is_equal

    def is_compared(self) -> None:
        """Everything was compared with this peer: the first scan, and what a join waits for, can go on."""
        state = self._folder.state
        if self.compared and state.adopted:
            return  # said again
        self.compared = True
        if self._folder.membership.takes_from(self._peer):  # else what there is may be elsewhere
            state.adopt()
        self._folder.render_queue.wake()
        state.touch()

    async def probe(self) -> bool:
        """Ask the peer for its state now; tells whether it is settled and equal to ours."""
        state = await self.announcements.probe()
        return state is not None and state.settled and self.in_sync

    async def knows_members(self) -> bool:
        """Ask the peer whether it has the statements that we have, all of them."""
        state = await self.announcements.probe()
        return state is not None and state.membership == self._folder.membership.digest()

    async def is_at_rest(self) -> bool:
        """Ask the peer whether it knows which files there are as we do, and its disk is what it says."""
        with trio.move_on_after(_REST_LIMIT_S):
            state = await self.announcements.probe()
            is_same = state is not None and state.manifest == self._folder.catalogue.digest()
            return self.compared and is_same and self.announcements.is_settled_there
        return False
