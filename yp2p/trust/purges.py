"""Requests to remove the past of files, and what devices answer: signed, for one folder (docs/protocol.md).

A request names entries, and of each what its author had seen: of a text the state vector, of anything else the hash of
the content. What came after that is not removed by it. A request changes no membership; each device decides by the
statements that it has whether whoever asks may do so (`folder/purges.py`).

A device answers a request with an `Outcome`, and may answer again later with a larger one, never with a smaller one. So
of several answers of one device the largest is its last word, in whatever order they come.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum

from yp2p.errors import MessageFault
from yp2p.identity import (
    DEVICE_ID_BYTES,
    ID_BYTES,
    KEY_BYTES,
    SIGNATURE_BYTES,
    DeviceID,
    EntryID,
    FolderID,
    Identity,
    PublicIdentity,
)
from yp2p.protocol.messages import MAX_PURGE_REQUEST_BYTES
from yp2p.protocol.wire import Reader, Writer

# Without it a request could have somebody look through all files of a folder; of more files there are more requests.
MAX_ENTRIES = 1024
REQUEST_BYTES = 16
_FORMAT = 1
_REQUEST, _ANSWER = b"yp2p purge request v1", b"yp2p purge answer v1"
# What a request has beside its entries, and an entry beside what was seen of it.
_BESIDE = 1 + ID_BYTES + REQUEST_BYTES + 2 * KEY_BYTES + 4 + SIGNATURE_BYTES
_ENTRY_BESIDE = ID_BYTES + 1 + 4


class Outcome(IntEnum):
    """What a device says of a request; of two the larger one counts."""

    NOT_KEPT = 1  # there are too many of its issuer
    WAITS = 2  # for a person, or for a day to pass
    REFUSED = 3
    DONE = 4


@dataclass(frozen=True, slots=True)
class Seen:
    """What the author of a request had of an entry: the state vector of a text, or the hash of a content."""

    is_text: bool
    value: bytes


@dataclass(frozen=True, slots=True)
class Request:
    """One of them; `body` as it is sent."""

    folder: FolderID
    id: bytes
    issuer: PublicIdentity
    entries: Mapping[EntryID, Seen]
    body: bytes

    @property
    def issuer_id(self) -> DeviceID:
        return self.issuer.device_id


@dataclass(frozen=True, slots=True)
class Answer:
    """What a device says; `body` as it is sent."""

    folder: FolderID
    request: bytes
    device: DeviceID
    outcome: Outcome
    body: bytes


def in_requests(entries: Mapping[EntryID, Seen]) -> Iterator[dict[EntryID, Seen]]:
    """The entries as requests have them, as many as it takes. Of what no request has room for there is none."""
    found: dict[EntryID, Seen] = {}
    size = _BESIDE
    for entry, seen in entries.items():
        own = _ENTRY_BESIDE + len(seen.value)
        if _BESIDE + own > MAX_PURGE_REQUEST_BYTES:
            continue
        if len(found) == MAX_ENTRIES or size + own > MAX_PURGE_REQUEST_BYTES:
            yield found
            found, size = {}, _BESIDE
        found[entry] = seen
        size += own
    if found:
        yield found


def make_request(identity: Identity, folder: FolderID, request: bytes, entries: Mapping[EntryID, Seen]) -> Request:
    """Args: `request` is its ID, 16 random bytes."""
    out = Writer().u8(_FORMAT).raw(folder).raw(request)
    out.raw(identity.public.signing_key).raw(identity.public.noise_key).u32(len(entries))
    for entry, seen in entries.items():
        out.raw(entry).u8(seen.is_text).data(seen.value)
    data = out.finish()
    return Request(folder, request, identity.public, dict(entries), data + identity.sign(_REQUEST + data))


def read_request(body: bytes, folder: FolderID) -> Request:
    """Raises MessageFault: nobody has signed that as a request of this folder."""
    if not SIGNATURE_BYTES < len(body) <= MAX_PURGE_REQUEST_BYTES:
        raise MessageFault(f"a request to purge of {len(body)} bytes")
    signed, signature = body[:-SIGNATURE_BYTES], body[-SIGNATURE_BYTES:]
    data = Reader(signed)
    if data.u8() != _FORMAT or data.raw(ID_BYTES) != folder:
        raise MessageFault("a request to purge of another format or folder")
    request = data.raw(REQUEST_BYTES)
    issuer = PublicIdentity.received(data.raw(KEY_BYTES), data.raw(KEY_BYTES))
    count = data.count(_ENTRY_BESIDE)
    if not 0 < count <= MAX_ENTRIES:
        raise MessageFault(f"a request to purge {count} entries; it names 1 to {MAX_ENTRIES}")
    entries: dict[EntryID, Seen] = {}
    for _ in range(count):
        entry = EntryID(data.raw(ID_BYTES))
        entries[entry] = Seen(data.u8() == 1, data.data(MAX_PURGE_REQUEST_BYTES))
    data.end()
    if not issuer.verify(signature, _REQUEST + signed):
        raise MessageFault("a request to purge that its issuer has not signed")
    return Request(folder, request, issuer, entries, body)


def request_of(answer: bytes) -> tuple[bytes, DeviceID]:
    """Which request an answer is to, and whose it is, before it is checked. Raises MessageFault."""
    data = Reader(answer)
    data.raw(1 + ID_BYTES)
    return data.raw(REQUEST_BYTES), DeviceID(data.raw(DEVICE_ID_BYTES))


def make_answer(identity: Identity, folder: FolderID, request: bytes, outcome: Outcome) -> Answer:
    data = Writer().u8(_FORMAT).raw(folder).raw(request).raw(identity.device_id).u8(outcome).finish()
    return Answer(folder, request, identity.device_id, outcome, data + identity.sign(_ANSWER + data))


def read_answer(body: bytes, folder: FolderID, device: PublicIdentity) -> Answer:
    """Args: `device` are the keys of whose answer it says it is. Raises MessageFault: that one has not signed it."""
    signed, signature = body[:-SIGNATURE_BYTES], body[-SIGNATURE_BYTES:]
    data = Reader(signed)
    if data.u8() != _FORMAT or data.raw(ID_BYTES) != folder:
        raise MessageFault("an answer to a request to purge of another format or folder")
    request, whose, outcome = data.raw(REQUEST_BYTES), data.raw(DEVICE_ID_BYTES), data.u8()
    data.end()
    if outcome not in list(Outcome) or whose != device.device_id:
        raise MessageFault(f"an answer {outcome} to a request to purge, which does not exist")
    if not device.verify(signature, _ANSWER + signed):
        raise MessageFault("an answer to a request to purge that its device has not signed")
    return Answer(folder, request, DeviceID(whose), Outcome(outcome), body)
