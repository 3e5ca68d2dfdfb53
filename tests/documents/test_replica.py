"""Replicas against the wall: honest updates pass, hostile ones never reach pycrdt."""

from __future__ import annotations

import ast
import random
import weakref
from collections.abc import Sequence
from pathlib import Path

import pytest
from effort import many
from hypothesis import given
from hypothesis import strategies as st

import yp2p
from yp2p.documents.diff import Hunk
from yp2p.documents.manifest import Manifest
from yp2p.documents.manifest_replica import ManifestReplica
from yp2p.documents.registers import Change, index_of
from yp2p.documents.text import TextReplica, first_import, imported, read_first_import, self_test
from yp2p.errors import HistoriesDiffer, InvalidUpdate, MissingDependency
from yp2p.identity import DocumentID, EntryID
from yp2p.protocol import ysync
from yp2p.protocol.clients import Writer, client_id_from
from yp2p.protocol.dependencies import check_update, written_beyond
from yp2p.protocol.entries import Content, Mode
from yp2p.protocol.insertions import Insertion, inserted_text
from yp2p.protocol.state_vectors import read_state_vector
from yp2p.protocol.versions import document_version
from yp2p.protocol.wire import write_varint
from yp2p.protocol.ysync import Shape, check

# Each of these crashed, froze or corrupted pycrdt 0.14.13 when it was applied unchecked.
CRASHERS = {
    "pending merge": "010101028401040361616100",
    "nested any": "010101000801017401" + "7501" * 2000 + "7e00",
    "empty section": "0100010100",
    "huge clock": "0103010004010174026865810101ffffffff0f8405040620776f726c640101010203",
    "wrapping clock": "010101ffffffffffff00040101741068656c6c6f20f09f988020776f726c6400",
    "wrong root": "010101000401016104f09f988000",
}


@pytest.mark.parametrize("name", CRASHERS)
def test_crashers_are_stopped_by_the_wall(name: str) -> None:
    for replica in (TextReplica(7), ManifestReplica(7)):
        with pytest.raises((InvalidUpdate, MissingDependency)):
            replica.receive(bytes.fromhex(CRASHERS[name]))


def test_a_state_vector_that_announces_too_much_is_refused() -> None:
    with pytest.raises(InvalidUpdate):
        TextReplica(1).update_since(bytes.fromhex("8080808002"))


def _item(origin_client: int, origin_clock: int) -> bytes:
    return bytes([0x84, origin_client, origin_clock, 1, ord("a")])


def test_items_that_wait_for_each_other_are_refused() -> None:
    """The library would keep them as pending forever, and crash on what comes next."""
    circle = bytes([2, 1, 1, 0]) + _item(2, 0) + bytes([1, 2, 0]) + _item(1, 0) + bytes([0])
    with pytest.raises(InvalidUpdate, match="waits for"):
        TextReplica(7).receive(circle)
    # Twice back and forth is no circle, in whichever order the clients come.
    first = bytes([1, 4, 1]) + b"\x06source" + bytes([1, ord("x")])
    chain = (bytes([2, 1, 0]) + first[1:] + _item(2, 0), bytes([2, 2, 0]) + _item(1, 0) + _item(1, 1))
    for sections in (chain, chain[::-1]):
        replica = TextReplica(7)
        assert replica.receive(bytes([2]) + b"".join(sections) + bytes([0])) is not None
        assert len(replica.text()) == 4


def test_nothing_divides_a_character() -> None:
    """Clocks count UTF-16 units; the library would lose the second half, on some devices."""
    writer, reader = TextReplica(5), TextReplica(6)
    first = writer.edit([Hunk(0, 0, "a😀b")])
    assert first is not None
    reader.receive(first)
    half = bytes([0, 1, 5, 1, 2, 1])  # deletes from the middle of the character on
    with pytest.raises(HistoriesDiffer, match="middle of a character"):
        reader.receive(half)
    behind_half = bytes([1, 1, 7, 0, 0x84, 5, 1, 1, ord("x"), 0])
    with pytest.raises(HistoriesDiffer, match="middle of a character"):
        reader.receive(behind_half)
    in_one = first[:-1] + half[1:]
    with pytest.raises(InvalidUpdate, match="middle of a character"):
        TextReplica(8).receive(in_one)
    # What is whole passes: behind the character, and taking it out.
    assert reader.receive(bytes([1, 1, 7, 0, 0x84, 5, 2, 1, ord("x"), 0])) is not None
    assert reader.receive(bytes([0, 1, 5, 1, 1, 2])) is not None
    assert reader.text() == "abx"


