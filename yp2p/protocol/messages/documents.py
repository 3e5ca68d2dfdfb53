"""Documents: which versions there are, what is missing, what is stored, and what is typed meanwhile."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from yp2p.errors import MessageFault
from yp2p.identity import DEVICE_ID_BYTES, ID_BYTES, DeviceID, DocumentID, EntryID, FolderID
from yp2p.protocol.frames import MAX_BULK_BYTES
from yp2p.protocol.messages.layouts import HASH, ID, MAX_LEAVES, MAX_TIME_MS, read_leaves, write_leaves
from yp2p.protocol.reconcile import Leaf
from yp2p.protocol.wire import Reader, Writer

MANIFEST_DOCUMENTS = 64
MAX_PULL = 1024
# A version of a place that was changed apart; what is longer is told only where it was found. Without these caps a
# member could fill the list of notices with megabytes.
MAX_PLACE_BYTES = 1 << 16
MAX_PLACE_DEVICES = 64


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
        return cls(folder, tuple(version for (version,) in data.items(HASH, MANIFEST_DOCUMENTS)))


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
        wanted = data.counted(ID, MAX_PULL, "documents")
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
        wanted = data.counted(ID, MAX_PULL, "documents")
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
        write_leaves(out, self.leaves)

    @classmethod
    def read(cls, data: Reader) -> Self:
        return cls(FolderID(data.raw(ID_BYTES)), read_leaves(data))


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
        write_leaves(out, self.leaves)

    @classmethod
    def read(cls, data: Reader) -> Self:
        return cls(FolderID(data.raw(ID_BYTES)), data.u32(), read_leaves(data))


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
        kept = data.counted(ID, MAX_LEAVES, "entries that are kept")
        return cls(folder, number, tuple(EntryID(entry) for (entry,) in kept))


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
