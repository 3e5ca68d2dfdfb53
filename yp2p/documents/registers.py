"""The registers of the manifest: keys and values, and what they say of an entry.

Each entry has registers, small bytes values that are written and merged independently::

    <id>p   01 path bytes                                where it is
    <id>c   a content (`protocol/entries.py`)            what it is: a text, blob, directory or symlink
    <id>m   01 mode                                      its mode, once that was changed
    <id>d   empty, or 01 document ID state vector        deleted, having seen that much
    <id>n   01 origin                                    who made it and on which day (`origins.py`), once it stands
                                                         beside another entry: for its name there

so that a rename, a new content, a chmod and a delete made at the same time all hold. Concurrent writes to one register
leave the same one of them on every device (Yjs decides by client ID).

    <id>b<name> empty, or 01 length name position        a bookmark; <name> is 8 bytes of the name's hash

Beside them stand the client IDs that devices write with, so that every operation has an author::

    @<client><owner> 02 signature                        a device signed that it writes with this client ID; <owner> is
                                                         the beginning of its ID (`trust/authorship.py`)

A peer can write any bytes into a register. A value that does not decode hides its entry and changes nothing else.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from yp2p.documents.origins import decode_origin
from yp2p.documents.positions import Position
from yp2p.errors import InvalidUpdate, MessageFault, PositionInvalid
from yp2p.identity import ID_BYTES, SIGNATURE_BYTES, DocumentID, EntryID
from yp2p.protocol.cursor import MAX_CLIENT
from yp2p.protocol.entries import Content, Kind, Mode, decode_content
from yp2p.protocol.messages import MANIFEST_DOCUMENTS
from yp2p.protocol.names import decode_path, encode_path
from yp2p.protocol.state_vectors import StateVector, contains, encode_state_vector, read_state_vector

_FORMAT = 1
_CLAIM, _CLAIM_FORMAT = "@", 2
# Of a device's ID, in the key of a claim: who its owner is follows from the signature.
OWNER_BYTES = 8
_BOOKMARK = "b"
_CLAIM_KEY = re.compile(rf"{_CLAIM}([0-9a-f]{{16}})([0-9a-f]{{{2 * OWNER_BYTES}}})")
_REGISTER_KEY = re.compile(rf"[0-9a-f]{{{2 * ID_BYTES}}}[pcmdn]")
_BOOKMARK_KEY = re.compile(rf"[0-9a-f]{{{2 * ID_BYTES}}}{_BOOKMARK}[0-9a-f]{{16}}")
MAX_BOOKMARK_NAME_BYTES = 200
# The manifest's own documents and the awareness channel: no entry may name one of them as its text.
RESERVED_DOCUMENTS = (b"yp2p-manifest", bytes(13))


def index_of(entry: EntryID) -> int:
    """The number of the document that an entry is in."""
    return entry[0] % MANIFEST_DOCUMENTS


@dataclass(frozen=True, slots=True)
class Deletion:
    """A delete and what its author had seen."""

    document: DocumentID
    seen: bytes

    def counts(self, document: DocumentID, clocks: StateVector) -> bool:
        """Whether the document, as it is now, holds nothing the author of the delete had not seen."""
        return self.document == document and contains(read_state_vector(self.seen), clocks)

    def joined(self, other: Deletion) -> Deletion:
        """This delete, together with what the author of another one had seen of the same document."""
        if other.document != self.document:
            return self
        seen = read_state_vector(self.seen)
        for client, clock in read_state_vector(other.seen).items():
            seen[client] = max(clock, seen.get(client, 0))
        return Deletion(self.document, encode_state_vector(seen))


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry as its registers say.

    Attributes:
        origin: who made it and on which day, for its name beside another entry; None where nobody has said so, empty
            where that cannot be read. It changes nothing of the entry.
    """

    id: EntryID
    path: str
    content: Content
    deletion: Deletion | None
    origin: str | None = field(default=None, compare=False)

    @property
    def kind(self) -> Kind:
        return self.content.kind

    @property
    def mode(self) -> Mode:
        return self.content.mode

    @property
    def document(self) -> DocumentID:
        """The document of a text; else a name for the version."""
        return self.content.document


@dataclass(frozen=True, slots=True)
class Change:
    """New values for registers of one entry; None leaves a register as it is."""

    entry: EntryID
    path: str | None = None
    content: Content | None = None
    mode: Mode | None = None
    deletion: Deletion | None = None
    revive: bool = False
    origin: str | None = None

    @property
    def index(self) -> int:
        """The number of the document that this is written to."""
        return index_of(self.entry)

    def registers(self) -> dict[str, bytes]:
        name = self.entry.hex()
        values: dict[str, bytes] = {}
        if self.path is not None:
            values[name + "p"] = bytes([_FORMAT]) + encode_path(self.path)
        if self.content is not None:
            values[name + "c"] = self.content.encode()
        if self.mode is not None:
            values[name + "m"] = bytes([_FORMAT, self.mode])
        if self.deletion is not None:
            values[name + "d"] = bytes([_FORMAT]) + self.deletion.document + self.deletion.seen
        elif self.revive:
            values[name + "d"] = b""
        if self.origin is not None:
            values[name + "n"] = bytes([_FORMAT]) + self.origin.encode()
        return values