def test_blocks_that_no_honest_device_makes_are_refused() -> None:
    with pytest.raises(InvalidUpdate, match="GC block"):
        TextReplica(7).receive(bytes([1, 1, 1, 0, 0, 3, 0]))
    replica = TextReplica(7)
    replica.edit([Hunk(0, 0, "ab")])
    with pytest.raises(InvalidUpdate, match="same one"):
        replica.receive(bytes([1, 1, 1, 0, 0xC4, 7, 0, 7, 0, 1, ord("x"), 0]))


def test_whole_states_of_many_authors_are_never_refused() -> None:
    rng = random.Random(9)
    for _ in range(many(30)):
        replicas = [TextReplica(n + 1) for n in range(rng.randint(2, 6))]
        for _ in range(80):
            one, other = rng.sample(replicas, 2)
            text = one.text()
            start = rng.randint(0, len(text))
            one.edit([Hunk(start, min(len(text), start + rng.choice([0, 0, 2])), rng.choice(["a", "bc", "😀"]))])
            other.receive(one.update_since(other.state_vector()))
        for replica in replicas:
            fresh = TextReplica(99)
            fresh.receive(replica.state())
            assert fresh.version() == replica.version()


def test_random_honest_traffic_is_never_refused_and_converges() -> None:
    rng = random.Random(3)
    for _ in range(40):
        replicas = [TextReplica(n + 1) for n in range(3)]
        queues: list[list[bytes]] = [[] for _ in replicas]
        for _ in range(60):
            number = rng.randrange(3)
            replica = replicas[number]
            text = replica.text()
            start = rng.randint(0, len(text))
            stop = min(len(text), start + rng.choice([0, 0, 3]))
            update = replica.edit([Hunk(start, stop, rng.choice(["ab", "é", "😀", "\n", ""]))])
            for other in range(3):
                if other != number and update is not None:
                    queues[other].append(update)
            if rng.random() < 0.4:
                _deliver(replicas, queues)
        _deliver(replicas, queues)
        assert len({r.text() for r in replicas}) == 1
        assert len({r.version() for r in replicas}) == 1


def _deliver(replicas: list[TextReplica], queues: list[list[bytes]]) -> None:
    waiting = True
    while waiting:
        waiting = False
        for replica, queue in zip(replicas, queues, strict=True):
            again = []
            for update in queue:
                try:
                    replica.receive(update)
                    waiting = True
                except MissingDependency:
                    again.append(update)
            queue[:] = again


@given(st.binary(max_size=80))
def test_garbage_gives_only_the_two_errors(data: bytes) -> None:
    for shape in Shape:
        try:
            check_update(data, shape, {1: 5})
        except (InvalidUpdate, MissingDependency):
            pass


@given(st.integers(min_value=0), st.integers(min_value=0, max_value=255))
def test_a_changed_byte_is_refused_or_harmless(position: int, value: int) -> None:
    honest = bytearray(imported("some text é\nmore\n"))
    honest[position % len(honest)] = value
    replica = TextReplica(9)
    try:
        replica.receive(bytes(honest))
    except (InvalidUpdate, MissingDependency):
        return
    assert isinstance(replica.text(), str)


def test_who_brings_what_somebody_forged_with_our_client_id_is_not_at_fault() -> None:
    ours, bearer = TextReplica(77), TextReplica(5)
    first = ours.edit([Hunk(0, 0, "mine\n")])
    assert first is not None
    forged = TextReplica.from_updates(77, [first]).edit([Hunk(0, 0, "forged ")])
    assert forged is not None
    bearer.receive(first)
    bearer.receive(forged)  # it cannot know
    brought = check_update(bearer.update_since(ours.state_vector()), Shape.TEXT, ours.clocks())
    assert written_beyond(brought.parsed, ours.clocks(), {5, 77}) == {77}
    assert written_beyond(brought.parsed, bearer.clocks(), {5, 77}) == set()


def test_a_gap_is_not_an_offence() -> None:
    source = TextReplica(5)
    source.edit([Hunk(0, 0, "a")])
    second = source.edit([Hunk(1, 1, "b")])
    assert second is not None
    with pytest.raises(MissingDependency):
        TextReplica(6).receive(second)


def test_only_the_news_comes_out() -> None:
    source, target = TextReplica(5), TextReplica(6)
    source.edit([Hunk(0, 0, "a" * 1000)])
    assert target.receive(source.state()) is not None
    assert target.receive(source.state()) is None
    source.edit([Hunk(0, 0, "b")])
    news = target.receive(source.state())
    assert news is not None
    assert len(news) < 60


