"""The messages of a link, after the handshake. docs/protocol.md has the byte tables.

A message is its type (one byte) and its fields. Types from 0x80 are reserved for extensions and ignored by
those who do not know them; any other unknown type is a fault. Encoding and decoding are one pair of functions
per message, side by side, so that a reader sees that they agree.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from struct import Struct
from typing import ClassVar, Protocol, Self

from yp2p.errors import MessageFault
from yp2p.identity import DEVICE_ID_BYTES, ID_BYTES, SIGNATURE_BYTES, DeviceID, DocumentID, EntryID, FolderID
from yp2p.protocol.blobs import CHUNK_BYTES, MAX_BLOB_BYTES
from yp2p.protocol.frames import MAX_BULK_BYTES
from yp2p.protocol.reconcile import BRANCH_HASH_BYTES, BRANCHES, BUCKETS, HASH_BYTES, Leaf
from yp2p.protocol.wire import Reader, Writer

# All that this device speaks; of those that a peer speaks as well the highest is used.
PROTOCOL_VERSIONS: tuple[int, ...] = (1,)
MANIFEST_DOCUMENTS = 64
# A name is shown in tables; a longer one only breaks them.
MAX_DEVICE_NAME_BYTES = 256
MAX_FEATURES_BYTES = 1 << 10
MAX_REASON_BYTES = 1 << 10
# A statement has about 300 bytes; the cap keeps a list of them in one interactive message.
MAX_STATEMENT_BYTES = 1 << 10
# What a folder is called, or what a device says that it is called.
MAX_LABEL_BYTES = 1 << 10
# Folders that one device offers another at a time. Without the cap a member could fill the store and the screen.
MAX_OFFERS = 16
# A part of the list of what is in an offered folder: 512 entries with the longest paths there are.
MAX_LISTING_BYTES = 512 * 4200
# Entries per list: 4096 leaves are 450 KiB, within one interactive message.
MAX_LEAVES = 4096
MAX_PULL = 1024
# Devices that somebody has a link with; a folder has no more members. Without the cap one message could name millions,
# which costs a second to read, and as much memory as it has bytes, thrice over.
MAX_LINKS = 4096
# In one message: to check a statement takes half a millisecond. There may be more than that (`trust/limits.py`); they
# are sent in parts, so that one that is lost with its link does not take all others with it.
MAX_STATEMENTS = 4096
STATEMENTS_OF_PART = 512
# Chunks in one request, 256 MiB at most: what a request makes us read before the next one is looked at.
MAX_FETCH = 1024
MAX_CHUNKS = MAX_BLOB_BYTES // CHUNK_BYTES
# A megabyte, the chunk that goes beyond it, and what stands in front of each: without it a member could fill our memory
# with what nobody asked for, one queue of large messages after the other.
MAX_CHUNKS_BYTES = 2 << 20
# A version of a place that was changed apart; what is longer is told only where it was found. Without these caps a
# member could fill the list of notices with megabytes.
MAX_PLACE_BYTES = 1 << 16
MAX_PLACE_DEVICES = 64
# A request to remove the past of files; how many of these and of answers to them are in one message: to check each
# signature takes a tenth of a millisecond.
MAX_PURGE_REQUEST_BYTES = 64 << 10
MAX_PURGE_ANSWER_BYTES = 256
MAX_PURGE_REQUESTS, MAX_PURGE_ANSWERS = 16, 256
# The year 5138. A later time is no time that a float has to the millisecond.
MAX_TIME_MS = 10**14
EXTENSIONS_FROM = 0x80
_HIGHEST_ROLE = 3

# Lists of fixed size are read by layout: item by item a message at its cap would hold up the loop for half a second.
_ID, _DEVICE, _HASH = Struct(f">{ID_BYTES}s"), Struct(f">{DEVICE_ID_BYTES}s"), Struct(f">{HASH_BYTES}s")
_LEAF = Struct(f">{ID_BYTES}s{ID_BYTES}s{HASH_BYTES}s{HASH_BYTES}s")
_BUCKET = Struct(f">B{BRANCHES * BRANCH_HASH_BYTES}s")
_BRANCHES = Struct(">BQ")
_RANGE = Struct(f">{HASH_BYTES}sII")


class Message(Protocol):
    """What every message has."""

    TYPE: ClassVar[int]

    def write(self, out: Writer) -> None: ...

    @classmethod
    def read(cls, data: Reader) -> Self: ...


@dataclass(frozen=True, slots=True)
class Hello:
    """First message of both sides: what I speak, and who I am this time.

    `proof` is a signature over the handshake: the Noise key proves itself by it, the signing key by this.
    """

    TYPE: ClassVar[int] = 0x01
    versions: tuple[int, ...]
    boot_id: bytes
    name: str
    listen_port: int
    features: str = ""
    proof: bytes = bytes(SIGNATURE_BYTES)

    def write(self, out: Writer) -> None:
        out.data(bytes(self.versions)).raw(self.boot_id).text(self.name).u32(self.listen_port)
        out.text(self.features).raw(self.proof)

    @classmethod
    def read(cls, data: Reader) -> Self:
        versions = tuple(data.data(255))
        boot_id = data.raw(16)
        name = data.text(MAX_DEVICE_NAME_BYTES)
        return cls(versions, boot_id, name, data.u32(), data.text(MAX_FEATURES_BYTES), data.raw(SIGNATURE_BYTES))


@dataclass(frozen=True, slots=True)
class Goodbye:
    """Why I close the link, for the peer's log; `is_paused` when a person here paused the peer."""

    TYPE: ClassVar[int] = 0x02
    reason: str
    is_paused: bool = False

    def write(self, out: Writer) -> None:
        out.text(self.reason).u8(self.is_paused)

    @classmethod
    def read(cls, data: Reader) -> Self:
        return cls(data.text(MAX_REASON_BYTES), bool(data.u8()))


