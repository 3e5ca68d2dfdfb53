"""Registers of entries: what is changed at a time in different ones all holds."""

from __future__ import annotations

import itertools
import random
from collections.abc import Mapping

import pytest
from effort import many

from yp2p.documents.manifest import Manifest
from yp2p.documents.manifest_replica import ManifestReplica
from yp2p.documents.registers import Change, Deletion, Entry, index_of
from yp2p.errors import MissingDependency
from yp2p.identity import DocumentID, EntryID
from yp2p.protocol.entries import Content, Kind, Mode

ENTRY = EntryID(bytes(16))
TEXT = Content.text(DocumentID(b"d" * 16), Mode.PLAIN)


def _exchange(updates: Mapping[int, bytes], *others: Manifest) -> None:
    for other, (index, update) in itertools.product(others, updates.items()):
        other.receive(index, update)


def _pair(content: Content) -> tuple[Manifest, Manifest]:
    one, two = Manifest(1), Manifest(2)
    _exchange(one.write([Change(ENTRY, "a", content)]), two)
    return one, two


def _entry(manifest: Manifest) -> Entry:
    return manifest.entries[ENTRY]


def test_a_rename_a_chmod_a_new_content_and_a_delete_made_at_a_time_all_hold() -> None:
    changes = [
        Change(ENTRY, path="b"),
        Change(ENTRY, mode=Mode.EXECUTABLE | Mode.PRIVATE),
        Change(ENTRY, content=Content.blob(bytes(32), 5, Mode.PLAIN, 7)),
        Change(ENTRY, deletion=Deletion(TEXT.document, b"\x00")),
    ]
    devices = [Manifest(number + 1) for number in range(4)]
    _exchange(devices[0].write([Change(ENTRY, "a", TEXT)]), *devices[1:])
    updates = [device.write([change]) for device, change in zip(devices, changes, strict=True)]
    rng = random.Random(1)
    for device in devices:
        for update in rng.sample(updates, 4):
            _exchange(update, device)
    for device in devices:
        entry = _entry(device)
        assert (entry.path, entry.kind, entry.mode) == ("b", Kind.BLOB, Mode.EXECUTABLE | Mode.PRIVATE)
        assert entry.content.mtime_ns == 7
        # the delete was of the text that is no more
        assert entry.deletion is not None
        assert not entry.deletion.counts(entry.document, {})


@pytest.mark.parametrize("content", [Content.directory(), Content.symlink(b"x")])
def test_what_has_no_mode_gets_none(content: Content) -> None:
    one, two = _pair(content)
    _exchange(one.write([Change(ENTRY, mode=Mode.PRIVATE)]), two)
    assert _entry(two).mode is Mode.PLAIN


@pytest.mark.parametrize("name", ["c", "m", "p", "d"])
def test_a_register_that_cannot_be_read_hides_its_entry_and_nothing_else(name: str) -> None:
    one, two = _pair(TEXT)
    other = EntryID(b"\x00" * 15 + b"\x01")
    _exchange(one.write([Change(other, "b", TEXT)]), two)
    index = index_of(ENTRY)
    update = one.replicas[index].write({ENTRY.hex() + name: b"\x07\xff"})
    assert update is not None
    two.receive(index, update)
    assert set(two.entries) == {other}


@pytest.mark.parametrize("value", [b"", b"\x01", b"\x07desk-2026-11-29", b"\x01../x-2026-11-29", b"\x01" + b"x" * 9000])
def test_who_made_an_entry_is_said_or_is_not_known_and_changes_nothing_else(value: bytes) -> None:
    one, two = _pair(TEXT)
    assert _entry(two).origin is None
    before = _entry(two)
    _exchange(one.write([Change(ENTRY, origin="desk-2026-11-29")]), two)
    assert _entry(two).origin == "desk-2026-11-29"
    index = index_of(ENTRY)
    update = one.replicas[index].write({ENTRY.hex() + "n": value})
    assert update is not None
    two.receive(index, update)
    assert _entry(two) == before
    assert _entry(two).origin == "", "and nobody who made it writes it again"


