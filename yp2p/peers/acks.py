"""Acknowledgements: which entries the peer of a folder session has as we do, and telling it which are here.

An `Ack` says that an entry is stored and on disk here in exactly this version (or ignored here; what is not here by
choice is never acknowledged, the announcement alone speaks of it); an entry is shown in sync with a device
only when that device acknowledged what we have (invariant 10). A folder that is paused acknowledges nothing: nobody
knows what its disk holds. What it holds is told once it has settled again, by the announcement.

Invariants
    * `behind` holds every entry that the peer is not known to have as we have it.
    * An ack is sent only when what it contains is durable (invariant 1).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import trio

from yp2p.folder.folder import Folder
from yp2p.folder.turns import Slice
from yp2p.identity import DocumentID, EntryID
from yp2p.protocol.messages import SENT_LEAVES, Ack
from yp2p.protocol.reconcile import Leaf
from yp2p.transport.link import Link

# Of a first sync some tell as much as all.
_MOST_TIMED = 1024


class Acks:
    """Sends and takes acknowledgements.

    Args:
        agreed: is told of a document that the peer has as we do.
    """

    def __init__(self, folder: Folder, link: Link, agreed: Callable[[DocumentID], None]) -> None:
        self._folder = folder
        self._link = link
        self._agreed = agreed
        self._to_send: set[EntryID] = set()
        self._work = trio.Event()
        self.behind: dict[EntryID, Leaf | None] = {}  # with what it acknowledged last, if anything
        self._changed_at: dict[EntryID, float] = {}  # of some that are behind; trio's clock

    def entry_changed(self, entry: EntryID) -> None:
        """An entry is another here: the peer has to acknowledge it again."""
        self.behind.setdefault(entry, None)
        if len(self._changed_at) < _MOST_TIMED:
            self._changed_at.setdefault(entry, trio.current_time())

    def on_disk(self, entry: EntryID) -> None:
        """The file of an entry is what the documents say: the peer is told."""
        self._settle(entry, self.behind.get(entry))
        self._to_send.add(entry)
        self._work.set()

    def are_behind(self, entries: Iterable[EntryID]) -> None:
        """The peer says that the files of these entries wait there."""
        for entry in entries:
            if entry in self._folder.catalogue.entries:
                self.behind.setdefault(entry, None)

    def take(self, leaves: Iterable[tuple[EntryID, Leaf]]) -> None:
        """The peer has these entries stored and on its disk."""
        for entry, leaf in leaves:
            self._settle(entry, leaf)

    def caught_up(self) -> None:
        """What the peer announced last, all of it on its disk, is what we have: it is behind with nothing."""
        if self.behind:
            self._folder.state.touch()
        self.behind.clear()  # an empty one keeps the room that it needed
        for entry in list(self._changed_at):
            self._is_acknowledged(entry)

    async def run(self) -> None:
        """Send acknowledgements until cancelled."""
        folder = self._folder
        while True:
            await self._work.wait()
            # no await: what is rendered from now on is acknowledged in the next round
            self._work = trio.Event()
            entries, self._to_send = self._to_send, set()
            if folder.state.pause_reason:
                continue
            leaves: list[tuple[EntryID, Leaf]] = []
            part = Slice()
            for entry in entries:
                await part.end_if_long()
                # What programs type is not asked for its digest; it comes back here when it is on the disk.
                if folder.is_being_typed(entry) or folder.files.is_not_here_by_choice(entry):
                    continue
                if folder.is_on_disk(entry):
                    leaf = folder.leaf(entry)
                    if leaf is not None:
                        leaves.append((entry, leaf))
            await folder.database.pending().wait()
            for start in range(0, len(leaves), SENT_LEAVES):
                await self._link.send(Ack(folder.id, tuple(leaves[start : start + SENT_LEAVES])))

    def _settle(self, entry: EntryID, acknowledged: Leaf | None) -> None:
        if acknowledged is None:
            return
        if self._folder.is_being_typed(entry):
            self.behind[entry] = acknowledged  # looked at again once it is on the disk
        elif self._folder.leaf(entry) == acknowledged:
            self.behind.pop(entry, None)
            self._is_acknowledged(entry)
            self._agreed(acknowledged.document)
            self._folder.state.touch()
        elif entry in self._folder.catalogue.entries:
            self.behind[entry] = acknowledged

    def _is_acknowledged(self, entry: EntryID) -> None:
        changed_at = self._changed_at.pop(entry, None)
        if changed_at is not None:
            self._folder.observers.acknowledged.observe(trio.current_time() - changed_at)
