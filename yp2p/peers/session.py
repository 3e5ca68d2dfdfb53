"""A folder session: one folder, one peer, over their link.

Theory of operation
    Both sides announce one digest over everything (`announcements.py`); equal digests are the proof of being in sync
    and end all work. Different ones start a reconciliation (`reconciliation.py`): statements, then the manifest
    documents that differ (each by a provider), then the buckets and leaves of the Merkle tree that differ. Documents
    that both sides have get a provider; documents that only the peer has are pulled, many in one message. Each side
    asks for itself, and answers the other (`answers.py`), so that nobody has to lead.

    Live edits open a channel (`channels.py`). What both sides tell each other of their disks, and whether that is the
    same, is in `agreement.py`.

Invariants
    * Everything that is sent is durable first (invariant 1).
    * A peer has one session in a folder that is told of changes: the newest link's, from the moment that link is up.
"""

from __future__ import annotations

import trio

from yp2p.documents.meeting import MERGE_RULES
from yp2p.folder.budget import Budget, charged
from yp2p.folder.catalogue import MANIFEST_INDEX
from yp2p.folder.folder import Folder
from yp2p.identity import DeviceID, DocumentID, EntryID
from yp2p.peers.agreement import Agreement
from yp2p.peers.announcements import HEARTBEAT_S
from yp2p.peers.answers import Answers
from yp2p.peers.audit import Audit
from yp2p.peers.blob_transfer import BlobFetcher
from yp2p.peers.channels import Channels
from yp2p.peers.inbox import Inbox
from yp2p.peers.keeping import KeepExchange
from yp2p.peers.news import News
from yp2p.peers.presence import AWARENESS_CHANNEL, FolderPresence
from yp2p.peers.reconciliation import Reconciliation
from yp2p.peers.relaying import Relaying
from yp2p.protocol import channel as channel_messages
from yp2p.protocol.entries import Kind
from yp2p.protocol.messages import (
    Ack,
    BothChanged,
    ChannelClose,
    ChannelData,
    ChunkHashes,
    ChunkHashesQuery,
    Chunks,
    Condition,
    CountedQuery,
    Documents,
    Fetch,
    FolderCondition,
    FolderLinks,
    FolderMessage,
    FolderState,
    Keeping,
    KeepQuery,
    Leaves,
    LeavesQuery,
    ManifestQuery,
    ManifestVersions,
    Membership,
    Pull,
    PurgeNews,
    Samples,
    SamplesQuery,
    TreeBuckets,
    TreeQuery,
)
from yp2p.protocol.update_parts import MAX_MANIFEST_MESSAGE_BYTES
from yp2p.transport.link import Link

# What a message has beside the hashes of the chunks of a blob: type, folder, blob, their length.
_BESIDE_HASHES_BYTES = 64