def test_a_document_that_rests_is_what_it_was() -> None:
    stored: dict[int, list[bytes]] = {}
    one, two = Manifest(1, lambda index: stored.get(index, [])), Manifest(2)

    def rest() -> None:
        one.rest()
        assert one.rest()
        assert not one.rest()

    def write(path: str) -> None:
        updates = one.write([Change(ENTRY, path, TEXT)])
        for index, update in updates.items():
            stored.setdefault(index, []).append(update)
        _exchange(updates, two)

    write("a")
    rest()
    assert one.versions() == two.versions()
    assert [replica.clocks() for replica in one.replicas] == [replica.clocks() for replica in two.replicas]
    write("b")  # its clocks go on where they were
    assert _entry(two).path == "b"
    rest()
    for index, update in two.write([Change(ENTRY, "c")]).items():
        news, touched = one.receive(index, update)
        assert news == update
        assert touched == {ENTRY}
        stored[index].append(update)
    rest()
    assert _entry(one).path == "c"
    assert one.versions() == two.versions()
    assert one.replicas[index_of(ENTRY)].state() == two.replicas[index_of(ENTRY)].state()


def test_a_document_in_use_does_not_rest() -> None:
    manifest = Manifest(1)
    manifest.rest()
    updates = manifest.write([Change(ENTRY, "a", TEXT)])
    (index,) = updates
    assert not manifest.replicas[index].rest()
    assert manifest.replicas[index].rest()


@pytest.mark.parametrize("seed", range(many(30)))
def test_entries_are_what_a_manifest_made_anew_says(seed: int) -> None:
    """Whatever changed at a time, by whomever, in whatever order it came, and whether a document rested meanwhile."""
    rng = random.Random(seed)
    stored: list[list[bytes]] = [[], [], []]
    manifests = [Manifest(number + 1, lambda _, rows=rows: rows) for number, rows in enumerate(stored)]
    on_their_way: list[list[bytes]] = [[], [], []]
    entries = [EntryID(bytes(15) + bytes([number])) for number in range(4)]
    for _ in range(40):
        writer = rng.randrange(3)
        changes = [
            Change(
                entry,
                rng.choice([None, "a", "b", "d/c"]),
                rng.choice([None, TEXT, Content.symlink(b"there")]),
                rng.choice([None, None, Mode.EXECUTABLE]),
                rng.choice([None, None, Deletion(TEXT.document, b"\x00")]),
                revive=rng.random() < 0.3,
            )
            for entry in rng.sample(entries, rng.randrange(1, 4))
        ]
        for update in manifests[writer].write(changes).values():
            stored[writer].append(update)
            for other in {0, 1, 2} - {writer}:
                on_their_way[other].append(update)
        reader = rng.randrange(3)
        while on_their_way[reader] and rng.random() < 0.7:
            try:
                news, _ = manifests[reader].receive(0, on_their_way[reader][0])
            except MissingDependency:
                break
            stored[reader] += [news] if news is not None else []
            on_their_way[reader].pop(0)
        if rng.random() < 0.2:
            manifests[reader].rest()
            manifests[reader].rest()
        for manifest in manifests:
            anew = Manifest(9)
            anew.load(0, [manifest.replicas[0].state()])
            assert manifest.entries == anew.entries


@pytest.mark.parametrize(
    "key", [" " * 32 + "p", "@" + " " * 15 + "1" + "0" * 16, "@-000000000000001" + "0" * 16,
            "@0x00000000000001" + "0" * 16, "@" + "f" * 32, "@" + "\u0663" * 32,
            "@" + "0" * 16, "@" + "0" * 31, "@" + "0" * 33,

            "A" * 32 + "p", "0" * 32 + "x", "0" * 31 + "p", "0" * 32 + "b" + "zz" * 8, "@", "", "b" * 49]
)  # fmt: skip
def test_keys_that_are_none_change_nothing(key: str) -> None:
    manifest = Manifest(1)
    for index, replica in enumerate(manifest.replicas):
        update = ManifestReplica(7 + index).write({key: b"\x01" + bytes(40)})
        news, touched = manifest.receive(index, update or b"")
        assert news is not None
        assert touched == set()
        assert replica.version() == manifest.versions()[index]
    assert (manifest.entries, manifest.claims, manifest.bookmarks) == ({}, {}, {})