@dataclass(frozen=True, slots=True)
class FolderState:
    """One digest each over membership, manifest and entries: equal ones end a session's work.

    `settled` is true when the sender's disk is what the digests say: false while files are being read or written, or
    cannot be. A `nonce` other than 0 asks for an answer that
    carries it in `answers`.
    """

    TYPE: ClassVar[int] = 0x10
    folder: FolderID
    membership: bytes
    manifest: bytes
    tree: bytes
    settled: bool
    nonce: int = 0
    answers: int = 0

    def same_as(self, other: FolderState) -> bool:
        return (self.membership, self.manifest, self.tree) == (other.membership, other.manifest, other.tree)

    def write(self, out: Writer) -> None:
        out.raw(self.folder).raw(self.membership).raw(self.manifest).raw(self.tree)
        out.u8(self.settled).u32(self.nonce).u32(self.answers)

    @classmethod
    def read(cls, data: Reader) -> Self:
        folder = FolderID(data.raw(ID_BYTES))
        digests = data.raw(HASH_BYTES), data.raw(HASH_BYTES), data.raw(HASH_BYTES)
        return cls(folder, *digests, bool(data.u8()), data.u32(), data.u32())


class Condition(IntEnum):
    """What stands between what a device announces and its disk."""

    NONE = 0
    WORKING = 1  # files are being read or written, for a while by now, or wait for that
    PAUSED = 2  # the folder's directory or marker is missing
    AWAITING_CONFIRMATION = 3  # many deletions wait for a person's decision
    CANNOT_STORE = 4  # the disk of the store has no room, or cannot be written
    APART = (
        5  # it has no session with the other device for a while, after a fault: it hears of nothing, and says nothing
    )

    @classmethod
    def _missing_(cls, value: object) -> Condition:
        return cls.PAUSED  # of a later protocol: the disk is not what was announced, and we do not know why


@dataclass(frozen=True, slots=True)
class FolderCondition:
    """What stands between what I announced and my disk; `waiting` are entries whose files wait, the first of them."""

    TYPE: ClassVar[int] = 0x80
    folder: FolderID
    condition: Condition
    waiting: tuple[EntryID, ...] = ()

    def write(self, out: Writer) -> None:
        out.raw(self.folder).u8(self.condition).u32(len(self.waiting)).raw(b"".join(self.waiting))

    @classmethod
    def read(cls, data: Reader) -> Self:
        folder, condition = FolderID(data.raw(ID_BYTES)), Condition(data.u8())
        waiting = data.counted(_ID, MAX_LEAVES, "entries that wait")
        return cls(folder, condition, tuple(EntryID(entry) for (entry,) in waiting))


