"""A folder session: one folder, one peer, over their link.

Theory of operation
    Both sides announce one digest over membership, manifest and entries (`FolderState`) when the session starts, when
    the folder has settled after changes, and on a slow heartbeat. Equal digests are the proof of being in sync
    and end all work. Different ones start a *descent*: statements, then the manifest documents that differ (each by
    a provider), then the buckets and leaves of the reconcile tree that differ. Documents that both sides have get a
    provider; documents that only the peer has are pulled, many in one message. Each side pulls for itself, so
    a descent needs no agreement about who leads.

    Live edits open a channel (`channels.py`). `Ack` says that an entry is
    stored and on disk here in exactly this version; an entry is shown in sync with a device only when that device
    acknowledged what we have (invariant 10).

Invariants
    * A digest, an ack and a step 2 are sent only when what they contain is durable (invariant 1).
    * `behind` holds every entry that the peer is not known to have as we have it.
    * The inbox is bounded; when it is full the link is not read, and the peer's TCP window closes.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping

import structlog
import trio

from yp2p.documents.meeting import MERGE_RULES
from yp2p.folder.folder import Folder
from yp2p.identity import DeviceID, DocumentID, EntryID
from yp2p.peers.blob_transfer import MAX_REQUESTS_WAITING, BlobFetcher, BlobServer
from yp2p.peers.channels import Channels
from yp2p.peers.presence import AWARENESS_CHANNEL, FolderPresence
from yp2p.peers.reconciliation import Descent
from yp2p.protocol import channel as channel_messages
from yp2p.protocol.entries import Kind
from yp2p.protocol.messages import (
    MAX_LEAVES,
    Ack,
    BothChanged,
    ChannelClose,
    ChannelData,
    ChunkHashes,
    ChunkHashesQuery,
    Chunks,
    Documents,
    Fetch,
    FolderLinks,
    FolderMessage,
    FolderState,
    Leaves,
    LeavesQuery,
    ManifestQuery,
    ManifestVersions,
    Membership,
    Pull,
    TreeBuckets,
    TreeQuery,
)
from yp2p.protocol.reconcile import Leaf, branch_of
from yp2p.transport.link import Link

# Messages that wait for the session; then the link is not read.
MAX_INBOX = 64
MAX_PULLS_WAITING = 4
HEARTBEAT_S = 30.0
_SETTLE_S = 0.05
# What looked diverged is looked at again after this long: the two leaves may have been of different moments.
_SUSPICION_S = 1.0
_DESCENT_INTERVAL_S = 2.0
_DOCUMENTS_BYTES = 1 << 20
_SLICE = 32
_BUCKET_SLICE = 4

log = structlog.get_logger()


class FolderSession:
    """See above. `run` does the work, `deliver` takes the peer's messages."""

    def __init__(self, folder: Folder, link: Link, peer: DeviceID, presence: FolderPresence) -> None:
        self._folder = folder
        self._link = link
        self._peer = peer
        self._presence = presence
        self._inbox_in, self._inbox = trio.open_memory_channel[FolderMessage](MAX_INBOX)
        self._pulls_in, self._pulls = trio.open_memory_channel[Pull](MAX_PULLS_WAITING)
        self._replies_in, self._replies = trio.open_memory_channel[FolderMessage](MAX_INBOX)
        self._blobs_in, self._blobs = trio.open_memory_channel[ChunkHashesQuery | Fetch](MAX_REQUESTS_WAITING)
        self._blob_server = BlobServer(folder, link)
        self._fetcher = BlobFetcher(folder, link)
        self._peer_links: frozenset[DeviceID] = frozenset()
        self._peer_state: FolderState | None = None
        self._last_sent: FolderState | None = None
        self._sent_at = 0.0
        self._last_descent: tuple[tuple[bytes, ...], float] = ((), 0.0)
        self._to_ack: set[EntryID] = set()
        self._ack_work = trio.Event()
        self._work = trio.Event()
        self._descent_wanted = False
        self._pull_wanted = False
        self._probes: dict[int, trio.Event] = {}
        self.behind: dict[EntryID, Leaf | None] = {}
        self.compared = False  # whether a first comparison with the peer came to its end
        self._channels = Channels(folder, link, peer, self._must_relay, lambda: self.compared)
        self._descent = Descent(
            folder, link, peer, self._replies, self.behind, self._channels.sync_again, self._channels.poisoned
        )

    @property
    def peer(self) -> DeviceID:
        return self._peer

    @property
    def merges_alike(self) -> bool:
        """Whether the peer has our rules of merging: else its repairs and ours would go on and on."""
        hello = self._link.peer
        return hello is not None and MERGE_RULES in hello.features.split()

    @property
    def in_sync(self) -> bool:
        """Whether the peer acknowledged everything we have, and we have what it announced last."""
        state = self._peer_state
        return self.compared and not self.behind and state is not None and state.same_as(self._state())

    async def run(self) -> None:
        """Work until the link is over."""
        folder = self._folder
        folder.sessions[self._peer] = self
        try:
            async with trio.open_nursery() as nursery:
                await nursery.start(self._channels.run)
                for task in (
                    self._serve_inbox, self._announce, self._work_through, self._send_acks, self._serve_pulls,
                    self._fetcher.run, self._tell_both_changed,
                ):  # fmt: skip
                    nursery.start_soon(task)
                nursery.start_soon(self._blob_server.serve, self._blobs)
                self._fetcher.wake()
                self._presence.joined(self._peer, self)
                self._announce_all_links()
        finally:
            if folder.sessions.get(self._peer) is self:
                del folder.sessions[self._peer]
                self._presence.left(self._peer)
            self._announce_all_links()
            folder.touch()

    async def deliver(self, message: FolderMessage) -> None:
        """A message of the peer for this folder; waits while the session has enough to do."""
        # What is typed waits for no task to wake, where nothing would be overtaken.
        is_idle = self._inbox_in.statistics().tasks_waiting_receive > 0
        if isinstance(message, ChannelData) and is_idle and self._channels.take_nowait(message):
            return
        await self._inbox_in.send(message)

    # --- what the folder tells ----------------------------------------------------------------------------------

    def document_changed(self, document: DocumentID, source: object) -> None:
        """Open a channel for a change that this peer has to get from us."""
        if source != self._peer and (source is None or self._must_relay(source)):
            self._channels.open(document)

    def entry_changed(self, entry: EntryID) -> None:
        self.behind.setdefault(entry, None)
        if entry in self._folder.blobs.wanted:
            self._fetcher.wake()
        found = self._folder.manifest.entries.get(entry)
        if found is not None and found.kind is Kind.TEXT and found.document not in self._folder.digests:
            self._pull_wanted = True
            self._work.set()

    def on_disk(self, entry: EntryID) -> None:
        self._settle(entry, self.behind.get(entry))
        self._to_ack.add(entry)
        self._ack_work.set()

    def fetch(self) -> None:
        self._fetcher.wake()

    def both_changed(self, message: BothChanged) -> None:
        if any(self._peer in side.devices for side in message.sides):
            self._link.try_send(message)

    def send_awareness(self, data: bytes) -> None:
        payload = channel_messages.encode(channel_messages.AwarenessUpdate(data))
        self._link.try_send(ChannelData(self._folder.id, AWARENESS_CHANNEL, payload))

    def _must_relay(self, source: object) -> bool:
        return source not in self._peer_links

    # --- announcing ---------------------------------------------------------------------------------------------

    def _state(self, nonce: int = 0, answers: int = 0) -> FolderState:
        folder = self._folder
        return FolderState(
            folder.id, folder.membership.digest(), folder.manifest_digest(), folder.leaves.tree().root(),
            folder.settled, nonce, answers,
        )  # fmt: skip

    async def _send_state(self, nonce: int = 0, answers: int = 0) -> None:
        state = self._state(nonce, answers)
        await self._folder.database.pending().wait()
        await self._link.send(state)
        self._last_sent, self._sent_at = state, trio.current_time()

    async def _tell_both_changed(self) -> None:
        """Tell the peer of places with a version of its own; what it knows already it does not tell again."""
        for message in self._folder.notices.of_maker(self._peer):
            await self._link.send(message)

    async def _announce(self) -> None:
        """Say what we have, once at the start and whenever it has settled."""
        await self._send_state(nonce=_fresh_nonce())
        while True:
            changed = self._folder.changed
            with trio.move_on_at(self._sent_at + HEARTBEAT_S) as heartbeat:
                await changed.wait()
                await self._wait_until_settled()
            state = self._state()
            if self._peer_state is not None and self._peer_state.settled and state.same_as(self._peer_state):
                self._caught_up()
            if (
                heartbeat.cancelled_caught
                or self._last_sent is None
                or not state.same_as(self._last_sent)
                or (state.settled and not self._last_sent.settled)
            ):
                await self._send_state()

    async def _wait_until_settled(self) -> None:
        """Return when the folder is settled and nothing changed for a moment."""
        while True:
            changed, is_settled = self._folder.changed, self._folder.settled
            if not is_settled:
                await changed.wait()
            await trio.sleep(_SETTLE_S)  # and not woken by every keystroke meanwhile
            if is_settled and not changed.is_set():
                return

    def _announce_all_links(self) -> None:
        """Every peer has to know of every link: who has one with the author of an update needs no relay."""
        for session in self._folder.sessions.values():
            if isinstance(session, FolderSession):
                session._announce_links()

    def _announce_links(self) -> None:
        others = tuple(sorted(device for device in self._folder.sessions if device != self._peer))
        self._link.try_send(FolderLinks(self._folder.id, others))

    async def probe(self) -> bool:
        """Ask the peer for its state now; tells whether it is settled and equal to ours."""
        nonce = _fresh_nonce()
        self._probes[nonce] = trio.Event()
        try:
            await self._send_state(nonce=nonce)
            await self._probes[nonce].wait()
        finally:
            del self._probes[nonce]
        state = self._peer_state
        return state is not None and state.settled and self.in_sync

    async def _take_state(self, state: FolderState) -> None:
        if self._peer_state is None:
            # The peer's session may have begun after ours: what we said before that was not heard.
            self._channels.restart()
        news = self._peer_state is None or not state.same_as(self._peer_state)
        if news:
            self._fetcher.wake(anew=True)
        self._peer_state = state
        own = self._state()
        if state.nonce:
            await self._send_state(answers=state.nonce)
        if state.same_as(own):
            self._is_compared()
            if state.settled:
                self._caught_up()
            self._channels.agreed()
            self._adopted()
        elif (
            not self.compared
            or (state.settled and own.settled)
            or trio.current_time() - self._last_descent[1] > HEARTBEAT_S / 2
        ):
            self._want_descent(own, state)
        if state.answers in self._probes:
            self._probes[state.answers].set()
        if news:
            self._folder.touch()

    def _caught_up(self) -> None:
        """What the peer announced last, all of it on its disk, is what we have: it is behind with nothing."""
        if self.behind:
            self._folder.touch()
        self.behind.clear()  # an empty one keeps the room that it needed

    def _want_descent(self, own: FolderState, state: FolderState) -> None:
        """Compare in depth, but not the same two states again and again."""
        key = (own.manifest, own.tree, state.manifest, state.tree, state.membership)
        now = trio.current_time()
        if key != self._last_descent[0] or now - self._last_descent[1] > _DESCENT_INTERVAL_S:
            self._last_descent = (key, now)
            self._descent_wanted = True
            self._work.set()

    def _is_compared(self) -> None:
        if not self.compared:
            self.compared = True
            self._folder.render_queue.wake()  # the first scan waits for this
        self._folder.touch()

    def _adopted(self) -> None:
        folder = self._folder
        if not folder.adopted:
            folder.adopted = True
            folder.database.submit([("UPDATE folder SET adopted = 1 WHERE id = ?", (folder.id,))])
            folder.render_queue.wake()

    async def _send_acks(self) -> None:
        folder = self._folder
        while True:
            await self._ack_work.wait()
            # no await: what is rendered from now on is acknowledged in the next round
            self._ack_work = trio.Event()
            entries, self._to_ack = self._to_ack, set()
            leaves: list[tuple[EntryID, Leaf]] = []
            for entry in entries:
                # What programs type is not asked for its digest; it comes back here when it is on the disk.
                if not folder.is_being_typed(entry) and folder.is_on_disk(entry):
                    leaf = folder.leaf(entry)
                    if leaf is not None:
                        leaves.append((entry, leaf))
            await folder.database.pending().wait()
            for start in range(0, len(leaves), MAX_LEAVES):
                await self._link.send(Ack(folder.id, tuple(leaves[start : start + MAX_LEAVES])))

    def _settle(self, entry: EntryID, acknowledged: Leaf | None) -> None:
        if acknowledged is None:
            return
        if self._folder.is_being_typed(entry):
            self.behind[entry] = acknowledged  # looked at again once it is on the disk
        elif self._folder.leaf(entry) == acknowledged:
            self.behind.pop(entry, None)
            self._channels.agreed(acknowledged.document)
            self._folder.touch()
        elif entry in self._folder.manifest.entries:
            self.behind[entry] = acknowledged

    # --- the peer's messages ------------------------------------------------------------------------------------

    async def _serve_inbox(self) -> None:
        async for message in self._inbox:
            await self._take(message)

    async def _take(self, message: FolderMessage) -> None:
        folder = self._folder
        match message:
            case ChannelData(document=document, payload=payload):
                await self._take_channel_data(document, payload)
            case ChannelClose(document=document):
                self._channels.closed_by_peer(document)
            case FolderState():
                await self._take_state(message)
            case FolderLinks(devices=devices):
                self._peer_links = frozenset(devices)
            case Membership(statements=statements):
                commit = folder.membership.add(statements)
                if commit is not None:
                    await commit.wait()
                    folder.touch()
            case ManifestQuery():
                versions = folder.manifest.versions()
                await folder.database.pending().wait()
                await self._link.send(ManifestVersions(folder.id, versions))
            case TreeQuery():
                buckets = tuple(folder.leaves.tree().buckets())
                await folder.database.pending().wait()
                await self._link.send(TreeBuckets(folder.id, buckets))
            case LeavesQuery(buckets=buckets):
                await self._send_leaves(dict(buckets))
            case Pull():
                await self._pulls_in.send(message)
            case Ack(leaves=leaves):
                for entry, leaf in leaves:
                    self._settle(entry, leaf)
                self._fetcher.wake(anew=True)
            case BothChanged():
                path = folder.layout().path_of.get(message.entry)
                if path is not None:
                    folder.notices.take(path, message, self._peer)
            case ChunkHashesQuery() | Fetch():
                await self._blobs_in.send(message)
            case ChunkHashes() | Chunks():
                await self._fetcher.deliver(message)
            case ManifestVersions() | TreeBuckets() | Leaves() | Documents():
                await self._replies_in.send(message)

    async def _take_channel_data(self, document: DocumentID, payload: bytes) -> None:
        if document == AWARENESS_CHANNEL:
            decoded = channel_messages.decode(payload)
            if isinstance(decoded, channel_messages.AwarenessUpdate):
                self._presence.received(self._peer, decoded.data, trio.current_time())
                self._folder.touch()
            return
        await self._channels.deliver(document, payload)

    async def _send_leaves(self, buckets: Mapping[int, bytes]) -> None:
        folder = self._folder
        leaves: list[tuple[EntryID, Leaf]] = []
        branches: list[tuple[int, int]] = []
        for number, (bucket, theirs) in enumerate(buckets.items()):
            tree = folder.leaves.tree()
            mask = tree.differing_branches(bucket, theirs)
            branches.append((bucket, mask))
            leaves += [item for item in tree.leaves(bucket).items() if mask >> branch_of(item[0]) & 1]
            if number % _BUCKET_SLICE == 0:
                await trio.lowlevel.checkpoint()
        await folder.database.pending().wait()
        for start in range(0, max(len(leaves), 1), MAX_LEAVES):
            last = start + MAX_LEAVES >= len(leaves)
            part = tuple(leaves[start : start + MAX_LEAVES])
            await self._link.send(Leaves(folder.id, part, last, tuple(branches) if last else ()))

    async def _serve_pulls(self) -> None:
        folder = self._folder
        async for pull in self._pulls:
            states: list[tuple[DocumentID, bytes]] = []
            size = 0
            for number, document in enumerate(pull.documents):
                state = folder.document_state(document)
                states.append((document, state))
                size += len(state)
                if size >= _DOCUMENTS_BYTES or number + 1 == len(pull.documents):
                    await folder.database.pending().wait()
                    await self._link.send(Documents(folder.id, tuple(states)))
                    states, size = [], 0
                elif number % _SLICE == 0:
                    await trio.lowlevel.checkpoint()

    # --- descents and pulls -------------------------------------------------------------------------------------

    async def _work_through(self) -> None:
        while True:
            await self._work.wait()
            self._work = trio.Event()
            if self._descent_wanted:
                self._descent_wanted = False
                if self._peer_state is not None:
                    await self._descent.descend(self._peer_state)
                self._pull_wanted = False
                await self._descent.pull_missing()
                self._adopted()
                self._is_compared()
                if self._descent.suspects:
                    with trio.move_on_after(_SUSPICION_S):
                        await self._work.wait()
                    self._descent_wanted = True
                    self._work.set()
            elif self._pull_wanted:
                self._pull_wanted = False
                await self._descent.pull_missing()


def _fresh_nonce() -> int:
    return secrets.randbelow(2**32 - 1) + 1
