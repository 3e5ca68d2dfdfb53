"""Names of conflict copies: whose they are, alike on all devices, and one copy of one content."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import pytest
from bridge import PEER, Bridge, clock, open_bridge, over_directory
from kills import killed_at_the_first_move

from yp2p.disk.ingest.conflict_copies import copy_id
from yp2p.documents.layout import conflict_path
from yp2p.documents.manifest import Manifest
from yp2p.documents.registers import Change, Entry, index_of
from yp2p.documents.text import imported
from yp2p.folder.new_texts import document_id_for
from yp2p.folder.origins import own_origin
from yp2p.identity import EntryID
from yp2p.protocol.entries import Content, Mode
from yp2p.protocol.ysync import Shape, check

_SMALLEST, _LARGEST = EntryID(bytes(16)), EntryID(b"\xff" * 16)
_OF_PEER = "peer-2026-01-31"
_MINE, _THEIRS = b"\x00 mine", b"\x00 theirs"


async def _peer_says(bridge: Bridge, *changes: Change) -> None:
    catalogue = bridge.folder.catalogue
    theirs = Manifest(78)
    for index, replica in enumerate(catalogue.manifest.replicas):
        theirs.load(index, [replica.state()])
    for index, update in theirs.write(list(changes)).items():
        await catalogue.documents[index].receive(update, PEER)


async def _peer_makes_text(bridge: Bridge, entry: EntryID, path: str, text: str) -> None:
    document = document_id_for(entry)
    await _peer_says(bridge, Change(entry, path, Content.text(document, Mode.PLAIN)))
    bridge.folder.edits.take_pulled(document, check(imported(text), Shape.TEXT), PEER)


async def _settle(bridge: Bridge) -> None:
    for _ in range(3):
        await bridge.render()
        clock().jump(2.5)
        await bridge.look()


def _files(base: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (base / "dir").iterdir() if path.is_file() and path.name[0] != "."}


def _entry(bridge: Bridge, path: str) -> Entry:
    return bridge.folder.catalogue.entries[bridge.folder.catalogue.layout().entry_at[path]]


@over_directory
async def test_of_a_file_that_loses_its_name_the_device_that_made_it_says_so(base: Path) -> None:
    (base / "dir/a.txt").write_text("mine\n")
    async with open_bridge(base) as bridge:
        own, origin = _entry(bridge, "a.txt").id, own_origin(bridge.folder)
        await _peer_makes_text(bridge, _SMALLEST, "a.txt", "theirs\n")
        await _settle(bridge)
        beside = conflict_path("a.txt", own, origin)
        assert origin in beside
        assert _files(base) == {"a.txt": b"theirs\n", beside: b"mine\n"}
        assert bridge.folder.catalogue.entries[own].origin == origin
        await _peer_says(bridge, Change(_SMALLEST, path="b.txt"))
        await _settle(bridge)
        assert _files(base) == {"a.txt": b"mine\n", "b.txt": b"theirs\n"}, "its name is free again"


@over_directory
async def test_the_name_of_another_ones_file_says_nothing_until_that_one_does(base: Path) -> None:
    (base / "dir/a.txt").write_text("mine\n")
    async with open_bridge(base) as bridge:
        await _peer_makes_text(bridge, _LARGEST, "a.txt", "theirs\n")
        await _settle(bridge)
        before = conflict_path("a.txt", _LARGEST)
        assert _files(base) == {"a.txt": b"mine\n", before: b"theirs\n"}
        with (base / "dir" / before).open("a") as program:
            await _peer_says(bridge, Change(_LARGEST, origin=_OF_PEER))
            await _settle(bridge)
            assert before in _files(base), "a program that writes to it has it by that name"
            program.write("and more\n")
        for _ in range(3):
            await _settle(bridge)
        named = conflict_path("a.txt", _LARGEST, _OF_PEER)
        assert _files(base) == {"a.txt": b"mine\n", named: b"theirs\nand more\n"}


@pytest.mark.parametrize("value", [b"", b"\x01../../x-2026-11-29", b"\x09"])
@over_directory
async def test_nobody_fights_for_a_name(base: Path, value: bytes) -> None:
    """Somebody else takes back again and again whose a file is."""
    (base / "dir/a.txt").write_text("mine\n")
    async with open_bridge(base) as bridge:
        own = _entry(bridge, "a.txt").id
        await _peer_makes_text(bridge, _SMALLEST, "a.txt", "theirs\n")
        await _settle(bridge)
        live = bridge.folder.catalogue.documents[index_of(own)]
        for _ in range(3):
            theirs = Manifest(78).replicas[0]
            theirs.load([live.replica.state()])
            update = theirs.write({own.hex() + "n": value})
            assert update is not None
            await live.receive(update, PEER)
            said = live.last_seq
            await _settle(bridge)
            assert live.last_seq == said
            assert _files(base) == {"a.txt": b"theirs\n", conflict_path("a.txt", own): b"mine\n"}


async def _apart(bridge: Bridge, base: Path) -> EntryID:
    """The blob `b` was changed here, and by another device otherwise, which has its name."""
    entry = _entry(bridge, "b")
    (base / "dir/b").write_bytes(_MINE)
    bridge.dirty.add("b")
    await bridge.look()
    content = Content.blob(b"h" * 32, 8, Mode.PLAIN, 1).after(entry.content.hash, ())
    await _peer_says(bridge, Change(entry.id, content=content))
    return entry.id


def _beside(base: Path) -> dict[str, bytes]:
    return {name: data for name, data in _files(base).items() if name != "b"}


@pytest.mark.parametrize("crashes", [False, True])
@over_directory
async def test_a_file_that_steps_aside_says_whose_it_is_at_once(base: Path, crashes: bool) -> None:
    (base / "dir/b").write_bytes(b"\x00 both")
    async with open_bridge(base, clean_end=not crashes) as bridge:
        origin = own_origin(bridge.folder)
        entry = await _apart(bridge, base)
        mine = bridge.folder.files[entry].content
        await bridge.render_actor.run()
        assert _files(base) == {conflict_path("b", copy_id(entry, mine), origin): _MINE}
        if not crashes:
            await _settle(bridge)
            assert _entry(bridge, next(iter(_beside(base)))).id == copy_id(entry, mine)
    async with open_bridge(base) as bridge:
        await _settle(bridge)
        (name,) = _beside(base)
        assert name == conflict_path("b", copy_id(entry, mine), origin)
        assert _entry(bridge, name).id == copy_id(entry, mine), "as on every device that has this content to put aside"


@pytest.mark.parametrize("is_moved", [True, False])
@over_directory
async def test_a_file_that_steps_aside_as_the_daemon_is_killed_is_renamed_by_nobody(base: Path, is_moved: bool) -> None:
    (base / "dir/b").write_bytes(b"\x00 both")
    async with open_bridge(base) as bridge:
        await _apart(bridge, base)
        await bridge.folder.database.pending().wait()
        mine, entry = bridge.folder.files[_entry(bridge, "b").id].content, _entry(bridge, "b").id
    with killed_at_the_first_move(base, is_moved=is_moved):
        async with open_bridge(base, clean_end=False) as bridge:
            await bridge.render_actor.run()
    assert (list(_files(base)) == list(_beside(base))) is is_moved
    async with open_bridge(base) as bridge:
        await _settle(bridge)
        assert _entry(bridge, "b").id == entry
        (name,) = _beside(base)
        assert _entry(bridge, name).id == copy_id(entry, mine)


@pytest.mark.parametrize("when", ["before", "between", "after"])
@over_directory
async def test_what_two_devices_put_aside_is_one_file(base: Path, when: str) -> None:
    """Another device puts the same content aside, under a name of its own."""
    (base / "dir/b").write_bytes(b"\x00 both")
    async with open_bridge(base) as bridge:
        entry = await _apart(bridge, base)
        mine = bridge.folder.files[entry]
        copy = copy_id(entry, mine.content)
        named = conflict_path("b", copy, _OF_PEER)
        said = Change(copy, named, Content.blob(mine.content, mine.stamp.size, Mode.PLAIN, 1))
        if when == "before":
            await _peer_says(bridge, said)
        await bridge.render_actor.run()
        if when == "between":
            await _peer_says(bridge, said)
        await _settle(bridge)
        if when == "after":
            await _peer_says(bridge, said)
        await _settle(bridge)
        assert _beside(base) == {named: _MINE}
        alive = [one for one in bridge.folder.catalogue.entries.values() if bridge.folder.catalogue.is_alive(one)]
        assert {one.id for one in alive} == {entry, copy}


@over_directory
async def test_what_two_devices_bring_beside_a_text_is_one_file(base: Path) -> None:
    async with open_bridge(base, scan=False) as bridge:
        await _peer_makes_text(bridge, _LARGEST, "a.txt", "theirs\n")
        (base / "dir/a.txt").write_text("mine\n")
        await bridge.scan()
        (name,) = [name for name in _files(base) if name != "a.txt"]
        mine = _entry(bridge, name)
        assert name == mine.path == conflict_path("a.txt", mine.id, own_origin(bridge.folder))
        assert mine.id == copy_id(_LARGEST, sha256(b"mine\n").digest())
        named = conflict_path("a.txt", mine.id, _OF_PEER)
        await _peer_says(bridge, Change(mine.id, path=named))
        await _settle(bridge)
        assert _files(base) == {"a.txt": b"theirs\n", named: b"mine\n"}


@pytest.mark.parametrize("first", ["the copy", "the import"])
@over_directory
async def test_a_copy_beside_a_text_and_a_late_import_of_the_same_are_one_file(base: Path, first: str) -> None:
    """Another device had the same file at the path, and imported it before it knew of the entry that has the path."""
    path = "a.txt"
    async with open_bridge(base, scan=False) as bridge:
        await _peer_makes_text(bridge, _SMALLEST, path, "theirs\n")
        if first == "the import":
            await _peer_makes_text(bridge, _LARGEST, path, "mine\n")
        (base / "dir" / path).write_text("mine\n")
        await bridge.scan()
        if first == "the copy":
            await _peer_makes_text(bridge, _LARGEST, path, "mine\n")
        await _settle(bridge)
        copy = copy_id(_SMALLEST, sha256(b"mine\n").digest())
        assert _files(base) == {path: b"theirs\n", bridge.folder.catalogue.layout().path_of[copy]: b"mine\n"}
        alive = [one.id for one in bridge.folder.catalogue.entries.values() if bridge.folder.catalogue.is_alive(one)]
        assert set(alive) == {_SMALLEST, copy}


@over_directory
async def test_an_import_that_was_changed_since_stays_beside_the_copy(base: Path) -> None:
    path = "a.txt"
    async with open_bridge(base, scan=False) as bridge:
        await _peer_makes_text(bridge, _SMALLEST, path, "theirs\n")
        (base / "dir" / path).write_text("mine\n")
        await bridge.scan()
        await _peer_makes_text(bridge, _LARGEST, path, "mine\nand more\n")
        await _settle(bridge)
        assert sorted(_files(base).values()) == [b"mine\n", b"mine\nand more\n", b"theirs\n"]


@over_directory
async def test_a_blob_put_aside_and_a_late_import_of_it_are_one_file(base: Path) -> None:
    (base / "dir/b").write_bytes(b"\x00 both")
    async with open_bridge(base) as bridge:
        entry = await _apart(bridge, base)
        mine = bridge.folder.files[entry]
        await bridge.render_actor.run()
        await _settle(bridge)
        late = Change(_LARGEST, "b", Content.blob(mine.content, mine.stamp.size, Mode.PLAIN, 1))
        await _peer_says(bridge, late)
        await _settle(bridge)
        assert list(_beside(base).values()) == [_MINE]
        assert not bridge.folder.catalogue.is_alive(bridge.folder.catalogue.entries[_LARGEST])
