"""Descents and pulls: finding out where two devices differ, and getting what is missing here.

A descent goes from the three digests of `FolderState` down to single entries: statements, manifest documents, buckets
and leaves of the reconcile tree. It asks and the peer answers; each side does so for itself, so a descent needs no
agreement about who leads. Documents that are not here at all are pulled, many in one message.
"""

from __future__ import annotations

from collections.abc import Callable

import structlog
import trio

from yp2p.documents.provider import Provider
from yp2p.documents.text import TextReplica, imported
from yp2p.errors import DocumentPoisoned
from yp2p.folder.folder import Folder, manifest_document_id
from yp2p.folder.live_document import parse_in_slices
from yp2p.identity import DeviceID, DocumentID, EntryID
from yp2p.peers.adoption import adopt
from yp2p.peers.divergence import has_diverged, repair
from yp2p.protocol.entries import Kind
from yp2p.protocol.messages import (
    Documents,
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
from yp2p.protocol.reconcile import Leaf, branch_hash, branch_of
from yp2p.protocol.ysync import Shape
from yp2p.transport.link import Link

_REPLY_LIMIT_S = 60.0
_SYNC_LIMIT_S = 10.0
_PULL_BATCH = 1024
_SLICE = 32
# In a folder of 100,000 entries a bucket has 400: some milliseconds for so many.
_BUCKET_SLICE = 4

log = structlog.get_logger()


class Descent:
    """The asking side of a folder session.

    Args:
        replies: the peer's answers, in order; one question is open at a time.
        behind: entries that the peer is not known to have as we have them; kept up to date here.
        sync_again: runs step 1 for a document; gives its provider, None when the manifest names no such document.
        poisoned: is told of a document on which the library panicked.
    """

    def __init__(
        self,
        folder: Folder,
        link: Link,
        peer: DeviceID,
        replies: trio.MemoryReceiveChannel[FolderMessage],
        behind: dict[EntryID, Leaf | None],
        sync_again: Callable[[DocumentID], Provider | None],
        poisoned: Callable[[DocumentID, str], None],
    ) -> None:
        self._folder = folder
        self._link = link
        self._peer = peer
        self._replies = replies
        self._behind = behind
        self._sync_again = sync_again
        self._poisoned = poisoned
        self._lacking: set[DocumentID] = set()
        self._suspects: dict[EntryID, tuple[Leaf, Leaf]] = {}  # equal versions, different contents, seen once
        self._theirs: dict[EntryID, Leaf] = {}  # what the peer announced and we have not taken yet

    async def _reply(self) -> FolderMessage:
        with trio.fail_after(_REPLY_LIMIT_S):
            return await self._replies.receive()

    async def descend(self, state: FolderState) -> None:
        """Compare everything with a peer that announced `state`."""
        folder = self._folder
        self._lacking.clear()
        if state.membership != folder.membership.digest():
            await self._link.send(Membership(folder.id, folder.membership.statements()))
        if state.manifest != folder.manifest_digest():
            await self._sync_manifest()
        if state.tree != folder.leaves.tree().root():
            await self._compare_trees()

    async def _sync_manifest(self) -> None:
        await self._link.send(ManifestQuery(self._folder.id))
        reply = await self._reply()
        if not isinstance(reply, ManifestVersions):
            return
        own = self._folder.manifest.versions()
        opened = [
            self._sync_again(manifest_document_id(index))
            for index, version in enumerate(reply.versions)
            if version != own[index]
        ]
        with trio.move_on_after(_REPLY_LIMIT_S):
            for provider in opened:
                if provider is not None:
                    await provider.synced.wait()

    async def _compare_trees(self) -> None:
        folder = self._folder
        await self._link.send(TreeQuery(folder.id))
        reply = await self._reply()
        if not isinstance(reply, TreeBuckets):
            return
        differing = folder.leaves.tree().differing(list(reply.hashes))
        theirs: dict[EntryID, Leaf] = {}
        masks: dict[int, int] = {}
        asked = await self._branches(differing)
        if differing:
            await self._link.send(LeavesQuery(folder.id, tuple(asked.items())))
            last = False
            while not last:
                leaves = await self._reply()
                if not isinstance(leaves, Leaves):
                    return
                theirs.update(leaves.leaves)
                masks = dict(leaves.branches)
                last = leaves.last
        self._theirs = theirs
        # What changed here since we asked is not what the peer compared with.
        now = await self._branches(differing)
        tree = folder.leaves.tree()
        changed = {bucket for bucket in tree.differing(list(reply.hashes)) if bucket not in asked}

        def differs(entry: EntryID) -> bool:
            bucket, branch = entry[0], branch_of(entry)
            if bucket not in asked:
                return bucket in changed
            is_changed = branch_hash(now[bucket], branch) != branch_hash(asked[bucket], branch)
            return is_changed or bool(masks.get(bucket, 0) >> branch & 1)

        for entry in [e for e in self._behind if not differs(e)]:
            del self._behind[entry]
        syncing: list[Provider] = []
        suspects: dict[EntryID, tuple[Leaf, Leaf]] = {}
        by_bucket: dict[int, set[EntryID]] = {}
        for entry in theirs:
            by_bucket.setdefault(entry[0], set()).add(entry)
        for number, bucket in enumerate(differing):
            ours = {entry: leaf for entry, leaf in tree.leaves(bucket).items() if differs(entry)}
            for entry in ours.keys() | by_bucket.get(bucket, set()):
                provider = self._compare(entry, ours.get(entry), theirs.get(entry))
                if provider is not None:
                    syncing.append(provider)
                if has_diverged(ours.get(entry), theirs.get(entry)):
                    suspects[entry] = (ours[entry], theirs[entry])
            if number % _SLICE == 0:
                await trio.lowlevel.checkpoint()
        with trio.move_on_after(_SYNC_LIMIT_S):
            for provider in syncing:
                await provider.synced.wait()
        for entry, pair in suspects.items():
            if self._suspects.get(entry) == pair:
                text = await self._text_of_peer(pair[1].document)
                if text is not None:
                    await repair(folder, entry, *pair, text)
        self._suspects = suspects

    async def _branches(self, buckets: list[int]) -> dict[int, bytes]:
        """The hashes of the branches of these buckets, each as they are at some moment."""
        found: dict[int, bytes] = {}
        for number, bucket in enumerate(buckets):
            found[bucket] = self._folder.leaves.tree().branches(bucket)
            if number % _BUCKET_SLICE == 0:
                await trio.lowlevel.checkpoint()
        return found

    async def _text_of_peer(self, document: DocumentID) -> str | None:
        """The text that the peer has of a document; None when it has none any more."""
        await self._link.send(Pull(self._folder.id, (document,)))
        reply = await self._reply()
        states = dict(reply.states) if isinstance(reply, Documents) else {}
        replica = TextReplica(1)
        try:
            replica.receive(states.get(document) or imported(""))
        except DocumentPoisoned as panic:
            self._poisoned(document, str(panic))
            return None
        return replica.text()

    @property
    def suspects(self) -> bool:
        """Whether something looked diverged once: it has to be looked at a second time."""
        return bool(self._suspects)

    def _compare(self, entry: EntryID, ours: Leaf | None, theirs: Leaf | None) -> Provider | None:
        """Note whether the peer has the entry as we have it; gives the provider that brings them together."""
        if ours == theirs:
            self._behind.pop(entry, None)
            return None
        self._behind[entry] = theirs
        # What the peer has and we know of, alive here or not: its edits may revive what was deleted here.
        found = self._folder.manifest.entries.get(entry)
        if theirs is None or found is None or found.kind is not Kind.TEXT or found.document != theirs.document:
            return None
        if theirs.document in self._folder.digests:
            return self._sync_again(theirs.document)
        self._folder.wanted.add(theirs.document)
        return None

    async def pull_missing(self) -> None:
        """Pull what the manifest names and nobody is pulling already, batch by batch."""
        folder = self._folder
        theirs, self._theirs = self._theirs, {}
        adopted = await adopt(folder, theirs, self._peer)
        if adopted:
            log.info("files_adopted", folder=folder.label, count=adopted)
        while True:
            wanted = [
                document
                for document in folder.missing_documents()
                if document not in folder.pulling
                and document not in self._lacking
                and not folder.quarantine.holds(self._peer, document, trio.current_time())
            ][:_PULL_BATCH]
            if not wanted:
                return
            folder.pulling.update(wanted)
            try:
                await self._pull(wanted)
            finally:
                folder.pulling.difference_update(wanted)

    async def _pull(self, wanted: list[DocumentID]) -> None:
        folder = self._folder
        await self._link.send(Pull(folder.id, tuple(wanted)))
        waiting = set(wanted)
        while waiting:
            reply = await self._reply()
            if not isinstance(reply, Documents):
                return
            folder.progress.traffic.add(sum(len(state) for _, state in reply.states), trio.current_time())
            for number, (document, state) in enumerate(reply.states):
                if document not in waiting:
                    continue
                waiting.discard(document)
                if not state:
                    self._lacking.add(document)
                    continue
                try:
                    folder.take_pulled(document, state, self._peer, await parse_in_slices(state, Shape.TEXT))
                except DocumentPoisoned as panic:
                    self._poisoned(document, str(panic))
                if number % _SLICE == 0:
                    await trio.lowlevel.checkpoint()
