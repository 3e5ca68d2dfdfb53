"""A member that is asked what it has of some documents, as far as that counts (`judging.py`, `withdrawal.py`).

It is told of the membership first, so when it answers it has heard of whatever took a device's right to write: what it
has not by then of that device it never takes. One that doubts a device itself, or has no documents yet, answers that it
cannot tell.
"""

from __future__ import annotations

from collections.abc import Sequence

import trio

from yp2p.folder.brought import Counted
from yp2p.folder.catalogue import MANIFEST_INDEX
from yp2p.folder.folder import Folder
from yp2p.folder.incoming import check_in_slices
from yp2p.identity import DeviceID, DocumentID
from yp2p.peers.questions import Questions
from yp2p.protocol.messages import MAX_PULL, CountedQuery, Documents, Membership
from yp2p.protocol.ysync import Shape

# A peer that does not answer; the others are asked meanwhile.
_LIMIT_S = 60.0


class Witness:
    """Asks one peer.

    Args:
        questions: of the peer's session; while this asks nobody else does.
    """

    def __init__(self, folder: Folder, questions: Questions) -> None:
        self._folder = folder
        self._questions = questions
        self._told: tuple[bytes, ...] = ()

    async def counted(self, device: DeviceID, documents: Sequence[DocumentID]) -> dict[DocumentID, Counted] | None:
        """What the peer has of these documents, as far as what a device may not write any more does not count in them.

        Returns:
            None where it cannot tell.

        Raises:
            trio.TooSlowError, LinkClosed, PeerFault.
        """
        counted: dict[DocumentID, Counted] = {}
        if self._told != (statements := self._folder.membership.statements()):
            self._told = statements
            for part in Membership.parts(self._folder.id, statements):
                await self._questions.tell(part)
        for start in range(0, len(documents), MAX_PULL):
            found = await self._ask(device, documents[start : start + MAX_PULL])
            if found is None:
                return None
            counted |= found
        return counted

    async def _ask(self, device: DeviceID, documents: Sequence[DocumentID]) -> dict[DocumentID, Counted] | None:
        known = {document: Counted() for document in documents}
        waiting = set(documents)
        await self._questions.tell(CountedQuery(self._folder.id, device, tuple(documents)))
        try:
            with trio.fail_after(_LIMIT_S):
                while waiting:
                    reply = await self._questions.reply()
                    if isinstance(reply, Documents):  # all parts of a document are in one answer
                        if not reply.states:
                            return None
                        waiting.difference_update(document for document, _ in reply.states)
                        await self._add(reply, known)
        finally:
            self._questions.close()
        return known

    async def _add(self, reply: Documents, known: dict[DocumentID, Counted]) -> None:
        for document, state in reply.states:
            if state and document in known:
                shape = Shape.MANIFEST if document in MANIFEST_INDEX else Shape.TEXT
                known[document].add(await check_in_slices(state, shape), shape)
        await trio.lowlevel.checkpoint()