@dataclass(frozen=True, slots=True)
class FolderLinks:
    """The devices I have a link with for this folder: they need no relay from you."""

    TYPE: ClassVar[int] = 0x11
    folder: FolderID
    devices: tuple[DeviceID, ...]

    def write(self, out: Writer) -> None:
        out.raw(self.folder).u32(len(self.devices)).raw(b"".join(self.devices))

    @classmethod
    def read(cls, data: Reader) -> Self:
        folder = FolderID(data.raw(ID_BYTES))
        return cls(folder, tuple(DeviceID(device) for (device,) in data.counted(_DEVICE, MAX_LINKS, "devices")))


@dataclass(frozen=True, slots=True)
class Membership:
    """Signed statements of the folder; each comes behind those that it names, in this message or an earlier one."""

    TYPE: ClassVar[int] = 0x12
    folder: FolderID
    statements: tuple[bytes, ...]

    def write(self, out: Writer) -> None:
        out.raw(self.folder).u32(len(self.statements))
        for statement in self.statements:
            out.data(statement)

    @classmethod
    def read(cls, data: Reader) -> Self:
        folder = FolderID(data.raw(ID_BYTES))
        count = data.count(4)
        if count > MAX_STATEMENTS:
            raise MessageFault(f"{count} statements in one message, more than {MAX_STATEMENTS}")
        return cls(folder, tuple(data.data(MAX_STATEMENT_BYTES) for _ in range(count)))

    @classmethod
    def parts(cls, folder: FolderID, statements: Sequence[bytes]) -> Iterator[Self]:
        """As many messages as it takes."""
        for start in range(0, len(statements), STATEMENTS_OF_PART):
            yield cls(folder, tuple(statements[start : start + STATEMENTS_OF_PART]))


@dataclass(frozen=True, slots=True)
class ManifestQuery:
    """Ask for the versions of the manifest documents."""

    TYPE: ClassVar[int] = 0x13
    folder: FolderID

    def write(self, out: Writer) -> None:
        out.raw(self.folder)

    @classmethod
    def read(cls, data: Reader) -> Self:
        return cls(FolderID(data.raw(ID_BYTES)))


@dataclass(frozen=True, slots=True)
class ManifestVersions:
    """The versions of the 64 manifest documents."""

    TYPE: ClassVar[int] = 0x14
    folder: FolderID
    versions: tuple[bytes, ...]

    def write(self, out: Writer) -> None:
        out.raw(self.folder).raw(b"".join(self.versions))

    @classmethod
    def read(cls, data: Reader) -> Self:
        folder = FolderID(data.raw(ID_BYTES))
        return cls(folder, tuple(version for (version,) in data.items(_HASH, MANIFEST_DOCUMENTS)))


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
        return cls(folder, tuple(found for (found,) in data.items(_HASH, BUCKETS)))


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
        _write_leaves(out, self.leaves)

    @classmethod
    def read(cls, data: Reader) -> Self:
        folder = FolderID(data.raw(ID_BYTES))
        last = bool(data.u8())
        branches = tuple((bucket, mask) for bucket, mask in data.counted(_BRANCHES, BUCKETS, "buckets"))
        return cls(folder, _read_leaves(data), last, branches)


@dataclass(frozen=True, slots=True)
class Pull:
    """Ask for the full state of documents that I do not have at all."""

    TYPE: ClassVar[int] = 0x19
    folder: FolderID
    documents: tuple[DocumentID, ...]

    def write(self, out: Writer) -> None:
        out.raw(self.folder).u32(len(self.documents)).raw(b"".join(self.documents))

    @classmethod
    def read(cls, data: Reader) -> Self:
        folder = FolderID(data.raw(ID_BYTES))
        wanted = data.counted(_ID, MAX_PULL, "documents")
        return cls(folder, tuple(DocumentID(document) for (document,) in wanted))


