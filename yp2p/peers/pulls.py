"""Pulls: getting the documents that the manifest names and that are not here, many in one message.

What another peer was asked for is left to it as long as it answers (`folder/claims.py`).
"""

from __future__ import annotations

from collections.abc import Sequence

import trio

from yp2p.documents.text import TextReplica, imported, read_first_import
from yp2p.errors import CrdtPanic, MissingDependency
from yp2p.folder.budget import is_free, is_heavy, until_light
from yp2p.folder.claims import PATIENCE_S
from yp2p.folder.folder import Folder
from yp2p.folder.incoming import checked_parts
from yp2p.folder.transfers import TEXTS, Key, Transfer, Way
from yp2p.folder.turns import turn
from yp2p.identity import DeviceID, DocumentID
from yp2p.peers.channels import Channels
from yp2p.peers.questions import Questions
from yp2p.protocol.messages import Documents, Pull
from yp2p.protocol.ysync import Checked, Shape
from yp2p.transport.pacing import FEW_TEXTS

_PULL_BATCH = 1024
# Where the link is limited: nobody knows how large they are.
_PULL_BATCH_LIMITED = 64
# So many are taken in one step, of some milliseconds; the store takes fifty rows of a kind at once.
_SLICE = 50
# A first import is an update that this device could have made itself, so it needs no check where it is no longer than
# what is checked in one step.
_SHORT_BYTES = 16 << 10


class Pulls:
    """Pulls the documents of one folder from one peer."""

    def __init__(self, folder: Folder, peer: DeviceID, questions: Questions, channels: Channels) -> None:
        self._folder = folder
        self._peer = peer
        self._questions = questions
        self._channels = channels
        self._lacking: set[DocumentID] = set()  # what the peer has not either

    def start_over(self) -> None:
        """The peer may have by now what it lacked."""
        self._lacking.clear()

    async def missing(self) -> None:
        """Pull what the manifest names and no other peer is about to send, batch by batch."""
        transfers, key = self._folder.state.transfers, Key(Way.RECEIVING, self._peer, TEXTS)
        is_shown = False
        try:
            while (wanted := self._wanted()) and self._folder.membership.takes_from(self._peer):
                if len(wanted) > FEW_TEXTS and not is_shown:
                    left = len(self._folder.catalogue.named.missing())
                    transfers.begin(key, Transfer("", left, None, trio.current_time()))
                    is_shown = True
                await self._pull_batch(wanted)
        finally:
            transfers.end(key)

    async def _pull_batch(self, wanted: list[DocumentID]) -> None:
        """Pull some, which may be others by the time that it is this peer's turn."""
        observers = self._folder.observers
        if observers.document_claims.is_late(self._peer) and len(observers.sessions) > 1:
            await trio.sleep(PATIENCE_S)  # the others first
            wanted = self._wanted()
        if len(wanted) > FEW_TEXTS and self._questions.is_limited:
            await self._questions.turn()
            wanted = self._wanted()[:_PULL_BATCH_LIMITED]
        if not wanted:
            return  # others have them by now
        observers.document_claims.take(wanted, self._peer, trio.current_time())
        try:
            await self._pull(wanted)
            observers.document_claims.answered(self._peer)
        finally:
            observers.document_claims.release(wanted, self._peer)
            observers.pull(but=self._peer)  # they may have left documents to this one

    def next_lapse(self) -> float:
        """When documents that another peer was asked for are to be asked of this one as well."""
        return self._folder.observers.document_claims.next_lapse(self._peer, trio.current_time())

    def _wanted(self) -> list[DocumentID]:
        observers, now = self._folder.observers, trio.current_time()

        def is_left_out(document: DocumentID) -> bool:
            return (
                document in self._lacking
                or observers.document_claims.is_held(document, self._peer, now)
                or observers.quarantine.is_quarantined(self._peer, document, now)
            )

        return self._folder.catalogue.named.missing(_PULL_BATCH, is_left_out)

    async def _pull(self, wanted: list[DocumentID]) -> None:
        folder = self._folder
        await self._questions.tell(Pull(folder.id, tuple(wanted)))
        waiting = set(wanted)
        while waiting:
            reply = await self._questions.reply()
            if not isinstance(reply, Documents):
                return
            folder.observers.document_claims.heard(self._peer, trio.current_time())
            size, now = sum(len(state) for _, state in reply.states), trio.current_time()
            folder.state.progress.traffic.add(size, now)
            folder.state.transfers.moved(Key(Way.RECEIVING, self._peer, TEXTS), size, now)
            came = [(document, parts) for document, parts in _by_document(reply).items() if document in waiting]
            waiting.difference_update(document for document, _ in came)
            for start in range(0, len(came), _SLICE):
                await self._take_some(came[start : start + _SLICE])
                await turn()
        self._questions.close()

    async def _take_some(self, came: Sequence[tuple[DocumentID, list[bytes]]]) -> None:
        """Take documents: those that are but a short insertion, which is what it says, together and at once."""
        imports = [
            (document, *found)
            for document, states in came
            if len(states) == 1
            and len(states[0]) <= _SHORT_BYTES
            and (found := read_first_import(states[0])) is not None
        ]
        taken = self._folder.edits.take_first_imports(imports, self._peer)
        for document, states in came:
            if document not in taken:
                await self._take(document, states)

    async def _take(self, document: DocumentID, states: list[bytes]) -> None:
        if not all(states):
            self._lacking.add(document)
            return
        folder = self._folder
        try:
            first, *rest = parts = [part for state in states for part in await checked_parts(state, Shape.TEXT, {})]
            if is_heavy() and _weighs(parts):  # others may ask their peers for it meanwhile
                await until_light()
            if folder.edits.take_pulled(document, first, self._peer) is not None and rest:
                await folder.texts.open(document).take_all(rest, self._peer)
        except MissingDependency:
            self._lacking.add(document)  # a state with a gap is none: others are asked for it
        except CrdtPanic as panic:
            self._channels.kept_off(document, panic)

    async def text_of_peer(self, document: DocumentID) -> str | None:
        """The text that the peer has of a document; None when it has none any more."""
        reply = await self._questions.ask(Pull(self._folder.id, (document,)))
        states = _by_document(reply).get(document, []) if isinstance(reply, Documents) else []
        replica = TextReplica(1)
        try:
            for state in states if any(states) else [imported("")]:
                for part in await checked_parts(state, Shape.TEXT, {}):
                    replica.take(part)
                    await turn()
        except MissingDependency:
            return None
        except CrdtPanic as panic:
            self._channels.kept_off(document, panic)
            return None
        return replica.text()


def _weighs(parts: Sequence[Checked]) -> bool:
    """Whether a text makes us hold more than its bytes account for. That of a first import is not even in memory, and
    is paid for already where its entry waits for it."""
    return not is_free(parts, Shape.TEXT) and (len(parts) > 1 or read_first_import(parts[0].data) is None)


def _by_document(reply: Documents) -> dict[DocumentID, list[bytes]]:
    """What there is of each document: its state, in parts where it is beyond the caps of an update."""
    found: dict[DocumentID, list[bytes]] = {}
    for document, state in reply.states:
        found.setdefault(document, []).append(state)
    return found
