"""Answers: what a folder session tells a peer that compares, or pulls documents and chunks.

Invariants
    * What is sent is durable first (invariant 1).
    * Questions that wait are bounded; when there are too many the link is not read.
"""

from __future__ import annotations

from collections.abc import Mapping

import trio

from yp2p.folder.catalogue import MANIFEST_INDEX
from yp2p.folder.counted_states import can_tell, counted_state
from yp2p.folder.folder import Folder
from yp2p.folder.incoming import parts_to_send
from yp2p.folder.transfers import TEXTS, Key, Transfer, Way
from yp2p.folder.turns import turn
from yp2p.identity import DeviceID, DocumentID, EntryID
from yp2p.peers.blob_server import MAX_REQUESTS_WAITING, BlobQuestion, BlobServer
from yp2p.protocol.messages import (
    MAX_PULL,
    SENT_LEAVES,
    ChunkHashesQuery,
    CountedQuery,
    Documents,
    Fetch,
    Leaves,
    LeavesQuery,
    ManifestQuery,
    ManifestVersions,
    Pull,
    SamplesQuery,
    TreeBuckets,
    TreeQuery,
)
from yp2p.protocol.reconcile import Leaf, branch_of
from yp2p.protocol.ysync import Shape
from yp2p.transport.link import Link
from yp2p.transport.pacing import FEW_TEXTS

MAX_PULLS_WAITING = 4
_DOCUMENTS_BYTES = 1 << 20
# More of them do not wait in the link: with a limit it would have no room for what is typed.
_QUEUED_BYTES = 2 << 20
# States made at a stretch: what they have in bytes, and what each costs beside that.
_SLICE_BYTES, _STATE_BYTES = 64 << 10, 2 << 10
# In a folder of 100,000 entries a bucket has 400: some milliseconds for so many.
_BUCKET_SLICE = 4

Question = ManifestQuery | TreeQuery | LeavesQuery | Pull | CountedQuery | BlobQuestion


class Answers:
    """Answers one peer's questions about one folder."""

    def __init__(self, folder: Folder, link: Link, peer: DeviceID) -> None:
        self._folder = folder
        self._link = link
        self._peer = peer
        self._pulls_in, self._pulls = trio.open_memory_channel[Pull | CountedQuery](MAX_PULLS_WAITING)
        self._blobs_in, self._blobs = trio.open_memory_channel[BlobQuestion](MAX_REQUESTS_WAITING)
        self._blob_server = BlobServer(folder, link, peer)

    async def run(self) -> None:
        """Answer what takes longer, until cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._blob_server.serve, self._blobs)
            nursery.start_soon(self._serve_pulls)

    async def take(self, question: Question) -> None:
        """Answer a question, or have it answered by and by."""
        folder = self._folder
        match question:
            case ManifestQuery():
                versions = folder.catalogue.manifest.versions()
                await folder.database.pending().wait()
                await self._link.send(ManifestVersions(folder.id, versions))
            case TreeQuery():
                buckets = tuple(folder.leaves.tree().buckets())
                await folder.database.pending().wait()
                await self._link.send(TreeBuckets(folder.id, buckets))
            case LeavesQuery(buckets=buckets_of_peer):
                await self._send_leaves(dict(buckets_of_peer))
            case Pull() | CountedQuery():
                await self._pulls_in.send(question)
            case ChunkHashesQuery() | SamplesQuery() | Fetch():
                await self._blobs_in.send(question)

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
                await turn()
        await folder.database.pending().wait()
        for start in range(0, max(len(leaves), 1), SENT_LEAVES):
            last = start + SENT_LEAVES >= len(leaves)
            part = tuple(leaves[start : start + SENT_LEAVES])
            await self._link.send(Leaves(folder.id, part, last, tuple(branches) if last else ()))

    async def _serve_pulls(self) -> None:
        async for pull in self._pulls:
            states: list[tuple[DocumentID, bytes]] = []
            size = unyielded = 0
            for document in dict.fromkeys(pull.documents):  # each once, however often it is asked for
                state = await self._state(pull, document)
                if state is None:
                    states = []
                    break
                shape = Shape.MANIFEST if document in MANIFEST_INDEX else Shape.TEXT
                parts = await parts_to_send([state], shape) if state else (b"",)
                if size >= self._link.pace.sent_at_once(_DOCUMENTS_BYTES) or len(states) + len(parts) > MAX_PULL:
                    await self._send_documents(states)
                    states, size = [], 0
                states += [(document, part) for part in parts]
                size += len(state)
                unyielded += _STATE_BYTES + len(state)
                if unyielded >= _SLICE_BYTES:
                    unyielded = 0
                    await turn()
            if states or isinstance(pull, CountedQuery):
                await self._send_documents(states)

    async def _state(self, question: Pull | CountedQuery, document: DocumentID) -> bytes | None:
        """None where this device cannot tell what counts, or cannot tell any more."""
        match question:
            case Pull():
                return self._folder.document_state(document)
            case CountedQuery(device=device):
                can = can_tell(self._folder, device)
                return await counted_state(self._folder, device, document) if can else None

    async def _send_documents(self, states: list[tuple[DocumentID, bytes]]) -> None:
        await self._folder.database.pending().wait()
        await self._link.send(Documents(self._folder.id, tuple(states)), limit=_QUEUED_BYTES)
        if len(states) > FEW_TEXTS:
            now = trio.current_time()
            size, texts = sum(len(state) for _, state in states), Transfer("", len(states), None, now)
            self._folder.state.transfers.sent(Key(Way.SENDING, self._peer, TEXTS), size, now, texts)
