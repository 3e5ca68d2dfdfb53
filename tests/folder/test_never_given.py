"""A content that never came, of a device that may write no more, is waited for by nobody; what anybody has stays."""

from __future__ import annotations

import hashlib

import pytest
import trio
import trio.testing
from conditions import until
from peers.removed_device import (
    DEMOTION,
    FOUR,
    NOTES,
    REMOVAL,
    TEXT,
    THREE,
    Room,
    entry,
    make,
    paths_in,
    scene,
    text_in,
)
from peers.test_links import TWO, _removal, statements

from yp2p.documents.registers import Change
from yp2p.folder.folder import Folder
from yp2p.folder.members import Membership
from yp2p.folder.never_given import NeverGiven
from yp2p.folder.new_texts import document_id_for
from yp2p.identity import DocumentID, Identity
from yp2p.protocol.entries import Content, Mode
from yp2p.protocol.ysync import Shape, check

_ALONE = statements(NOTES, TWO.public)
_OTHER = document_id_for(b"other")


async def _entries_come(source: Folder, target: Folder) -> None:
    """The target takes the entries of the source, and the link ends before it has asked for their texts."""
    for theirs, ours in zip(source.catalogue.documents, target.catalogue.documents, strict=True):
        await ours.receive_all([theirs.replica.state()], source.clients.device)
    await target.database.pending().wait()


async def _text_comes(source: Folder, target: Folder, document: DocumentID) -> None:
    target.edits.take_pulled(document, check(source.texts.state(document), Shape.TEXT), source.clients.device)
    await target.database.pending().wait()


def _blob(folder: Folder, name: str, data: bytes) -> bytes:
    """A blob in the place of what an entry is, or a new one; gives its hash."""
    content = Content.blob(hashlib.sha256(data).digest(), len(data), Mode.PLAIN, 0)
    before = folder.catalogue.entries.get(entry(name))
    if before is not None:
        content = content.after(before.content.hash, before.content.before)
    folder.catalogue.write([Change(entry(name), name, content)])
    return content.hash


def _is_nowhere(folder: Folder, blob: bytes, *devices: Identity) -> None:
    """These have said that they have not got a blob, and it is not in the trash."""
    folder.files.blobs.lacking[blob] = {device.device_id for device in devices}
    folder.files.blobs.searched.add(blob)


def _content_of(folder: Folder, name: str) -> bytes:
    return folder.catalogue.entries[entry(name)].content.hash


def _replaced(folder: Folder) -> None:
    """The text of `a.txt` is a new document, as after another kind of file stood there."""
    folder.catalogue.write([Change(entry("a.txt"), content=Content.text(_OTHER, Mode.PLAIN))])


@scene(text="")
async def test_what_a_reader_made_and_gave_to_nobody_is_a_file_of_its_own(room: Room, one: Folder, two: Folder) -> None:
    two.membership.identity = TWO  # which of all it is
    make(two, "b.txt")
    await _entries_come(two, one)
    assert one.catalogue.named.missing()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(NeverGiven(one).run)
        await trio.testing.wait_all_tasks_blocked()
        assert one.catalogue.named.missing(), "it may come"
        await one.membership.receive([DEMOTION])
        one.observers.uncounted.role_changed()
        await until(lambda: not one.catalogue.named.missing())
        room.two.knows(room.one)
        await until(lambda: two.membership.is_reader)
        two.observers.unsent.role_changed()
        await until(lambda: not two.observers.unsent.is_pending)
        await until(lambda: one.catalogue.digest() == two.catalogue.digest())
        await until(lambda: one.leaves.tree().root() == two.leaves.tree().root())
        assert paths_in(one, two) == set()
        nursery.cancel_scope.cancel()


@scene(THREE)
async def test_another_member_that_has_it_has_it_still_and_gives_it(
    room: Room, one: Folder, two: Folder, three: Folder
) -> None:
    make(two, "b.txt")
    make(two, "c.txt")
    for target in (one, three):
        await _entries_come(two, target)
    await _text_comes(two, three, document_id_for(b"b.txt"))
    three.observers.uncounted.agreed(one.clients.device, three.database.last_seq)
    await one.membership.receive([REMOVAL])
    assert await NeverGiven(one).let_go() == 2
    assert paths_in(one) == {"a.txt"}
    await _entries_come(one, three)
    assert paths_in(three) == {"a.txt", "b.txt"}
    await room.meet(room.three)
    await until(lambda: text_in(one, name="b.txt") == TEXT)
    assert paths_in(one, three) == {"a.txt", "b.txt"}
    assert not one.catalogue.named.missing()


@scene(statements=_ALONE)
async def test_what_it_was_to_replace_is_the_content_again(room: Room, one: Folder, two: Folder) -> None:
    _replaced(two)
    await _entries_come(two, one)
    await one.membership.receive([_removal(NOTES, _ALONE)])
    assert await NeverGiven(one).let_go() == 1
    assert text_in(one) == TEXT
    assert await NeverGiven(one).let_go() == 0