@dataclass(frozen=True, slots=True)
class CountedQuery:
    """Ask for the state of documents, also of the manifest, as far as it counts for who knows of a device's removal."""

    TYPE: ClassVar[int] = 0x23
    folder: FolderID
    device: DeviceID
    documents: tuple[DocumentID, ...]

    def write(self, out: Writer) -> None:
        out.raw(self.folder).raw(self.device).u32(len(self.documents)).raw(b"".join(self.documents))

    @classmethod
    def read(cls, data: Reader) -> Self:
        folder, device = FolderID(data.raw(ID_BYTES)), DeviceID(data.raw(DEVICE_ID_BYTES))
        wanted = data.counted(_ID, MAX_PULL, "documents")
        return cls(folder, device, tuple(DocumentID(document) for (document,) in wanted))


@dataclass(frozen=True, slots=True)
class Documents:
    """States of documents that were pulled; empty bytes for one that I do not have either."""

    TYPE: ClassVar[int] = 0x1A
    folder: FolderID
    states: tuple[tuple[DocumentID, bytes], ...]

    def write(self, out: Writer) -> None:
        out.raw(self.folder).u32(len(self.states))
        for document, state in self.states:
            out.raw(document).data(state)

    @classmethod
    def read(cls, data: Reader) -> Self:
        folder = FolderID(data.raw(ID_BYTES))
        count = data.count(ID_BYTES + 4)
        if count > MAX_PULL:
            raise MessageFault(f"{count} documents in one message, more than {MAX_PULL}")
        return cls(folder, tuple((DocumentID(data.raw(ID_BYTES)), data.data(MAX_BULK_BYTES)) for _ in range(count)))


@dataclass(frozen=True, slots=True)
class Ack:
    """These entries are stored here and on my disk as exactly these versions (invariant 10)."""

    TYPE: ClassVar[int] = 0x1B
    folder: FolderID
    leaves: tuple[tuple[EntryID, Leaf], ...]

    def write(self, out: Writer) -> None:
        out.raw(self.folder)
        _write_leaves(out, self.leaves)

    @classmethod
    def read(cls, data: Reader) -> Self:
        return cls(FolderID(data.raw(ID_BYTES)), _read_leaves(data))


@dataclass(frozen=True, slots=True)
class KeepQuery:
    """Do you have these entries on your disk, as exactly these versions, and go on having them?

    `number` is not 0; the answer bears it.
    """

    TYPE: ClassVar[int] = 0x88
    folder: FolderID
    number: int
    leaves: tuple[tuple[EntryID, Leaf], ...]

    def write(self, out: Writer) -> None:
        out.raw(self.folder).u32(self.number)
        _write_leaves(out, self.leaves)

    @classmethod
    def read(cls, data: Reader) -> Self:
        return cls(FolderID(data.raw(ID_BYTES)), data.u32(), _read_leaves(data))


@dataclass(frozen=True, slots=True)
class Keeping:
    """Of what you asked for by this number, I have these entries, and go on having them."""

    TYPE: ClassVar[int] = 0x89
    folder: FolderID
    number: int
    entries: tuple[EntryID, ...]

    def write(self, out: Writer) -> None:
        out.raw(self.folder).u32(self.number).u32(len(self.entries)).raw(b"".join(self.entries))

    @classmethod
    def read(cls, data: Reader) -> Self:
        folder, number = FolderID(data.raw(ID_BYTES)), data.u32()
        kept = data.counted(_ID, MAX_LEAVES, "entries that are kept")
        return cls(folder, number, tuple(EntryID(entry) for (entry,) in kept))