class FolderSession:
    """See above. `run` does the work, `deliver` takes the peer's messages.

    Args:
        budget: what the work for the peer may take of the loop.
        was_apart: whether the peer was told on this link that there is no session here.
    """

    def __init__(
        self,
        folder: Folder,
        link: Link,
        peer: DeviceID,
        presence: FolderPresence,
        budget: Budget,
        *,
        was_apart: bool = False,
    ) -> None:
        self._folder = folder
        self._link = link
        self.peer = peer
        self._presence = presence
        self._budget = budget
        self._inbox = Inbox(folder, self._take, link.turn, link.undone)
        self._relaying = Relaying(folder, link, peer)
        self._channels = Channels(folder, link, peer, self._must_relay, lambda: self.compared, budget)
        self.agreement = Agreement(folder, link, peer, self._channels.agreed, was_apart=was_apart)
        self._answers = Answers(folder, link, peer)
        self._fetcher = BlobFetcher(folder, link, peer, self.agreement.is_at_rest)
        self.keeping = KeepExchange(folder, link, peer)
        self._news = News(folder, link, peer)
        self._reconciliation = Reconciliation(folder, link, peer, self._channels, self.agreement)

    @property
    def compared(self) -> bool:
        """Whether a first comparison with the peer came to its end."""
        return self.agreement.compared

    async def audit(self, *, read: bool) -> Audit | None:
        """Compare everything with the peer because a person asks; None when it does not answer as it should."""
        return await self._reconciliation.audits.ask(read=read)

    @property
    def merges_alike(self) -> bool:
        """Whether the peer has our rules of merging: else its repairs and ours would go on and on."""
        hello = self._link.peer
        return hello is not None and MERGE_RULES in hello.features.split()

    def register(self) -> None:
        """Hear of changes from now on, in the place of an older session with this peer.

        Called together with the link's entry in `Peers`, not by the task that runs the session: tasks start in any
        order, and of two links that were made at a time the older one's session would take the newer one's place.
        """
        self._folder.observers.sessions[self.peer] = self
        self._presence.joined(self.peer, self)
        self._folder.observers.links_changed()

    def _unregister(self) -> None:
        """Leave, unless a newer session with this peer has taken the place."""
        sessions = self._folder.observers.sessions
        if sessions.get(self.peer) is self:
            del sessions[self.peer]
            self._folder.observers.away.left(self.peer, self.agreement.behind, is_all=self.compared)
        self._presence.left(self.peer, self)
        self._folder.observers.links_changed()
        self._folder.state.touch()

    async def run(self) -> None:
        """Work until the link is over; `register` comes first."""
        told = self.agreement
        try:
            async with trio.open_nursery() as nursery:
                await nursery.start(self._channels.run)
                for task in (
                    self._inbox.run, told.announcements.run, self._reconciliation.run, told.acks.run,
                    self._answers.run, self._fetcher.run, self.keeping.run, told.conditions.run,
                    self._news.tell,
                ):  # fmt: skip
                    nursery.start_soon(charged, self._budget, task, name=task)
                self._fetcher.wake()
        finally:
            self._folder.observers.uncounted.store_agreed(self.peer)
            self._inbox.close()
            self._unregister()

    async def deliver(self, message: FolderMessage, size: int = 0) -> None:
        """A message of the peer for this folder, of so many bytes; waits while the session has enough to do."""
        # What is typed waits for no task to wake, where nothing would be overtaken.
        if isinstance(message, ChannelData) and self._inbox.is_idle and self._channels.take_nowait(message):
            return
        await self._inbox.put(message, size)

    def waits_for(self, kind: int, about: bytes, size: int) -> bool:
        """Whether a large message of this type would be taken: about a document that is here, or an answer."""
        if kind == ChannelData.TYPE and about in MANIFEST_INDEX:
            return size <= MAX_MANIFEST_MESSAGE_BYTES
        if kind == ChannelData.TYPE:
            return about in self._folder.catalogue.entry_of
        if kind == Documents.TYPE:
            return self._reconciliation.asks_for(DocumentID(about))
        return kind == ChunkHashes.TYPE and self._fetcher.asks_for(about, size - _BESIDE_HASHES_BYTES)

    def _must_relay(self, source: object) -> bool:
        """Whether what came from this source has to be sent on to the peer; nobody takes it from who only reads."""
        return not self._folder.membership.is_reader and self._relaying.must_relay(source)

    # --- what the folder tells ----------------------------------------------------------------------------------

    def document_changed(self, document: DocumentID, source: object, entry: EntryID | None) -> None:
        """The peer has to acknowledge the text again; open a channel for a change that it has to get from us."""
        if entry is not None:
            self.agreement.acks.entry_changed(entry)
        if source != self.peer and (source is None or self._must_relay(source)):
            self._channels.open(document)

    def entry_changed(self, entry: EntryID) -> None:
        folder = self._folder
        self.agreement.acks.entry_changed(entry)
        if entry in folder.files.blobs.wanted:
            self._fetcher.wake()
        found = folder.catalogue.entries.get(entry)
        if found is not None and found.kind is Kind.TEXT and found.document not in folder.texts.digests:
            self._reconciliation.want_pull()

    def on_disk(self, entry: EntryID) -> None:
        self.agreement.acks.on_disk(entry)

    def pull(self) -> None:
        self._reconciliation.want_pull()

    def fetch(self) -> None:
        self._fetcher.wake()

    def both_changed(self, message: BothChanged) -> None:
        self._news.both_changed(message)

    def purge_news(self, message: PurgeNews) -> None:
        self._news.purge_news(message)

    def links_changed(self) -> None:
        self._relaying.tell()

    def doubt(self) -> None:
        """What is here may not count, or all of it does from now on; or it may be nowhere else."""
        if self._folder.observers.uncounted.doubted:
            self._channels.close_all()
            self._reconciliation.want_judging()
        else:
            self._inbox.trusted()
        if self._folder.observers.unsent.is_pending:
            self._reconciliation.want_judging()

    def start_over(self) -> None:
        """What was synchronised is not any more: channels are opened anew."""
        self._channels.close_all()

    def send_awareness(self, data: bytes) -> None:
        payload = channel_messages.encode(channel_messages.AwarenessUpdate(data))
        self._link.send_nowait(ChannelData(self._folder.id, AWARENESS_CHANNEL, payload))

    # --- the peer's messages ------------------------------------------------------------------------------------

    async def _take(self, message: FolderMessage) -> None:
        match message:
            case ChannelData(document=document, payload=payload) if document == AWARENESS_CHANNEL:
                self._presence.take_message(self.peer, payload, trio.current_time())
            case ChannelData(document=document, payload=payload):
                await self._channels.deliver(document, payload)
            case ChannelClose(document=document):
                self._channels.closed_by_peer(document)
            case FolderState():
                await self._take_state(message)
            case FolderCondition():
                was_apart = self.agreement.condition is Condition.APART
                self.agreement.conditions.take(message)
                if was_apart and self.agreement.condition is not Condition.APART:
                    await self._say_again()
            case Ack(leaves=leaves):
                self.agreement.acks.take(leaves)
                self._fetcher.note_held({leaf.content for _, leaf in leaves})
            case (
                ManifestQuery() | TreeQuery() | LeavesQuery() | Pull() | CountedQuery()
                | ChunkHashesQuery() | SamplesQuery() | Fetch()
            ):  # fmt: skip
                await self._answers.take(message)
            case ChunkHashes() | Samples() | Chunks():
                await self._fetcher.deliver(message)
            case ManifestVersions() | TreeBuckets() | Leaves() | Documents():
                await self._reconciliation.deliver(message)
            case FolderLinks() | Membership() | BothChanged() | KeepQuery() | Keeping() | PurgeNews():
                await self._take_of_others(message)

    async def _take_of_others(
        self, message: FolderLinks | Membership | BothChanged | KeepQuery | Keeping | PurgeNews
    ) -> None:  # fmt: skip
        """What the peer tells of others, and what it and we keep on our disks."""
        match message:
            case BothChanged() | PurgeNews():
                await self._news.take(message)
            case FolderLinks():
                self._relaying.take(message)
            case KeepQuery():
                await self.keeping.answer(message)
            case Keeping():
                self.keeping.take(message)
            case Membership(statements=statements):
                news = await self._reconciliation.take_statements(statements)
                for part in Membership.parts(self._folder.id, news):
                    await self._link.send(part)

    async def _take_state(self, state: FolderState) -> None:
        before = self.agreement.announcements.of_peer
        if before is None:
            await self._say_again()
        is_news = before is None or not state.same_as(before) or state.settled != before.settled
        if is_news:
            self._fetcher.wake(anew=True)
        own, seq = self.agreement.announcements.state(), self._folder.database.last_seq
        await self.agreement.announcements.answer(state)
        if state.same_as(own):
            self.agreement.is_compared()
            if state.settled:
                self._folder.observers.uncounted.agreed(self.peer, seq)
                self.agreement.acks.caught_up()
            self._channels.agreed()
        elif (
            not self.compared or (state.settled and own.settled) or self._reconciliation.is_older_than(HEARTBEAT_S / 2)
        ):
            self._reconciliation.want(own, state)
        self.agreement.announcements.answered(state.answers)
        if is_news:
            self._folder.state.touch()

    async def _say_again(self) -> None:
        """The peer's session may have begun after ours: what we said before that was not heard."""
        self._channels.restart()
        self._presence.greet(self.peer)
        self._relaying.tell()
        await self._news.tell()