@dataclass(frozen=True, slots=True)
class Claim:
    """A device says that it writes with a client ID.

    Attributes:
        owner: the beginning of the device's ID.
        signature: of that device, if it is one (`trust/authorship.py`).
    """

    client: int
    owner: bytes
    signature: bytes

    @property
    def index(self) -> int:
        return self.client % MANIFEST_DOCUMENTS

    def registers(self) -> dict[str, bytes]:
        return {f"{_CLAIM}{self.client:016x}{self.owner.hex()}": bytes([_CLAIM_FORMAT]) + self.signature}


@dataclass(frozen=True, slots=True)
class Bookmark:
    """A named position in a text; None removes it."""

    entry: EntryID
    name: str
    position: Position | None

    @property
    def index(self) -> int:
        return index_of(self.entry)

    @property
    def key(self) -> str:
        digest = hashlib.sha256(b"yp2p bookmark v1" + self.name.encode()).digest()
        return bookmark_prefix(self.entry) + digest[:8].hex()

    def registers(self) -> dict[str, bytes]:
        if self.position is None:
            return {self.key: b""}
        name = self.name.encode()
        return {self.key: bytes([_FORMAT, len(name)]) + name + self.position.encode()}


def client_and_owner(key: str) -> tuple[int, bytes] | None:
    """Which client ID is claimed at a key, and the beginning of who claims it; None at any other key."""
    found = _CLAIM_KEY.fullmatch(key)
    client = int(found[1], 16) if found is not None else MAX_CLIENT + 1
    return (client, bytes.fromhex(found[2])) if found is not None and client <= MAX_CLIENT else None


def is_bookmark(key: str) -> bool:
    """Whether a key is that of a bookmark."""
    return _BOOKMARK_KEY.fullmatch(key) is not None


def entry_of_bookmark(key: str) -> EntryID:
    """The text in which the bookmark at this key is."""
    return EntryID(bytes.fromhex(key[: 2 * ID_BYTES]))


def bookmark_prefix(entry: EntryID) -> str:
    """What the keys of the bookmarks of a text begin with."""
    return f"{entry.hex()}{_BOOKMARK}"


def entry_of(key: str) -> EntryID | None:
    """The entry of which a key is that of a register other than a bookmark."""
    return EntryID(bytes.fromhex(key[:-1])) if _REGISTER_KEY.fullmatch(key) is not None else None


def read_claim(value: bytes) -> bytes | None:
    """The signature that stands at the key of a claim, whether it is good or not; None when there is none."""
    return value[1:] if len(value) == 1 + SIGNATURE_BYTES and value[0] == _CLAIM_FORMAT else None


def read_bookmark(key: str, value: bytes) -> Bookmark | None:
    """The bookmark at a key; None where there is none that can be read."""
    if len(value) < 2 or value[0] != _FORMAT:
        return None
    entry = entry_of_bookmark(key)
    try:
        found = Bookmark(entry, value[2 : 2 + value[1]].decode(), Position.decode(value[2 + value[1] :]))
    except (UnicodeDecodeError, PositionInvalid):
        return None
    return found if found.key == key else None


def read_entry(entry: EntryID, registers: Sequence[bytes | None]) -> Entry | None:
    """The entry of which these are path, content, mode, delete and origin; None where it cannot be read."""
    path, content, mode, deletion, origin = registers
    try:
        if not path or path[0] != _FORMAT or content is None:
            return None
        decoded = decode_content(content)
        if mode is not None:
            decoded = replace(decoded, mode=_parse_mode(mode, decoded.kind))
        if decoded.document.startswith(RESERVED_DOCUMENTS):
            return None
        return Entry(
            entry, decode_path(path[1:]), decoded, _parse_deletion(deletion) if deletion else None,
            _parse_origin(origin) if origin is not None else None,
        )  # fmt: skip
    except (MessageFault, InvalidUpdate, ValueError):
        return None


def _parse_mode(value: bytes, kind: Kind) -> Mode:
    if len(value) != 2 or value[0] != _FORMAT:
        raise ValueError("a mode register of another format")
    return Mode(value[1] & (Mode.EXECUTABLE | Mode.PRIVATE)) if kind in (Kind.TEXT, Kind.BLOB) else Mode.PLAIN


def _parse_origin(value: bytes) -> str:
    return decode_origin(value[1:]) if value[:1] == bytes([_FORMAT]) else ""


def _parse_deletion(value: bytes) -> Deletion:
    if value[0] != _FORMAT or len(value) < 1 + ID_BYTES:
        raise ValueError("a delete register of another format")
    seen = value[1 + ID_BYTES :]
    read_state_vector(seen)
    return Deletion(DocumentID(value[1 : 1 + ID_BYTES]), seen)