@dataclass(frozen=True, slots=True)
class PurgeNews:
    """Signed requests to remove the past of files, and signed answers to such (`trust/purges.py`)."""

    TYPE: ClassVar[int] = 0x8A
    folder: FolderID
    requests: tuple[bytes, ...]
    answers: tuple[bytes, ...]

    def write(self, out: Writer) -> None:
        out.raw(self.folder)
        for bodies in (self.requests, self.answers):
            out.u32(len(bodies))
            for body in bodies:
                out.data(body)

    @classmethod
    def read(cls, data: Reader) -> Self:
        folder = FolderID(data.raw(ID_BYTES))
        found: list[tuple[bytes, ...]] = []
        for most, cap in (
            (MAX_PURGE_REQUESTS, MAX_PURGE_REQUEST_BYTES), (MAX_PURGE_ANSWERS, MAX_PURGE_ANSWER_BYTES)
        ):  # fmt: skip
            count = data.count(4)
            if count > most:
                raise MessageFault(f"{count} requests to purge or answers in one message, more than {most}")
            found.append(tuple(data.data(cap) for _ in range(count)))
        return cls(folder, found[0], found[1])


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
class ChannelData:
    """A message of the provider of one document."""

    TYPE: ClassVar[int] = 0x20
    folder: FolderID
    document: DocumentID
    payload: bytes

    def write(self, out: Writer) -> None:
        out.raw(self.folder).raw(self.document).raw(self.payload)

    @classmethod
    def read(cls, data: Reader) -> Self:
        return cls(FolderID(data.raw(ID_BYTES)), DocumentID(data.raw(ID_BYTES)), data.rest())


@dataclass(frozen=True, slots=True)
class ChannelClose:
    """My end of this channel is quiet and closed; a new message opens it again."""

    TYPE: ClassVar[int] = 0x21
    folder: FolderID
    document: DocumentID

    def write(self, out: Writer) -> None:
        out.raw(self.folder).raw(self.document)

    @classmethod
    def read(cls, data: Reader) -> Self:
        return cls(FolderID(data.raw(ID_BYTES)), DocumentID(data.raw(ID_BYTES)))


@dataclass(frozen=True, slots=True)
class Side:
    """One version of a place that was changed apart: the text, the devices that wrote it, and when (ms since 1970)."""

    text: str
    devices: tuple[DeviceID, ...]
    at_ms: int

    def write(self, out: Writer) -> None:
        out.text(self.text).u32(len(self.devices)).raw(b"".join(self.devices)).u64(self.at_ms)

    @classmethod
    def read(cls, data: Reader) -> Self:
        text, count = data.text(MAX_PLACE_BYTES), data.count(DEVICE_ID_BYTES)
        if count > MAX_PLACE_DEVICES:
            raise MessageFault(f"{count} devices wrote one version, more than {MAX_PLACE_DEVICES}")
        devices, at_ms = tuple(DeviceID(data.raw(DEVICE_ID_BYTES)) for _ in range(count)), data.u64()
        if at_ms > MAX_TIME_MS:
            raise MessageFault(f"a version of {at_ms} ms since 1970, in the far future")
        return cls(text, devices, at_ms)


@dataclass(frozen=True, slots=True)
class BothChanged:
    """A place of a text that was changed apart, for those who made one of the versions; `settled`: a person decided.

    `line` is where it begins, `stands` what is there, `before` and `behind` are the lines around it.
    """

    TYPE: ClassVar[int] = 0x22
    folder: FolderID
    entry: EntryID
    settled: bool
    line: int
    stands: str
    before: str
    behind: str
    sides: tuple[Side, Side]

    def write(self, out: Writer) -> None:
        out.raw(self.folder).raw(self.entry).u8(self.settled).u32(self.line)
        out.text(self.stands).text(self.before).text(self.behind)
        for side in self.sides:
            side.write(out)

    @classmethod
    def read(cls, data: Reader) -> Self:
        folder, entry, settled = FolderID(data.raw(ID_BYTES)), EntryID(data.raw(ID_BYTES)), bool(data.u8())
        line, stands = data.u32(), data.text(2 * MAX_PLACE_BYTES)
        before, behind = data.text(MAX_PLACE_BYTES), data.text(MAX_PLACE_BYTES)
        return cls(folder, entry, settled, line, stands, before, behind, (Side.read(data), Side.read(data)))


@dataclass(frozen=True, slots=True)
class Offer:
    """One folder that somebody may take part in; `id` is another one each time that it is offered."""

    id: bytes
    folder: FolderID
    founder: DeviceID
    role: int  # 1 to 3, as in a statement
    label: str


