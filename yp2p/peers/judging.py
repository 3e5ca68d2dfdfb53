"""Judging: finding out, with a member's help, what of a removed device's changes counts (`folder/uncounted.py`).

A member that has heard of the removal takes nothing from the removed device any more. So what it has counts. It is
asked for its state of each document that is in question, and what those states lack is taken back here.

A member that doubts the same device itself answers that it has nothing: it does not vouch for what it took.
"""

from __future__ import annotations

from collections.abc import Sequence

import structlog
import trio

from yp2p.folder.catalogue import MANIFEST_INDEX
from yp2p.folder.folder import Folder
from yp2p.folder.live_document import check_in_slices
from yp2p.folder.taking_back import Counted, take_back
from yp2p.identity import DeviceID, DocumentID
from yp2p.peers.questions import Questions
from yp2p.protocol.messages import MAX_PULL, CountedQuery, Documents
from yp2p.protocol.ysync import Shape

# A peer that does not answer keeps the folder waiting for another one.
_LIMIT_S = 60.0

log = structlog.get_logger()


class Judging:
    """Judges what a folder doubts, by one peer.

    Args:
        questions: of the peer's session; while this runs nobody else asks.
    """

    def __init__(self, folder: Folder, peer: DeviceID, questions: Questions) -> None:
        self._folder = folder
        self._peer = peer
        self._questions = questions

    async def run(self) -> None:
        """Return when nothing is doubted any more. Raises trio.TooSlowError, LinkClosed, PeerFault."""
        folder, uncounted = self._folder, self._folder.observers.uncounted
        async with uncounted.judging:
            while uncounted.doubted:
                doubted = dict(uncounted.doubted)
                while not folder.database.pending().is_done:
                    await folder.database.pending().wait()
                for device, seq in doubted.items():
                    await self._judge(device)
                    uncounted.judged({device: seq})

    async def _judge(self, device: DeviceID) -> None:
        rows = self._folder.observers.uncounted.rows(device)
        documents = list(rows)
        counted: dict[DocumentID, Counted] = {}
        for start in range(0, len(documents), MAX_PULL):
            counted |= await self._ask(device, documents[start : start + MAX_PULL])
        done = await take_back(self._folder, rows, counted, device)
        log.info("changes_judged", folder=self._folder.label, documents=len(rows), taken_back=done)

    async def _ask(self, device: DeviceID, documents: Sequence[DocumentID]) -> dict[DocumentID, Counted]:
        """What the peer has of these documents, as far as it counts."""
        known = {document: Counted() for document in documents}
        waiting = set(documents)
        await self._questions.tell(CountedQuery(self._folder.id, device, tuple(documents)))
        try:
            with trio.fail_after(_LIMIT_S):
                while waiting:
                    reply = await self._questions.reply()
                    if isinstance(reply, Documents):  # all parts of a document are in one answer
                        waiting.difference_update(document for document, _ in reply.states)
                        await self._add(reply, known)
        finally:
            self._questions.close()
        return known

    async def _add(self, reply: Documents, known: dict[DocumentID, Counted]) -> None:
        for document, state in reply.states:
            if state and document in known:
                shape = Shape.MANIFEST if document in MANIFEST_INDEX else Shape.TEXT
                known[document].add(await check_in_slices(state, shape))
        await trio.lowlevel.checkpoint()
