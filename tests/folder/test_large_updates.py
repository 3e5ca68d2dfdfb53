"""What a peer may send in one update, and what goes to it, in parts: others get their turn between them."""

from __future__ import annotations

from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest

from yp2p.documents.manifest import Manifest
from yp2p.documents.provider import Provider
from yp2p.documents.registers import Change
from yp2p.documents.text import TextReplica
from yp2p.errors import InvalidUpdate
from yp2p.folder import incoming, live_document
from yp2p.folder.live_document import Keeper, LiveDocument
from yp2p.identity import DocumentID, EntryID
from yp2p.protocol import update_parts, ysync
from yp2p.protocol.channel import Answer, Step2, Updates, decode
from yp2p.protocol.clients import Writer
from yp2p.protocol.entries import Content
from yp2p.protocol.insertions import Insertion
from yp2p.protocol.state_vectors import encode_state_vector
from yp2p.protocol.wire import write_varint

COUNT = 1200


def _clients(number: int) -> bytes:
    """A character of each of so many clients, each behind the one of the client before it."""
    out = [write_varint(number)]
    for client in range(100, 100 + number):
        head = b"\x84" + write_varint(client - 1) + b"\x00" if client > 100 else b"\x04\x01\x06source"
        out += [b"\x01", write_varint(client), b"\x00", head, b"\x01x"]
    return b"".join(out) + b"\x00"


class _Durable:
    async def wait(self) -> None:
        pass


def _live(applied: list[int] | None = None, rows: Any = None) -> LiveDocument:
    def accept(live: LiveDocument, update: ysync.Checked, source: object) -> None:
        live.replica.take(update)
        if applied is not None:
            applied.append(len(update.parsed.sections) + len(update.deleted))

    return LiveDocument(DocumentID(bytes(16)), TextReplica(1), Keeper(accept, _Durable, rows=rows))  # type: ignore[arg-type]


@pytest.mark.parametrize("deletes", [False, True])
async def test_others_get_their_turn_between_the_parts(monkeypatch: pytest.MonkeyPatch, *, deletes: bool) -> None:
    monkeypatch.setattr(ysync, "_RANGES_IN_PART", 500)
    applied: list[int] = []
    live = _live(applied)
    done: list[int] = []

    async def turn() -> None:
        done.append(len(applied))

    monkeypatch.setattr(incoming, "turn", turn)
    update = _clients(COUNT)
    if deletes:
        gone = b"".join(write_varint(2 * number) + b"\x01" for number in range(6000))
        update = Insertion.of(77, "ab" * 6000).update[:-1] + b"\x01\x4d" + write_varint(6000) + gone
    await live.receive_all([update], object())
    assert len(applied) >= 3
    between = [now - before for before, now in pairwise(done)]
    assert max(between) <= (1 if not deletes else 12), "some parts are small"
    assert live.text.text() == ("x" * COUNT if not deletes else "b" * 6000)


class _Channel:
    path = "a.txt"

    def __init__(self) -> None:
        self.sent: list[bytes] = []

    async def send(self, message: bytes) -> None:
        self.sent.append(message)