@dataclass(frozen=True, slots=True)
class FolderOffers:
    """The folders that I offer you: all of them, so what is not here any more is taken back."""

    TYPE: ClassVar[int] = 0x81
    offers: tuple[Offer, ...]

    def write(self, out: Writer) -> None:
        out.u32(len(self.offers))
        for one in self.offers:
            out.raw(one.id).raw(one.folder).raw(one.founder).u8(one.role).text(one.label)

    @classmethod
    def read(cls, data: Reader) -> Self:
        count = data.count(2 * ID_BYTES + DEVICE_ID_BYTES)
        if count > MAX_OFFERS:
            raise MessageFault(f"{count} offers of folders, more than {MAX_OFFERS}")
        return cls(tuple(_read_offer(data) for _ in range(count)))


def _read_offer(data: Reader) -> Offer:
    number, folder, founder = data.raw(ID_BYTES), FolderID(data.raw(ID_BYTES)), DeviceID(data.raw(DEVICE_ID_BYTES))
    role = data.u8()
    if not 1 <= role <= _HIGHEST_ROLE:
        raise MessageFault(f"a folder is offered with a role that does not exist: {role}")
    return Offer(number, folder, founder, role, data.text(MAX_LABEL_BYTES))


class Reply(IntEnum):
    """What somebody says to an offer."""

    UNDECIDED = 0  # does it stand?
    ACCEPT = 1
    DECLINE = 2
    LOOK = 3  # what is in the folder?


@dataclass(frozen=True, slots=True)
class OfferReply:
    """What I say to an offer of yours."""

    TYPE: ClassVar[int] = 0x82
    offer: bytes
    folder: FolderID
    reply: Reply

    def write(self, out: Writer) -> None:
        out.raw(self.offer).raw(self.folder).u8(self.reply)

    @classmethod
    def read(cls, data: Reader) -> Self:
        number, folder, reply = data.raw(ID_BYTES), FolderID(data.raw(ID_BYTES)), data.u8()
        if reply not in list(Reply):
            raise MessageFault(f"an offer is answered with {reply}, which means nothing")
        return cls(number, folder, Reply(reply))


@dataclass(frozen=True, slots=True)
class OfferGranted:
    """You are let in: the statements of the folder, in parts, each behind those that it names.

    None at all, in one part: the offer does not stand any more.
    """

    TYPE: ClassVar[int] = 0x83
    offer: bytes
    last: bool
    statements: tuple[bytes, ...]

    def write(self, out: Writer) -> None:
        out.raw(self.offer).u8(self.last).u32(len(self.statements))
        for statement in self.statements:
            out.data(statement)

    @classmethod
    def read(cls, data: Reader) -> Self:
        number, last, count = data.raw(ID_BYTES), bool(data.u8()), data.count(4)
        if count > STATEMENTS_OF_PART:
            raise MessageFault(f"{count} statements in one part, more than {STATEMENTS_OF_PART}")
        return cls(number, last, tuple(data.data(MAX_STATEMENT_BYTES) for _ in range(count)))


@dataclass(frozen=True, slots=True)
class OfferListing:
    """What is in an offered folder, in parts as in pairing (`pairing/exchange.py`); an empty one is the end."""

    TYPE: ClassVar[int] = 0x84
    offer: bytes
    entries: bytes

    def write(self, out: Writer) -> None:
        out.raw(self.offer).data(self.entries)

    @classmethod
    def read(cls, data: Reader) -> Self:
        return cls(data.raw(ID_BYTES), data.data(MAX_LISTING_BYTES))


@dataclass(frozen=True, slots=True)
class Unknown:
    """A message of a later protocol: to be ignored."""

    TYPE: ClassVar[int] = EXTENSIONS_FROM
    type: int


class Reached(IntEnum):
    """Whether the sender of a LinkCheck could be connected to; a number that is none of these is as if not tried."""

    NOT_TRIED = 0
    YES = 1
    NO_ANSWER = 2
    REFUSED = 3
    NO_WAY = 4


