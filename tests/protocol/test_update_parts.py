"""A manifest update in parts is the same as in one; a text update is read and ordered in slices."""

from __future__ import annotations

import random

import pytest

from yp2p.documents.diff import Hunk
from yp2p.documents.manifest import Manifest
from yp2p.documents.manifest_replica import ManifestReplica
from yp2p.documents.registers import Change
from yp2p.documents.text import TextReplica
from yp2p.errors import InvalidUpdate
from yp2p.identity import DocumentID, EntryID
from yp2p.protocol import deleted_ranges, dependencies, update_parts, ysync
from yp2p.protocol.delete_sets import encode
from yp2p.protocol.dependencies import ordering
from yp2p.protocol.entries import Content, Mode
from yp2p.protocol.state_vectors import StateVector, read_state_vector
from yp2p.protocol.update_parts import PART_BLOCKS, in_parts, single_registers, to_send
from yp2p.protocol.wire import write_varint
from yp2p.protocol.ysync import Checked, Shape, check, checking

KEY = bytes(16).hex().encode() + b"m"


def _parts(update: Checked, known: StateVector, shape: Shape) -> list[Checked]:
    return [part for part in in_parts(update, known, shape) if part is not None]


def _entry(number: int) -> EntryID:
    return EntryID(bytes(1) + number.to_bytes(15, "big"))


def _of_many_writers(writers: int, changes: int) -> bytes:
    """The state of a document in which several wrote, each over the others' values."""
    rng = random.Random(5)
    manifests = [Manifest(10 + number) for number in range(writers)]
    for number in range(changes):
        entry = _entry(rng.randrange(40))
        change = Change(entry, f"path {number}", Content.text(DocumentID(bytes(16)), Mode.PLAIN))
        update = manifests[number % writers].write([change])[0]
        for other in manifests:
            other.receive(0, update)
    return manifests[0].replicas[0].state()


def _chain(count: int, *, is_circle: bool = False) -> bytes:
    """One value of one key by each of so many clients, each in the place of the one of the client behind it."""
    value = b"\x01\x74\x02\x01\x01"
    out = [write_varint(count)]
    for number in range(count):
        is_last = number == count - 1 and not is_circle
        behind = 100 + (number + 1) % count
        head = b"\x28\x01\x07entries" + write_varint(len(KEY)) + KEY if is_last else b"\x88" + write_varint(behind)
        out += [
            b"\x01",
            write_varint(100 + number),
            b"\x00",
            head,
            b"" if is_last else b"\x00",
            value,
        ]
    return b"".join(out) + b"\x00"


@pytest.mark.parametrize(
    "update", [_of_many_writers(3, 600), _chain(300)], ids=["many writers", "a chain in the wrong order"]
)
def test_parts_are_the_whole(update: bytes) -> None:
    whole, apart = Manifest(1), Manifest(2)
    whole.receive(0, update)
    parts = _parts(check(update, Shape.MANIFEST), {}, Shape.MANIFEST)
    assert len(parts) > 2
    for part in parts:
        assert len(part.blocks) <= PART_BLOCKS
        apart.take(0, part)
    assert apart.replicas[0].version() == whole.replicas[0].version()
    assert apart.entries == whole.entries


def test_a_holder_of_a_part_takes_the_rest() -> None:
    update = _of_many_writers(3, 600)
    first, *_ = _parts(check(update, Shape.MANIFEST), {}, Shape.MANIFEST)
    whole, apart = Manifest(1), Manifest(2)
    whole.receive(0, update)
    apart.take(0, first)
    for part in _parts(check(update, Shape.MANIFEST), apart.replicas[0].clocks(), Shape.MANIFEST):
        apart.take(0, part)
    assert apart.replicas[0].version() == whole.replicas[0].version()


def test_what_waits_for_itself_is_refused_in_parts_as_well() -> None:
    (circle,) = _parts(check(_chain(300, is_circle=True), Shape.MANIFEST), {}, Shape.MANIFEST)
    with pytest.raises(InvalidUpdate, match="waits for it"):
        Manifest(1).take(0, circle)


