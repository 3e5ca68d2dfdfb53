"""The messages of a link, after the handshake. docs/protocol.md has the byte tables.

A message is its type (one byte) and its fields. Types from 0x80 are reserved for extensions and ignored by
those who do not know them; any other unknown type is a fault. Encoding and decoding are one pair of functions
per message, side by side, so that a reader sees that they agree. Each module has those of one subject; all are had from
here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Protocol, Self

from yp2p.errors import MessageFault
from yp2p.identity import ID_BYTES, FolderID
from yp2p.protocol.messages.chunks import (
    MAX_CHUNKS,
    MAX_CHUNKS_BYTES,
    MAX_FETCH,
    ChunkHashes,
    ChunkHashesQuery,
    Chunks,
    Fetch,
    Samples,
    SamplesQuery,
)
from yp2p.protocol.messages.documents import (
    MANIFEST_DOCUMENTS,
    MAX_PLACE_BYTES,
    MAX_PLACE_DEVICES,
    MAX_PULL,
    Ack,
    BothChanged,
    ChannelClose,
    ChannelData,
    CountedQuery,
    Documents,
    Keeping,
    KeepQuery,
    ManifestQuery,
    ManifestVersions,
    Pull,
    Side,
)
from yp2p.protocol.messages.folders import (
    MAX_LABEL_BYTES,
    MAX_LINKS,
    MAX_STATEMENT_BYTES,
    MAX_STATEMENTS,
    STATEMENTS_OF_PART,
    Condition,
    FolderCondition,
    FolderLinks,
    FolderState,
    Membership,
)
from yp2p.protocol.messages.layouts import MAX_LEAVES, MAX_TIME_MS, SENT_LEAVES
from yp2p.protocol.messages.links import (
    EXTENSIONS_FROM,
    MAX_DEVICE_NAME_BYTES,
    MAX_FEATURES_BYTES,
    MAX_REASON_BYTES,
    PROTOCOL_VERSIONS,
    Goodbye,
    Hello,
    LinkCheck,
    LinkChecked,
    Reached,
    Unknown,
)
from yp2p.protocol.messages.offers import (
    MAX_LISTING_BYTES,
    MAX_OFFERS,
    FolderOffers,
    Offer,
    OfferGranted,
    OfferListing,
    OfferReply,
    Reply,
)
from yp2p.protocol.messages.purges import (
    MAX_PURGE_ANSWER_BYTES,
    MAX_PURGE_ANSWERS,
    MAX_PURGE_REQUEST_BYTES,
    MAX_PURGE_REQUESTS,
    PurgeNews,
)
from yp2p.protocol.messages.trees import Leaves, LeavesQuery, TreeBuckets, TreeQuery
from yp2p.protocol.reconcile import HASH_BYTES
from yp2p.protocol.wire import Reader, Writer

__all__ = [
    "EXTENSIONS_FROM",
    "MANIFEST_DOCUMENTS",
    "MAX_CHUNKS",
    "MAX_CHUNKS_BYTES",
    "MAX_DEVICE_NAME_BYTES",
    "MAX_FEATURES_BYTES",
    "MAX_FETCH",
    "MAX_LABEL_BYTES",
    "MAX_LEAVES",
    "MAX_LINKS",
    "MAX_LISTING_BYTES",
    "MAX_OFFERS",
    "MAX_PLACE_BYTES",
    "MAX_PLACE_DEVICES",
    "MAX_PULL",
    "MAX_PURGE_ANSWERS",
    "MAX_PURGE_ANSWER_BYTES",
    "MAX_PURGE_REQUESTS",
    "MAX_PURGE_REQUEST_BYTES",
    "MAX_REASON_BYTES",
    "MAX_STATEMENTS",
    "MAX_STATEMENT_BYTES",
    "MAX_TIME_MS",
    "PROTOCOL_VERSIONS",
    "SENT_LEAVES",
    "STATEMENTS_OF_PART",
    "Ack",
    "AnyMessage",
    "BothChanged",
    "ChannelClose",
    "ChannelData",
    "CheckMessage",
    "ChunkHashes",
    "ChunkHashesQuery",
    "Chunks",
    "Condition",
    "CountedQuery",
    "Documents",
    "Fetch",
    "FolderCondition",
    "FolderLinks",
    "FolderMessage",
    "FolderOffers",
    "FolderState",
    "Goodbye",
    "Hello",
    "KeepQuery",
    "Keeping",
    "Leaves",
    "LeavesQuery",
    "LinkCheck",
    "LinkChecked",
    "ManifestQuery",
    "ManifestVersions",
    "Membership",
    "Message",
    "Offer",
    "OfferGranted",
    "OfferListing",
    "OfferMessage",
    "OfferReply",
    "Pull",
    "PurgeNews",
    "Reached",
    "Reply",
    "Samples",
    "SamplesQuery",
    "Side",
    "TreeBuckets",
    "TreeQuery",
    "Unknown",
    "decode",
    "encode",
    "subject_of",
]


class Message(Protocol):
    """What every message has."""

    TYPE: ClassVar[int]

    def write(self, out: Writer) -> None: ...

    @classmethod
    def read(cls, data: Reader) -> Self: ...


FolderMessage = (
    FolderState | FolderCondition | FolderLinks | Membership | ManifestQuery | ManifestVersions | TreeQuery
    | TreeBuckets | LeavesQuery | Leaves | Pull | CountedQuery
    | Documents | Ack | KeepQuery | Keeping | PurgeNews | ChunkHashesQuery | ChunkHashes | Fetch | Chunks
    | SamplesQuery | Samples | ChannelData | ChannelClose | BothChanged
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
        SamplesQuery, Samples, ChannelData, ChannelClose, BothChanged,
        FolderOffers, OfferReply, OfferGranted, OfferListing, LinkCheck, LinkChecked,
    )
}  # fmt: skip


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