@dataclass(frozen=True, slots=True)
class LinkCheck:
    """A person wants to know how this device looks from there; `connect` asks to try its listen port."""

    TYPE: ClassVar[int] = 0x85
    number: int
    connect: bool

    def write(self, out: Writer) -> None:
        out.u32(self.number).u8(self.connect)

    @classmethod
    def read(cls, data: Reader) -> Self:
        return cls(data.u32(), bool(data.u8()))


@dataclass(frozen=True, slots=True)
class LinkChecked:
    """How the other device looks from here: `at` is what the clock says here (ms since 1970), `has_clone` whether two
    machines have its key.
    """

    TYPE: ClassVar[int] = 0x86
    number: int
    at: int
    reached: Reached
    has_clone: bool

    def write(self, out: Writer) -> None:
        out.u32(self.number).u64(self.at).u8(self.reached).u8(self.has_clone)

    @classmethod
    def read(cls, data: Reader) -> Self:
        number, at, reached = data.u32(), data.u64(), data.u8()
        return cls(
            number, min(at, MAX_TIME_MS), Reached(reached) if reached in list(Reached) else Reached.NOT_TRIED,
            bool(data.u8()),
        )  # fmt: skip


FolderMessage = (
    FolderState | FolderCondition | FolderLinks | Membership | ManifestQuery | ManifestVersions | TreeQuery
    | TreeBuckets | LeavesQuery | Leaves | Pull | CountedQuery
    | Documents | Ack | KeepQuery | Keeping | PurgeNews | ChunkHashesQuery | ChunkHashes | Fetch | Chunks
    | ChannelData | ChannelClose | BothChanged
)  # fmt: skip
OfferMessage = FolderOffers | OfferReply | OfferGranted | OfferListing
CheckMessage = LinkCheck | LinkChecked
AnyMessage = Hello | Goodbye | Unknown | OfferMessage | CheckMessage | FolderMessage

_READERS: dict[int, Callable[[Reader], AnyMessage]] = {
    kind.TYPE: kind.read
    for kind in (
        Hello, Goodbye, FolderState, FolderCondition, FolderLinks, Membership, ManifestQuery, ManifestVersions,
        TreeQuery, TreeBuckets, LeavesQuery, Leaves, Pull, CountedQuery,
        Documents, Ack, KeepQuery, Keeping, PurgeNews, ChunkHashesQuery, ChunkHashes, Fetch, Chunks,
        ChannelData, ChannelClose, BothChanged,
        FolderOffers, OfferReply, OfferGranted, OfferListing, LinkCheck, LinkChecked,
    )
}  # fmt: skip


def _write_leaves(out: Writer, leaves: tuple[tuple[EntryID, Leaf], ...]) -> None:
    out.u32(len(leaves))
    for entry, leaf in leaves:
        out.raw(entry).raw(leaf.document).raw(leaf.version).raw(leaf.content)


def _read_leaves(data: Reader) -> tuple[tuple[EntryID, Leaf], ...]:
    return tuple(
        (EntryID(entry), Leaf(DocumentID(document), version, content))
        for entry, document, version, content in data.counted(_LEAF, MAX_LEAVES, "leaves")
    )


def encode(message: Message) -> bytes:
    """The bytes of a message."""
    out = Writer().u8(message.TYPE)
    message.write(out)
    return out.finish()


def subject_of(head: bytes) -> tuple[int, FolderID, bytes]:
    """The type of a message of a folder that begins with these bytes, for which folder, and about what.

    That is its first document, or its blob. Raises MessageFault: these bytes are too few to tell.
    """
    reader = Reader(head)
    kind, folder = reader.u8(), FolderID(reader.raw(ID_BYTES))
    if kind == Documents.TYPE:
        reader.u32()
    return kind, folder, reader.raw(HASH_BYTES if kind == ChunkHashes.TYPE else ID_BYTES)


def decode(data: bytes) -> AnyMessage:
    """Read one message. Raises MessageFault."""
    reader = Reader(data)
    kind = reader.u8()
    read = _READERS.get(kind)
    if read is None:
        if kind >= EXTENSIONS_FROM:
            return Unknown(kind)
        raise MessageFault(f"message type {kind:#04x} does not exist")
    message = read(reader)
    reader.end()
    return message
