"""The manifest: which entries a folder has, in 64 documents.

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

A claim that a device signed is never undone by what somebody writes in its place: whoever knows it writes it again
(`folder/catalogue.py`).

An edit beats a delete (invariant 7): a delete names the state vector that its author saw, and counts only while
the document is contained in it. Removing text does not move a state vector and so does not revive. What is no text has
no document: its delete names the version, and counts while that is the content.

Of deletes that were made at a time one stands in the register, and it may be of who had seen less. No delete undoes
another one: who knew one that counted, and sees another in its place, writes both as one (`folder/catalogue.py`).

A peer can write any bytes into a register. A value that does not decode hides its entry and changes nothing else.

Nobody needs the 64 documents while nothing changes: they rest then. What one amounts to (state vector, version) is
kept, and whoever needs more wakes it: it is made anew from its stored updates. It may only rest when everything that it
holds is stored.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from pycrdt import Doc, Map, MapEvent

from yp2p.documents.origins import decode_origin
from yp2p.documents.positions import Position
from yp2p.documents.replica import Replica
from yp2p.errors import InvalidUpdate, MessageFault, PositionInvalid
from yp2p.identity import ID_BYTES, SIGNATURE_BYTES, DocumentID, EntryID
from yp2p.protocol.cursor import MAX_CLIENT
from yp2p.protocol.entries import Content, Kind, Mode, decode_content
from yp2p.protocol.messages import MANIFEST_DOCUMENTS
from yp2p.protocol.names import decode_path, encode_path
from yp2p.protocol.state_vectors import StateVector, contains, encode_state_vector, read_state_vector
from yp2p.protocol.ysync import Checked, Shape, check

_UNCOMMON = ("m", "d", "n")  # what the registers of modes, deletes and origins end with
_FORMAT = 1
_CLAIM, _CLAIM_FORMAT = "@", 2
# Of a device's ID, in the key of a claim: who its owner is follows from the signature.
OWNER_BYTES = 8
_BOOKMARK = "b"
_CLAIM_KEY = re.compile(rf"{_CLAIM}([0-9a-f]{{16}})([0-9a-f]{{{2 * OWNER_BYTES}}})")
_REGISTER_KEY = re.compile(rf"[0-9a-f]{{{2 * ID_BYTES}}}[pcmdn]")
_BOOKMARK_KEY = re.compile(rf"[0-9a-f]{{{2 * ID_BYTES}}}{_BOOKMARK}[0-9a-f]{{16}}")
# Of a text with more a peer could fill the memory of every member.
MAX_BOOKMARKS = 256
MAX_BOOKMARK_NAME_BYTES = 200
# The manifest's own documents and the awareness channel: no entry may name one of them as its text.
RESERVED_DOCUMENTS = (b"yp2p-manifest", bytes(13))


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
        return Manifest.index_of(self.entry)

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
        return Manifest.index_of(self.entry)

    @property
    def key(self) -> str:
        digest = hashlib.sha256(b"yp2p bookmark v1" + self.name.encode()).digest()
        return f"{self.entry.hex()}{_BOOKMARK}{digest[:8].hex()}"

    def registers(self) -> dict[str, bytes]:
        if self.position is None:
            return {self.key: b""}
        name = self.name.encode()
        return {self.key: bytes([_FORMAT, len(name)]) + name + self.position.encode()}


class ManifestReplica(Replica):
    """One of the 64 documents.

    Args:
        stored: gives all updates that it was made of, to make it anew after a rest.
    """

    shape = Shape.MANIFEST

    def __init__(self, client_id: int, stored: Callable[[], Iterable[bytes]] = tuple) -> None:
        super().__init__(client_id)
        self._stored = stored
        self._resting: tuple[bytes, bytes] | None = None  # its state vector and version, while it rests
        self._is_used = True
        self._map: Map[Any] = self._doc.get(Shape.MANIFEST.value, type=Map)
        self._keys: set[str] = set()
        self._values: dict[str, bytes | None] = {}  # of those of the changed keys of which an event told
        self._told: dict[str, bytes | None] = {}  # of the keys that were taken last
        self._uncommon: set[str] = set()  # the keys of modes, deletes and origins: few entries have them

    @contextmanager
    def _calling_pycrdt(self) -> Iterator[None]:
        if self._resting is not None and not self._panicked:
            updates = list(self._stored())
            self._resting = None
            self._doc = Doc(client_id=self.client_id)
            self._map = self._doc.get(Shape.MANIFEST.value, type=Map)
            self.load(updates)
            self._keys.clear()
            self._told = {}
        self._is_used = True
        with super()._calling_pycrdt():
            yield

    @contextmanager
    def _changing(self) -> Iterator[None]:
        with super()._changing():
            subscription = self._map.observe(self._on_map)
            try:
                yield
            finally:
                self._map.unobserve(subscription)

    def load(self, updates: Iterable[bytes]) -> None:
        super().load(updates)
        with self._calling_pycrdt():
            # All at once: to ask for one after the other takes twice as long.
            self._values = {key: bytes(value) for key, value in self._map.items()}
        self._keys |= self._values.keys()
        self._uncommon = {key for key in self._values if key.endswith(_UNCOMMON)}

    def rest(self) -> bool:
        """Let go of the document, unless it was used since the last time; tells whether it was let go of now.

        Everything that it holds has to be stored.
        """
        is_used, self._is_used = self._is_used, False
        if is_used or self._resting or self._panicked:
            return False
        self._resting = self.state_vector(), self.version()
        del self._doc, self._map
        return True

    @property
    def is_resting(self) -> bool:
        """Whether the store alone has it."""
        return self._resting is not None

    def state_vector(self) -> bytes:
        return self._resting[0] if self._resting is not None else super().state_vector()

    def version(self) -> bytes:
        return self._resting[1] if self._resting is not None else super().version()

    def _on_map(self, event: MapEvent) -> None:
        for key, change in event.keys.items():  # type: ignore[attr-defined]
            value = change.get("newValue")
            self._values[key] = bytes(value) if value is not None else None
            if key.endswith(_UNCOMMON):
                self._uncommon.add(key)
        self._keys |= self._values.keys()

    def take_changed_keys(self) -> set[str]:
        keys, self._keys = self._keys, set()
        self._told, self._values = self._values, {}
        return keys

    def registers(self, entries: Iterable[EntryID]) -> dict[EntryID, list[bytes | None]]:
        """Path, content, mode, delete and origin of each entry."""
        # In one transaction: each call would make two of its own, which takes longer than what it asks for.
        with self._calling_pycrdt(), self._doc.transaction():
            found = {entry: [self._register(entry.hex() + letter) for letter in "pcmdn"] for entry in entries}
        self._told = {}
        return found

    def _register(self, key: str) -> bytes | None:
        if key in self._told:
            return self._told[key]
        if key.endswith(_UNCOMMON) and key not in self._uncommon:
            return None
        value = self._map.get(key)
        return bytes(value) if value is not None else None

    def bookmark_values(self, entry: EntryID) -> dict[str, bytes]:
        """The registers of a text's bookmarks by their keys; those of removed ones are empty."""
        prefix = f"{entry.hex()}{_BOOKMARK}"
        with self._calling_pycrdt():
            return {key: bytes(self._map[key]) for key in self._map.keys() if key.startswith(prefix)}  # noqa: SIM118

    def claim_signature(self, key: str) -> bytes | None:
        """The signature that stands at the key of a claim, whether it is good or not; None when there is none."""
        with self._calling_pycrdt():
            value = self._map.get(key)
        data = bytes(value) if value is not None else b""
        return data[1:] if len(data) == 1 + SIGNATURE_BYTES and data[0] == _CLAIM_FORMAT else None

    def bookmark(self, key: str) -> Bookmark | None:
        """The bookmark at a key, without a position where it was removed; None when there is none that can be read."""
        entry = EntryID(bytes.fromhex(key[: 2 * ID_BYTES]))
        with self._calling_pycrdt():
            value = self._map.get(key)
        data = bytes(value) if value is not None else b""
        if len(data) < 2 or data[0] != _FORMAT:
            return None
        try:
            found = Bookmark(entry, data[2 : 2 + data[1]].decode(), Position.decode(data[2 + data[1] :]))
        except (UnicodeDecodeError, PositionInvalid):
            return None
        return found if found.key == key else None

    def write(self, values: Mapping[str, bytes]) -> bytes | None:
        with self._changing(), self._doc.transaction():
            for key, value in values.items():
                self._map[key] = value
        return self._take_news()


