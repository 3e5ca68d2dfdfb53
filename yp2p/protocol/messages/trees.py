"""Finding out which entries differ, a level of the tree of digests at a time."""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct
from typing import ClassVar, Self

from yp2p.identity import ID_BYTES, EntryID, FolderID
from yp2p.protocol.messages.layouts import HASH, read_leaves, write_leaves
from yp2p.protocol.reconcile import BRANCH_HASH_BYTES, BRANCHES, BUCKETS, Leaf
from yp2p.protocol.wire import Reader, Writer

_BUCKET = Struct(f">B{BRANCHES * BRANCH_HASH_BYTES}s")
_BRANCHES = Struct(">BQ")


@dataclass(frozen=True, slots=True)
class TreeQuery:
    """Ask for the bucket hashes of the reconcile tree."""

    TYPE: ClassVar[int] = 0x15
    folder: FolderID

    def write(self, out: Writer) -> None:
        out.raw(self.folder)

    @classmethod
    def read(cls, data: Reader) -> Self:
        return cls(FolderID(data.raw(ID_BYTES)))


@dataclass(frozen=True, slots=True)
class TreeBuckets:
    """The hashes of the 256 buckets."""

    TYPE: ClassVar[int] = 0x16
    folder: FolderID
    hashes: tuple[bytes, ...]

    def write(self, out: Writer) -> None:
        out.raw(self.folder).raw(b"".join(self.hashes))

    @classmethod
    def read(cls, data: Reader) -> Self:
        folder = FolderID(data.raw(ID_BYTES))
        return cls(folder, tuple(found for (found,) in data.items(HASH, BUCKETS)))


@dataclass(frozen=True, slots=True)
class LeavesQuery:
    """Ask for the leaves of these buckets, in the branches that are not like mine: number and hashes of each."""

    TYPE: ClassVar[int] = 0x17
    folder: FolderID
    buckets: tuple[tuple[int, bytes], ...]

    def write(self, out: Writer) -> None:
        out.raw(self.folder).u32(len(self.buckets))
        for bucket, branches in self.buckets:
            out.u8(bucket).raw(branches)

    @classmethod
    def read(cls, data: Reader) -> Self:
        folder = FolderID(data.raw(ID_BYTES))
        return cls(folder, tuple((bucket, of) for bucket, of in data.counted(_BUCKET, BUCKETS, "buckets")))


@dataclass(frozen=True, slots=True)
class Leaves:
    """Leaves of the buckets asked for. The final message of an answer says so (`last`), and which branches they are:
    number of the bucket, and a bit for each branch."""

    TYPE: ClassVar[int] = 0x18
    folder: FolderID
    leaves: tuple[tuple[EntryID, Leaf], ...]
    last: bool
    branches: tuple[tuple[int, int], ...] = ()

    def write(self, out: Writer) -> None:
        out.raw(self.folder).u8(self.last).u32(len(self.branches))
        for bucket, mask in self.branches:
            out.u8(bucket).u64(mask)
        write_leaves(out, self.leaves)

    @classmethod
    def read(cls, data: Reader) -> Self:
        folder = FolderID(data.raw(ID_BYTES))
        last = bool(data.u8())
        branches = tuple((bucket, mask) for bucket, mask in data.counted(_BRANCHES, BUCKETS, "buckets"))
        return cls(folder, read_leaves(data), last, branches)
