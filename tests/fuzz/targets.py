"""What is fuzzed: every function that takes bytes of a peer, with honest bytes to start from.

A target takes any bytes and returns; `PeerFault` and `MissingDependency` are answers, everything else is a bug.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from yp2p.documents.diff import Hunk
from yp2p.documents.manifest import Manifest
from yp2p.documents.manifest_replica import ManifestReplica
from yp2p.documents.registers import Change, Deletion, index_of
from yp2p.documents.text import TextReplica
from yp2p.errors import HandshakeFailed, HistoriesDiffer, MessageFault, MissingDependency, PeerFault
from yp2p.identity import DeviceID, DocumentID, EntryID, FolderID, Identity
from yp2p.pairing.exchange import Grant, Listed, decode_listing, encode_listing
from yp2p.protocol import awareness, channel, messages
from yp2p.protocol.dependencies import check_update
from yp2p.protocol.entries import Content, Kind, Mode
from yp2p.protocol.frames import FrameDecoder, FrameEncoder, Lane
from yp2p.protocol.names import decode_path, encode_path, path_problem
from yp2p.protocol.noise import IK, XX, CipherState, HandshakeState
from yp2p.protocol.reconcile import Leaf
from yp2p.protocol.state_vectors import read_state_vector
from yp2p.protocol.ysync import Shape
from yp2p.trust.statements import Role, Signer, StatementHash, read_statement

_FOLDER = FolderID(bytes(range(16)))
_ENTRY = EntryID(bytes(range(16)))
_DOCUMENT = DocumentID(b"d" * 16)
_ALICE, _BOB = Identity(bytes(32)), Identity(b"\x01" * 32)


@dataclass(frozen=True, slots=True)
class Target:
    """`run` takes hostile bytes; `seeds` are honest ones."""

    run: Callable[[bytes], object]
    seeds: list[bytes]


def tolerated(run: Callable[[bytes], object], data: bytes) -> bool:
    """Run a target; whether the bytes were taken. Raises what a peer must never be able to cause."""
    try:
        run(data)
    except (PeerFault, MissingDependency, HistoriesDiffer):
        return False
    return True


# --- text and manifest updates ------------------------------------------------------------------------------------


def text_replica() -> TextReplica:
    """A document with some history of two clients, for hostile updates to hit."""
    return TextReplica.from_updates(1, [_history()])


@cache
def _history() -> bytes:
    replica, other = TextReplica(1), TextReplica(2)
    replica.edit([Hunk(0, 0, "hello wörld 😀\n")])
    other.receive(replica.state())
    other.edit([Hunk(3, 8, "XY")])
    replica.receive(other.state())
    replica.edit([Hunk(0, 2, "")])
    return replica.state()


def _take_text_update(data: bytes) -> None:
    replica = text_replica()
    try:
        replica.receive(data)
    finally:
        assert isinstance(replica.text(), str)
    fresh = TextReplica(9)
    fresh.receive(replica.state())
    assert fresh.version() == replica.version()


def _take_manifest_update(data: bytes) -> None:
    replica = ManifestReplica(1)
    replica.write({_ENTRY.hex() + "p": b"\x01a.txt", _ENTRY.hex() + "c": b"\x01\x00" + _DOCUMENT})
    replica.receive(data)
    _parse_entry(replica)
    fresh = ManifestReplica(9)
    fresh.receive(replica.state())
    assert fresh.version() == replica.version()


def _parse_entry(replica: ManifestReplica) -> None:
    """Whatever the registers hold, the entry is shown or hidden."""
    entry = Manifest._parse(replica, [_ENTRY]).get(_ENTRY)
    if entry is not None:
        assert path_problem(entry.path) is None
        assert entry.deletion is None or entry.deletion.counts(entry.document, {}) in (True, False)


def _text_seeds() -> list[bytes]:
    rng = random.Random(1)
    one, two = text_replica(), TextReplica(3)
    two.receive(one.state())
    seeds = [one.state()]
    for _ in range(12):
        for replica in (two, one):
            text = replica.text()
            start = rng.randint(0, len(text))
            update = replica.edit([Hunk(start, min(len(text), start + rng.choice([0, 2])), rng.choice(["a", "é😀"]))])
            if update is not None:
                seeds.append(update)
        one.receive(two.update_since(one.state_vector()))
    return [*seeds, two.state(), one.state()]


def _manifest_seeds() -> list[bytes]:
    manifest = Manifest(5)
    seeds: list[bytes] = []
    for change in (
        Change(_ENTRY, "b/c.txt", Content.text(_DOCUMENT, Mode.EXECUTABLE)),
        Change(_ENTRY, content=Content.blob(bytes(32), 7, Mode.PLAIN, -1).after(bytes(32), ())),
        Change(_ENTRY, content=Content.symlink(b"../to")),
        Change(_ENTRY, "é.txt"),
        Change(_ENTRY, deletion=Deletion(_DOCUMENT, b"\x01\x05\x07")),
        Change(_ENTRY, revive=True),
    ):
        seeds += manifest.write([change]).values()
    return [*seeds, manifest.replicas[index_of(_ENTRY)].state()]


def _take_state_vector(data: bytes) -> None:
    read_state_vector(data)
    text_replica().update_since(data)


def _take_manifest_value(data: bytes) -> None:
    """One register of an entry holds these bytes."""
    for register in "pcmd":
        name = _ENTRY.hex()
        values = {name + "p": b"\x01a.txt", name + "c": b"\x01\x00" + _DOCUMENT, name + register: data}
        update = ManifestReplica(2).write(values)
        assert update is not None
        replica = ManifestReplica(3)
        replica.receive(update)
        _parse_entry(replica)


# --- the wire -----------------------------------------------------------------------------------------------------


class _NoCipher(CipherState):
    """Lets plaintext through, so that the bytes inside frames are what is fuzzed."""

    def encrypt(self, associated: bytes, plaintext: bytes) -> bytes:
        return plaintext + bytes(16)

    def decrypt(self, associated: bytes, ciphertext: bytes) -> bytes:
        if len(ciphertext) < 16:
            raise HandshakeFailed("too short")
        return ciphertext[:-16]

    def rekey(self) -> None:
        """Nothing to be replaced."""


def _take_frames(data: bytes) -> None:
    FrameDecoder(CipherState(bytes(32))).receive_data(data[: len(data) // 2]) if len(data) > 40 else None
    decoder = FrameDecoder(_NoCipher(bytes(32)))
    for start in range(0, len(data), 7):
        decoder.receive_data(data[start : start + 7])


def _frame_seeds() -> list[bytes]:
    encoder = FrameEncoder(_NoCipher(bytes(32)))
    for size, lane in ((3, Lane.INTERACTIVE), (300, Lane.BULK), (0, Lane.INTERACTIVE)):
        encoder.send(bytes(size), lane, b"k")
    seeds: list[bytes] = []
    while (frame := encoder.data_to_send()) is not None:
        seeds.append(frame)
    return [*seeds, b"".join(seeds), encoder.end()]


def _take_message(data: bytes) -> None:
    message = messages.decode(data)
    if not isinstance(message, messages.Unknown):
        assert messages.decode(messages.encode(message)) == message


def _message_seeds() -> list[bytes]:
    leaf = Leaf(_DOCUMENT, bytes(32), bytes(32))
    sent: list[messages.Message] = [
        messages.Hello((1,), bytes(16), "name", 9727),
        messages.Goodbye("bye"),
        messages.Goodbye("bye", is_paused=True),
        messages.FolderState(_FOLDER, bytes(32), bytes(32), bytes(32), True, 1, 2),
        messages.FolderLinks(_FOLDER, (DeviceID(bytes(32)),)),
        messages.ManifestQuery(_FOLDER),
        messages.Leaves(_FOLDER, ((_ENTRY, leaf),), True),
        messages.Pull(_FOLDER, (_DOCUMENT,)),
        messages.CountedQuery(_FOLDER, DeviceID(bytes(32)), (_DOCUMENT,)),
        messages.Documents(_FOLDER, ((_DOCUMENT, b"state"),)),
        messages.Ack(_FOLDER, ((_ENTRY, leaf),)),
        messages.ChannelData(_FOLDER, _DOCUMENT, b"payload"),
        messages.ChannelClose(_FOLDER, _DOCUMENT),
        messages.BothChanged(
            _FOLDER,
            _ENTRY,
            False,
            2,
            "a = 2\n",
            "",
            "b\n",
            (messages.Side("a = 1\n", (DeviceID(bytes(32)),), 9), messages.Side("a = 2\n", (), 10)),
        ),
        messages.FolderOffers((messages.Offer(bytes(16), _FOLDER, DeviceID(bytes(32)), 2, "music"),)),
        messages.LinkCheck(7, True),
        messages.LinkChecked(7, 1_800_000_000_000, messages.Reached.YES, False),
        messages.OfferReply(bytes(16), _FOLDER, messages.Reply.ACCEPT),
        messages.OfferGranted(bytes(16), True, (b"statement",)),
        messages.OfferListing(bytes(16), bytes(4)),
    ]
    return [messages.encode(message) for message in sent]


def _take_channel(data: bytes) -> None:
    message = channel.decode(data)
    if isinstance(message, channel.Updates):
        for update in message.updates:
            check_update(update, Shape.TEXT, {})


def _take_handshake(data: bytes) -> None:
    pattern, role, body = (data[0] & 1, data[0] & 2, data[1:]) if data else (0, 0, b"")
    state = HandshakeState(
        IK if pattern else XX,
        initiator=bool(role),
        ephemeral=lambda: bytes([7]) * 32,
        static=_ALICE.noise_private,
        remote_static=_BOB.public.noise_key if pattern and role else None,
        prologue=b"yp2p/\x11",
    )
    if role:
        state.write_message()
    state.read_message(body)


def _handshake_seeds() -> list[bytes]:
    first = HandshakeState(
        IK, initiator=True, ephemeral=lambda: bytes([9]) * 32, static=_BOB.noise_private,
        remote_static=_ALICE.public.noise_key, prologue=b"yp2p/\x11",
    ).write_message()  # fmt: skip
    return [b"\x01" + first, b"\x00" + first[:32], b"\x03" + bytes(48), b"\x02" + bytes(96)]


def _take_awareness(data: bytes) -> None:
    states = awareness.AwarenessStates()
    states.apply(awareness.decode(data), 5)
    awareness.decode(awareness.encode(states.everyone()))


def _take_path(data: bytes) -> None:
    path = decode_path(data)
    assert encode_path(path) == data
    assert not path.startswith("/")
    assert not {"", ".", "..", ".git", ".yp2p"} & set(path.split("/"))


def _take_statement(data: bytes) -> None:
    assert read_statement(data, _FOLDER).encode() == data


def _take_grant(data: bytes) -> None:
    assert Grant.decode(Grant.decode(data).encode()) == Grant.decode(data)


def _take_listing(data: bytes) -> None:
    entries = decode_listing(data)
    assert encode_listing(entries) == data
    assert all(path_problem(entry.path) is None for entry in entries)


def _statement() -> bytes:
    previous = [StatementHash(bytes([number]) * 32) for number in range(2)]
    return Signer(_ALICE, _FOLDER).grant(previous, _BOB.public, Role.MEMBER, "bob").encode()


TARGETS: dict[str, Target] = {
    "text-update": Target(_take_text_update, _text_seeds()),
    "manifest-update": Target(_take_manifest_update, _manifest_seeds()),
    "manifest-value": Target(
        _take_manifest_value, [b"\x01a/b.txt", b"\x01\x00" + _DOCUMENT, b"\x01" + _DOCUMENT + b"\x01\x05\x07", b""]
    ),
    "state-vector": Target(_take_state_vector, [b"\x00", b"\x02\x01\x05\x02\x03", text_replica().state_vector()]),
    "frames": Target(_take_frames, _frame_seeds()),
    "messages": Target(_take_message, _message_seeds()),
    "channel": Target(
        _take_channel,
        [
            channel.encode(channel.Step1(b"\x00")),
            channel.encode(channel.Step2(text_replica().state())),
            channel.encode(channel.Updates((text_replica().state(), b"\x00\x00"))),
            channel.encode(channel.AwarenessUpdate(b"\x00")),
            channel.encode(channel.Shown((bytes(32), bytes(range(32))))),
            channel.encode(channel.Since((1 << 40, 1 << 41))),
            channel.encode(channel.Saved((bytes(32),))),
            channel.encode(channel.Showed(1, 1 << 40)),
        ],
    ),
    "handshake": Target(_take_handshake, _handshake_seeds()),
    "awareness": Target(
        _take_awareness, [awareness.encode([awareness.Presence(3, 1, {"a": [1, {"b": None}]})]), b"\x00"]
    ),
    "paths": Target(_take_path, [b"a/b.txt", "é/😀".encode(), b"\xff\xfe"]),
    "statements": Target(_take_statement, [_statement()]),
    "listing": Target(_take_listing, [encode_listing([Listed("a/b", Kind.TEXT, bytes(32), 5)]), encode_listing([])]),
    "grants": Target(
        _take_grant, [Grant(_FOLDER, _ALICE.device_id, "label", "name", (_statement(),)).encode()]
    ),
}  # fmt: skip

__all__ = ["TARGETS", "MessageFault", "Target", "text_replica", "tolerated"]