def _client_and_owner(key: str) -> tuple[int, bytes] | None:
    found = _CLAIM_KEY.fullmatch(key)
    client = int(found[1], 16) if found is not None else MAX_CLIENT + 1
    return (client, bytes.fromhex(found[2])) if found is not None and client <= MAX_CLIENT else None


def _is_bookmark(key: str) -> bool:
    return _BOOKMARK_KEY.fullmatch(key) is not None


def _entry_of(key: str) -> EntryID | None:
    return EntryID(bytes.fromhex(key[:-1])) if _REGISTER_KEY.fullmatch(key) is not None else None


class Manifest:
    """All entries of a folder, kept in step with the 64 documents.

    Args:
        stored: gives all updates that a document was made of, by its number.
    """

    def __init__(self, client_id: int, stored: Callable[[int], Iterable[bytes]] = lambda _: ()) -> None:
        self._stored = stored
        self.replicas = [ManifestReplica(client_id, partial(stored, index)) for index in range(MANIFEST_DOCUMENTS)]
        self.entries: dict[EntryID, Entry] = {}
        self.claims: dict[int, dict[bytes, bytes]] = {}  # by client ID: signatures by owner, which nobody checked
        self._replaced: list[tuple[Claim, bytes | None]] = []
        self.bookmarks: dict[EntryID, dict[str, Bookmark]] = {}  # by their key
        self._digest: tuple[tuple[int, ...], bytes] = ((), b"")

    @staticmethod
    def index_of(entry: EntryID) -> int:
        return entry[0] % MANIFEST_DOCUMENTS

    def load(self, index: int, updates: Iterable[bytes]) -> None:
        self.replicas[index].load(updates)
        self._refresh(index)

    def reload(self, index: int, updates: Iterable[bytes], client_id: int | None = None) -> set[EntryID]:
        """Make one document anew from its updates; gives all entries it may hold.

        Args:
            client_id: what it is written with from now on, where that is another one.
        """
        client_id = self.replicas[index].client_id if client_id is None else client_id
        self.replicas[index] = ManifestReplica(client_id, partial(self._stored, index))
        before = {entry for entry in self.entries if self.index_of(entry) == index}
        for client in [client for client in self.claims if client % MANIFEST_DOCUMENTS == index]:
            del self.claims[client]
        for entry in before & self.bookmarks.keys():
            del self.bookmarks[entry]
        self.replicas[index].load(updates)
        touched = before | self._refresh(index)
        for entry in before:
            self.entries.pop(entry, None)
        self.entries |= self._parse(self.replicas[index], before)
        return touched

    def rest(self) -> bool:
        """Let go of the documents that nobody used since the last time; tells whether there were any.

        All they hold has to be stored.
        """
        return sum(replica.rest() for replica in self.replicas) > 0

    def receive(self, index: int, data: bytes) -> tuple[bytes | None, set[EntryID]]:
        """`check` a peer's update, and `take` it."""
        return self.take(index, check(data, Shape.MANIFEST))

    def take(self, index: int, update: Checked) -> tuple[bytes | None, set[EntryID]]:
        """Apply a peer's update to one document: what was news, and the entries it touched."""
        news = self.replicas[index].take(update)
        return news, self._refresh(index)

    def write_as(self, index: int, client_id: int) -> None:
        """Write into one document with another client ID from now on."""
        state = self.replicas[index].state()
        self.replicas[index] = ManifestReplica(client_id, partial(self._stored, index))
        self.replicas[index].load([state])
        self._refresh(index)

    def write(self, changes: Iterable[Change | Claim | Bookmark]) -> dict[int, bytes]:
        """Write registers, one transaction a document; gives the updates by document number."""
        values: dict[int, dict[str, bytes]] = {}
        for change in changes:
            values.setdefault(change.index, {}).update(change.registers())
        updates: dict[int, bytes] = {}
        for index, registers in values.items():
            update = self.replicas[index].write(registers)
            if update is not None:
                updates[index] = update
            self._refresh(index)
        return updates

    def versions(self) -> tuple[bytes, ...]:
        return tuple(replica.version() for replica in self.replicas)

    def digest(self, at: tuple[int, ...]) -> bytes:
        """The hash of everything that the documents say; `at` is another one whenever one of them has changed."""
        if self._digest[0] != at:
            self._digest = at, hashlib.sha256(b"".join(self.versions())).digest()
        return self._digest[1]

    def _refresh(self, index: int) -> set[EntryID]:
        keys = self.replicas[index].take_changed_keys()
        touched = {
            entry for key in keys if (entry := _entry_of(key)) is not None and self.index_of(entry) == index
        }  # fmt: skip
        for key in keys:
            claimed = _client_and_owner(key)
            if claimed is not None:
                self._refresh_claim(index, key, *claimed)
            if _is_bookmark(key):
                self._refresh_bookmark(index, key)
        parsed = self._parse(self.replicas[index], touched)
        for entry in touched - parsed.keys():
            self.entries.pop(entry, None)
        self.entries |= parsed
        return touched

    def _refresh_claim(self, index: int, key: str, client: int, owner: bytes) -> None:
        if client % MANIFEST_DOCUMENTS != index:
            return
        found, known = self.replicas[index].claim_signature(key), self.claims.get(client, {}).get(owner)
        if known is not None and found != known:
            self._replaced.append((Claim(client, owner, known), found))
        elif found is not None:
            self.claims.setdefault(client, {})[owner] = found

    def take_replaced_claims(self) -> list[tuple[Claim, bytes | None]]:
        """The known claims in whose place something else stands since the last call; None: nothing that is one."""
        replaced, self._replaced = self._replaced, []
        return replaced

    def take_claim(self, known: Claim, found: Claim | None) -> None:
        """What stands in the place of a known claim is to be known instead."""
        owners = self.claims.setdefault(known.client, {})
        owners.pop(known.owner, None)
        if found is not None:
            owners[found.owner] = found.signature

    @staticmethod
    def claims_in(replica: ManifestReplica) -> list[Claim]:
        """The claims of a document, another one than ours, that came since this was asked last."""
        found: list[Claim] = []
        for key in replica.take_changed_keys():
            claimed = _client_and_owner(key)
            signature = replica.claim_signature(key) if claimed is not None else None
            if claimed is not None and signature is not None:
                found.append(Claim(*claimed, signature))
        return found

    def _refresh_bookmark(self, index: int, key: str) -> None:
        entry = EntryID(bytes.fromhex(key[: 2 * ID_BYTES]))
        if self.index_of(entry) != index:
            return
        found, known = self.replicas[index].bookmark(key), self.bookmarks.get(entry, {})
        if found is None:
            known.pop(key, None)
        elif len(known) < MAX_BOOKMARKS or key in known:
            self.bookmarks.setdefault(entry, {})[key] = found

    @classmethod
    def read(cls, replica: ManifestReplica, index: int) -> list[Entry]:
        """The entries that changed in a document, another one than ours, since this was asked last."""
        return [entry for entry in cls.read_changed(replica, index).values() if entry is not None]

    @classmethod
    def read_changed(cls, replica: ManifestReplica, index: int) -> dict[EntryID, Entry | None]:
        """The same, and None for those that cannot be read."""
        entries = {_entry_of(key) for key in replica.take_changed_keys()}
        mine = {entry for entry in entries if entry is not None and cls.index_of(entry) == index}
        return {**dict.fromkeys(mine), **cls._parse(replica, mine)}

    @classmethod
    def _parse(cls, replica: ManifestReplica, entries: Iterable[EntryID]) -> dict[EntryID, Entry]:
        """The entries that can be read."""
        read = {entry: cls._entry(entry, values) for entry, values in replica.registers(entries).items()}
        return {entry: found for entry, found in read.items() if found is not None}

    @staticmethod
    def _entry(entry: EntryID, registers: Sequence[bytes | None]) -> Entry | None:
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