def test_equal_imports_are_equal_updates() -> None:
    assert imported("text\n") == imported("text\n")
    assert imported("text\n") != imported("text")
    assert (
        client_id_from(Writer.SAVED, b"a") == client_id_from(Writer.SAVED, b"a") != client_id_from(Writer.SAVED, b"b")
    )


def test_versions_do_not_depend_on_the_order_of_arrival() -> None:
    one, two = TextReplica(1), TextReplica(2)
    first, second = one.edit([Hunk(0, 0, "x")]), two.edit([Hunk(0, 0, "y")])
    assert first is not None
    assert second is not None
    left, right = TextReplica(3), TextReplica(4)
    for replica, updates in ((left, (first, second)), (right, (second, first))):
        for update in updates:
            replica.receive(update)
    assert left.version() == right.version()
    removed = left.edit([Hunk(0, 1, "")])
    assert removed is not None
    assert left.version() != right.version(), "a removal does not move the state vector, but the version"


def test_a_snapshot_that_is_cut_off_is_refused() -> None:
    with pytest.raises(InvalidUpdate):
        document_version(b"\x01")


def test_the_offset_unit_is_the_one_we_rely_on() -> None:
    self_test()


ENTRY = EntryID(bytes(range(16)))
DOCUMENT = DocumentID(b"d" * 16)


def test_manifest_registers_merge_independently() -> None:
    one, two = Manifest(1), Manifest(2)
    updates = one.write([Change(ENTRY, "a.txt", Content.text(DOCUMENT, Mode.PLAIN))])
    for index, update in updates.items():
        two.receive(index, update)
    assert two.entries == one.entries
    renamed = one.write([Change(ENTRY, path="b/c.txt")])
    made_executable = two.write([Change(ENTRY, content=Content.text(DOCUMENT, Mode.EXECUTABLE))])
    for index, update in renamed.items():
        assert two.receive(index, update)[1] == {ENTRY}
    for index, update in made_executable.items():
        one.receive(index, update)
    assert one.entries == two.entries
    assert one.entries[ENTRY].path == "b/c.txt"
    assert one.entries[ENTRY].mode is Mode.EXECUTABLE
    assert one.versions() == two.versions()


@pytest.mark.parametrize("path", ["/etc/passwd", "../x", "a/../b", ".git/hooks/x", "a/.GIT/x", "", "a//b", "a\0b"])
def test_a_path_that_may_not_enter_hides_the_entry(path: str) -> None:
    manifest = Manifest(1)
    replica = manifest.replicas[index_of(ENTRY)]
    update = replica.write(
        {ENTRY.hex() + "p": b"\x01" + path.encode(), ENTRY.hex() + "c": Content.text(DOCUMENT, Mode.PLAIN).encode()}
    )
    assert update is not None
    other = Manifest(2)
    other.receive(index_of(ENTRY), update)
    assert other.entries == {}


def test_an_edit_beats_a_delete() -> None:
    from yp2p.documents.registers import Deletion

    text = TextReplica(3)
    text.edit([Hunk(0, 0, "abc")])
    deletion = Deletion(DOCUMENT, text.state_vector())
    assert deletion.counts(DOCUMENT, text.clocks())
    text.edit([Hunk(0, 1, "")])
    assert deletion.counts(DOCUMENT, text.clocks()), "removing text does not revive"
    text.edit([Hunk(0, 0, "new")])
    assert not deletion.counts(DOCUMENT, text.clocks())
    assert read_state_vector(deletion.seen) == {3: 3}


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=300), st.integers(1, 2**32 - 1))
def test_an_import_is_what_the_library_makes_of_it(text: str, client: int) -> None:
    replica = TextReplica(client)
    update = replica.edit([Hunk(0, 0, text)]) or replica.state()
    made = Insertion.of(client, text)
    assert (made.update, made.state_vector, made.version) == (update, replica.state_vector(), replica.version())
    assert inserted_text(made.update) == (text or None)
    first = read_first_import(imported(text))
    assert first == (None if text == "" else (text, first_import(text)))
    assert text == "" or read_first_import(made.update) is None  # by another client