@pytest.mark.parametrize("most", [100, 4096])
async def test_an_answer_is_within_the_caps_of_who_asked(monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    ours, peer = _live(), TextReplica(2)
    ours.replica.receive(_clients(400))
    for module in (ysync, update_parts):
        monkeypatch.setattr(module, "MAX_CLIENTS", most)
    monkeypatch.setattr(update_parts, "_TO_SEND", update_parts._Size(500, 10, 1 << 20))
    channel = _Channel()
    await Provider(ours, channel, tells_state=True)._answer(b"\x00")  # type: ignore[arg-type]
    answer = decode(channel.sent[-1])
    assert isinstance(answer, Answer if most < 400 else Step2)
    for update in answer.updates if isinstance(answer, Answer) else [answer.update]:
        peer.receive(update)
    assert peer.version() == ours.replica.version()


async def test_a_live_update_is_within_the_caps_of_the_peer(monkeypatch: pytest.MonkeyPatch) -> None:
    """A save in the place of a text of many pieces removes as many ranges: the peer takes them in several updates."""
    for module in (ysync, update_parts):
        monkeypatch.setattr(module, "MAX_DELETED_RANGES", 100)
    monkeypatch.setattr(update_parts, "_RANGES_TO_SEND", 50)
    ours, peer = _live(), TextReplica(2)
    ours.replica.receive(Insertion.of(77, "ab" * 400).update)
    peer.receive(Insertion.of(77, "ab" * 400).update)
    channel = _Channel()
    provider = Provider(ours, channel, tells_state=True)  # type: ignore[arg-type]
    provider._peer_vector = peer.state_vector()
    provider._live = True
    gone = b"".join(write_varint(2 * number) + b"\x01" for number in range(400))
    news = ours.replica.apply(b"\x00\x01\x4d" + write_varint(400) + gone)
    assert news is not None
    provider._on_update(news, None)
    assert provider._outgoing.is_overrun
    assert not channel.sent
    await provider._answer(provider._peer_vector, Updates)
    said = decode(channel.sent[-1])
    assert isinstance(said, Updates)
    for update in said.updates:
        peer.receive(update)
    assert peer.version() == ours.replica.version()


@pytest.mark.parametrize("live_ones", [False, True])
async def test_what_is_said_of_the_manifest_goes_in_messages_of_which_each_is_small(
    monkeypatch: pytest.MonkeyPatch, *, live_ones: bool
) -> None:
    monkeypatch.setattr(update_parts, "_TO_SEND", update_parts._Size(1 << 13, 1 << 3, 1000))
    monkeypatch.setattr(update_parts, "_is_small", lambda update: False)
    manifest, peer = Manifest(7), Manifest(8)
    live = LiveDocument(DocumentID(bytes(16)), manifest.replicas[0], Keeper(lambda *_: None, _Durable))  # type: ignore[arg-type]
    channel = _Channel()
    provider = Provider(live, channel, tells_state=True)  # type: ignore[arg-type]
    provider._peer_vector, provider._live = b"\x00", True
    entries = [EntryID(bytes([0, 0, number]) + bytes(13)) for number in range(60)]
    for entry in entries:
        (update,) = manifest.write([Change(entry, "name", Content.directory())]).values()
        if live_ones:
            provider._on_update(update, None)
    if live_ones:
        assert not provider._outgoing.is_overrun
        for message in provider._messages(provider._outgoing.take()):
            await channel.send(message)
    else:
        await provider._answer(b"\x00")
    said = [message for message in map(decode, channel.sent) if isinstance(message, Updates | Step2)]
    assert len(said) > 3
    assert isinstance(said[-1], Updates if live_ones else Step2), "the peer knows that it has all"
    for message in said:
        updates = message.updates if isinstance(message, Updates) else (message.update,)
        assert sum(map(len, updates)) < 1100
        for update in updates:
            peer.receive(0, update)
    assert peer.entries.keys() == set(entries)


def test_a_vector_goes_to_the_library_without_what_is_not_here() -> None:
    """It would make a table of all of it, which takes a second where its clients are well chosen."""
    replica = TextReplica(1)
    replica.receive(Insertion.of(77, "abc").update)
    asked: list[bytes] = []
    document = replica._doc
    replica._doc = SimpleNamespace(get_state=document.get_state, get_update=asked.append)  # type: ignore[assignment]
    others = b"".join(write_varint((number + 1) << 32) + b"\x01" for number in range(1000))
    replica.update_since(write_varint(1001) + b"\x4d\x02" + others)
    replica.update_since(b"\x01\x4d\x02")
    assert asked == [b"\x01\x4d\x02"] * 2
    with pytest.raises(InvalidUpdate):
        replica.update_since(b"\x02\x4d\x02\x4d\x02")


async def test_a_long_log_is_read_in_slices_for_who_lacks_a_repair(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every question of a member had the whole log read at a stretch, where there was one repair in it."""
    rows = [Insertion.of(Writer.SAVED.client_id(number), "x" * 1000).update for number in range(1, 300)]
    rows.append(Insertion.of(Writer.REPAIR.client_id(1), "y").update)
    live = _live(rows=lambda *_: rows)
    for row in rows:
        live.replica.receive(row)
    turns = 0

    async def turn() -> None:
        nonlocal turns
        turns += 1
        if turns == 5:
            live.changes += 1  # it is read once more

    monkeypatch.setattr(live_document.Slice, "is_long", True)
    monkeypatch.setattr(live_document.Slice, "end", lambda _: turn())
    assert await live.updates_as_made(b"\x00") == rows
    assert turns >= 2 * len(rows)
    known = encode_state_vector({Writer.SAVED.client_id(number): 1000 for number in range(1, 299)})
    assert await live.updates_as_made(known) == rows[-2:]
    monkeypatch.setattr(live_document, "_MAX_PARTS_BYTES", 100_000)
    assert await live.updates_as_made(b"\x00") == [], "all in one"
