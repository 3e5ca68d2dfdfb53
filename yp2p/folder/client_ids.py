"""The client IDs that this process start writes with (invariant 6): fresh random numbers, never used again.

Whoever can write into a folder can write with any client ID, also with ours, and give that to another device first,
which cannot know. So who brings us operations of our own client IDs that we never made is not at fault. They are taken
like anybody's, and in that document this device writes with other IDs from then on: an ID that two write with would
give two operations one name.

Operations of an earlier start that are news here are taken as well, and people are told: somebody wrote in this
device's name, or its store is from a backup and it wrote them itself. Nothing tells which, so nothing is undone.
"""

from __future__ import annotations

import secrets
from collections.abc import Set

from yp2p.identity import DeviceID, DocumentID
from yp2p.protocol.clients import Writer


class ClientIDs:
    """The client IDs of this process start (invariant 6).

    Attributes:
        own, fork: what documents and forks of them are written with, unless somebody else wrote with one of them.
        device: whose they are.
        ids: all that were ever written with since this start.
        earlier: those of earlier starts.
    """

    def __init__(self, own: int, fork: int, device: DeviceID) -> None:
        self.own = own
        self.fork = fork
        self.device = device
        self.ids = frozenset((own, fork))
        self.earlier: Set[int] = frozenset()
        self._renewed: dict[DocumentID, tuple[int, int]] = {}

    @classmethod
    def fresh(cls, device: DeviceID) -> ClientIDs:
        return cls(fresh_client_id(), fresh_client_id(), device)

    def own_of(self, document: DocumentID) -> int:
        """What a document is written with."""
        return self._renewed.get(document, (self.own, self.fork))[0]

    def fork_of(self, document: DocumentID) -> int:
        """What forks of a document are written with."""
        return self._renewed.get(document, (self.own, self.fork))[1]

    def renew(self, document: DocumentID) -> tuple[int, int]:
        """Draw other IDs for a document that somebody else wrote into with ours; gives both, `own_of` first."""
        renewed = self._renewed[document] = fresh_client_id(), fresh_client_id()
        self.ids |= frozenset(renewed)
        return renewed


def fresh_client_id(writer: Writer = Writer.SAVED) -> int:
    return writer.client_id(secrets.randbelow(2**32 - 1) + 1)
