"""The content of files that are no text."""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct
from typing import ClassVar, Self

from yp2p.errors import MessageFault
from yp2p.identity import ID_BYTES, FolderID
from yp2p.protocol.blobs import CHUNK_BYTES, MAX_BLOB_BYTES, MAX_SAMPLES, SAMPLE_ENTRY_BYTES
from yp2p.protocol.reconcile import HASH_BYTES
from yp2p.protocol.wire import Reader, Writer

# Chunks in one request, 256 MiB at most: what a request makes us read before the next one is looked at.
MAX_FETCH = 1024
MAX_CHUNKS = MAX_BLOB_BYTES // CHUNK_BYTES
# A megabyte, the chunk that goes beyond it, and what stands in front of each: without it a member could fill our memory
# with what nobody asked for, one queue of large messages after the other.
MAX_CHUNKS_BYTES = 2 << 20
_RANGE = Struct(f">{HASH_BYTES}sII")


@dataclass(frozen=True, slots=True)
class ChunkHashesQuery:
    """Ask for the hashes of the chunks of a blob."""

    TYPE: ClassVar[int] = 0x1C
    folder: FolderID
    blob: bytes

    def write(self, out: Writer) -> None:
        out.raw(self.folder).raw(self.blob)

    @classmethod
    def read(cls, data: Reader) -> Self:
        return cls(FolderID(data.raw(ID_BYTES)), data.raw(HASH_BYTES))


@dataclass(frozen=True, slots=True)
class ChunkHashes:
    """The hashes of the chunks of a blob, in order and one behind the other; none when I do not have it.

    They stay bytes until it is known that they are those of the blob: a million of them is another 64 MiB in memory.
    """

    TYPE: ClassVar[int] = 0x1D
    folder: FolderID
    blob: bytes
    hashes: bytes

    def write(self, out: Writer) -> None:
        out.raw(self.folder).raw(self.blob).u32(len(self.hashes) // HASH_BYTES).raw(self.hashes)

    @classmethod
    def read(cls, data: Reader) -> Self:
        folder, blob = FolderID(data.raw(ID_BYTES)), data.raw(HASH_BYTES)
        return cls(folder, blob, data.raw(HASH_BYTES * data.count(HASH_BYTES)))


@dataclass(frozen=True, slots=True)
class Fetch:
    """Ask for chunks of blobs: blob, first chunk, how many."""

    TYPE: ClassVar[int] = 0x1E
    folder: FolderID
    wanted: tuple[tuple[bytes, int, int], ...]

    def write(self, out: Writer) -> None:
        out.raw(self.folder).u32(len(self.wanted))
        for blob, first, count in self.wanted:
            out.raw(blob).u32(first).u32(count)

    @classmethod
    def read(cls, data: Reader) -> Self:
        folder = FolderID(data.raw(ID_BYTES))
        wanted = tuple((blob, first, number) for blob, first, number in data.counted(_RANGE, MAX_FETCH, "ranges"))
        chunks = sum(number for _, _, number in wanted)
        if chunks > MAX_FETCH:
            raise MessageFault(f"{chunks} chunks in one request, more than {MAX_FETCH}")
        if any(first + number > MAX_CHUNKS for _, first, number in wanted):
            raise MessageFault("a request for chunks that no blob has")
        return cls(folder, wanted)


@dataclass(frozen=True, slots=True)
class Chunks:
    """Chunks that were asked for: blob, number, content; empty content for one that I do not have."""

    TYPE: ClassVar[int] = 0x1F
    folder: FolderID
    chunks: tuple[tuple[bytes, int, bytes], ...]

    def write(self, out: Writer) -> None:
        out.raw(self.folder).u32(len(self.chunks))
        for blob, index, content in self.chunks:
            out.raw(blob).u32(index).data(content)

    @classmethod
    def read(cls, data: Reader) -> Self:
        folder = FolderID(data.raw(ID_BYTES))
        if data.left > MAX_CHUNKS_BYTES:
            raise MessageFault(f"{data.left} bytes of chunks in one message, more than {MAX_CHUNKS_BYTES}")
        count = data.count(HASH_BYTES + 8)
        if count > MAX_FETCH:
            raise MessageFault(f"{count} chunks in one message, more than {MAX_FETCH}")
        return cls(folder, tuple((data.raw(HASH_BYTES), data.u32(), data.data(CHUNK_BYTES)) for _ in range(count)))


@dataclass(frozen=True, slots=True)
class SamplesQuery:
    """Ask for samples of the chunks of a blob."""

    TYPE: ClassVar[int] = 0x8B
    folder: FolderID
    blob: bytes

    def write(self, out: Writer) -> None:
        out.raw(self.folder).raw(self.blob)

    @classmethod
    def read(cls, data: Reader) -> Self:
        return cls(FolderID(data.raw(ID_BYTES)), data.raw(HASH_BYTES))


@dataclass(frozen=True, slots=True)
class Samples:
    """Samples of chunks of a blob (`protocol/blobs.py`), one behind the other; none when I do not have it.

    At most 557,056 bytes, whatever a member says: `MAX_SAMPLES` of them.
    """

    TYPE: ClassVar[int] = 0x8C
    folder: FolderID
    blob: bytes
    samples: bytes

    def write(self, out: Writer) -> None:
        out.raw(self.folder).raw(self.blob).u32(len(self.samples) // SAMPLE_ENTRY_BYTES).raw(self.samples)

    @classmethod
    def read(cls, data: Reader) -> Self:
        folder, blob = FolderID(data.raw(ID_BYTES)), data.raw(HASH_BYTES)
        count = data.count(SAMPLE_ENTRY_BYTES)
        if count > MAX_SAMPLES:
            raise MessageFault(f"{count} samples in one message, more than {MAX_SAMPLES}")
        return cls(folder, blob, data.raw(SAMPLE_ENTRY_BYTES * count))