def test_small_updates_are_one_part() -> None:
    update = check(_of_many_writers(2, 20), Shape.MANIFEST)
    assert _parts(update, {}, Shape.MANIFEST) == [update]


def _texts(clients: int, *, is_reversed: bool = False) -> bytes:
    """A character of each of so many clients, each behind the one of the client before it."""
    out = [write_varint(clients)]
    for number in reversed(range(clients)) if is_reversed else range(clients):
        head = b"\x84" + write_varint(99 + number) + b"\x00" if number else b"\x04\x01\x06source"
        out += [b"\x01", write_varint(100 + number), b"\x00", head, b"\x01x"]
    return b"".join(out) + b"\x00"


@pytest.mark.parametrize("is_reversed", [False, True])
def test_very_many_clients_go_in_parts(is_reversed: bool) -> None:
    """With 65,000 of them, each behind the one before, the library takes fifteen seconds."""
    update = check(_texts(4000, is_reversed=is_reversed), Shape.TEXT)
    parts = _parts(update, {}, Shape.TEXT)
    assert max(len(part.parsed.sections) for part in parts) <= 256
    turns = list(in_parts(update, {}, Shape.TEXT))
    assert turns.count(None) >= 2, "others get their turn"
    one, two = TextReplica(1), TextReplica(2)
    for part in parts:
        one.take(part)
    two.take(update)
    assert one.version() == two.version()
    assert one.text() == "x" * 4000


def test_very_many_blocks_go_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a million of one client, each behind the one before, are one message and a third of a second."""
    monkeypatch.setattr(ysync, "MANY_BLOCKS", 1000)
    monkeypatch.setattr(update_parts, "MANY_BLOCKS", 1000)
    monkeypatch.setattr(update_parts, "_OF_TEXT", update_parts._Size(500, 10, 1 << 20))
    blocks = b"".join(b"\x84\x07" + write_varint(number) + b"\x01x" for number in range(2999))
    update = check(b"\x01" + write_varint(3000) + b"\x07\x00\x04\x01\x06source\x01x" + blocks + b"\x00", Shape.TEXT)
    parts = _parts(update, {}, Shape.TEXT)
    assert len(parts) >= 6
    one, two = TextReplica(1), TextReplica(2)
    for part in parts:
        one.take(part)
    two.take(update)
    assert one.version() == two.version()


@pytest.mark.parametrize("is_behind", [False, True])
def test_what_goes_to_a_peer_is_within_its_caps(monkeypatch: pytest.MonkeyPatch, *, is_behind: bool) -> None:
    """Of a text that has more clients, pieces and deleted ranges than an update may have."""
    ours = TextReplica(1)
    ours.receive(_texts(300))
    known = ours.state_vector() if is_behind else b"\x00"
    peer = TextReplica.from_updates(2, [ours.state()] if is_behind else [])
    ours.receive(_texts(400))
    ours.receive(b"\x00\x64" + b"".join(write_varint(100 + 2 * number) + b"\x01\x00\x01" for number in range(100)))
    for module, name, most in (
        (ysync, "MAX_CLIENTS", 50), (update_parts, "MAX_CLIENTS", 50),
        (ysync, "MAX_DELETED_RANGES", 20), (update_parts, "MAX_DELETED_RANGES", 20),
    ):  # fmt: skip
        monkeypatch.setattr(module, name, most)
    monkeypatch.setattr(update_parts, "_TO_SEND", update_parts._Size(500, 10, 1 << 20))
    monkeypatch.setattr(update_parts, "_RANGES_TO_SEND", 20)
    answer = ours.update_since(known)
    with pytest.raises(InvalidUpdate):
        peer.receive(answer)
    for part in to_send(answer, Shape.TEXT):
        if part is not None:
            peer.receive(part)
    assert peer.version() == ours.version()


@pytest.mark.parametrize("seed", range(4))
def test_a_text_of_several_is_the_same_in_parts(monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    """Blocks in a row of one client go together, where they do not wait for another one's."""
    rng = random.Random(seed)
    writers = [TextReplica(10 + number) for number in range(3)]
    for _ in range(400):
        writer = rng.choice(writers)
        at = rng.randrange(len(writer.text()) + 1)
        update = writer.edit([Hunk(at, min(at + rng.randrange(2), len(writer.text())), "xyz"[: rng.randrange(1, 4)])])
        for other in writers if update else []:
            other.apply(update)
    state = writers[0].state()
    monkeypatch.setattr(update_parts, "MAX_CLIENTS", 1)
    monkeypatch.setattr(update_parts, "_TO_SEND", update_parts._Size(30, 1, 1 << 20))
    peer = TextReplica(2)
    parts = [part for part in to_send(state, Shape.TEXT) if part is not None]
    for part in parts:
        peer.receive(part)
    assert len(parts) > 3
    assert (peer.version(), peer.text()) == (writers[0].version(), writers[0].text())


