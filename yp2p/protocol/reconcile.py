"""The reconcile tree: which entries differ between two devices, without listing them all.

Every entry has a leaf, the hash of (entry ID, version, content). Leaves are XORed into 256 buckets by the first
byte of the entry ID; the root is the hash of the buckets. Setting or removing a leaf costs one XOR, whatever
the size of the folder. Two devices compare roots, then buckets. For those that differ one sends the hashes of their 64
branches (by the next six bits of the entry ID), and the other answers with the leaves of the branches that differ.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from yp2p.identity import DocumentID, EntryID

BUCKETS = 256
BRANCHES = 64
# Enough to tell branches of one bucket apart: where none differs in a bucket that does, all of it is compared.
BRANCH_HASH_BYTES = 8
HASH_BYTES = 32


def branch_of(entry: EntryID) -> int:
    """The branch of an entry in its bucket."""
    return entry[1] >> 2


def branch_hash(branches: bytes, branch: int) -> bytes:
    """One of the hashes of `ReconcileTree.branches`."""
    return branches[branch * BRANCH_HASH_BYTES : (branch + 1) * BRANCH_HASH_BYTES]


@dataclass(frozen=True, slots=True)
class Leaf:
    """One entry as a device holds it."""

    document: DocumentID
    version: bytes
    content: bytes

    def digest(self, entry: EntryID) -> int:
        data = entry + self.document + self.version + self.content
        return int.from_bytes(hashlib.sha256(data).digest(), "big")


class ReconcileTree:
    """An incrementally kept digest over the entries of a folder."""

    def __init__(self) -> None:
        self._leaves: list[dict[EntryID, Leaf]] = [{} for _ in range(BUCKETS)]
        self._hashes = [0] * BUCKETS

    def __len__(self) -> int:
        return sum(len(bucket) for bucket in self._leaves)

    def get(self, entry: EntryID) -> Leaf | None:
        return self._leaves[entry[0]].get(entry)

    def set(self, entry: EntryID, leaf: Leaf) -> bool:
        """Put a leaf in place; tells whether anything changed."""
        bucket = self._leaves[entry[0]]
        old = bucket.get(entry)
        if old == leaf:
            return False
        if old is not None:
            self._hashes[entry[0]] ^= old.digest(entry)
        bucket[entry] = leaf
        self._hashes[entry[0]] ^= leaf.digest(entry)
        return True

    def remove(self, entry: EntryID) -> None:
        old = self._leaves[entry[0]].pop(entry, None)
        if old is not None:
            self._hashes[entry[0]] ^= old.digest(entry)

    def root(self) -> bytes:
        return hashlib.sha256(b"".join(self.buckets())).digest()

    def buckets(self) -> list[bytes]:
        return [number.to_bytes(HASH_BYTES, "big") for number in self._hashes]

    def differing(self, others: list[bytes]) -> list[int]:
        """The numbers of the buckets that are not as the other device has them."""
        return [index for index, own in enumerate(self.buckets()) if own != others[index]]

    def branches(self, bucket: int) -> bytes:
        """The hashes of the branches of a bucket, one behind the other."""
        hashes = [0] * BRANCHES
        for entry, leaf in self._leaves[bucket].items():
            hashes[branch_of(entry)] ^= leaf.digest(entry)
        return b"".join(number.to_bytes(HASH_BYTES, "big")[:BRANCH_HASH_BYTES] for number in hashes)

    def differing_branches(self, bucket: int, others: bytes) -> int:
        """Which branches of a bucket are not as the other device has them, as bits; all, where none can be told."""
        own = self.branches(bucket)
        mask = sum((branch_hash(own, b) != branch_hash(others, b)) << b for b in range(BRANCHES))
        return mask or (1 << BRANCHES) - 1

    def leaves(self, bucket: int) -> dict[EntryID, Leaf]:
        return dict(self._leaves[bucket])
