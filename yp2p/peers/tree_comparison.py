"""Comparing the Merkle trees of two devices, from the root down to the leaves that differ.

Our tree can change while the peer answers, and that was not compared. So an entry may differ where the peer's mask says
that its branch differed, and also where its branch here is another than it was when we asked.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from yp2p.folder.folder import Folder
from yp2p.folder.turns import turn
from yp2p.identity import EntryID
from yp2p.peers.questions import Questions
from yp2p.protocol.messages import Leaves, LeavesQuery, TreeBuckets, TreeQuery
from yp2p.protocol.reconcile import Leaf, branch_hash, branch_of

# In a folder of 100,000 entries a bucket has 400: some milliseconds for so many.
_BUCKET_SLICE = 4


@dataclass(frozen=True, slots=True)
class TreeDifference:
    """What two trees differ in.

    Attributes:
        theirs: the peer's leaves in the branches that differ, by bucket.
        buckets: the numbers of the buckets that differed when we asked.
        asked, now: the hashes of their branches then, and after the answers.
        masks: which of the branches differed for the peer, as bits.
        changed: buckets that did not differ then and do by now.
    """

    theirs: dict[int, dict[EntryID, Leaf]]
    buckets: list[int]
    asked: dict[int, bytes]
    now: dict[int, bytes]
    masks: dict[int, int]
    changed: frozenset[int]

    def has(self, entry: EntryID) -> bool:
        """Whether this entry may differ."""
        bucket, branch = entry[0], branch_of(entry)
        if bucket not in self.asked:
            return bucket in self.changed
        is_changed = branch_hash(self.now[bucket], branch) != branch_hash(self.asked[bucket], branch)
        return is_changed or bool(self.masks.get(bucket, 0) >> branch & 1)

    def pairs(self, folder: Folder, bucket: int) -> Iterator[tuple[EntryID, Leaf | None, Leaf | None]]:
        """The entries of a bucket that may differ: with our leaf and the peer's."""
        ours = {entry: leaf for entry, leaf in folder.leaves.tree().leaves(bucket).items() if self.has(entry)}
        theirs = self.theirs.get(bucket, {})
        for entry in ours.keys() | theirs.keys():
            yield entry, ours.get(entry), theirs.get(entry)


async def compare_trees(folder: Folder, questions: Questions) -> TreeDifference | None:
    """Find out in what the peer's tree differs from ours; None when it did not answer as it should."""
    reply = await questions.ask(TreeQuery(folder.id))
    if not isinstance(reply, TreeBuckets):
        return None
    differing = folder.leaves.tree().differing(list(reply.hashes))
    theirs: dict[int, dict[EntryID, Leaf]] = {}
    masks: dict[int, int] = {}
    asked = await _branches(folder, differing)
    if differing:
        await questions.tell(LeavesQuery(folder.id, tuple(asked.items())))
        last = False
        while not last:
            leaves = await questions.reply()
            if not isinstance(leaves, Leaves):
                return None
            for entry, leaf in leaves.leaves:
                theirs.setdefault(entry[0], {})[entry] = leaf
            masks = dict(leaves.branches)
            last = leaves.last
        questions.close()
    now = await _branches(folder, differing)
    changed = {bucket for bucket in folder.leaves.tree().differing(list(reply.hashes)) if bucket not in asked}
    return TreeDifference(theirs, differing, asked, now, masks, frozenset(changed))


async def _branches(folder: Folder, buckets: list[int]) -> dict[int, bytes]:
    """The hashes of the branches of these buckets, each as they are at some moment."""
    found: dict[int, bytes] = {}
    for number, bucket in enumerate(buckets):
        found[bucket] = folder.leaves.tree().branches(bucket)
        if number % _BUCKET_SLICE == 0:
            await turn()
    return found