def test_what_is_within_the_caps_goes_as_it_is() -> None:
    update = _texts(300)
    assert list(to_send(update, Shape.TEXT)) == [update]


def test_many_clients_are_read_and_ordered_in_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (ysync, dependencies):
        monkeypatch.setattr(module, "SLICE_BLOCKS", 100)
    steps = checking(_texts(1000), Shape.TEXT)
    slices = 0
    while True:
        try:
            next(steps)
        except StopIteration as done:
            found = done.value
            break
        slices += 1
    assert slices >= 9, "a section of one block is a slice's part like any other"
    assert len(list(ordering(found.parsed, {}))) >= 9
    assert found.parsed.ordered_on == {}


def test_deleted_ranges_of_many_clients_are_read_in_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ysync, "RANGES_AT_ONCE", 100)
    ranges = b"".join(write_varint(100 + number) + b"\x01\x00\x01" for number in range(1000))
    assert len(list(checking(b"\x00" + write_varint(1000) + ranges, Shape.TEXT))) >= 9


def test_deleted_ranges_are_ordered_in_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred thousand take an eighth of a second."""
    monkeypatch.setattr(deleted_ranges, "_SLICE", 100)
    ranges = [(7, 4 * number, 1) for number in reversed(range(1000))]
    steps = deleted_ranges.encoding(ranges)
    assert sum(1 for _ in steps) >= 25, "to put them in order, by client, and to write them"
    assert encode(ranges) == encode(sorted(ranges))


def test_clients_of_a_peers_update_and_vector_have_a_cap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ysync, "MAX_CLIENTS", 100)
    monkeypatch.setattr(ysync, "MAX_BLOCKS", 100)
    with pytest.raises(InvalidUpdate, match="101 clients in one update, more than 100"):
        check(_texts(101), Shape.TEXT)
    with pytest.raises(InvalidUpdate, match="more blocks than one update may have"):
        check(b"\x01\x65\x01\x00\x04\x01\x06source\x01x" + b"\x84\x01\x00\x01x" * 100 + b"\x00", Shape.TEXT)
    vector = write_varint(101) + b"".join(write_varint(number) + b"\x01" for number in range(101))
    assert len(read_state_vector(vector)) == 101, "our own has none"
    with pytest.raises(InvalidUpdate, match="more than 100 clients"):
        read_state_vector(vector, 100)


def test_registers_come_one_by_one_with_whose_they_are() -> None:
    one, two = ManifestReplica(5), ManifestReplica(6)
    entry = EntryID(b"e" * 16)
    both = [one.write({entry.hex() + "p": b"\x01a", entry.hex() + "c": b"c"})]
    for update in filter(None, both):
        two.apply(update)
    both.append(two.write({entry.hex() + "p": b"\x01b", entry.hex() + "m": b"\x01\x01"}))
    state = two.state()
    parts = list(single_registers(state))
    assert sorted(client for client, _ in parts if client) == [5, 5, 6, 6]
    assert parts[-1][0] == 0, "what is deleted comes last"
    again = ManifestReplica(1)
    for _, part in parts:
        again.apply(part)
    assert again.version() == two.version()
    assert again.registers([entry]) == two.registers([entry])
    assert list(single_registers(b"\x00\x00")) == []
