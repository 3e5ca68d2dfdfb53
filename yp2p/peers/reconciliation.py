"""Reconciliation: finding out where two devices differ, and getting what is missing here.

From the three digests of `FolderState` it goes down to single entries: statements, manifest documents, buckets and
leaves of the Merkle tree. It asks and the peer answers; each side does so for itself, so that nobody has to lead.
Documents that are not here at all are pulled. Of a peer that only reads nothing is taken: it is only found out what it
has.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

import structlog
import trio

from yp2p.documents.conversation import Conversation
from yp2p.errors import FolderError
from yp2p.folder.catalogue import manifest_document_id
from yp2p.folder.folder import Folder
from yp2p.folder.turns import turn
from yp2p.identity import DeviceID, DocumentID, EntryID
from yp2p.peers.adoption import adopt
from yp2p.peers.agreement import Agreement
from yp2p.peers.audit import Audits
from yp2p.peers.channels import Channels
from yp2p.peers.divergence import has_diverged, repair
from yp2p.peers.judging import Judging
from yp2p.peers.pulls import Pulls
from yp2p.peers.questions import Questions
from yp2p.peers.tree_comparison import compare_trees
from yp2p.peers.withdrawal import Withdrawal
from yp2p.protocol.entries import Kind
from yp2p.protocol.messages import (
    FolderMessage,
    FolderState,
    ManifestQuery,
    ManifestVersions,
    Membership,
)
from yp2p.protocol.reconcile import Leaf
from yp2p.transport.link import Link

_MANIFEST_LIMIT_S = 60.0
_SYNC_LIMIT_S = 10.0
# Two states are compared in depth again after this long.
_INTERVAL_S = 2.0
# What looked diverged is looked at again after this long: the two leaves may have been of different moments.
_SUSPICION_S = 1.0
_SLICE = 32

log = structlog.get_logger()


class Reconciliation:
    """Brings a folder together with what one peer announces.

    Args:
        agreement: says what the peer announced last, and is kept up to date with what the comparison finds.

    Attributes:
        audits: compares because a person asks.
    """

    def __init__(
        self,
        folder: Folder,
        link: Link,
        peer: DeviceID,
        channels: Channels,
        agreement: Agreement,
    ) -> None:
        self._folder = folder
        self._peer = peer
        self._channels = channels
        self._agreement = agreement
        self._questions = Questions(link)
        self._pulls = Pulls(folder, peer, self._questions, channels)
        self._work = trio.Event()
        self.audits = Audits(folder, self._questions, lambda: self._work.set())
        self._is_wanted = self._is_pull_wanted = False
        self._last: tuple[tuple[bytes, ...], float] = ((), 0.0)
        self._known_statements: set[bytes] = set()  # of the membership, that the peer has or was sent
        self._suspects: dict[EntryID, tuple[Leaf, Leaf]] = {}  # equal versions, different contents, seen once
        self._theirs: dict[EntryID, Leaf] = {}  # what the peer announced and we have not taken yet

    async def deliver(self, reply: FolderMessage) -> None:
        """An answer of the peer."""
        await self._questions.deliver(reply)

    def asks_for(self, document: DocumentID) -> bool:
        """Whether the peer is being asked for a document."""
        return self._questions.asks_for(document)

    def is_older_than(self, age_s: float) -> bool:
        """Whether the last comparison began so long ago."""
        return trio.current_time() - self._last[1] > age_s

    def want(self, own: FolderState, state: FolderState) -> None:
        """Compare in depth, but not the same two states again and again."""
        key = (own.manifest, own.tree, state.manifest, state.tree, state.membership)
        if key != self._last[0] or self.is_older_than(_INTERVAL_S):
            self._last = (key, trio.current_time())
            self._is_wanted = True
            self._work.set()

    def want_judging(self) -> None:
        """What is here may not count, or be nowhere else: that is found out before anything else."""
        self._work.set()

    def want_pull(self) -> None:
        """Some document is missing."""
        self._is_pull_wanted = True
        self._work.set()

    async def run(self) -> None:
        """Compare and pull when that is wanted, until cancelled."""
        if self._folder.observers.uncounted.doubted or self._folder.observers.unsent.is_pending:
            self._work.set()
        while True:
            with trio.move_on_at(self._pulls.next_lapse()) as lapsed:
                await self._work.wait()
            self._is_pull_wanted |= lapsed.cancelled_caught
            self._work = trio.Event()
            with suppress(FolderError):  # who was made a reader meanwhile writes nothing more, and does not have to
                await self._work_once()
            self._questions.close()

    async def _work_once(self) -> None:
        if self._folder.observers.uncounted.doubted and self._takes():
            await Judging(self._folder, self._peer, self._questions).run()
        if self._folder.observers.unsent.is_pending and self._takes():
            await Withdrawal(self._folder, self._questions).run()
            self._is_wanted = True
        if self.audits.is_wanted:
            await self.audits.run()
        if self._is_wanted:
            await self._compare_and_pull()
        elif self._is_pull_wanted:
            await self._pull()

    async def _compare_and_pull(self) -> None:
        self._is_wanted = False
        state = self._agreement.of_peer
        if state is not None:
            await self._descend(state)
        await self._pull()
        self._agreement.is_compared()
        if self._suspects:
            with trio.move_on_after(_SUSPICION_S):
                await self._work.wait()
            self._is_wanted = True
            self._work.set()

    def _takes(self) -> bool:
        """Whether what the peer has counts."""
        return self._folder.membership.takes_from(self._peer)

    async def _pull(self) -> None:
        self._is_pull_wanted = False
        theirs, self._theirs = self._theirs, {}
        if not self._takes():
            return
        adopted = await adopt(self._folder, theirs, self._peer)
        if adopted:
            log.info("local_files_reused", folder=self._folder.label, count=adopted)
        await self._pulls.missing()

    async def _descend(self, state: FolderState) -> None:
        """Compare everything with a peer that announced `state`."""
        folder = self._folder
        self._pulls.start_over()
        if state.membership != folder.membership.digest():
            await self._tell_membership()
        if state.manifest != folder.catalogue.digest():
            await self._sync_manifest()
        if state.tree != folder.leaves.tree().root():
            await self._compare_entries()

    async def _tell_membership(self) -> None:
        """What the peer is not known to have; where that is nothing, and it differs all the same, everything."""
        own = self._folder.membership.statements()
        news = tuple(body for body in own if body not in self._known_statements)
        self._known_statements.update(own)
        for part in Membership.parts(self._folder.id, news or own):
            await self._questions.tell(part)

    async def take_statements(self, bodies: Sequence[bytes]) -> tuple[bytes, ...]:
        """Take statements of the membership; gives those to answer with, which the peer is not known to have.

        A peer tells its statements when it hears that we differ. Where the news is ours alone, it learns of that by
        our answer: what it told us changed nothing here, so nothing would be announced before the next heartbeat.
        """
        folder = self._folder
        commit = await folder.membership.receive(bodies)
        if commit is not None:
            await commit.wait()
            folder.state.touch()
        own = folder.membership.statements()
        # Only what we keep ourselves: whoever can sign could have us remember any number of others.
        self._known_statements = self._known_statements.union(bodies).intersection(own)
        news = tuple(body for body in own if body not in self._known_statements)
        self._known_statements.update(news)
        await folder.database.pending().wait()
        return news

    async def _sync_manifest(self) -> None:
        reply = await self._questions.ask(ManifestQuery(self._folder.id))
        if not isinstance(reply, ManifestVersions):
            return
        own = self._folder.catalogue.manifest.versions()
        opened = [
            self._channels.sync_again(manifest_document_id(index))
            for index, version in enumerate(reply.versions)
            if version != own[index]
        ]
        await _synced(opened, _MANIFEST_LIMIT_S)

    async def _compare_entries(self) -> None:
        difference = await compare_trees(self._folder, self._questions)
        if difference is None:
            return
        self._theirs = {entry: leaf for leaves in difference.theirs.values() for entry, leaf in leaves.items()}
        if self._is_on_disk_there():
            for entry in [entry for entry in self._agreement.behind if not difference.has(entry)]:
                del self._agreement.behind[entry]
        syncing: list[Conversation | None] = []
        suspects: dict[EntryID, tuple[Leaf, Leaf]] = {}
        for number, bucket in enumerate(difference.buckets):
            for entry, ours, theirs in difference.pairs(self._folder, bucket):
                syncing.append(self._compare(entry, ours, theirs))
                if ours is not None and theirs is not None and has_diverged(ours, theirs):
                    suspects[entry] = (ours, theirs)
            if number % _SLICE == 0:
                await turn()
        await _synced(syncing, _SYNC_LIMIT_S)
        # Whoever only reads has no say in what there is, nor makes it anew.
        may_repair = self._takes() and not self._folder.membership.is_reader
        await self._repair(suspects if may_repair else {})

    def _compare(self, entry: EntryID, ours: Leaf | None, theirs: Leaf | None) -> Conversation | None:
        """Note whether the peer has the entry as we have it; gives the provider that brings them together."""
        if ours == theirs:
            if self._is_on_disk_there():
                self._agreement.behind.pop(entry, None)
            return None
        self._agreement.behind[entry] = theirs
        # What the peer has and we know of, alive here or not: its edits may revive what was deleted here.
        found = self._folder.catalogue.entries.get(entry)
        if theirs is None or found is None or found.kind is not Kind.TEXT or found.document != theirs.document:
            return None
        if theirs.document in self._folder.texts.digests:
            return self._channels.sync_again(theirs.document)
        if self._takes():
            self._folder.catalogue.named.wanted.add(theirs.document)
        return None

    def _is_on_disk_there(self) -> bool:
        """Whether the peer's leaves speak of its files: else they only say which documents it has."""
        state = self._agreement.of_peer
        return state is not None and state.settled

    async def _repair(self, suspects: dict[EntryID, tuple[Leaf, Leaf]]) -> None:
        """What looked diverged twice, in the same way, has."""
        for entry, pair in suspects.items():
            if self._suspects.get(entry) == pair:
                text = await self._pulls.text_of_peer(pair[1].document)
                if text is not None:
                    await repair(self._folder, entry, *pair, text)
        self._suspects = suspects


async def _synced(providers: list[Conversation | None], limit_s: float) -> None:
    with trio.move_on_after(limit_s):
        for provider in providers:
            if provider is not None:
                await provider.synced.wait()
