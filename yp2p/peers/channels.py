"""The channels of a folder session: one document each, over the link to one peer, with a conversation of Yjs's sync.

Theory of operation
    A channel opens on first use, by either side; one that was quiet for a while is closed, and opens again when it is
    needed.

    What the peer answers to a first step 1 may have been made while the two devices did not see each other: it is of a
    history made apart, and merged as that (`folder/meetings.py`). Later answers hold keystrokes that were on their
    way, which are no such thing. So every document whose channel opens before the two sides have compared everything
    counts as apart, until a synchronisation of it has come to its end; also over a channel that was closed in between.

    A step 2 that weighs waits as long as its sender owes (`folder/burden.py`). What is typed afterwards and builds on
    nothing of it overtakes it: none before it waits, and whatever cannot be taken at once has all that comes later wait
    behind it.

Invariants
    * A document has one channel at most.
    * A channel with something to send is not closed for being quiet.
    * There is none while something that is here may not count (`folder/uncounted.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import structlog
import trio

from yp2p.documents.conversation import Conversation
from yp2p.errors import CrdtPanic, HistoriesDiffer, first_of
from yp2p.folder.budget import Budget, charged
from yp2p.folder.folder import Folder
from yp2p.identity import DeviceID, DocumentID
from yp2p.peers.open_channel import OpenChannel, Work
from yp2p.protocol.messages import ChannelClose, ChannelData
from yp2p.transport.channel import LinkChannel
from yp2p.transport.link import Link

_QUIET_S = 30.0
# With more open channels than these a quiet one is closed at once: each has a queue of messages. So is that of a text
# that is to leave the memory (`Texts.spare`): it stays there as long as somebody listens.
_MAX_OPEN = 256

log = structlog.get_logger()


class Channels:
    """See above. `run` does the work.

    Args:
        must_relay: whether what came from this source has to be sent on to the peer.
        is_compared: whether a first comparison with the peer has come to its end.
        budget: what the work for the peer may take of the loop.
    """

    def __init__(
        self,
        folder: Folder,
        link: Link,
        peer: DeviceID,
        must_relay: Callable[[object], bool],
        is_compared: Callable[[], bool],
        budget: Budget,
    ) -> None:
        self._folder = folder
        self._link = link
        self._peer = peer
        self._must_relay = must_relay
        self._is_compared = is_compared
        self._budget = budget
        self._open: dict[DocumentID, OpenChannel] = {}
        self._opened_one = trio.Event()
        self._nursery: trio.Nursery | None = None
        # Documents that may differ by what was made apart: their first synchronisation has not come to its end.
        self._diverged: set[DocumentID] = set()

    async def run(self, *, task_status: trio.TaskStatus[None]) -> None:
        """Have conversations, and close quiet channels, until cancelled; started when channels can be opened."""
        try:
            async with trio.open_nursery() as nursery:
                self._nursery = nursery
                try:
                    task_status.started()
                    await self._close_quiet()
                finally:
                    self._nursery = None  # it takes no more channels
        finally:
            for opened in self._open.values():
                opened.end()
            self._open.clear()

    def open(self, document: DocumentID) -> Conversation | None:
        """The conversation of a document's channel; None when the manifest names no such document, or it is held."""
        opened = self._opened(document)
        return opened.conversation if opened is not None else None

    def _opened(self, document: DocumentID) -> OpenChannel | None:
        found = self._open.get(document)
        if found is not None:
            return found
        live = self._folder.live_document(document)
        if live is None or self._nursery is None or self._folder.observers.uncounted.doubted:
            return None
        was_away = not self._is_compared() or document in self._diverged
        if was_away:
            self._diverged.add(document)
        if self._folder.observers.quarantine.is_quarantined(self._peer, document, trio.current_time()):
            return None
        channel = LinkChannel(self._link, self._folder.id, document)
        conversation = Conversation(
            live,
            channel,
            source=self._peer,
            must_relay=self._must_relay,
            tells_state=True,
            pace_s=live.pace_s,
            was_away=was_away,
        )
        opened = OpenChannel(channel, conversation, self._start)
        self._open[document] = opened
        self._opened_one.set()
        opened.begin()
        return opened

    def _start(self, opened: OpenChannel, scope: trio.CancelScope, work: Work) -> None:
        if self._nursery is not None:  # whoever has it started may be at work for another one
            self._nursery.start_soon(charged, self._budget, self._do, opened, scope, work, name=work)

    async def _do(self, opened: OpenChannel, scope: trio.CancelScope, work: Work) -> None:
        document, is_done = opened.channel.document, False
        try:
            with scope:
                await work()
                is_done = True
        except* CrdtPanic as group:
            self.kept_off(document, first_of(group))
        finally:
            if not is_done:
                opened.end()
            if opened.is_over and self._open.get(document) is opened:
                del self._open[document]

    def sync_again(self, document: DocumentID) -> Conversation | None:
        """Run step 1 for a document that differs, on a new channel or on the one that is open."""
        opened = self._open.get(document)
        if opened is None:
            return self.open(document)
        opened.conversation.restart()
        return opened.conversation

    def restart(self) -> None:
        """Run step 1 on all open channels: the peer has not heard the first."""
        for opened in self._open.values():
            opened.conversation.restart()

    def close_all(self) -> None:
        """Nothing is sent or taken for now."""
        for document, opened in list(self._open.items()):
            del self._open[document]
            opened.close()
            self._link.send_nowait(ChannelClose(self._folder.id, document))

    def agreed(self, document: DocumentID | None = None) -> None:
        """The peer has this document, or all of them, as we do."""
        for opened in self._open.values() if document is None else filter(None, [self._open.get(document)]):
            opened.conversation.agreed()

    def kept_off(self, document: DocumentID, fault: BaseException) -> None:
        """What the peer sent for a document cannot be taken, and it is no fault of its: keep it off for a while."""
        held = self._folder.observers.quarantine.add(self._peer, document, trio.current_time())
        words = {"document": document.hex()[:8], "reason": str(fault)[:200], "failures": held.failures}
        if isinstance(fault, HistoriesDiffer):
            log.warning("history_refused", **words)
        else:
            log.error("crdt_panic", **words)
        self._folder.state.touch()

    # --- the peer's messages ------------------------------------------------------------------------------------

    def take_nowait(self, message: ChannelData) -> bool:
        """Let a message in without waiting, where it overtakes none; tells whether it was taken."""
        opened = self._open.get(message.document)
        if opened is None or self._link.has_received_more:
            return False  # of many, each behind a checkpoint
        if opened.is_taking and not self._may_overtake(opened):
            return False
        opened.channel.used_at = trio.current_time()
        return opened.conversation.take_nowait(message.payload)

    def _may_overtake(self, opened: OpenChannel) -> bool:
        """Whether nothing of this channel waits but, maybe for long, what is being taken."""
        return self._budget.burden.is_heavy and opened.channel.has_given_all

    async def deliver(self, document: DocumentID, payload: bytes) -> None:
        """Give a message to the channel of a document; it is dropped where there can be none."""
        opened = self._opened(document)
        if opened is None or (self._may_overtake(opened) and opened.conversation.take_nowait(payload)):
            return
        with suppress(trio.ClosedResourceError, trio.BrokenResourceError):  # it has ended meanwhile
            await opened.channel.deliver(payload)

    def closed_by_peer(self, document: DocumentID) -> None:
        """The peer has closed a channel that was quiet."""
        opened = self._open.pop(document, None)
        if opened is not None:
            self._note_synced(document, opened)
            opened.close()

    # --- quiet channels -----------------------------------------------------------------------------------------

    async def _close_quiet(self) -> None:
        while True:
            if not self._open:
                self._opened_one = trio.Event()
                await self._opened_one.wait()
            await trio.sleep(1)
            now = trio.current_time()
            is_crowded, spare = len(self._open) >= _MAX_OPEN, self._folder.texts.spare()
            for document, opened in list(self._open.items()):
                self._note_synced(document, opened)
                limit = 1.0 if is_crowded or document in spare else _QUIET_S
                # A peer that never answered did not know the document yet; the next step 1 will find it.
                patience = limit if opened.conversation.synced.is_set() else 3 * _QUIET_S
                if now - opened.channel.used_at > patience and opened.conversation.is_idle:
                    del self._open[document]
                    opened.close()
                    self._link.send_nowait(ChannelClose(self._folder.id, document))

    def _note_synced(self, document: DocumentID, opened: OpenChannel) -> None:
        if opened.conversation.synced.is_set():
            self._diverged.discard(document)