@scene()
async def test_what_another_member_may_have_in_its_place_is_waited_for(room: Room, one: Folder, two: Folder) -> None:
    _replaced(two)
    await _entries_come(two, one)
    await one.membership.receive([REMOVAL])
    assert await NeverGiven(one).let_go() == 0
    assert one.catalogue.named.missing() == [_OTHER]


@scene(THREE)
async def test_only_what_came_by_that_device_goes(room: Room, one: Folder, two: Folder, three: Folder) -> None:
    make(three, "c.txt")
    make(two, "b.txt")
    await _entries_come(three, one)
    await _entries_come(two, one)
    await one.membership.receive([DEMOTION])
    assert await NeverGiven(one).let_go() == 1
    assert paths_in(one) == {"a.txt", "c.txt"}


@scene(THREE)
async def test_who_only_reads_or_does_not_know_what_counts_lets_go_of_nothing(
    room: Room, one: Folder, two: Folder, three: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(two, "b.txt")
    for target in (one, three):
        await _entries_come(two, target)
        await target.membership.receive([REMOVAL])
    assert three.observers.uncounted.doubted
    assert await NeverGiven(three).let_go() == 0
    with monkeypatch.context() as patched:
        patched.setattr(Membership, "is_reader", property(lambda _: True))
        assert await NeverGiven(one).let_go() == 0
    assert await NeverGiven(one).let_go() == 1


@scene(THREE)
async def test_a_blob_that_no_device_has_goes(room: Room, one: Folder, two: Folder, three: Folder) -> None:
    blob = _blob(two, "b.bin", b"new")
    await _entries_come(two, one)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(NeverGiven(one).run)
        await one.membership.receive([DEMOTION])
        one.observers.uncounted.role_changed()
        _is_nowhere(one, blob, TWO, THREE)
        one.state.touch()
        await trio.testing.wait_all_tasks_blocked()
        assert paths_in(one) == {"a.txt", "b.bin"}, "FOUR is away, and may have it"
        _is_nowhere(one, blob, TWO, THREE, FOUR)
        one.state.touch()
        await until(lambda: paths_in(one) == {"a.txt"})
        nursery.cancel_scope.cancel()


@scene(statements=_ALONE)
async def test_a_blob_of_a_device_that_was_removed_is_asked_of_nobody(room: Room, one: Folder, two: Folder) -> None:
    blob = _blob(two, "b.bin", b"new")
    await _entries_come(two, one)
    await one.membership.receive([_removal(NOTES, _ALONE)])
    assert await NeverGiven(one).let_go() == 0, "it may be in the trash"
    one.files.blobs.searched.add(blob)
    assert await NeverGiven(one).let_go() == 1
    assert paths_in(one) == {"a.txt"}


@scene()
async def test_in_the_place_of_a_blob_that_is_nowhere_comes_the_one_before_it(
    room: Room, one: Folder, two: Folder
) -> None:
    versions = []
    for number in range(3):
        versions.append(_blob(two, "b.bin", bytes([number])))
        await _entries_come(two, one)
    await one.membership.receive([DEMOTION])
    everybody = (TWO, THREE, FOUR)
    for left in (2, 1):
        _is_nowhere(one, versions[left], *everybody)
        assert await NeverGiven(one).let_go() == 1
        assert _content_of(one, "b.bin") == versions[left - 1], "whoever has it gives it"
        assert await NeverGiven(one).let_go() == 0
    _is_nowhere(one, versions[0], *everybody)
    assert await NeverGiven(one).let_go() == 1
    assert paths_in(one) == {"a.txt"}


@scene()
async def test_a_blob_that_replaced_what_others_may_have_stays(room: Room, one: Folder, two: Folder) -> None:
    _blob(two, "b.bin", b"somebody may have this")
    blob = _blob(two, "b.bin", b"new")
    await _entries_come(two, one)
    await one.membership.receive([DEMOTION])
    _is_nowhere(one, blob, TWO, THREE, FOUR)
    assert await NeverGiven(one).let_go() == 0


@scene()
async def test_a_blob_in_the_place_of_a_text_makes_way_for_it(room: Room, one: Folder, two: Folder) -> None:
    blob = _blob(two, "a.txt", b"new")
    await _entries_come(two, one)
    await one.membership.receive([DEMOTION])
    _is_nowhere(one, blob, TWO, THREE, FOUR)
    assert await NeverGiven(one).let_go() == 1
    assert text_in(one) == TEXT


@scene(THREE)
async def test_a_blob_that_somebody_else_named_is_for_people(
    room: Room, one: Folder, two: Folder, three: Folder
) -> None:
    blob = _blob(three, "b.bin", b"new")
    await _entries_come(three, one)
    await _entries_come(three, two)
    two.catalogue.write([Change(entry("b.bin"), "c.bin")])
    await _entries_come(two, one)
    await one.membership.receive([DEMOTION])
    _is_nowhere(one, blob, TWO, THREE, FOUR)
    assert await NeverGiven(one).let_go() == 0
    assert paths_in(one) == {"a.txt", "c.bin"}