def test_what_is_no_import_is_not_taken_for_one() -> None:
    update = imported("some text é😀\n")
    for other in [
        *(update[:cut] for cut in range(len(update))),
        update + b"\x00",
        imported("x")[:-1] + b"\x01\x01\x01",
    ]:
        assert read_first_import(other) is None
    edited = TextReplica.from_updates(1, [update])
    edited.edit([Hunk(0, 0, "x")])
    assert read_first_import(edited.state()) is None


def test_a_document_is_freed_with_its_replica() -> None:
    """A document with an observer never is: a daemon that forks one for every save would grow for ever."""
    text, manifest = TextReplica(1), ManifestReplica(1)
    text.edit([Hunk(0, 0, "some text")])
    manifest.write({bytes(16).hex() + "p": b"\x01a"})
    documents = [weakref.ref(replica._doc) for replica in (text, manifest, text.fork(2))]
    del text, manifest
    assert [document() for document in documents] == [None] * 3


def test_only_the_wall_makes_what_a_replica_takes_of_others() -> None:
    makers = {
        path.name
        for path in Path(yp2p.__file__).parent.rglob("*.py")
        if "Checked(" in path.read_text()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Checked"
    }
    assert makers == {"ysync.py"}


def _deleting(client: int, ranges: list[tuple[int, int]]) -> bytes:
    numbers = b"".join(write_varint(start) + write_varint(length) for start, length in ranges)
    return b"\x00\x01" + write_varint(client) + write_varint(len(ranges)) + numbers


def test_a_document_reads_itself_however_much_is_deleted_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is limited is what a message may bring; of several it can be more."""
    monkeypatch.setattr(ysync, "MAX_DELETED_RANGES", 1000)
    half = 501
    replica = TextReplica(5)
    replica.receive(Insertion.of(77, "ab" * 2 * half).update)
    for first in (0, half):
        replica.receive(_deleting(77, [(2 * number, 1) for number in range(first, first + half)]))
    assert len(replica.deleted()) == 2 * half
    again = TextReplica.from_updates(6, [replica.state()])
    assert again.version() == replica.version()
    assert again.text() == "b" * 2 * half


def test_many_deletions_are_applied_in_an_order_of_our_own() -> None:
    """From the last to the first the library would take minutes."""
    count = 8_000
    replica = TextReplica(5)
    replica.receive(Insertion.of(77, "ab" * count).update)
    news = replica.receive(_deleting(77, [(2 * number, 1) for number in reversed(range(count))]))
    assert news is not None
    again = TextReplica.from_updates(6, [Insertion.of(77, "ab" * count).update, news])
    assert replica.text() == again.text() == "b" * count


@pytest.mark.parametrize("is_known", [True, False])
def test_many_deletions_come_in_parts(monkeypatch: pytest.MonkeyPatch, *, is_known: bool) -> None:
    """Also those of what the same update inserts."""
    monkeypatch.setattr(ysync, "_RANGES_IN_PART", 1000)
    text, count = Insertion.of(77, "ab" * 3000).update, 3000
    update = _deleting(77, [(2 * number, 1) for number in range(count)])
    one, two = (TextReplica.from_updates(5, [text] if is_known else []) for _ in range(2))
    if not is_known:
        update = text[:-1] + update[1:]
    parts = list(check(update, Shape.TEXT).in_parts())
    assert len(parts) > 2
    assert max(len(part.deleted) for part in parts) <= 1000
    for part in parts:
        one.take(part)
    two.receive(update)
    assert one.version() == two.version()
    assert one.text() == "b" * count


def _chain(clients: Sequence[int], *, is_circle: bool) -> bytes:
    """One character of each client, right after the one of the client before it."""
    out = [write_varint(len(clients))]
    for number, client in enumerate(clients):
        before = clients[number - 1]
        head = b"\x04\x01\x06source" if number == 0 and not is_circle else b"\x84" + write_varint(before) + b"\x00"
        out.append(b"\x01" + write_varint(client) + b"\x00" + head + b"\x01x")
    return b"".join(out) + b"\x00"


@pytest.mark.parametrize("step", [1, -1])
def test_a_chain_of_clients_is_gone_through_once(monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    """Each waits for the one before; going through all of them for each took a minute."""
    monkeypatch.setattr(ysync, "MAX_CLIENTS", 20_000)
    monkeypatch.setattr(ysync, "MAX_BLOCKS", 20_000)
    clients = list(range(1000, 21_000))[::step]
    check_update(_chain(clients, is_circle=False), Shape.TEXT, {})
    with pytest.raises(InvalidUpdate, match="which waits for it"):
        check_update(_chain(clients, is_circle=True), Shape.TEXT, {})
