"""Judging: finding out, with a member's help, what of a removed device's changes counts (`folder/uncounted.py`).

A member that has heard of the removal takes nothing from the removed device any more. So what it has counts. It is
asked for its state of each document that is in question, and what those states lack is taken back here.

It is told of the removal first, so it has heard of it when it answers. Who doubts a device itself, or has no documents
yet, answers that it cannot tell; it is asked again until it can. All that are linked are asked side by side, and the
first answer decides, but that of whoever removed the device comes first. Where every member has said that it cannot
tell, nobody vouches for anything.

The removed device may have kept back by which claims others wrote what it passed on (`folder/authorship.py`). So the
member is asked for the documents in which these would stand as well: who signed them is no matter of trust.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import structlog
import trio

from yp2p.folder.brought import Counted, claims_of, unclaimed
from yp2p.folder.catalogue import MANIFEST_INDEX, manifest_document_id
from yp2p.folder.folder import Folder
from yp2p.folder.packs import Single
from yp2p.folder.taking_back import take_back
from yp2p.identity import DeviceID, DocumentID
from yp2p.peers.questions import Questions
from yp2p.peers.witness import Witness
from yp2p.protocol.messages import MANIFEST_DOCUMENTS
from yp2p.protocol.ysync import Shape

# One that cannot tell is asked again after this long.
_AGAIN_S = 1.0
# For so long is waited for who removed the device, where it is linked.
_WHO_KNOWS_S = 10.0

log = structlog.get_logger()


class Judging:
    """Judges what a folder doubts, by one peer.

    Args:
        questions: of the peer's session; while this runs nobody else asks.
    """

    def __init__(self, folder: Folder, peer: DeviceID, questions: Questions) -> None:
        self._folder = folder
        self._peer = peer
        self._witness = Witness(folder, questions)

    async def run(self) -> None:
        """Return when nothing is doubted any more. Raises trio.TooSlowError, LinkClosed, PeerFault."""
        uncounted = self._folder.observers.uncounted
        started = trio.current_time()
        while uncounted.doubted:
            for device, seq in list(uncounted.doubted.items()):
                is_late = trio.current_time() > started + _WHO_KNOWS_S
                if not is_late and self._is_for_another(device):
                    continue
                rows = await self._rows(device)
                counted = await self._counted(device, list(rows))
                if counted is not None:
                    await self._learn_claims(device, rows)
                async with uncounted.judging:
                    if uncounted.doubted.get(device) == seq and (counted is not None or uncounted.can_nobody_tell()):
                        await self._judge(device, seq, counted)
            if uncounted.doubted:
                await trio.sleep(_AGAIN_S)

    def _is_for_another(self, device: DeviceID) -> bool:
        """Whether somebody is linked who removed the device, and the peer is none of those."""
        observers = self._folder.observers
        knows = observers.uncounted.knows_who(device)
        return self._peer not in knows and bool(knows & observers.sessions.keys())

    async def _rows(self, device: DeviceID) -> dict[DocumentID, list[Single]]:
        await self._folder.database.pending().wait()  # people here may write on and on
        return self._folder.observers.uncounted.rows(device)

    async def _judge(self, device: DeviceID, seq: int, counted: dict[DocumentID, Counted] | None) -> None:
        rows = await self._rows(device)
        known = counted if counted is not None else {document: Counted() for document in rows}
        done = await take_back(self._folder, rows, known, device)
        log.info("changes_judged", folder=self._folder.label, documents=len(rows), taken_back=done)
        self._folder.observers.uncounted.judged({device: seq})

    async def _counted(self, device: DeviceID, documents: Sequence[DocumentID]) -> dict[DocumentID, Counted] | None:
        """What the peer has of these documents, as far as it counts; None where it cannot tell."""
        without_answer = self._folder.observers.uncounted.without_answer
        counted = await self._witness.counted(device, documents)
        if counted is None:
            without_answer.add(self._peer)
        else:
            without_answer.discard(self._peer)
        return counted

    async def _learn_claims(self, device: DeviceID, rows: Mapping[DocumentID, Sequence[Single]]) -> None:
        """Take the claims that the peer has on client IDs in rows that are not known to be others'."""
        clients = set[int]()
        for document, singles in rows.items():
            clients |= await unclaimed(self._folder, singles, _shape(document), device)
        places = {manifest_document_id(client % MANIFEST_DOCUMENTS) for client in clients}
        found = await self._witness.counted(device, sorted(places)) if places else None
        for place in (found or {}).values():
            for state in place.states:
                claims = [claim for claim in await claims_of(state) if claim.client in clients]
                self._folder.catalogue.learn_claims(claims)


def _shape(document: DocumentID) -> Shape:
    return Shape.MANIFEST if document in MANIFEST_INDEX else Shape.TEXT
